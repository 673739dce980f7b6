"""The conformal tail is the share of scores at least as high, of a key's own and of the pool."""

from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.pipeline_calibrate import Counting
from scipy import stats

from tocsin.pipeline import calibrate
from tocsin.pipeline.calibrate import Conformal, ConformalState
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.extremes import pareto_tail
from tocsin.pipeline.keyed import grow, take
from tocsin.pipeline.state import flatten, same
from tocsin.pipeline.types import FloatArray, IntArray

KEYS = 3
SCORES = st.sampled_from([0.0, 0.5, 0.5, 1.0, 2.0, -1.0, np.nan, np.inf, -np.inf])
RULES = st.builds(
    Conformal,
    history=st.sampled_from([3, 8, 20]),
    alone=st.sampled_from([4, 10]),
    least=st.sampled_from([1, 4]),
    pool=st.sampled_from([2, 7]),
    extremes=st.just(False),
)


# The time of a row says nothing to this calibrator.


def tail(rule: Conformal, state: ConformalState, key: IntArray, value: FloatArray) -> FloatArray:
    return rule.tail(state, key, np.zeros_like(key), value)


def learn(rule: Conformal, state: ConformalState, key: IntArray, value: FloatArray) -> None:
    rule.learn(state, key, np.zeros_like(key), value)


def advance(rule: Conformal, state: ConformalState, key: IntArray, value: FloatArray) -> FloatArray:
    return rule.advance(state, key, np.zeros_like(key), value)


def started(rule: Conformal, keys: int = KEYS) -> ConformalState:
    state = rule.start()
    grow(state, keys)
    return state


def learned(rule: Conformal, scores: FloatArray, key: int = 0) -> ConformalState:
    """The state after one key's scores (N,)."""
    state = started(rule)
    advance(rule, state, np.full(len(scores), key), scores)
    return state


def tail_of(rule: Conformal, state: ConformalState, score: float, key: int = 0) -> float:
    return float(tail(rule, state, np.array([key]), np.array([score]))[0])


def looped(rule: Conformal, state: ConformalState, key: object, value: object) -> FloatArray:
    """Tails of rows one by one, each learned before the next."""
    rows = zip(np.asarray(key).reshape(-1, 1), np.asarray(value).reshape(-1, 1), strict=True)
    tails = []
    for one, score in rows:
        tails.append(tail(rule, state, one, score))
        learn(rule, state, one, score)
    return np.concatenate([*tails, np.empty(0)])


@given(RULES, st.lists(st.tuples(st.integers(0, KEYS - 1), SCORES), max_size=60))
def test_tails_are_those_counted_by_hand(rule: Conformal, rows: list[tuple[int, float]]) -> None:
    state, counting = started(rule), Counting(rule)
    for number, (key, score) in enumerate(rows):
        np.testing.assert_allclose(
            tail_of(rule, state, score, key), counting.tail(key, score), rtol=1e-12
        )
        learn(rule, state, np.array([key]), np.array([score]))
        counting.learn(key, score)
        if number % 5 == 4:
            rule.renew(state)
            counting.renew()


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("extremes", [True, False])
def test_advance_is_the_loop_to_the_bit(
    monkeypatch: pytest.MonkeyPatch, *, seed: int, extremes: bool
) -> None:
    monkeypatch.setattr(calibrate, "_LINE", 50)
    rng = np.random.default_rng(seed)
    rows = int(rng.integers(1, 900))
    rule = Conformal(history=int(rng.integers(1, 60)), alone=30, least=5, extremes=extremes)
    key, value = rng.integers(0, KEYS, rows), rng.standard_t(2, rows).round(1)
    value[rng.random(rows) < 0.05] = np.nan
    value[rng.random(rows) < 0.02] = np.inf
    slow = started(rule)
    looped(rule, slow, key, value)
    rule.renew(slow)
    fast = deepcopy(slow)
    wanted = looped(rule, slow, key, value)
    cut = int(rng.integers(0, rows + 1))
    found = [advance(rule, fast, key[part], value[part]) for part in (slice(cut), slice(cut, None))]
    np.testing.assert_array_equal(np.concatenate(found), wanted)
    assert same(fast, slow)


