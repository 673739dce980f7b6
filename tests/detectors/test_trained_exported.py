"""A trained detector's state, saved here and loaded by another process."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from oracles.refitting import windows

from tocsin.detectors.classical.knn import Knn
from tocsin.detectors.classical.pca_residual import PcaResidual
from tocsin.detectors.combined.refitted import Refitted
from tocsin.evaluation.checks.snapshots import header_of
from tocsin.pipeline.errors import StateError
from tocsin.pipeline.state import load, save
from tocsin.pipeline.types import Spec

SCORERS = {
    "knn": Knn(train=60, memory=200),
    "pca_residual": PcaResidual(train=60, memory=200),
    "refitted": Refitted(Knn(train=60, memory=200), every=30, lag=10, memory=200),
}
SETTINGS = "train=60, memory=200"
ELSEWHERE = f"""
import sys
from pathlib import Path
import numpy as np
from tocsin.detectors.classical.knn import Knn
from tocsin.detectors.classical.pca_residual import PcaResidual
from tocsin.detectors.combined.refitted import Refitted
from tocsin.pipeline.state import Header, load, settings_of
from tocsin.pipeline.types import Batch, Spec

scorers = {{
    "knn": Knn({SETTINGS}),
    "pca_residual": PcaResidual({SETTINGS}),
    "refitted": Refitted(Knn({SETTINGS}), every=30, lag=10, memory=200),
}}
folder = Path(sys.argv[1])
with np.load(folder / "rows.npz") as rows:
    batch = Batch(rows["key"], rows["time"], rows["values"])
found = {{}}
for name, scorer in scorers.items():
    header = Header(type(scorer).__name__, scorer.version, settings_of(scorer))
    state = load(folder / f"{{name}}.zip", header, scorer.start(Spec((3,))))
    scores = scorer.advance(state, batch)
    found |= {{name: scores.value, f"{{name}}.blame": scores.blame}}
np.savez(folder / "scores.npz", **found)
"""


def test_scores_are_the_same_in_another_process(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    batch = windows(rng.normal(size=(235, 3)) @ rng.normal(size=(3, 3)), 1)
    past, coming = batch.take(np.arange(175)), batch.take(np.arange(175, 235))
    np.savez(tmp_path / "rows.npz", key=coming.key, time=coming.time, values=coming.values)
    wanted = {}
    for name, scorer in SCORERS.items():
        state = scorer.fit(Spec((3,)), [past.take(np.arange(140))])
        scorer.advance(state, past.take(np.arange(140, 175)))  # a fit is frozen, and not yet due
        save(tmp_path / f"{name}.zip", header_of(scorer), state)
        wanted[name] = scorer.advance(state, coming)
    command = [sys.executable, "-c", ELSEWHERE, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "scores.npz") as found:
        for name, scores in wanted.items():
            assert not np.isnan(scores.value).any()
            assert found[name].tobytes() == scores.value.tobytes()
            assert scores.blame is not None
            assert found[f"{name}.blame"].tobytes() == scores.blame.tobytes()


def test_a_state_that_was_fitted_under_other_settings_is_refused(tmp_path: Path) -> None:
    scorer, other = SCORERS["knn"], Knn(train=60, memory=200, neighbours=3)
    state = scorer.fit(Spec((1,)), [windows(np.arange(80.0)[:, None], 1)])
    save(tmp_path / "state.zip", header_of(scorer), state)
    with pytest.raises(StateError, match="neighbours 5, this run needs 3"):
        load(tmp_path / "state.zip", header_of(other), other.start(Spec((1,))))
