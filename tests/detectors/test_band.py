"""What detectors expect of newest rows: the level of the band, its units, and what it leaves out.

Three usual misses on either side hold 98 % of clean values or more, and not by being wide.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tocsin.detectors.classical.ewma import Ewma
from tocsin.detectors.classical.knn import Knn
from tocsin.detectors.classical.mahalanobis import Mahalanobis
from tocsin.detectors.classical.mahalanobis_train import MahalanobisTrain
from tocsin.detectors.classical.moving_z import MovingZ
from tocsin.detectors.forecast.cross_check import CrossCheck
from tocsin.detectors.forecast.linear import LinearForecast
from tocsin.detectors.forecast.online import OnlineForecast
from tocsin.detectors.forecast.smoothing import Smoothing
from tocsin.detectors.forecast.state_space import StateSpace
from tocsin.detectors.forecast.stl import StlResidual
from tocsin.detectors.forecast.trees import TreeForecast
from tocsin.detectors.rows import tidied
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.types import Band, Batch, FloatArray, Spec, frames_of

TRAIN = 400
RECURSIVE: dict[str, Any] = {
    "smoothing": Smoothing(train=TRAIN, period=24),
    "stl": StlResidual(train=TRAIN, period=24),
    "state_space": StateSpace(train=TRAIN, period=24, harmonics=1),
}
FITTED: dict[str, Any] = {
    "linear": LinearForecast(lags=8),
    "squared": LinearForecast(lags=8, loss="squared"),
    "alone": LinearForecast(lags=8, joint=False),
    "veracity": CrossCheck(lags=4),
    "mahalanobis_train": MahalanobisTrain(),
}
TREES = TreeForecast(lags=(1, 2, 3, 23, 24), widths=(), horizons=(1,), rounds=60, depth=3)
ONLINE = OnlineForecast(lags=4, half_life=100, history=1000, warmup=100)
RUNNING: dict[str, Any] = {
    "ewma": Ewma(half_life=100),
    "moving_z": MovingZ(window=100),
    "mahalanobis": Mahalanobis(),
}
LEARNING: dict[str, Any] = {**RECURSIVE, "online": ONLINE, **RUNNING}
SCORERS = {**FITTED, **LEARNING}
every = pytest.mark.parametrize("scorer", SCORERS.values(), ids=list(SCORERS))
fitted = pytest.mark.parametrize("scorer", FITTED.values(), ids=list(FITTED))
learning = pytest.mark.parametrize("scorer", LEARNING.values(), ids=list(LEARNING))
recursive = pytest.mark.parametrize("scorer", RECURSIVE.values(), ids=list(RECURSIVE))


def plant(rows: int, seed: int = 0) -> FloatArray:
    """A daily wave with noise, and a channel that follows it: (N, 2)."""
    rng = np.random.default_rng(seed)
    flow = np.sin(np.arange(rows) * np.pi / 12) + 0.2 * rng.normal(size=rows)
    return np.stack([flow, 0.5 * flow + 0.1 * rng.normal(size=rows)], axis=1)


def batch_of(scorer: Any, rows: FloatArray) -> Batch:
    """Each row with the rows before it, NaN where there are none."""
    frames = frames_of(scorer)
    padded = np.concatenate([np.full((frames - 1, rows.shape[1]), np.nan), rows])
    windows = np.stack([padded[n : n + frames] for n in range(len(rows))])
    return Batch(np.zeros(len(rows), dtype=np.int64), np.arange(len(rows)) * 10**9, windows)


def begun(scorer: Any, batch: Batch) -> Any:
    """The state after a batch, row by row."""
    state = scorer.start(Spec(batch.values.shape[2:], frames_of(scorer)))
    grow(state, 1)
    scorer.advance(state, batch)
    return state


def told(scorer: Any, rows: FloatArray, train: int = TRAIN) -> tuple[Band, FloatArray]:
    """The band of the rows after training, and their blame."""
    batch = batch_of(scorer, rows)
    past, later = np.arange(train), range(train, len(rows))
    if hasattr(scorer, "model_of"):
        model, windows = scorer.model(rows[:train]), batch.values[train:]
        band: Band = scorer.band(model, windows)
        return band, scorer.measure(model, windows)[1][:, -1]
    state = begun(scorer, batch.take(past))
    bands, blame = [], []
    for one in (batch.take(np.array([row])) for row in later):
        bands.append(scorer.expects(state, one))
        blame.append(scorer.advance(state, one).blame[0, -1])
    return Band(*(np.concatenate(part) for part in zip(*bands, strict=True))), np.stack(blame)


def off(band: Band, rows: FloatArray) -> FloatArray:
    """How far the last rows lie from what was expected, in usual misses."""
    return np.abs(rows[-len(band.expected) :] - band.expected) / band.usual


@every
def test_the_band_holds_clean_rows_at_its_level(scorer: Any) -> None:
    rows = plant(1400)
    away = off(told(scorer, rows)[0], rows)
    assert (away < 3).mean(axis=0).min() >= 0.98
    assert 0.8 < (away < 1.645).mean() < 0.995


@pytest.mark.parametrize("quantiles", [False, True])
def test_the_band_of_trees_holds_clean_rows_at_its_level(*, quantiles: bool) -> None:
    rows = plant(1400)
    away = off(told(replace(TREES, quantiles=quantiles), rows, train=600)[0], rows)
    assert (away < 3).mean(axis=0).min() >= 0.98
    assert 0.8 < (away < 1.645).mean() < 0.98


@every
def test_a_spike_lies_outside_the_band(scorer: Any) -> None:
    rows = plant(TRAIN + 50)
    rows[-1, 0] += 5.0
    assert off(told(scorer, rows)[0], rows)[-1, 0] > 4


@every
def test_units_move_the_band_along(scorer: Any) -> None:
    rows = plant(TRAIN + 60)
    band, _ = told(scorer, rows)
    other, _ = told(scorer, -250.0 * rows + 1e4)
    np.testing.assert_allclose(other.expected, -250.0 * band.expected + 1e4, rtol=1e-5)
    np.testing.assert_allclose(other.usual, 250.0 * band.usual, rtol=1e-4)


@pytest.mark.parametrize("name", [name for name in SCORERS if name != "veracity"])
def test_a_channels_blame_is_how_many_usual_misses_it_is_off(name: str) -> None:
    rows = plant(TRAIN + 60)
    band, blame = told(SCORERS[name], rows)
    np.testing.assert_allclose(off(band, rows), blame, rtol=1e-6)


@every
def test_a_missing_value_is_expected_all_the_same(scorer: Any) -> None:
    rows = plant(TRAIN + 40)
    holed = rows.copy()
    holed[-1, 0] = np.nan
    whole, other = told(scorer, rows)[0], told(scorer, holed)[0]
    assert other.expected[-1, 0] == pytest.approx(whole.expected[-1, 0])
    assert np.isfinite(other.usual).all()


@fitted
def test_a_window_without_an_opinion_has_no_band(scorer: Any) -> None:
    rows = plant(TRAIN + 40)
    rows[-1] = np.nan
    band, _ = told(scorer, rows)
    assert np.isnan(band.expected[-1]).all()
    assert np.isnan(band.usual[-1]).all()
    assert np.isfinite(band.expected[:-1]).all()
    assert np.isnan(scorer.band(None, batch_of(scorer, rows).values).expected).all()


@fitted
def test_a_rows_band_is_the_same_in_any_company(scorer: Any) -> None:
    rows = plant(TRAIN + 40)
    model, windows = scorer.model(rows[:TRAIN]), batch_of(scorer, rows).values[TRAIN:]
    whole = scorer.band(model, windows)
    alone = [scorer.band(model, windows[n : n + 1]) for n in range(40)]
    assert np.concatenate([band.expected for band in alone]).tobytes() == whole.expected.tobytes()
    assert np.concatenate([band.usual for band in alone]).tobytes() == whole.usual.tobytes()


@fitted
def test_a_state_expects_what_its_model_does(scorer: Any) -> None:
    batch = batch_of(scorer, plant(TRAIN + 40))
    past, later = batch.take(np.arange(TRAIN)), batch.take(np.arange(TRAIN, TRAIN + 40))
    spec = Spec(batch.values.shape[2:], frames_of(scorer))
    state = scorer.fit(spec, [past])
    told = scorer.expects(state, later)
    by_model = scorer.band(scorer._model_of(state, 0), tidied(later.values))
    for whole, part in zip(told, by_model, strict=True):
        assert np.isfinite(whole).all()
        assert whole.tobytes() == part.tobytes()
    young = scorer.start(spec)
    grow(young, 1)
    assert np.isnan(scorer.expects(young, later).expected).all()


def test_a_detector_without_a_band_expects_nothing() -> None:
    scorer = Knn(train=20)
    state = scorer.start(Spec((1,)))
    grow(state, 1)
    batch = Batch(np.array([0]), np.array([0]), np.zeros((1, 1, 1)))
    assert scorer.expects(state, batch) is None


@learning
def test_telling_a_band_changes_no_score(scorer: Any) -> None:
    batch = batch_of(scorer, plant(TRAIN + 40))
    past, later = batch.take(np.arange(TRAIN)), batch.take(np.arange(TRAIN, TRAIN + 40))
    state, asked = begun(scorer, past), begun(scorer, past)
    scorer.expects(asked, later)
    one, other = scorer.advance(state, later), scorer.advance(asked, later)
    assert one.value.tobytes() == other.value.tobytes()


@learning
def test_before_training_there_is_no_band(scorer: Any) -> None:
    batch = batch_of(scorer, plant(80))
    state = begun(scorer, batch.take(np.arange(60)))
    assert np.isnan(scorer.expects(state, batch.take(np.array([60]))).expected).all()


@recursive
def test_a_channel_without_values_in_training_has_no_band(scorer: Any) -> None:
    rows = plant(TRAIN + 10)
    rows[:, 1] = np.nan
    band, _ = told(scorer, rows)
    assert np.isnan(band.expected[:, 1]).all()
    assert np.isfinite(band.expected[:, 0]).all()


def test_the_band_is_wider_after_rows_that_were_left_out() -> None:
    scorer = RECURSIVE["state_space"]
    batch = batch_of(scorer, plant(TRAIN + 40))
    state = begun(scorer, batch.take(np.arange(TRAIN)))
    near = scorer.expects(state, batch.take(np.array([TRAIN])))
    far = scorer.expects(state, batch.take(np.array([TRAIN + 30])))
    assert (far.usual > 1.001 * near.usual).all()


@every
def test_a_channel_that_stands_still_is_expected_where_it_stands(scorer: Any) -> None:
    rows = plant(TRAIN + 10)
    rows[:, 1] = 7.5
    band, _ = told(scorer, rows)
    np.testing.assert_allclose(band.expected[:, 1], 7.5, atol=1e-9)
    assert band.usual[:, 1].max() < 1e-9
