"""Randomised tails are uniform with ties too, and the same in a replay."""

import numpy as np
import pytest
from oracles.calibration import randomised
from scipy import stats

from tocsin.pipeline.calibration.randomised import Randomised, uniform
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.types import FloatArray


def played(rule: Randomised, value: FloatArray, key: int = 0) -> FloatArray:
    state = rule.start()
    grow(state, key + 1)
    keys = np.full(len(value), key)
    return rule.advance(state, keys, np.arange(len(value)), value)


def test_tails_are_those_counted_by_hand() -> None:
    rule = Randomised(history=200, alone=5, least=5)
    value = np.random.default_rng(1).normal(size=60).round(0)
    value[40] = np.inf
    value[50] = np.inf
    tail = played(rule, value)
    for row in range(5, 60):
        draw = uniform(0, np.array([row]), np.array([row]))[0]
        assert tail[row] == pytest.approx(randomised(value[:row].tolist(), value[row], draw))
    assert np.isnan(tail[:5]).all()


@pytest.mark.parametrize("digits", [0, 6])
def test_tails_of_exchangeable_scores_are_uniform_however_many_are_tied(digits: int) -> None:
    rule = Randomised(history=100, alone=50)
    tail = played(rule, np.random.default_rng(2).normal(size=1000).round(digits))[100:]
    assert stats.kstest(tail, "uniform").pvalue > 0.01


def test_tails_of_one_number_are_uniform() -> None:
    tail = played(Randomised(history=100, alone=50), np.ones(1000))[100:]
    assert stats.kstest(tail, "uniform").pvalue > 0.01


def test_a_series_has_the_same_tails_under_another_key_number() -> None:
    value = np.random.default_rng(3).normal(size=300).round(1)
    rule = Randomised(least=10)
    np.testing.assert_array_equal(played(rule, value), played(rule, value, key=5))


def test_another_seed_draws_otherwise() -> None:
    value = np.ones(100)
    one, other = played(Randomised(seed=1), value), played(Randomised(seed=2), value)
    assert (one[30:] != other[30:]).all()


def test_draws_are_uniform_over_counts_and_times() -> None:
    count = np.arange(20_000)
    for draws in (uniform(7, count, count * 0), uniform(7, count * 0, count * 60_000_000_000)):
        assert stats.kstest(draws, "uniform").pvalue > 0.01
        assert abs(np.corrcoef(draws[1:], draws[:-1])[0, 1]) < 0.03


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match="need 1 <= least <= alone"):
        Randomised(least=0)
