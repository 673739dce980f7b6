"""What the learned detectors of windows promise beyond the conformance suite."""

import json
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles.windows import signal, windows_of

from tocsin.detectors.catalogue import load as detector
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.state import Header, load, save, settings_of
from tocsin.pipeline.types import Batch, FloatArray, Spec

KEPT = {"steps": 6, "train": 60, "memory": 200}
SHORT = {**KEPT, "window": 6, "batch": 16}
PATCHED = {"patches": 3, "patch": 2, "width": 4, "heads": 2, "blocks": 1, "inner": 4}
SETTINGS: dict[str, dict[str, Any]] = {
    "oracle_ad": {**KEPT, "window": 4, "width": 4, "heads": 2},
    "degradation_transformer": {**KEPT, **PATCHED},
    "hyperbolic": {**SHORT, "hidden": 8, "code": 2, "ball": 4},
    "scale_learning": {**SHORT, "groups": 3, "subsets": 4, "width": 6, "hidden": 6},
}
RESEARCH = ("hyperbolic", "scale_learning")
SCORERS: dict[str, Any] = {name: detector(name)(**given) for name, given in SETTINGS.items()}
each = pytest.mark.parametrize("scorer", SCORERS.values(), ids=list(SCORERS))

# Loads the states in a folder, scores the rows beside them and prints them to the last bit.
SCORE_ELSEWHERE = """
import json, sys
from pathlib import Path
import numpy as np
from tocsin.detectors.catalogue import load as detector
from tocsin.pipeline.state import Header, load, settings_of
from tocsin.pipeline.types import Batch, Spec
scores = []
for name, settings in json.loads(sys.argv[1]).items():
    scorer = detector(name)(**settings)
    header = Header(type(scorer).__name__, scorer.version, settings_of(scorer))
    state = load(Path(sys.argv[2], name + ".zip"), header, scorer.start(Spec((2,), scorer.frames)))
    with np.load(Path(sys.argv[2], name + ".npz")) as rows:
        found = scorer.score(state, Batch(rows["key"], rows["time"], rows["values"]))
    scores.append([value.hex() for value in found.value.tolist()])
print(json.dumps(scores))
"""


def stream(scorer: Any, rows: FloatArray) -> Batch:
    windows = windows_of(rows, scorer.frames)
    return Batch(np.zeros(len(windows), dtype=np.int64), np.arange(len(windows)), windows)


def begun(scorer: Any) -> Any:
    state = scorer.start(Spec((2,), scorer.frames))
    grow(state, 1)
    return state


def header(scorer: Any) -> Header:
    return Header(type(scorer).__name__, scorer.version, settings_of(scorer))


@pytest.mark.parametrize("name", RESEARCH)
def test_it_says_that_it_is_of_research(name: str) -> None:
    assert SCORERS[name].traits.research


@each
def test_a_score_is_the_same_whatever_follows_it(scorer: Any) -> None:
    rows = signal(140, 2, seed=0)
    other = rows.copy()
    other[110:] = 1000.0 * np.random.default_rng(1).normal(size=other[110:].shape)
    one = scorer.advance(begun(scorer), stream(scorer, rows))
    two = scorer.advance(begun(scorer), stream(scorer, other))
    before = 110 - scorer.frames + 1
    assert np.isfinite(one.value[60:before]).all()
    assert np.array_equal(one.value[:before], two.value[:before], equal_nan=True)
    assert np.array_equal(one.blame[:before], two.blame[:before])
    assert not np.array_equal(one.value[before:], two.value[before:])


@each
def test_a_row_scores_the_same_in_any_batch(scorer: Any) -> None:
    batch = stream(scorer, signal(200, 2, seed=2))
    state = scorer.fit(Spec((2,), scorer.frames), [batch])
    whole = scorer.score(state, batch)
    order = np.random.default_rng(3).permutation(len(batch))
    mixed = scorer.score(state, batch.take(order))
    assert np.array_equal(mixed.value, whole.value[order])
    assert np.array_equal(mixed.blame, whole.blame[order])
    for size in (1, 7):
        parts = [
            scorer.score(state, batch.take(np.arange(n, min(n + size, len(batch)))))
            for n in range(0, len(batch), size)
        ]
        assert np.array_equal(np.concatenate([part.value for part in parts]), whole.value)
        assert np.array_equal(np.concatenate([part.blame for part in parts]), whole.blame)


@each
@pytest.mark.parametrize("cut", [30, 100], ids=["in_training", "trained"])
def test_a_state_saved_in_midstream_goes_on_as_if_never_stopped(
    scorer: Any, cut: int, tmp_path: Path
) -> None:
    batch = stream(scorer, signal(140, 2, seed=4))
    first, rest = batch.take(np.arange(cut)), batch.take(np.arange(cut, len(batch)))
    state = begun(scorer)
    scorer.advance(state, first)
    save(tmp_path / "state.zip", header(scorer), state)
    unbroken = scorer.advance(deepcopy(state), rest)
    again = load(tmp_path / "state.zip", header(scorer), begun(scorer))
    resumed = scorer.advance(again, rest)
    assert np.isfinite(resumed.value[-20:]).all()
    assert np.array_equal(resumed.value, unbroken.value, equal_nan=True)
    assert np.array_equal(resumed.blame, unbroken.blame)


def test_a_state_scores_the_same_in_another_process(tmp_path: Path) -> None:
    wanted = []
    for name, scorer in SCORERS.items():
        batch = stream(scorer, signal(120, 2, seed=5))
        state = scorer.fit(Spec((2,), scorer.frames), [batch])
        save(tmp_path / f"{name}.zip", header(scorer), state)
        rows = batch.take(np.arange(20))
        np.savez(tmp_path / name, key=rows.key, time=rows.time, values=rows.values)
        wanted.append([value.hex() for value in scorer.score(state, rows).value.tolist()])
    command = [sys.executable, "-c", SCORE_ELSEWHERE, json.dumps(SETTINGS), str(tmp_path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == wanted


@each
def test_nothing_to_learn_from_gives_no_opinion(scorer: Any) -> None:
    model = scorer.model(np.full((50, 2), np.nan))
    value, blame = scorer.measure(model, windows_of(signal(30, 2, seed=6), scorer.frames))
    assert np.isnan(value).all()
    assert not blame.any()


@each
def test_a_third_of_values_missing_leaves_the_scores_finite(scorer: Any) -> None:
    rows = signal(200, 2, seed=7)
    windows = windows_of(rows, scorer.frames)
    newest = windows[:, -1, 0].copy()
    windows[np.random.default_rng(7).random(windows.shape) < 0.3] = np.nan
    windows[:, -1, 0] = newest
    value, blame = scorer.measure(scorer.model(rows), windows)
    assert np.isfinite(value).mean() > 0.9
    assert np.isfinite(blame).all()