def test_blocks_too_large_for_one_table_give_the_same_bits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(1)
    rule = Conformal(history=20, alone=10, least=5)
    key, value = rng.integers(0, 40, 600), rng.normal(size=600)
    whole, parts = started(rule, 40), started(rule, 40)
    wanted = advance(rule, whole, key, value)
    monkeypatch.setattr(calibrate, "_CELLS", 100)
    np.testing.assert_array_equal(advance(rule, parts, key, value), wanted)
    assert same(parts, whole)


def test_tails_of_exchangeable_scores_are_uniform() -> None:
    rng = np.random.default_rng(7)
    rule = Conformal(history=200, alone=50, extremes=False)
    state = learned(rule, rng.normal(size=1000))
    probe = rng.normal(size=1000)
    tails = advance(rule, state, np.zeros(1000, dtype=np.int64), probe)
    smoothed = tails - rng.random(1000) / 201  # breaks the ties of a discrete tail
    assert stats.kstest(smoothed, "uniform").pvalue > 0.01


def test_the_chance_of_a_small_tail_is_at_most_that_tail() -> None:
    rng = np.random.default_rng(8)
    rule = Conformal(history=99, alone=50, extremes=False)
    key = np.repeat(np.arange(200), 300)
    state = started(rule, 200)
    tails = advance(rule, state, key, rng.exponential(size=len(key)))
    old = tails[np.tile(np.arange(300) >= 100, 200)]
    for level in (0.01, 0.05, 0.2):
        assert np.mean(old <= level) == pytest.approx(level, rel=0.1)


@pytest.mark.parametrize("rows", [30, 99, 100, 250])
def test_without_extremes_no_tail_is_below_one_in_n_plus_one(rows: int) -> None:
    rule = Conformal(history=100, alone=50, extremes=False)
    state = learned(rule, np.random.default_rng(rows).normal(size=rows))
    assert tail_of(rule, state, 1e9) == 1 / (min(rows, 100) + 1)
    assert tail_of(rule, state, np.inf) == 1 / (min(rows, 100) + 1)


def test_extremes_go_on_below_one_in_n_plus_one() -> None:
    rule = Conformal(history=500)
    scores = np.random.default_rng(2).exponential(size=500)
    state = learned(rule, scores)
    ladder = np.sort(scores)[-1] + np.array([1e-9, 0.1, 1.0, 5.0, 20.0, np.inf])
    tails = [tail_of(rule, state, score) for score in ladder]
    assert max(tails) <= 1 / 501
    assert (np.diff(tails) < 0).all()
    assert tails[2] == pareto_tail(scores, float(ladder[2]))


def test_extremes_wait_for_a_history_of_its_own() -> None:
    rule = Conformal(history=500, alone=200)
    state = learned(rule, np.random.default_rng(2).exponential(size=199))
    assert tail_of(rule, state, 100.0) == 1 / 200
    learn(rule, state, np.array([0]), np.array([0.5]))
    assert tail_of(rule, state, 100.0) < 1 / 201


def test_a_tail_never_rises_with_the_score() -> None:
    rule = Conformal(history=300, alone=100)
    state = learned(rule, np.random.default_rng(3).gamma(2.0, size=300))
    ladder = np.concatenate(([-np.inf], np.linspace(-1, 40, 500), [np.inf]))
    tails = tail(rule, state, np.zeros(len(ladder), dtype=np.int64), ladder)
    assert (np.diff(tails) <= 0).all()
    assert tails[0] == 1.0


def test_no_opinion_in_is_no_opinion_out() -> None:
    rule = Conformal(history=100, alone=50)
    state = learned(rule, np.arange(100.0))
    assert np.isnan(tail_of(rule, state, np.nan))


def test_no_opinion_is_not_learned() -> None:
    rule = Conformal()
    state = started(rule)
    before = deepcopy(state)
    learn(rule, state, np.array([0, 1]), np.array([np.nan, np.nan]))
    assert same(state, before)
    assert np.isnan(advance(rule, state, np.array([0, 1]), np.array([np.nan, np.nan]))).all()
    assert same(state, before)


def test_too_few_scores_give_no_opinion() -> None:
    rule = Conformal(least=30)
    assert np.isnan(tail_of(rule, learned(rule, np.arange(29.0)), 5.0))
    assert not np.isnan(tail_of(rule, learned(rule, np.arange(30.0)), 5.0))


