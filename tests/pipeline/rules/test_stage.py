"""Rules together: who is asked first, what is not learned, and the usual level."""

import numpy as np
import pytest

from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.rules.calendar import Calendar
from tocsin.pipeline.rules.silence import Silence
from tocsin.pipeline.rules.size import Size
from tocsin.pipeline.rules.stage import Alarming, Rules, RulesState
from tocsin.pipeline.rules.verdicts import ALARM, DIRECTION, OFF_HOURS, SILENCED, tally
from tocsin.pipeline.state import same
from tocsin.pipeline.types import FloatArray

SIZES = Rules(sizes=(Size(direction="up"),), memory=20)
MINUTE = 60_000_000_000


def started(rules: Rules, item: tuple[int, ...] = (1,)) -> RulesState:
    state = rules.start(item)
    grow(state, 2)
    return state


def rows(*times: int) -> Alarming:
    """Alarms of one series far under its usual level."""
    count = len(times)
    return Alarming(
        np.zeros(count, dtype=np.int64), np.array(times), np.full((count, 1), -9.0), None
    )


def test_rules_that_are_empty_let_every_alarm_pass() -> None:
    rules = Rules()
    assert not rules.on
    assert rules.verdict(started(rules), rows(1, 2), ["a"], ("x",)).tolist() == [ALARM] * 2
    assert rules.frozen(["a"], np.array([0]), np.array([1])) is None


def test_a_silence_is_named_before_a_calendar_and_that_before_a_size() -> None:
    rules = Rules(
        sizes=(Size(direction="up"),),
        calendars=(Calendar(("thu 00:00-00:02",)),),
        silences=(Silence(3 * MINUTE, 4 * MINUTE),),
    )
    state = started(rules)
    rules.learn(state, np.array([0]), np.array([[5.0]]))
    found = rules.verdict(state, rows(0, 2 * MINUTE, 3 * MINUTE), ["a"], ("x",))
    assert found.tolist() == [DIRECTION, OFF_HOURS, SILENCED]


def test_only_what_freezes_learning_freezes_it() -> None:
    rules = Rules(
        calendars=(Calendar(("thu 00:00-00:02",), learn="freeze"), Calendar(("fri 00:00-01:00",))),
        silences=(Silence(0, 9), Silence(MINUTE, 2 * MINUTE, learn="keep")),
    )
    times = np.array([5, MINUTE, 2 * MINUTE])
    frozen = rules.frozen(["a"], np.zeros(3, dtype=np.int64), times)
    assert frozen is not None
    assert frozen.tolist() == [True, False, True]


def usual(values: list[float], memory: int = 1000) -> FloatArray:
    rules = Rules(sizes=(Size(),), memory=memory)
    state = started(rules)
    for value in values:
        rules.learn(state, np.array([0]), np.array([[value]]))
    return state.usual[0]


def test_the_usual_level_is_the_mean_of_the_learned_rows() -> None:
    values = np.random.default_rng(0).normal(3.0, 1.0, 200)
    np.testing.assert_allclose(usual(values.tolist()), values.mean(), rtol=1e-12)


def test_the_usual_level_follows_a_series_within_its_memory() -> None:
    assert 1.9 < usual([1.0] * 500 + [2.0] * 100, memory=30)[0] < 2.0


def test_missing_and_infinite_values_leave_the_usual_level_alone() -> None:
    assert usual([2.0, float("nan"), float("inf"), 2.0]).tolist() == [2.0]


def test_many_rows_at_once_teach_what_they_teach_one_after_another() -> None:
    rng = np.random.default_rng(1)
    key, value = rng.integers(0, 2, 300), rng.normal(size=(300, 3))
    value[rng.random(value.shape) < 0.1] = np.nan
    one, other = started(SIZES, (3,)), started(SIZES, (3,))
    SIZES.advance(one, key, value)
    for row in range(300):
        SIZES.learn(other, key[row : row + 1], value[row : row + 1])
    assert same(one, other)


def test_without_sizes_no_level_is_kept() -> None:
    rules = Rules(silences=(Silence(0, 1),))
    state = started(rules)
    rules.learn(state, np.array([0]), np.array([[5.0]]))
    rules.advance(state, np.array([0]), np.array([[5.0]]))
    assert same(state, started(rules))


def test_a_level_without_memory_is_refused() -> None:
    with pytest.raises(ConfigError, match="memory >= 1"):
        Rules(memory=0)


def test_verdicts_are_counted_in_words() -> None:
    codes = np.array([OFF_HOURS, ALARM, OFF_HOURS], dtype=np.int8)
    assert tally(codes) == {"alarm": 1, "suppressed: outside the calendar's hours": 2}
