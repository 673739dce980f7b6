"""Two levels, to open and to close at; severity beyond the tail's floor; acceptance."""

import math

import numpy as np
import pytest

from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.events import ANOMALY, Episodes, EpisodesState, Evidence, Naming
from tocsin.pipeline.incidents import Incident
from tocsin.pipeline.keyed import grow

NAMES = Naming(["pump", "fan"], ("flow",), "r1")
AT = (0, ANOMALY)


def started(rule: Episodes) -> EpisodesState:
    state = rule.start((1,))
    grow(state, 2)
    return state


def alarm(
    rule: Episodes, state: EpisodesState, time: int, tail: float = 1e-4, reach: float = 0.0
) -> list[Incident]:
    why = Evidence(score=5.0 + reach, tail=tail, alpha=1e-3, reach=reach)
    return list(rule.alarm(state, AT, time, why, NAMES))


def levels(rule: Episodes, state: EpisodesState, alpha: float) -> list[float]:
    found = rule.level(state, np.array([0, 1]), np.array([alpha, alpha]))
    return [float(each) for each in found]


def test_an_open_incident_is_held_open_at_a_multiple_of_its_level() -> None:
    rule = Episodes(close_factor=5.0)
    state = started(rule)
    assert levels(rule, state, 1e-3) == [1e-3, 1e-3]
    alarm(rule, state, 0)
    assert levels(rule, state, 1e-3) == [5e-3, 1e-3]


def test_the_level_of_an_open_incident_never_falls_below_that_of_its_first_alarm() -> None:
    rule = Episodes(close_factor=5.0)
    state = started(rule)
    alarm(rule, state, 0)
    assert levels(rule, state, 1e-6) == [5e-3, 1e-6]
    assert levels(rule, state, float("nan"))[0] == 5e-3


def test_a_pending_incident_is_judged_at_the_level_to_open_at() -> None:
    rule = Episodes(open_after_ns=10, close_factor=5.0)
    state = started(rule)
    alarm(rule, state, 0)
    assert levels(rule, state, 1e-6) == [1e-3, 1e-6]


def test_the_level_to_close_at_is_at_most_one() -> None:
    rule = Episodes(close_factor=1e9)
    state = started(rule)
    alarm(rule, state, 0)
    assert levels(rule, state, 1e-3)[0] == 1.0


@pytest.mark.parametrize("factor", [0.9, float("nan")])
def test_closing_at_a_lower_level_than_opening_is_refused(factor: float) -> None:
    with pytest.raises(ConfigError, match="close_factor is 1 or more"):
        Episodes(close_factor=factor)


def test_severity_goes_on_by_the_reach_of_the_peak() -> None:
    rule = Episodes()
    state = started(rule)
    alarm(rule, state, 0, tail=1e-4, reach=0.5)
    alarm(rule, state, 1, tail=1e-4, reach=2.0)
    alarm(rule, state, 2, tail=1e-4, reach=1.0)  # a lower score: no peak
    (resolved,) = rule.accept(state, 0, NAMES)
    assert resolved.severity == pytest.approx(4.0 + 2.0)
    assert (resolved.peak_at, resolved.tail) == (1, 1e-4)


def test_the_next_incident_begins_without_reach() -> None:
    rule = Episodes(close_rows=1)
    state = started(rule)
    alarm(rule, state, 0, reach=3.0)
    list(rule.calm(state, AT, 1, NAMES))
    (opened,) = alarm(rule, state, 2)
    assert opened.severity == pytest.approx(-math.log10(1e-4))


def peaks(rule: Episodes, state: EpisodesState, *rows: tuple[int, float, float]) -> list[bool]:
    return [rule.is_peak(state, 0, time, tail, score) for time, tail, score in rows]


def test_a_peak_has_the_smallest_tail_or_the_highest_score_there() -> None:
    rule = Episodes()
    state = started(rule)
    assert peaks(rule, state, (0, 0.5, 0.0)) == [True]
    alarm(rule, state, 0)
    rows = (1, 1e-5, 0.0), (1, 1e-4, 6.0), (1, 1e-4, 5.0), (1, 1e-3, 9.0)
    assert peaks(rule, state, *rows) == [True, True, False, False]


def test_a_row_that_begins_a_pending_incident_anew_is_its_peak() -> None:
    rule = Episodes(open_after_ns=10, merge_gap_ns=2)
    state = started(rule)
    alarm(rule, state, 0)
    assert peaks(rule, state, (2, 1e-3, 1.0), (3, 1e-3, 1.0)) == [False, True]


def test_what_is_accepted_is_over_with_a_reason() -> None:
    rule = Episodes(merge_gap_ns=100)
    state = started(rule)
    alarm(rule, state, 0)
    alarm(rule, state, 4)
    (resolved,) = rule.accept(state, 0, NAMES)
    assert (resolved.state, resolved.ended_at, resolved.revision) == ("resolved", 4, 2)
    assert resolved.reason.endswith("; accepted as the new normal")


def test_what_is_accepted_does_not_reopen_within_the_merge_gap() -> None:
    rule = Episodes(merge_gap_ns=100)
    state = started(rule)
    (first,) = alarm(rule, state, 0)
    list(rule.accept(state, 0, NAMES))
    (second,) = alarm(rule, state, 5)
    assert second.id != first.id
    assert second.started_at == 5


def test_a_pending_incident_that_is_accepted_never_was() -> None:
    rule = Episodes(open_after_ns=10)
    state = started(rule)
    alarm(rule, state, 0)
    assert list(rule.accept(state, 0, NAMES)) == []
    assert alarm(rule, state, 10) == []
