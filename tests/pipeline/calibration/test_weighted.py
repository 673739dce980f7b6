"""Recent scores weigh more, so the tail follows a drift, in the time that is stated."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from oracles.calibration import weighted

from tocsin.pipeline.calibration.weighted import WeightedConformal, effective_size
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.types import FloatArray


def played(rule: WeightedConformal, value: FloatArray) -> FloatArray:
    """Tails of scores (T, K), each learned after it was judged."""
    state = rule.start()
    grow(state, value.shape[1])
    key = np.tile(np.arange(value.shape[1]), len(value))
    return rule.advance(state, key, key, value.ravel()).reshape(value.shape)


@hypothesis_settings(max_examples=40)
@given(
    st.lists(st.sampled_from([0.0, 1.0, 1.0, 2.0, -1.0, np.inf, -np.inf]), min_size=1, max_size=40),
    st.sampled_from([1.0, 3.5, 20.0]),
)
def test_tails_are_those_weighed_by_hand(scores: list[float], half_life: float) -> None:
    rule = WeightedConformal(half_life=half_life, history=12, least=1)
    tail = played(rule, np.array(scores)[:, None])[:, 0]
    wanted = [weighted(scores[:n], scores[n], half_life, 12) for n in range(1, len(scores))]
    np.testing.assert_allclose(tail[1:], wanted, rtol=1e-12)


def test_after_a_rise_false_alarms_are_back_in_three_half_lives() -> None:
    rule = WeightedConformal(half_life=50.0, history=350)
    value = np.random.default_rng(1).normal(size=(650, 40))
    value[350:] += 3.0
    low = (played(rule, value) <= 0.1).mean(axis=1)
    assert low[350:360].mean() > 0.5
    assert low[500:].mean() == pytest.approx(0.1, rel=0.2)


def test_after_a_fall_a_level_is_mute_for_as_long_as_is_stated() -> None:
    rule = WeightedConformal(half_life=50.0, history=350)
    value = np.random.default_rng(2).normal(size=(750, 40))
    value[350:] -= 6.0
    low = played(rule, value) <= 0.1
    until = 350 + int(50 * np.log2(1 / 0.1))
    assert not low[350 : until - 10].any()
    assert low[until + 10 : until + 110].any()
    assert low[700:].mean() == pytest.approx(0.1, rel=0.3)


def test_the_effective_size_of_equal_weights_is_their_number() -> None:
    weight = np.array([[2.0, 2.0, 2.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    assert effective_size(weight).tolist() == [3.0, 1.0, 0.0]


def test_sizes_are_told() -> None:
    rule = WeightedConformal(half_life=50.0, history=500)
    state = rule.start()
    grow(state, 1)
    zero, zeros = np.array([0]), np.zeros(500, dtype=np.int64)
    assert rule.size(state, zero).tolist() == [0]
    rule.advance(state, zeros, zeros, np.arange(500.0))
    assert rule.size(state, zero)[0] == pytest.approx(50 / np.log(2), rel=0.02)
    assert rule.effective(state, zero)[0] == pytest.approx(2 * 50 / np.log(2), rel=0.02)


def test_the_ring_is_ten_half_lives_unless_set() -> None:
    assert WeightedConformal(half_life=30.0).kept == 300
    assert WeightedConformal(half_life=30.0, history=77).kept == 77


@pytest.mark.parametrize("settings", [{"half_life": 0.5}, {"least": 0}, {"history": -1}])
def test_impossible_settings_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="half_life and least"):
        WeightedConformal(**settings)
