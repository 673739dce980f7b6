"""The gate keeps a lasting fault from being learned, and lets a person decide."""

import numpy as np
import pytest

from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.gate import Gate, GateState, Waiting, accept
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.order import NEVER


def started(rule: Gate) -> GateState:
    state = rule.start()
    grow(state, 2)
    return state


def admitted(rule: Gate, firing: list[bool]) -> tuple[str, str]:
    """Which of one key's rows, one a nanosecond, may be learned, and at which a person is asked."""
    state = started(rule)
    learns, asks = "", ""
    for time, fires in enumerate(firing):
        learn, ask = rule.admit(state, np.array([0]), np.array([time]), np.array([fires]))
        learns += "L" if learn[0] else "-"
        asks += "?" if ask[0] else "-"
    return learns, asks


def test_calm_rows_are_learned() -> None:
    assert admitted(Gate(), [False] * 4) == ("LLLL", "----")


def test_firing_rows_are_not_learned() -> None:
    assert admitted(Gate(), [False, True, True, False])[0] == "L--L"


def test_a_person_is_asked_once_freezing_has_lasted() -> None:
    assert admitted(Gate(at_most_ns=3), [False, *[True] * 6]) == ("L------", "----?--")


def test_a_person_is_asked_again_in_the_next_fault() -> None:
    firing = [True, True, False, True, True]
    assert admitted(Gate(at_most_ns=1), firing)[1] == "-?--?"


def test_accepting_frees_the_series_and_has_it_learn_anew() -> None:
    rule = Gate(at_most_ns=1)
    state = started(rule)
    for time in range(3):
        rule.admit(state, np.array([0, 1]), np.array([time, time]), np.array([True, True]))
    accept(state, 0, 7)
    assert state.since[:2].tolist() == [NEVER, 0]
    assert state.asked[:2].tolist() == [False, True]
    assert state.relearn[:2].tolist() == [7, 0]


def rows(*at: tuple[int, int]) -> Waiting:
    """Rows by key and time; the score tells which row it is."""
    key, time = (np.array([each[axis] for each in at], dtype=np.int64) for axis in (0, 1))
    return Waiting(key, time, np.zeros((len(at), 1, 1)), (100 * key + time).astype(np.float64))


def let_out(rule: Gate, *at: tuple[int, int]) -> list[tuple[int, int, int]]:
    """Each row that is let out, as (time it is let out at, its key, its time); one row a tick."""
    waiting, found = rows(), []
    for key, time in at:
        waiting, free = rule.detain(waiting, rows((key, time)))
        assert free.score.tolist() == (100.0 * free.key + free.time).tolist()
        found += [(time, *row) for row in zip(free.key.tolist(), free.time.tolist(), strict=True)]
    return found


def test_rows_wait_for_as_many_rows_of_their_own_series() -> None:
    rule = Gate(learn="quarantine", quarantine_ns=0, quarantine_rows=2)
    came = (0, 1), (1, 2), (0, 3), (1, 4), (0, 5), (0, 6)
    assert let_out(rule, *came) == [(5, 0, 1), (6, 0, 3)]


def test_rows_wait_until_their_series_is_so_much_later() -> None:
    rule = Gate(learn="quarantine", quarantine_ns=4)
    assert let_out(rule, (0, 1), (1, 2), (0, 4), (0, 5), (0, 9)) == [
        (5, 0, 1),
        (9, 0, 4),
        (9, 0, 5),
    ]


def test_rows_that_are_let_out_together_are_learned_by_time_and_key() -> None:
    ticks = rows((1, 3), (0, 2), (0, 3), (1, 1)).ticks()
    assert [(tick.key.tolist(), tick.time.tolist()) for tick in ticks] == [
        ([1], [1]),
        ([0], [2]),
        ([0, 1], [3, 3]),
    ]


def test_nothing_waiting_makes_no_tick() -> None:
    assert rows().ticks() == []


def test_without_asking_learning_goes_on_by_itself() -> None:
    rule = Gate(at_most_ns=3, then="learn")
    assert admitted(rule, [True] * 6) == ("---LLL", "------")


def test_the_freeze_begins_anew_with_each_fault() -> None:
    rule = Gate(at_most_ns=2, then="learn")
    assert admitted(rule, [True, True, True, False, True, True])[0] == "--LL--"


def test_always_learns_every_row_and_asks_nobody() -> None:
    assert admitted(Gate(learn="always", at_most_ns=1), [True] * 5) == ("LLLLL", "-----")


def test_no_patience_at_all_asks_at_once() -> None:
    assert admitted(Gate(at_most_ns=0), [True, True])[1] == "?-"


def test_series_are_frozen_each_on_its_own() -> None:
    rule = Gate()
    learn, _ = rule.admit(
        started(rule), np.array([0, 1]), np.array([5, 5]), np.array([True, False])
    )
    assert learn.tolist() == [False, True]


@pytest.mark.parametrize("name", ["quarantine_ns", "quarantine_rows", "relearn_rows"])
def test_negative_waits_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="are 0 or more"):
        Gate(**{name: -1})  # type: ignore[arg-type]  # one setting of several types


def test_a_negative_patience_is_refused() -> None:
    with pytest.raises(ConfigError, match="a gate needs at_most >= 0"):
        Gate(at_most_ns=-1)
