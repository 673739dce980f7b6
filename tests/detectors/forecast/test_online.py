"""The online forecast: River's models learn as they go, and come back from the windows kept."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from tocsin.detectors.forecast.online import OnlineForecast
from tocsin.evaluation.conformance import Subject, cases
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.state import Header, load, save, settings_of
from tocsin.pipeline.types import Batch, FloatArray, Spec

TINY = OnlineForecast(lags=2, history=30, warmup=10)
SMALL = OnlineForecast(lags=4, history=400, warmup=60)


def waves(rows: int, seed: int = 0) -> FloatArray:
    """Two noisy waves in different units: (N, 2)."""
    noise = 0.1 * np.random.default_rng(seed).normal(size=(rows, 2))
    return (np.sin(np.arange(rows) / 3)[:, None] + noise) * [1.0, 1e3] + [5.0, 0.0]


def windows(rows: FloatArray, frames: int) -> Batch:
    """One key's windows of rows (N, C)."""
    cut = np.ascontiguousarray(np.moveaxis(sliding_window_view(rows, frames, axis=0), -1, 1))
    return Batch(np.zeros(len(cut), dtype=np.int64), np.arange(len(cut)), cut)


def begun(scorer: OnlineForecast) -> Any:
    state = scorer.start(Spec((2,), window=scorer.frames))
    grow(state, 1)
    return state


@pytest.mark.parametrize("check", cases([Subject(replace(TINY, joint=True), Spec((2,), window=3))]))
def test_online_forecast_keeps_the_promise(check: Callable[[], None]) -> None:
    check()


def test_the_misses_fall_as_it_learns() -> None:
    rows = waves(400)
    spiked = rows.copy()
    spiked[[34, 390]] += [4.0, 0.0]
    scorer = replace(SMALL, half_life=20, warmup=20)
    found = scorer.advance(begun(scorer), windows(spiked, 5)).value
    # The same spike is larger in units of the misses once these have fallen.
    assert found[386] > 1.5 * found[30]


@pytest.mark.parametrize("joint", [False, True])
def test_a_spike_stands_out_in_its_channel(joint: bool) -> None:
    rows = waves(260)
    rows[250, 1] += 2000.0
    scorer = replace(SMALL, joint=joint)
    found = scorer.advance(begun(scorer), windows(rows, 5))
    assert found.blame is not None
    assert np.nanargmax(found.value) == 246
    assert found.blame[246, -1].argmax() == 1
    assert (found.blame[:, :-1] == 0).all()


@pytest.mark.parametrize(
    "model", ["linear_model.PARegressor", "tree.HoeffdingTreeRegressor", "neighbors.KNNRegressor"]
)
def test_any_regressor_of_river_will_do(model: str) -> None:
    rows = waves(200)
    rows[190] += [3.0, 0.0]
    scorer = replace(SMALL, model=model)
    found = scorer.advance(begun(scorer), windows(rows, 5)).value
    assert np.isfinite(found[60:]).all()
    assert found[186] > 2 * np.median(found[60:])


def test_what_follows_a_row_leaves_its_score_alone() -> None:
    rows = waves(160)
    other = rows.copy()
    other[120:] *= -9.0
    found = [SMALL.advance(begun(SMALL), windows(each, 5)).value for each in (rows, other)]
    assert found[0][:116].tobytes() == found[1][:116].tobytes()


@pytest.mark.parametrize("cut", [5, 29, 30, 44, 46])
def test_saved_and_restored_it_goes_on_to_the_bit(cut: int, tmp_path: Path) -> None:
    batch = windows(waves(70), 3)
    head = Header("OnlineForecast", 1, settings_of(TINY))
    state = begun(TINY)
    TINY.advance(state, batch.take(np.arange(cut)))
    save(tmp_path / "state.zip", head, state)
    restored = load(tmp_path / "state.zip", head, TINY.start(Spec((2,), window=3)))
    later = batch.take(np.arange(cut, len(batch)))
    wanted = TINY.advance(state, later).value
    assert TINY.advance(restored, later).value.tobytes() == wanted.tobytes()


def test_a_state_rolled_back_has_the_models_of_then() -> None:
    batch = windows(waves(60), 3)
    state = begun(TINY)
    TINY.advance(state, batch.take(np.arange(40)))
    then = deepcopy(state)
    later = batch.take(np.arange(40, 50))
    wanted = TINY.advance(state, later).value
    for name in ("windows", "used", "mark"):
        getattr(state, name)[:] = getattr(then, name)
    assert TINY.advance(state, later).value.tobytes() == wanted.tobytes()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"lags": 0}, "lags"),
        ({"history": 15}, "history"),
        ({"half_life": 0.0}, "half_life"),
        ({"model": "HalfSpaceTrees"}, "wanted a regressor"),
        ({"model": "anomaly.HalfSpaceTrees"}, "wanted a regressor"),
        ({"model": "nowhere.Model"}, "no module river.nowhere"),
        ({"settings": (("speed", 1),)}, "no setting 'speed'"),
        ({"settings": (("l1", 1.0), ("l2", 1.0))}, "refused"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        replace(TINY, **changed)


def test_short_windows_are_refused() -> None:
    with pytest.raises(ConfigError, match="windows of 3 rows"):
        TINY.start(Spec((1,), window=2))
