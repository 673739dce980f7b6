"""Write the golden states that are not there yet: `python tests/golden/state/write.py`.

The settings and specs are those of `tests/detectors/test_conformance.py`.
"""

import runpy
from pathlib import Path

from tocsin.detectors.catalogue import load
from tocsin.evaluation.checks.golden import write_golden

HERE = Path(__file__).resolve().parent


def main() -> None:
    listed = runpy.run_path(str(HERE.parents[1] / "detectors" / "test_conformance.py"))
    for name, (settings, spec) in listed["WRITTEN"].items():
        scorer = load(name)(**settings)
        if not (HERE / name / f"v{scorer.version}.zip").exists():
            write_golden(scorer, spec, HERE / name)


if __name__ == "__main__":
    main()
