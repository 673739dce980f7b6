"""Scores are judged by the hour of the week, and by the whole history where that is not known."""

from typing import Any

import numpy as np
import pytest

from tocsin.pipeline.calibrate import Conformal
from tocsin.pipeline.calibration.seasonal import Seasonal, SeasonalState
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.types import FloatArray, IntArray

HOUR = 3_600_000_000_000
DAY = Seasonal(period_ns=24 * HOUR, bins=24, shrink=2.0, history=300, extremes=False)
KEYS = 10


def daily(days: int, seed: int) -> tuple[IntArray, IntArray, FloatArray]:
    """Hourly scores of ten keys, ten times as high and as wide from noon to six."""
    time = np.repeat(np.arange(24 * days) * HOUR, KEYS)
    key = np.tile(np.arange(KEYS), 24 * days)
    size = np.where((time // HOUR % 24 >= 12) & (time // HOUR % 24 < 18), 10.0, 1.0)
    return key, time, size * (3.0 + np.random.default_rng(seed).normal(size=len(key)))


def played(rule: Seasonal | Conformal, days: int) -> tuple[FloatArray, FloatArray]:
    """Tails of the second half, at night and in the afternoon."""
    key, time, value = daily(days, seed=1)
    state = rule.start()
    grow(state, KEYS)
    tail = rule.advance(state, key, time, value)  # type: ignore[arg-type]  # each its own state
    busy = (time // HOUR % 24 >= 12) & (time // HOUR % 24 < 18)
    late = time >= days * 12 * HOUR
    return tail[late & ~busy], tail[late & busy]


def test_night_and_day_alarm_alike() -> None:
    for tail in played(DAY, 60):
        assert (tail < 0.05).mean() == pytest.approx(0.05, rel=0.25)


def test_without_seasons_all_alarms_are_by_day() -> None:
    night, day = played(Conformal(history=500, extremes=False), 60)
    assert (night < 0.05).mean() == 0.0
    assert (day < 0.05).mean() > 0.15


def standard(rule: Seasonal, state: SeasonalState, hour: int, value: float) -> float:
    """The tail of a score of the first key at an hour."""
    return float(rule.tail(state, np.array([0]), np.array([hour * HOUR]), np.array([value]))[0])


def test_an_hour_never_seen_is_judged_by_the_whole_history() -> None:
    key, time, value = daily(30, seed=2)
    seen = (key == 0) & (time // HOUR % 24 != 3)
    state = DAY.start()
    grow(state, 1)
    DAY.advance(state, key[seen], time[seen], value[seen])
    assert state.count[0, 3] == 0
    # Standardised by all hours, 3 is lower than most; by its own hour it is the middle.
    middle = standard(DAY, state, 4, 3.0)
    assert middle == pytest.approx(0.5, abs=0.2)
    assert abs(standard(DAY, state, 3, 3.0) - middle) > 0.05


def test_shrinkage_moves_a_little_known_hour_towards_the_whole() -> None:
    key, time, value = daily(12, seed=3)
    own = key == 0
    tails = []
    for shrink in (1e-6, 20.0, 1e6):
        rule = Seasonal(period_ns=24 * HOUR, bins=24, shrink=shrink, extremes=False)
        state = rule.start()
        grow(state, 1)
        rule.advance(state, key[own], time[own], value[own])
        place, zero = np.array([13 * HOUR]), np.array([0])
        tails.append(rule._standard(state, zero, place, np.array([30.0]))[0])
    assert abs(tails[0]) < 1.0
    assert tails[0] < tails[1] < tails[2]


def test_the_offset_moves_the_hours_east() -> None:
    time = np.array([0, 22 * HOUR, 23 * HOUR])
    east = Seasonal(period_ns=24 * HOUR, bins=24, offset_ns=2 * HOUR)
    assert east.bin_of(time).tolist() == [2, 0, 1]
    west = Seasonal(period_ns=24 * HOUR, bins=24, offset_ns=-2 * HOUR)
    assert west.bin_of(time).tolist() == [22, 20, 21]


def test_means_are_those_of_the_scores_after_the_first_ones() -> None:
    rule = Seasonal(period_ns=24 * HOUR, bins=1, memory=10, least=5, alone=5)
    state = rule.start()
    grow(state, 1)
    zeros = np.zeros(12, dtype=np.int64)
    value = np.random.default_rng(4).normal(size=12)
    rule.advance(state, zeros, zeros, value)
    assert state.mean[0, 0] == pytest.approx(value[5:].mean())
    assert state.variance[0, 0] == pytest.approx(value[5:].var())
    assert state.count[0].tolist() == [7, 12]


def test_one_enormous_score_does_not_swallow_the_rest() -> None:
    key, time, value = daily(40, seed=5)
    own = np.flatnonzero(key == 0)
    state = DAY.start()
    grow(state, 1)
    value[own[600]] = 1e300
    DAY.advance(state, key[own], time[own], value[own])
    assert standard(DAY, state, 4, 12.0) < 0.05


@pytest.mark.parametrize("huge", [1e300, -1e300, np.inf])
def test_an_enormous_first_score_is_no_harm(huge: float) -> None:
    rule = Seasonal(period_ns=24 * HOUR, bins=2, memory=30, history=200, alone=50)
    state = rule.start()
    grow(state, 1)
    value = np.random.default_rng(6).normal(size=1000)
    value[0] = huge
    zeros = np.zeros(1000, dtype=np.int64)
    tail = rule.advance(state, zeros, zeros, value)
    assert (tail[-500:] < 0.1).mean() == pytest.approx(0.1, rel=0.3)


@pytest.mark.parametrize(
    "settings",
    [{"bins": 0}, {"shrink": 0.0}, {"memory": 1}, {"bins": 100_000}, {"least": 0}],
    ids=str,
)
def test_impossible_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="need"):
        Seasonal(**settings)
