"""The Pareto law is right beyond the history, is refitted by peaks, and follows a shift."""

import numpy as np
import pytest
from oracles.calibration import peaks_law

from tocsin.pipeline.calibration.pareto import ParetoState, ParetoTail
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.extremes import fitted, survival
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.types import FloatArray


def learned(rule: ParetoTail, value: FloatArray) -> ParetoState:
    """The state after scores (T, K)."""
    state = rule.start()
    grow(state, value.shape[1])
    key = np.tile(np.arange(value.shape[1]), len(value))
    rule.advance(state, key, key, value.ravel())
    return state


def tails(rule: ParetoTail, state: ParetoState, probe: FloatArray, key: int = 0) -> FloatArray:
    keys = np.full(len(probe), key)
    return rule.tail(state, keys, keys, probe)


def test_tails_beyond_the_threshold_are_those_of_the_law_by_hand() -> None:
    rule = ParetoTail(history=100, share=0.1, peaks=15, alone=50)
    value = np.random.default_rng(1).exponential(size=250)
    state = learned(rule, value[:, None])
    threshold, kept, rate = peaks_law(value.tolist(), 100, 10, 15)
    assert state.threshold[0] == threshold
    shape, scale = fitted(np.sort(np.array(kept) - threshold))
    for probe in (threshold + 0.1, threshold + 3.0):
        beyond = survival(np.array([probe - threshold]), np.array([shape]), np.array([scale]))
        found = tails(rule, state, np.array([probe]))
        np.testing.assert_allclose(found, rate * beyond, rtol=1e-12)


@pytest.mark.parametrize("law", ["exponential", "normal", "student"])
def test_far_beyond_the_history_the_typical_tail_is_right_to_a_factor_of_five(law: str) -> None:
    rng = np.random.default_rng(2)
    drawn = {
        "exponential": rng.exponential(size=(1000, 20)),
        "normal": rng.normal(size=(1000, 20)),
        "student": rng.standard_t(4, size=(1000, 20)),
    }[law]
    at_1e4 = {"exponential": 9.210, "normal": 3.719, "student": 13.034}[law]
    rule = ParetoTail(history=500, share=0.05)
    state = learned(rule, drawn)
    tail = rule.tail(state, np.arange(20), np.arange(20), np.full(20, at_1e4))
    assert 0.2 < np.median(tail) / 1e-4 < 5.0


def test_before_a_whole_history_tails_are_counts() -> None:
    rule = ParetoTail(history=100, alone=50, least=10)
    value = np.random.default_rng(3).normal(size=(99, 1))
    state = learned(rule, value)
    assert tails(rule, state, np.array([50.0]))[0] == 1 / 100
    rule.learn(state, np.array([0]), np.array([0]), np.array([0.0]))
    assert tails(rule, state, np.array([50.0]))[0] < 1 / 1000


def test_each_peak_refits_the_law() -> None:
    rule = ParetoTail(history=100, alone=50)
    state = learned(rule, np.random.default_rng(4).normal(size=(100, 1)))
    law = state.shape[0], state.scale[0]
    rule.learn(state, np.array([0]), np.array([0]), np.array([0.0]))
    assert (state.shape[0], state.scale[0]) == law
    rule.learn(state, np.array([0]), np.array([0]), np.array([9.0]))
    assert (state.shape[0], state.scale[0]) != law


def test_steady_scores_keep_the_threshold() -> None:
    rule = ParetoTail(history=200, share=0.1, peaks=50)
    value = np.random.default_rng(5).normal(size=(600, 4))
    first = learned(rule, value[:200]).threshold[:4]
    np.testing.assert_array_equal(learned(rule, value).threshold[:4], first)


@pytest.mark.parametrize("shift", [4.0, -4.0])
def test_two_histories_after_a_shift_small_levels_hold_again(shift: float) -> None:
    rule = ParetoTail(history=200, share=0.05, peaks=50)
    value = np.random.default_rng(6).normal(size=(900, 40))
    value[200:] += shift
    state = learned(rule, value[:600])
    key = np.tile(np.arange(40), 300)
    tail = rule.advance(state, key, key, value[600:].ravel())
    assert (tail < 0.01).mean() == pytest.approx(0.01, rel=0.3)


def test_with_depth_a_steady_rise_does_not_alarm() -> None:
    value = np.random.default_rng(7).normal(size=(700, 10)) + 0.05 * np.arange(700)[:, None]
    shares = []
    for depth in (0, 20):
        rule = ParetoTail(history=200, share=0.05, peaks=50, depth=depth)
        state = learned(rule, value[:500])
        key = np.tile(np.arange(10), 200)
        shares.append(float((rule.advance(state, key, key, value[500:].ravel()) < 0.01).mean()))
    assert shares[0] > 0.02
    assert shares[1] == pytest.approx(0.01, rel=0.5)


def test_an_infinite_score_leaves_the_law_alone() -> None:
    rule = ParetoTail(history=100, alone=50, depth=5)
    state = learned(rule, np.random.default_rng(8).normal(size=(150, 1)))
    law = state.shape[0], state.scale[0], state.recent[0].copy()
    rule.learn(state, np.array([0]), np.array([0]), np.array([np.inf]))
    assert (state.shape[0], state.scale[0]) == law[:2]
    np.testing.assert_array_equal(state.recent[0], law[2])


def test_scores_without_spread_have_no_law() -> None:
    rule = ParetoTail(history=100, alone=50)
    state = learned(rule, np.zeros((200, 1)))
    assert tails(rule, state, np.array([0.0, 1.0])).tolist() == [1.0, 1 / 101]


@pytest.mark.parametrize(
    "settings",
    [{"history": 19}, {"peaks": 9}, {"share": 0.0}, {"share": 0.6}, {"depth": -1}, {"least": 0}],
    ids=lambda settings: next(iter(settings)),
)
def test_impossible_settings_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="need"):
        ParetoTail(**settings)
