"""Scores of different detectors in one unit: by sorting and percentiles, kept up to date."""

import numpy as np
import pytest
from oracles import combined

from tocsin.detectors.combined import standing
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.types import FloatArray


def started(history: int = 40, *, stops: bool = False, keys: int = 1) -> standing.StandingState:
    state = standing.started(history, stops=stops)
    grow(state, keys)
    return state


def advanced(state: standing.StandingState, score: FloatArray) -> FloatArray:
    return standing.advance(state, np.zeros(len(score), dtype=np.int64), score)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_standings_are_those_of_percentiles(seed: int) -> None:
    rng = np.random.default_rng(seed)
    score = np.round(rng.exponential(size=300), seed)  # with ties
    score[rng.random(300) < 0.1] = np.nan
    wanted = combined.standings(score.tolist(), 40)
    np.testing.assert_allclose(advanced(started(), score), wanted, rtol=1e-9, atol=1e-9)


def test_keys_do_not_share_their_scores() -> None:
    rng = np.random.default_rng(3)
    key, score = rng.integers(0, 3, 400), rng.normal(size=400)
    seen = standing.advance(started(keys=3), key, score)
    for one in range(3):
        np.testing.assert_array_equal(seen[key == one], advanced(started(), score[key == one]))


def test_asking_keeps_nothing() -> None:
    state = started()
    advanced(state, np.random.default_rng(4).normal(size=50))
    before = state.ordered.copy(), state.used.copy()
    standing.standing(state, np.zeros(3, dtype=np.int64), np.array([1.0, np.inf, np.nan]))
    np.testing.assert_array_equal(state.ordered, before[0])
    np.testing.assert_array_equal(state.used, before[1])


def test_scores_that_are_all_alike_leave_room_for_one_that_is_not() -> None:
    score = np.append(np.full(35, 0.1), [0.1, 0.2, 0.0, np.inf])
    assert advanced(started(), score)[-4:-2].tolist() == [0.0, 10.0]
    state = started()
    advanced(state, score[:35])
    probe = np.array([0.0, 0.2, np.inf])
    seen = standing.standing(state, np.zeros(3, dtype=np.int64), probe)
    assert seen.tolist() == [-10.0, 10.0, 1e6]


def test_infinite_scores_do_not_stay_for_good() -> None:
    score = np.random.default_rng(5).normal(size=200)
    score[50:60] = np.inf
    seen = advanced(started(), score)
    assert np.isfinite(seen[30:]).all()
    np.testing.assert_array_equal(seen[140:], advanced(started(), score[100:])[40:])


def test_a_standing_that_stops_is_set_against_the_first_scores() -> None:
    score = np.random.default_rng(6).normal(size=200)
    score[100:] += 50.0
    assert advanced(started(), score)[-1] < 5.0
    assert advanced(started(stops=True), score)[-1] > 20.0


def test_blame_is_shared_out_by_weight() -> None:
    blame = np.array([[[1.0, 3.0]], [[np.inf, 1.0]], [[0.0, 0.0]], [[1.0, 1.0]]])
    weight = np.array([2.0, 1.0, 4.0, np.nan])
    wanted = [[0.5, 1.5], [1.0, 0.0], [2.0, 2.0], [0.0, 0.0]]
    assert standing.shares(blame, weight)[:, 0].tolist() == wanted


def test_the_mean_of_the_top_leaves_out_what_is_not_there() -> None:
    rows = np.array([[1.0, 4.0, np.nan, 2.0], [np.nan] * 4])
    assert standing.mean_of_top(rows, 2)[0] == 3.0
    assert standing.mean_of_top(rows, 9)[0] == pytest.approx(7 / 3)
    assert np.isnan(standing.mean_of_top(rows, 2)[1])
