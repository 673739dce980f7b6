"""Paths score as a plain walk says, comparably at any length, and wrong steps are found."""

import numpy as np
import pytest
from oracles import events as oracle
from scipy.stats import kstest

from tocsin.detectors.events.path_scores import PathScores, _walked
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.types import FloatArray, IntArray


def states(rows: int, seed: int, pace: float = 0.3) -> FloatArray:
    """A machine with eight states that mostly goes round, and sometimes back, at a random pace."""
    rng = np.random.default_rng(seed)
    moves = rng.random(rows) < pace
    steps = rng.choice([1, 2, 7], p=[0.8, 0.15, 0.05], size=rows)
    return np.asarray(np.cumsum(moves * steps) % 8, dtype=np.float64)[:, None]


def windows(rows: FloatArray, frames: int) -> FloatArray:
    return np.stack([rows[i : i + frames] for i in range(len(rows) - frames + 1)])


def test_strangeness_is_that_of_the_slow_walk() -> None:
    rows = states(300, 0)
    rows[np.random.default_rng(0).random(300) < 0.1] = np.nan
    rows[40] = 99.0
    scorer = PathScores(window=9, restart=2.0)
    history = rows[~np.isnan(rows[:, 0])]
    model = scorer.model(history)
    assert model is not None
    slow = oracle.SlowWalk(history[:, 0], 2.0)
    later = windows(np.where(states(200, 1) == 3.0, 77.0, states(200, 1)), 9)
    later[5:9, 2] = np.nan
    seen = _walked(model.book.numbered(later), model.walk, 0.0)
    for strangeness, visits, window in zip(seen[0], seen[1], later, strict=True):
        steps = slow.strangeness(window[:, 0])
        np.testing.assert_allclose(strangeness[0], sum(steps), rtol=1e-12)
        assert visits[0] == len(steps)


def test_paths_of_all_lengths_score_alike() -> None:
    """The lengths differ by a factor in strangeness, and not in score."""
    scorer = PathScores(window=12)
    model = scorer.model(states(20_000, 2))
    assert model is not None
    fresh = windows(states(20_000, 3), 12)[::12]
    strangeness, visits, _ = _walked(model.book.numbered(fresh), model.walk, 0.0)
    score, _ = scorer.measure(model, fresh)
    short, long = visits[:, 0] <= 3, visits[:, 0] >= 6
    assert np.median(strangeness[long, 0]) > 1.5 * np.median(strangeness[short, 0])
    assert abs(score[short].mean() - score[long].mean()) < 0.2
    assert abs(score[short].std() - score[long].std()) < 0.3


def test_a_step_that_was_never_seen_is_strange_and_blamed() -> None:
    scorer = PathScores(window=8)
    history = (np.arange(900) // 3 % 4)[:, None].astype(np.float64)  # 0 0 0 1 1 1 2 2 2 3 3 3
    model = scorer.model(np.hstack((history, np.roll(history, 1, axis=0))))
    usual = np.array([0, 0, 1, 1, 1, 2, 2, 2], dtype=np.float64)
    leap = np.array([0, 0, 1, 1, 1, 3, 3, 3], dtype=np.float64)
    value, blame = scorer.measure(
        model, np.stack((np.stack((usual, usual), 1), np.stack((usual, leap), 1)))
    )
    assert value[0] < 2.0
    assert value[1] > 5.0
    assert np.unravel_index(blame[1].argmax(), blame[1].shape) == (5, 1)
    np.testing.assert_allclose(blame[1, :, 1].sum(), value[1])


def test_an_unseen_code_is_strange_in_a_state_that_never_changed() -> None:
    scorer = PathScores(window=5)
    model = scorer.model(np.full((200, 1), 3.0))
    value, _ = scorer.measure(model, np.array([[3.0] * 5, [3.0] * 4 + [4.0]])[:, :, None])
    assert value[0] == 0.0
    assert value[1] > 3.0


def test_the_pace_of_steps_does_not_matter() -> None:
    scorer = PathScores(window=6)
    model = scorer.model(states(500, 4))
    slow, fast = [0, 0, 0, 1, 1, 1], [0, 1, 1, 1, 1, 1]
    value, _ = scorer.measure(model, np.array([slow, fast], dtype=float)[:, :, None])
    assert value[0] == value[1]


def test_missing_codes_are_passed_over() -> None:
    scorer = PathScores(window=6)
    model = scorer.model(states(500, 5))
    whole, holed = [0, 0, 1, 1, 1, 2], [0, np.nan, 1, np.nan, np.nan, 2]
    value, _ = scorer.measure(model, np.array([whole, holed, [np.nan] * 6])[:, :, None])
    assert value[0] == value[1]
    assert np.isnan(value[2])


def test_a_seam_in_the_training_rows_is_no_step() -> None:
    one, other = states(200, 6), 20.0 + states(200, 7)
    rows = np.concatenate((one, [[np.nan]], other))
    scorer = PathScores(window=6)
    model = scorer.model(rows)
    assert model is not None
    numbers: IntArray = model.book.numbered(np.array([[one[-1, 0]], [other[0, 0]]]))[:, 0]
    total = len(model.walk.share)
    assert numbers[0] * total + numbers[1] not in model.walk.step.tolist()


def test_other_names_of_the_codes_leave_the_scores_alone() -> None:
    history, rows = states(400, 8), windows(states(60, 9), 6)
    scorer = PathScores(window=6)
    plain, _ = scorer.measure(scorer.model(history), rows)
    other, _ = scorer.measure(scorer.model(50.0 + 3.0 * history), 50.0 + 3.0 * rows)
    assert other.tolist() == plain.tolist()


def test_a_window_of_one_row_is_refused() -> None:
    with pytest.raises(ConfigError, match="window"):
        PathScores(window=1)


def test_scores_of_ordinary_paths_are_near_normal() -> None:
    scorer = PathScores(window=40)
    history = np.random.default_rng(10).integers(12, size=(20_000, 1)).astype(np.float64)
    fresh = np.random.default_rng(11).integers(12, size=(6_000, 1)).astype(np.float64)
    score, _ = scorer.measure(scorer.model(history), windows(fresh, 40)[::40])
    assert kstest(score, "norm").pvalue > 0.05
