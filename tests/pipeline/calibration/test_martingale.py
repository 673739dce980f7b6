"""Bets on tails have exact log values, and grow only when the tails are not uniform."""

from typing import Any

import numpy as np
import pytest
from oracles.calibration import jumper_bets, log_mixture_series, power_bets
from scipy import integrate, special

from tocsin.pipeline.calibration.martingale import Martingale, MartingaleState, log_mixture, ville
from tocsin.pipeline.calibration.randomised import Randomised
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.types import FloatArray

BETS = ["power", "mixture", "jumper"]


def started(bets: Martingale, keys: int = 1) -> MartingaleState:
    state = bets.start()
    grow(state, keys)
    return state


def values(bets: Martingale, tail: FloatArray) -> FloatArray:
    """Log values (T, K) for tails (T, K)."""
    key = np.tile(np.arange(tail.shape[1]), len(tail))
    return bets.advance(started(bets, tail.shape[1]), key, tail.ravel()).reshape(tail.shape)


def test_power_bets_multiply_up() -> None:
    tail = np.random.default_rng(1).random((200, 1))
    wanted = np.log(power_bets(tail[:, 0].tolist(), 0.3))
    found = values(Martingale("power", exponent=0.3), tail)[:, 0]
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)


def test_jumper_bets_multiply_up() -> None:
    tail = np.random.default_rng(2).random((200, 1)) ** 2
    wanted = np.log(jumper_bets(tail[:, 0].tolist(), 0.02))
    found = values(Martingale("jumper", jump=0.02), tail)[:, 0]
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)


def test_the_mixture_is_the_mean_of_the_power_bets() -> None:
    tail = np.random.default_rng(3).random((30, 1)) ** 2
    found = values(Martingale("mixture"), tail)[:, 0]
    for rows in (1, 5, 30):
        wanted, _ = integrate.quad(
            lambda e, rows=rows: power_bets(tail[:rows, 0].tolist(), e)[-1], 0, 1, epsabs=1e-13
        )
        assert found[rows - 1] == pytest.approx(np.log(wanted), abs=1e-10)


@pytest.mark.parametrize("count", [0, 1, 10, 1000, 1_000_000])
@pytest.mark.parametrize("ratio", [0.0, 0.5, 0.999, 1.0, 1.001, 2.0])
def test_the_log_of_the_mixture_is_exact_for_any_number_of_tails(count: int, ratio: float) -> None:
    surprise = ratio * (count + 1)
    if ratio < 1:
        wanted = log_mixture_series(count, surprise)
    else:
        share = special.gammainc(count + 1, surprise)  # of the whole gamma integral
        wanted = surprise + np.log(share) + special.gammaln(count + 1)
        wanted -= (count + 1) * np.log(surprise)
    found = float(log_mixture(np.array([count]), np.array([surprise]))[0])
    # The reference itself is a difference of numbers of the size of count x ln count.
    assert found == pytest.approx(wanted, abs=1e-11 + 1e-15 * count * np.log(count + 2))


@pytest.mark.parametrize("bet", BETS)
def test_uniform_tails_rarely_win(bet: Any) -> None:
    best = values(Martingale(bet), np.random.default_rng(4).random((150, 400))).max(axis=0)
    for chance in (0.05, 0.2):
        assert (best >= ville(chance)).mean() <= chance + 3 * np.sqrt(chance / 400)


def test_autocorrelated_scores_are_told_from_exchangeable_ones() -> None:
    rng = np.random.default_rng(5)
    steady = rng.normal(size=(600, 20))
    runs = steady.copy()
    for tick in range(1, 600):
        runs[tick] = 0.98 * runs[tick - 1] + 0.2 * steady[tick]
    rule = Randomised(history=300, alone=50)
    found = []
    for scores in (steady, runs):
        state = rule.start()
        grow(state, 20)
        key = np.tile(np.arange(20), 600)
        time = np.repeat(np.arange(600), 20)
        tail = rule.advance(state, key, time, scores.ravel()).reshape(600, 20)
        found.append((values(Martingale(), tail).max(axis=0) > ville(0.01)).mean())
    assert found[0] <= 0.1
    assert found[1] >= 0.9


@pytest.mark.parametrize("bet", BETS)
def test_tails_that_have_become_small_win(bet: Any) -> None:
    tail = np.random.default_rng(6).random((300, 1))
    tail[200:] **= 3
    log_value = values(Martingale(bet, jump=0.05), tail)[:, 0]
    assert log_value[:200].max() < ville(0.01) < log_value.max()


@pytest.mark.parametrize("bet", BETS)
def test_blocks_give_the_bits_of_the_whole(bet: Any) -> None:
    rng = np.random.default_rng(7)
    key, tail = rng.integers(0, 3, 90), rng.random(90)
    tail[rng.random(90) < 0.2] = np.nan
    bets = Martingale(bet)
    whole, parts, one = started(bets, 3), started(bets, 3), started(bets, 3)
    wanted = bets.advance(whole, key, tail)
    found = [bets.advance(parts, key[part], tail[part]) for part in (slice(40), slice(40, None))]
    np.testing.assert_array_equal(np.concatenate(found), wanted)
    rows = [bets.advance(one, key[[row]], tail[[row]])[0] for row in range(90)]
    np.testing.assert_array_equal(rows, wanted)


def test_a_row_without_a_tail_bets_nothing() -> None:
    bets = Martingale()
    state = started(bets, 2)
    before = bets.advance(state, np.array([0, 1]), np.array([0.1, 0.9]))
    after = bets.advance(state, np.array([0, 1]), np.array([np.nan, 0.9]))
    assert after[0] == before[0]
    assert after[1] != before[1]
    assert bets.advance(state, np.empty(0, dtype=np.int64), np.empty(0)).shape == (0,)


@pytest.mark.parametrize("settings", [{"bet": "all"}, {"exponent": 1.0}, {"jump": 0.0}], ids=str)
def test_impossible_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="need"):
        Martingale(**settings)
    with pytest.raises(ConfigError, match="need a chance"):
        ville(0.0)
