"""Fitted anew beside the run: when, on which rows, and nothing else changes."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event, current_thread
from typing import Any

import numpy as np
import pytest
from oracles import refitting
from oracles.refitting import windows

from tocsin.detectors.classical.knn import Knn, KnnModel
from tocsin.detectors.combined import refitted
from tocsin.detectors.combined.ensemble import Ensemble
from tocsin.detectors.combined.refitted import Refitted
from tocsin.detectors.forecast.smoothing import Smoothing
from tocsin.detectors.windows.window_std import WindowStd
from tocsin.evaluation.checks.snapshots import header_of
from tocsin.pipeline.errors import ConfigError, TocsinError
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.state import load, same, save
from tocsin.pipeline.types import Batch, FloatArray, Spec

KNN = Knn(train=40, memory=80)
RING = Refitted(KNN, every=25, lag=7, memory=80)
STRETCHES = Refitted(WindowStd(window=5, train=40, memory=200), every=25, lag=7, memory=400)
LEARNS_ON = Refitted(Smoothing(train=40), every=30, lag=9, memory=120)


def drifting(rows: int, channels: int = 2, seed: int = 0) -> FloatArray:
    """Noise whose level and spread grow."""
    noise = np.random.default_rng(seed).normal(size=(rows, channels))
    return noise * (1 + np.arange(rows)[:, None] / 50) + np.arange(rows)[:, None] / 20


def blank(scorer: Any, keys: int = 1, channels: int = 2) -> Any:
    state = scorer.start(Spec((channels,), scorer.frames))
    grow(state, keys)
    return state


def stepped(scorer: Any, state: Any, batch: Batch) -> FloatArray:
    found = []
    for tick in batch.ticks():
        found.append(scorer.score(state, tick).value)
        scorer.learn(state, tick)
    return np.concatenate(found)


@pytest.mark.parametrize("scorer", [RING, STRETCHES, LEARNS_ON], ids=["ring", "windows", "learns"])
def test_every_row_is_judged_by_the_rows_that_were_frozen(scorer: Refitted) -> None:
    values = drifting(170)
    score = scorer.advance(blank(scorer), windows(values, scorer.frames)).value
    np.testing.assert_array_equal(score, refitting.scores(scorer, values))
    assert np.isnan(score[: scorer.warmup]).all()
    assert not np.isnan(score[scorer.warmup :]).any()


def test_a_history_counts_until_the_first_rows_are_due() -> None:
    values = drifting(200)
    batch = windows(values, 1)
    state = RING.fit(Spec((2,)), [batch.take(np.arange(70)), batch.take(np.arange(70, 100))])
    score = RING.advance(state, batch.take(np.arange(100, 200))).value
    np.testing.assert_array_equal(score, refitting.scores(RING, values, given=100))


@pytest.mark.parametrize("lag", [0, 7])
def test_fits_inside_a_block_change_no_bit(lag: int) -> None:
    scorer = Refitted(STRETCHES.of, every=25, lag=lag, memory=60)
    parts = [
        windows(drifting(190, seed=key), 5, key).take(np.arange(11 * key, 190)) for key in range(3)
    ]
    time = np.concatenate([part.time for part in parts])
    order = np.argsort(time, kind="stable")
    key = np.concatenate([part.key for part in parts])[order]
    batch = Batch(key, time[order], np.concatenate([part.values for part in parts])[order])
    batch = batch.take(np.random.default_rng(3).random(len(batch)) < 0.9)  # some are not learned
    slow, fast = blank(scorer, 3), blank(scorer, 3)
    wanted = stepped(scorer, slow, batch)
    assert wanted.tobytes() == scorer.advance(fast, batch).value.tobytes()
    assert same(slow, fast)


@pytest.mark.parametrize("stop", range(38, 76, 5))
def test_a_run_restored_between_frozen_and_fitted_goes_on_alike(
    tmp_path: Path, stop: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = windows(drifting(120), 1)
    state = blank(RING)
    RING.advance(state, batch.take(np.arange(stop)))
    save(tmp_path / "state.zip", header_of(RING), state)
    wanted = RING.advance(state, batch.take(np.arange(stop, 120))).value
    monkeypatch.setattr(refitted, "_AHEAD", refitted.Ahead("tocsin-refit", 16))  # a new process
    restored = load(tmp_path / "state.zip", header_of(RING), blank(RING))
    score = RING.advance(restored, batch.take(np.arange(stop, 120))).value
    assert score.tobytes() == wanted.tobytes()
    assert same(restored, state)


STARTED, MAY_END = Event(), Event()
MAKERS: list[str] = []


@dataclass(frozen=True, slots=True)
class Slow(Knn):
    """Nearest neighbours whose model is ready when the test says so."""

    def model(self, rows: FloatArray) -> KnnModel | None:
        MAKERS.append(current_thread().name)
        STARTED.set()
        assert MAY_END.wait(20)
        return super(Slow, self).model(rows)


@pytest.fixture
def ends() -> Iterator[Event]:
    """Lets slow models end; whatever a test does, none is left waiting."""
    STARTED.clear()
    MAY_END.clear()
    MAKERS.clear()
    yield MAY_END
    MAY_END.set()


def test_rows_are_scored_while_a_fit_is_made(ends: Event) -> None:
    scorer = Refitted(Slow(train=40, memory=80), every=25, lag=7, memory=80)
    values = drifting(75, seed=5)
    batch, state = windows(values, 1), blank(scorer)
    ends.set()
    first = scorer.advance(state, batch.take(np.arange(60))).value
    ends.clear()
    STARTED.clear()
    during = scorer.advance(state, batch.take(np.arange(60, 71))).value  # frozen at 65, due at 72
    assert STARTED.wait(20)
    assert not np.isnan(during).any()
    ends.set()
    after = scorer.advance(state, batch.take(np.arange(71, 75))).value
    score = np.concatenate((first, during, after))
    np.testing.assert_array_equal(score, refitting.scores(scorer, values))
    assert MAKERS[1] == "tocsin-refit"


def test_without_a_lag_a_fit_is_made_where_the_row_is(ends: Event) -> None:
    scorer = Refitted(Slow(train=40, memory=80), every=25, memory=80, lag=0)
    ends.set()
    scorer.advance(blank(scorer), windows(drifting(70, seed=6), 1))
    assert [current_thread().name] * 2 == MAKERS


def test_before_the_second_fit_it_is_the_scorer_alone() -> None:
    scorer = Refitted(STRETCHES.of, every=200, lag=0, memory=400)
    batch = windows(drifting(190), 5)
    batch = batch.take(np.delete(np.arange(190), np.arange(20, 30)))
    alone = scorer.of.advance(blank(scorer.of), batch)  # type: ignore[attr-defined] # it has one
    found = scorer.advance(blank(scorer), batch)
    assert found.value.tobytes() == alone.value.tobytes()
    assert found.blame is not None
    assert found.blame.tobytes() == alone.blame.tobytes()


def test_a_fit_without_an_opinion_is_dropped() -> None:
    values = drifting(200)
    values[42:150] = np.nan  # from the first row on that is not in the first fit
    scorer = Refitted(KNN, every=60, lag=2, memory=50)
    state = blank(scorer)
    batch = windows(values, 1)
    scorer.advance(state, batch.take(np.arange(150)))
    before = state.inner.mark[0]
    alone = KNN.fit(Spec((2,)), [batch.take(np.arange(40))])
    assert before == alone.mark[0]
    assert not np.isnan(scorer.advance(state, batch.take(np.arange(150, 155))).value).any()


def test_a_forgotten_series_is_fitted_from_its_own_rows_again() -> None:
    batch = windows(drifting(100), 1)
    state = blank(RING)
    wanted = RING.advance(state, batch).value
    refitted.forget(state, np.array([0]))
    assert RING.advance(state, batch).value.tobytes() == wanted.tobytes()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"every": 0}, "every must be 1 or more"),
        ({"every": 10, "lag": 10}, "lag must be 0 or more and under every, 10; found 10"),
        ({"every": 10, "lag": 5, "memory": 45}, "memory must be 46 or more"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(
    settings: dict[str, int], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        Refitted(KNN, **settings)


def test_what_cannot_be_refitted_is_refused() -> None:
    with pytest.raises(ConfigError, match="needs a scorer that is fitted; found Ewma"):
        Refitted(refitted.usual("ewma"))
    shared = Refitted(Ensemble((KNN,)))
    with pytest.raises(ConfigError, match=r"Ensemble keeps calibrators\.s0\.pool for all series"):
        shared.start(Spec((2,)))
    with pytest.raises(ConfigError, match="needs windows of 5 rows"):
        STRETCHES.start(Spec((2,)))


def test_rows_that_do_not_fit_are_refused() -> None:
    with pytest.raises(TocsinError, match="keys 1 to 1 in a state with room for 0"):
        RING.score(RING.start(Spec((2,))), windows(drifting(3), 1, key=1))
    with pytest.raises(TocsinError, match=r"values must be \(B, T, 2\)"):
        RING.learn(blank(RING), windows(drifting(3, channels=3), 1))
    with pytest.raises(TocsinError, match=r"values must be \(B, T, 3\)"):
        RING.fit(Spec((3,)), [windows(drifting(3), 1)])


def test_offline_nothing_is_fitted_anew() -> None:
    history, series = drifting(60), drifting(90, seed=1)
    found = RING.offline(Spec((2,)), history, series).value
    assert found.tobytes() == KNN.offline(Spec((2,)), history, series).value.tobytes()
