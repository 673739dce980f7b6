"""Clean history, learned before anything is judged: fitted detectors and their calibration."""

from dataclasses import replace

import numpy as np
import pytest

from tocsin.config import Stages
from tocsin.detectors.classical.ewma import Ewma
from tocsin.detectors.classical.knn import Knn
from tocsin.detectors.windows.window_std import WindowStd
from tocsin.history.judging import Rows, judge
from tocsin.history.learning import learn
from tocsin.history.offline import judge_offline
from tocsin.pipeline.types import Batch, Spec
from tocsin.pipeline.window import Window

MINUTE = 60_000_000_000
HISTORY, MORE = 800, 1200


def rows(series: tuple[str, ...] = ("a",), channels: int = 2, seed: int = 0) -> Rows:
    """Calm rows of several series, a tick a minute."""
    count = (HISTORY + MORE) * len(series)
    values = np.random.default_rng(seed).normal(size=(count, channels))
    time = np.repeat(np.arange(HISTORY + MORE, dtype=np.int64) * MINUTE, len(series))
    return Rows(list(series) * (HISTORY + MORE), time, values, tuple("xyz"[:channels]))


def parts(whole: Rows) -> tuple[Rows, Rows]:
    """The history and what follows on it."""
    past = whole.time < HISTORY * MINUTE
    return whole.take(np.flatnonzero(past)), whole.take(np.flatnonzero(~past))


@pytest.mark.parametrize("scorer", [Knn(), WindowStd(window=20)])
def test_a_fitted_detector_scores_the_first_row_after_its_history(scorer: Knn | WindowStd) -> None:
    history, rest = parts(rows())
    found = judge(Stages(scorer), rest, learn(Stages(scorer), history, follows=True))
    assert not np.isnan(found.score).any()
    assert not np.isnan(found.tail).any()


def test_the_detector_is_fitted_on_the_windows_of_the_whole_history() -> None:
    scorer = WindowStd(window=20)
    history, rest = parts(rows())
    stage = Window(20)
    state = stage.start((2,))
    state.ring = np.full((8, 19, 2), np.nan)
    state.last, state.seen = np.zeros(8, dtype=np.int64), np.zeros(8, dtype=np.int64)
    keys = np.zeros(len(history), dtype=np.int64)
    windows = stage.advance(state, keys, history.time, history.values)
    fitted = scorer.fit(Spec((2,), window=20), [windows])
    ahead = stage.advance(state, keys[: len(rest)], rest.time[:HISTORY], rest.values[:HISTORY])
    wanted = scorer.score(fitted, Batch(ahead.key, ahead.time, ahead.values)).value
    found = judge(Stages(scorer), rest, learn(Stages(scorer), history, follows=True))
    assert found.score[:HISTORY].tobytes() == wanted.tobytes()


def test_tails_after_fitting_are_those_of_rows_not_fitted_on() -> None:
    few = Knn(neighbours=1)  # on the rows it is fitted on, its distance would be 0
    history, rest = parts(rows(channels=3))
    tail = judge(Stages(few), rest, learn(Stages(few), history, follows=True)).tail
    assert 0.02 < (tail < 0.05).mean() < 0.09
    assert 0.4 < (tail < 0.5).mean() < 0.6


def test_each_series_is_fitted_on_its_own_history() -> None:
    both = rows(("a", "b"))
    history, rest = parts(both)
    alone_history, alone_rest = (
        part.take(np.flatnonzero(np.array(part.series) == "b")) for part in (history, rest)
    )
    together = judge(Stages(Knn()), rest, learn(Stages(Knn()), history, follows=True))
    alone = judge(Stages(Knn()), alone_rest, learn(Stages(Knn()), alone_history, follows=True))
    mine = np.array(rest.series) == "b"
    assert together.score[mine].tobytes() == alone.score.tobytes()


def test_a_series_without_history_is_trained_on_its_first_rows() -> None:
    history, rest = parts(rows())
    stranger = replace(rest, series=["new"] * len(rest))
    small = Stages(Knn(train=300, memory=400))
    found = judge(small, stranger, learn(small, history, follows=True))
    assert np.isnan(found.score[:300]).all()
    assert not np.isnan(found.score[300:]).any()


def test_a_detector_that_learns_as_it_goes_is_taught_row_by_row() -> None:
    whole = rows()
    history, rest = parts(whole)
    taught = judge(Stages(Ewma(20)), rest, learn(Stages(Ewma(20)), history, follows=True))
    live = judge(Stages(Ewma(20)), whole)
    assert taught.score[:200].tobytes() == live.score[len(history) :][:200].tobytes()


def test_offline_scores_are_the_detector_s_own_form_of_them() -> None:
    scorer = WindowStd(window=20)
    history, rest = parts(rows())
    stages = Stages(scorer)
    found = judge_offline(stages, rest, history)
    wanted = scorer.offline(rest.spec(), history.values, rest.values).value
    assert found.score.tobytes() == wanted.tobytes()


def test_windows_are_as_long_as_the_detector_needs() -> None:
    chain = Stages(WindowStd(window=20)).chain(Spec((2,)))
    assert chain.window.length == 20
    longer = Stages(WindowStd(window=20), window=Window(30)).chain(Spec((2,)))
    assert longer.window.length == 30
