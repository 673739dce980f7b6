"""Write the golden states that are not there yet: `python tests/golden/state/write.py`.

The settings and specs are those of `tests/detectors/test_conformance.py`.
"""

import runpy
import sys
from pathlib import Path

from tocsin.detectors.catalogue import CATALOGUE
from tocsin.evaluation.checks.golden import write_golden

HERE = Path(__file__).resolve().parent
TESTS = HERE.parents[1]


def main() -> None:
    sys.path.insert(0, str(TESTS))
    listed = runpy.run_path(str(TESTS / "detectors" / "test_conformance.py"))
    for name in CATALOGUE:
        scorer = listed["small"](name)
        if not (HERE / name / f"v{scorer.version}.zip").exists():
            write_golden(scorer, listed["written_under"](name, scorer), HERE / name)


if __name__ == "__main__":
    main()
