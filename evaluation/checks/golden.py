"""Files of past versions: state written once must load, and mean the same, for good.

A scorer's folder holds `v1.zip`, the state, and `v1.npz`, rows to score with it and their scores;
`v2` and so on beside them once the layout has changed. They are written once and never again.
"""

from pathlib import Path
from typing import Any

import numpy as np

from tocsin.evaluation.checks.play import KEYS, play, rough, warmed
from tocsin.evaluation.checks.snapshots import header_of
from tocsin.evaluation.checks.verdict import expect
from tocsin.pipeline.errors import TocsinError
from tocsin.pipeline.state import Upgrade, load, save
from tocsin.pipeline.types import Batch, Scorer, Spec

_CLOSE = 1e-6  # relative; another processor may round another way


def check_old_states_load(
    scorer: Scorer[Any], spec: Spec, folder: Path, upgrade: Upgrade | None = None
) -> None:
    """Every version's file up to the scorer's own loads, and goes on with the scores it had."""
    for version in range(1, scorer.version + 1):
        path = folder / f"v{version}.zip"
        expect(path.is_file(), "each version has a golden state file", f"no {path}")
        state = load(path, header_of(scorer), scorer.start(spec), upgrade)
        with np.load(path.with_suffix(".npz"), allow_pickle=False) as kept:
            batch = Batch(kept["key"], kept["time"], kept["values"])
            wanted = kept["score"]
        score = play(scorer, state, batch).value
        far = ~np.isclose(score, wanted, rtol=_CLOSE, atol=0.0, equal_nan=True)
        first = int(far.argmax())
        expect(
            not far.any(),
            f"state of version {version} goes on with the scores it had",
            f"{score[first]} instead of {wanted[first]} in row {first} after {path.name}",
        )


def write_golden(scorer: Scorer[Any], spec: Spec, folder: Path) -> Path:
    """Write the file of the scorer's present version; TocsinError where it is there already."""
    path = folder / f"v{scorer.version}.zip"
    if path.exists():
        raise TocsinError(f"{path} is there already; a golden file is written once")
    folder.mkdir(parents=True, exist_ok=True)
    state = warmed(scorer, spec, seed=60)
    save(path, header_of(scorer), state)
    batch = rough(spec, 12, KEYS, seed=61)
    score = play(scorer, state, batch).value
    arrays = {"key": batch.key, "time": batch.time, "values": batch.values, "score": score}
    np.savez_compressed(path.with_suffix(".npz"), **arrays)  # type: ignore[arg-type]  # the stub takes the names for allow_pickle
    return path
