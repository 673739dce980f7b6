"""The gate keeps a lasting fault from being learned, and lets a person decide."""

import numpy as np
import pytest

from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.gate import Gate, GateState, accept
from tocsin.pipeline.keyed import grow


def started(rule: Gate) -> GateState:
    state = rule.start()
    grow(state, 2)
    return state


def admitted(rule: Gate, firing: list[bool], accepted_after: int = -1) -> tuple[str, str]:
    """Which of one key's rows, one a nanosecond, may be learned, and at which a person is asked."""
    state = started(rule)
    learns, asks = "", ""
    for time, fires in enumerate(firing):
        learn, ask = rule.admit(state, np.array([0]), np.array([time]), np.array([fires]))
        learns += "L" if learn[0] else "-"
        asks += "?" if ask[0] else "-"
        if time == accepted_after:
            accept(state, 0)
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


def test_what_is_accepted_is_learned_until_it_is_over() -> None:
    firing = [True, True, True, True, False, True]
    assert admitted(Gate(at_most_ns=1), firing, accepted_after=1)[0] == "--LLL-"


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


def test_a_negative_patience_is_refused() -> None:
    with pytest.raises(ConfigError, match="a gate needs at_most >= 0"):
        Gate(at_most_ns=-1)