def test_infinite_scores_are_the_highest_of_all() -> None:
    rule = Conformal(history=100, alone=50)
    state = learned(rule, np.concatenate((np.arange(99.0), [np.inf])))
    assert tail_of(rule, state, np.inf) == 2 / 101
    assert tail_of(rule, state, 1e300) == 2 / 101


def test_old_scores_are_forgotten() -> None:
    rule = Conformal(history=100, alone=50, extremes=False)
    state = learned(rule, np.concatenate((np.full(100, 9.0), np.zeros(100))))
    assert tail_of(rule, state, 5.0) == 1 / 101


def test_a_young_key_borrows_from_the_pool() -> None:
    rule = Conformal(history=100, alone=50, least=30)
    state = started(rule, 60)
    learn(rule, state, np.arange(1, 60), np.arange(1.0, 60.0))
    assert np.isnan(tail_of(rule, state, 30.0))
    rule.renew(state)
    assert tail_of(rule, state, 30.0) == pytest.approx((1 + 50 * 30 / 59) / 51)


def test_a_known_key_borrows_nothing() -> None:
    rule = Conformal(history=100, alone=50, extremes=False)
    state = learned(rule, np.zeros(50))
    learn(rule, state, np.array([1]), np.array([99.0]))
    rule.renew(state)
    assert tail_of(rule, state, 5.0) == 1 / 51


def test_the_size_is_what_the_tail_rests_on() -> None:
    rule = Conformal(history=100, alone=50, least=30)
    state = learned(rule, np.zeros(120))
    learn(rule, state, np.arange(1, KEYS), np.ones(KEYS - 1))
    assert rule.size(state, np.arange(KEYS)).tolist() == [100, 1, 1]
    rule.renew(state)
    assert rule.size(state, np.arange(KEYS)).tolist() == [100, 1 + KEYS, 1 + KEYS]


def test_a_renewal_takes_one_score_a_key() -> None:
    rule = Conformal(pool=10)
    state = learned(rule, np.arange(40.0))
    learn(rule, state, np.array([2]), np.array([7.0]))
    rule.renew(state)
    assert state.pool[: state.pooled].tolist() == [39.0, 7.0]


def test_a_second_renewal_shares_nothing_twice() -> None:
    rule = Conformal()
    state = learned(rule, np.arange(40.0))
    rule.renew(state)
    once = state.pool.copy(), state.pooled
    rule.renew(state)
    np.testing.assert_array_equal(state.pool, once[0])
    assert state.pooled == once[1]


def test_a_renewal_leaves_the_keys_own_rows_alone() -> None:
    rule = Conformal()
    state = learned(rule, np.arange(40.0))
    before = take(state, np.arange(KEYS))
    rule.renew(state)
    after = take(state, np.arange(KEYS))
    assert all(np.array_equal(after[path], before[path], equal_nan=True) for path in before)


@pytest.mark.parametrize("keys", [3, 25])
def test_the_pool_keeps_the_newest(keys: int) -> None:
    rule = Conformal(pool=10)
    state = started(rule, keys)
    for turn in range(8):
        learn(rule, state, np.arange(keys), np.arange(float(keys)) + 100.0 * turn)
        rule.renew(state)
    everything = [key + 100.0 * turn for turn in range(8) for key in range(keys)]
    assert sorted(state.pool.tolist()) == everything[-10:]


def test_memory_does_not_grow_with_rows() -> None:
    rule = Conformal(history=50, pool=20)
    rng = np.random.default_rng(4)
    state = started(rule)
    sizes = []
    for _ in range(3):
        advance(rule, state, rng.integers(0, KEYS, 500), rng.normal(size=500))
        rule.renew(state)
        sizes.append(sum(np.asarray(part).nbytes for part in flatten(state).values()))
    assert sizes[0] == sizes[-1]


def test_asking_changes_nothing() -> None:
    rule = Conformal(history=50, alone=30)
    state = learned(rule, np.random.default_rng(5).normal(size=200))
    before = deepcopy(state)
    tail(rule, state, np.zeros(3, dtype=np.int64), np.array([0.0, 9.0, np.nan]))
    assert same(state, before)


@pytest.mark.parametrize(
    "settings",
    [{"least": 0}, {"least": 300}, {"history": 0}, {"pool": 0}],
    ids=lambda settings: next(iter(settings)),
)
def test_impossible_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="need 1 <= least <= alone"):
        Conformal(**settings)
