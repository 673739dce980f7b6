"""Alarms become incidents that open, merge, rise, resolve and reopen as the settings say."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.events import (
    ANOMALY,
    CALM,
    FAILED,
    LANES,
    OPEN,
    OUT_OF_RANGE,
    PENDING,
    STALE,
    STUCK,
    Episodes,
    EpisodesState,
    Evidence,
    Naming,
)
from tocsin.pipeline.incidents import Incident, incident_id
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.types import FloatArray

NAMES = Naming(["pump", "fan"], ("flow", "heat"), "r1")
ALPHA = 1e-3
TAILS = {"a": ALPHA / 2, "e": ALPHA / 10, "c": ALPHA / 100}  # warning, error, critical
ONE = Episodes(close_rows=1)


def started(rule: Episodes, item: tuple[int, ...] = (2,)) -> EpisodesState:
    state = rule.start(item)
    grow(state, 2)
    return state


def evidence(tail: float, score: float = 5.0, blame: FloatArray | None = None) -> Evidence:
    return Evidence(score=score, tail=tail, alpha=ALPHA, blame=blame)


def told(
    rule: Episodes, rows: str, lane: int = ANOMALY, state: EpisodesState | None = None
) -> list[Incident]:
    """The revisions that rows, one a nanosecond, make: a, e, c alarm, "." is calm, "?" no opinion.

    The further down the alphabet the letter, the stranger the row.
    """
    state = started(rule) if state is None else state
    incidents: list[Incident] = []
    for time, row in enumerate(rows):
        if row in TAILS:
            why = evidence(TAILS[row])
            incidents += rule.alarm(state, (0, lane), time, why, NAMES)
        elif row == ".":
            incidents += rule.calm(state, (0, lane), time, NAMES)
    return incidents


def story(rule: Episodes, rows: str, lane: int = ANOMALY) -> list[str]:
    """Each revision as "state@start", with the id's number where there are several."""
    return [f"{each.state}@{each.started_at}" for each in told(rule, rows, lane)]


@pytest.mark.parametrize(
    ("rule", "rows", "wanted"),
    [
        (ONE, "....", []),
        (ONE, ".a", ["open@1"]),
        (ONE, ".aaa", ["open@1"]),
        (ONE, ".a.", ["open@1", "resolved@1"]),
        (ONE, ".a.a.", ["open@1", "resolved@1", "open@3", "resolved@3"]),
        (ONE, ".a????", ["open@1"]),
        (ONE, ".a??.", ["open@1", "resolved@1"]),
        (Episodes(close_rows=3), "a..a..", ["open@0"]),
        (Episodes(close_rows=3), "a...", ["open@0", "resolved@0"]),
        (Episodes(close_rows=3), "a.?.?.", ["open@0", "resolved@0"]),
        (Episodes(close_rows=1, close_after_ns=3), "a..", ["open@0"]),
        (Episodes(close_rows=1, close_after_ns=3), "a...", ["open@0", "resolved@0"]),
        (Episodes(close_rows=1, close_after_ns=3), "a..a..", ["open@0"]),
        (Episodes(close_rows=5, close_after_ns=3), "a...", ["open@0"]),
        (Episodes(open_after_ns=2, merge_gap_ns=1), "aa", []),
        (Episodes(open_after_ns=2, merge_gap_ns=1), "aaa", ["open@0"]),
        (Episodes(open_after_ns=2, merge_gap_ns=1), "aa..aa", []),
        (Episodes(open_after_ns=2, merge_gap_ns=2), "a.a", ["open@0"]),
        (Episodes(open_after_ns=2, merge_gap_ns=1), "aa.aaa", ["open@3"]),
        (Episodes(open_after_ns=2, merge_gap_ns=1), "aa??aaa", ["open@4"]),
        (
            Episodes(close_rows=1, merge_gap_ns=2),
            "a.a",
            ["open@0", "resolved@0", "open@0"],
        ),
        (
            Episodes(close_rows=1, merge_gap_ns=2),
            "a..a",
            ["open@0", "resolved@0", "open@3"],
        ),
        (
            Episodes(open_after_ns=2, close_rows=1, merge_gap_ns=2),
            "aaa.a.",
            ["open@0", "resolved@0", "open@0", "resolved@0"],
        ),
    ],
)
def test_an_anomaly_goes_through_its_life(rule: Episodes, rows: str, wanted: list[str]) -> None:
    assert story(rule, rows) == wanted


@pytest.mark.parametrize("lane", range(1, len(LANES)))
def test_health_opens_at_once_and_resolves_likewise(lane: int) -> None:
    rule = Episodes(open_after_ns=100, close_rows=2)
    assert story(rule, ".a..", lane) == ["open@1", "resolved@1"]


@given(st.text(alphabet="aec..?", max_size=40), st.sampled_from([0, 2, 5]), st.integers(1, 3))
def test_revisions_of_an_id_count_from_one_and_end_resolved_or_open(
    rows: str, merge: int, close_rows: int
) -> None:
    rule = Episodes(open_after_ns=1, merge_gap_ns=merge, close_rows=close_rows)
    by_id: dict[str, list[Incident]] = {}
    for each in told(rule, rows):
        by_id.setdefault(each.id, []).append(each)
    for revisions in by_id.values():
        assert [each.revision for each in revisions] == list(range(1, len(revisions) + 1))
        allowed = {"": "open", "open": "revised resolved", "revised": "revised resolved"}
        before = ""
        for each in revisions:
            assert each.state in allowed.get(before, "open").split()
            before = each.state


def test_a_reopened_incident_keeps_its_id_its_opening_and_its_rows() -> None:
    first, _, again = told(Episodes(close_rows=1, merge_gap_ns=5), "aa..a")
    assert again.id == first.id
    assert again.opened_at == first.opened_at == 0
    assert again.rows == 3
    assert again.revision == 3


def test_a_new_incident_starts_from_nothing() -> None:
    again = told(ONE, "ccc.a")[-1]
    assert (again.rows, again.level, again.revision, again.opened_at) == (1, "warning", 1, 4)
    assert again.tail == TAILS["a"]


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        ("a", ["warning"]),
        ("e", ["error"]),
        ("c", ["critical"]),
        ("aec", ["warning", "error", "critical"]),
        ("ac", ["warning", "critical"]),
        ("caea", ["critical"]),
        ("c..a", ["critical", "critical", "critical"]),
    ],
)
def test_a_rise_of_the_level_revises_an_open_incident(rows: str, wanted: list[str]) -> None:
    rule = Episodes(close_rows=1, merge_gap_ns=5)
    assert [each.level for each in told(rule, rows)] == wanted


def test_what_came_before_opening_counts_for_the_level() -> None:
    (opened,) = told(Episodes(open_after_ns=2, merge_gap_ns=1), "caa")
    assert (opened.level, opened.rows, opened.peak_at) == ("critical", 3, 0)
    assert (opened.started_at, opened.opened_at) == (0, 2)


def test_the_level_is_measured_from_the_alarm_level_at_the_first_alarm() -> None:
    state = started(ONE)
    list(ONE.alarm(state, (0, ANOMALY), 0, evidence(ALPHA / 2), NAMES))
    later = Evidence(score=1.0, tail=ALPHA / 20, alpha=ALPHA / 10)
    (revised,) = ONE.alarm(state, (0, ANOMALY), 1, later, NAMES)
    assert (revised.level, revised.alpha) == ("error", ALPHA)


def test_the_peak_is_the_smallest_tail_and_the_highest_score_there() -> None:
    state = started(ONE)
    for time, (tail, score) in enumerate([(8e-4, 9.0), (5e-4, 6.0), (5e-4, 7.0), (6e-4, 8.0)]):
        list(ONE.alarm(state, (0, ANOMALY), time, evidence(tail, score), NAMES))
    (resolved,) = ONE.calm(state, (0, ANOMALY), 4, NAMES)
    assert (resolved.tail, resolved.score, resolved.peak_at) == (5e-4, 7.0, 2)
    assert resolved.severity == pytest.approx(-math.log10(5e-4))


def test_an_incident_ends_at_its_last_alarm() -> None:
    *_, resolved = told(Episodes(close_rows=3), "aaa...")
    assert resolved.ended_at == 2
    assert resolved.rows == 3


def test_an_open_incident_has_no_end() -> None:
    assert told(ONE, "a")[0].ended_at is None


def test_the_id_comes_from_series_kind_start_and_rule() -> None:
    (opened,) = told(ONE, "..a")
    assert opened.id == incident_id("pump", "anomaly", 2, "r1")
    assert opened.rule == "r1"


def test_the_same_rows_give_the_same_ids() -> None:
    rows = ".a.ec?.a..a"
    assert repr(told(ONE, rows)) == repr(told(ONE, rows))


def test_series_and_lanes_do_not_disturb_each_other() -> None:
    state = started(ONE)
    list(ONE.alarm(state, (1, ANOMALY), 0, evidence(1e-4), NAMES))
    list(ONE.alarm(state, (0, STUCK), 0, Evidence(), NAMES))
    assert [each.started_at for each in told(ONE, ".a.", state=state)] == [1, 1]
    assert state.phase[1, ANOMALY] == state.phase[0, STUCK] == OPEN


def shares(*blames: list[float]) -> tuple[tuple[str, float], ...]:
    """The channels of an incident whose rows have these blames."""
    state = started(ONE)
    for time, blame in enumerate(blames):
        list(ONE.alarm(state, (0, ANOMALY), time, evidence(1e-4, blame=np.array(blame)), NAMES))
    (resolved,) = ONE.calm(state, (0, ANOMALY), len(blames), NAMES)
    return resolved.channels


def test_channels_are_named_with_their_share_largest_first() -> None:
    assert shares([1.0, 3.0]) == (("heat", 0.75), ("flow", 0.25))


def test_every_row_has_one_vote_however_large_its_blame() -> None:
    assert shares([1000.0, 0.0], [0.0, 1.0], [0.0, 2.0]) == (("heat", 0.6667), ("flow", 0.3333))


def test_a_channel_without_blame_is_not_named() -> None:
    assert shares([0.0, 2.0]) == (("heat", 1.0),)


def test_rows_without_blame_name_no_channel() -> None:
    assert shares([0.0, 0.0]) == ()
    assert told(ONE, "a")[0].channels == ()


def test_an_infinite_blame_takes_the_whole_share() -> None:
    assert shares([np.inf, 3.0]) == (("flow", 1.0),)
    assert shares([np.inf, np.inf], [0.0, 1.0]) == (("heat", 0.75), ("flow", 0.25))


def test_blame_as_large_as_numbers_go_is_shared() -> None:
    assert shares([1.5e308, 1.5e308]) == (("flow", 0.5), ("heat", 0.5))


def test_blame_starts_anew_with_each_incident() -> None:
    state = started(ONE)
    for time, blame in ((0, [1.0, 0.0]), (2, [0.0, 1.0])):
        why = evidence(1e-4, blame=np.array(blame))
        (opened,) = ONE.alarm(state, (0, ANOMALY), time, why, NAMES)
        assert opened.channels[0][1] == 1.0
        list(ONE.calm(state, (0, ANOMALY), time + 1, NAMES))


@pytest.mark.parametrize("colours", [(), (3,)])
def test_the_most_blamed_part_of_a_frame_is_told_by_its_box(colours: tuple[int, ...]) -> None:
    state = started(ONE, (4, 5, *colours))
    blame = np.ones((4, 5, *colours))
    blame[1:3, 2:5] = 9.0
    names = Naming(["camera"], (), "r1")
    (opened,) = ONE.alarm(state, (0, ANOMALY), 0, evidence(1e-4, blame=blame), names)
    assert opened.channels == (("rows 1-2, columns 2-4", round(54 / 68, 4)),)


def test_the_reason_says_what_was_seen() -> None:
    state = started(ONE)
    for time in (0, 3_000_000_000):
        why = evidence(2e-4, blame=np.array([1.0, 4.0]))
        list(ONE.alarm(state, (0, ANOMALY), time, why, NAMES))
    (resolved,) = ONE.calm(state, (0, ANOMALY), 9_000_000_000, NAMES)
    assert resolved.reason == "tail 0.0002 under 0.001, 2 rows over 3s; led by heat (80%)"


@pytest.mark.parametrize(
    ("lane", "reason", "level"),
    [
        (STALE, "no rows have come for longer than this series is ever silent", "warning"),
        (STUCK, "a channel has not changed, 1 row", "warning"),
        (OUT_OF_RANGE, "a channel was outside its valid range, 1 row", "warning"),
        (LANES.index("blind"), "the detector gave no score, 1 row", "warning"),
        (FAILED, "the detector raised an error, 1 row", "error"),
    ],
)
def test_health_incidents_say_what_is_wrong(lane: int, reason: str, level: str) -> None:
    (opened,) = told(ONE, "a", lane)
    assert (opened.kind, opened.reason, opened.level) == (LANES[lane], reason, level)


def test_health_incidents_have_no_score() -> None:
    (opened,) = told(ONE, "a", STUCK)
    plain = opened.to_json()
    assert (plain["score"], plain["tail"], plain["alpha"]) == (None, None, None)
    assert (opened.severity, opened.peak_at, opened.channels) == (0.0, 0, ())


def test_every_revision_can_be_sent_as_json() -> None:
    for lane in range(len(LANES)):
        for each in told(ONE, "aec.a", lane):
            assert json.loads(json.dumps(each.to_json(), allow_nan=False))["id"] == each.id


def test_asking_revises_an_open_incident_once() -> None:
    state = started(ONE)
    told(ONE, "a", state=state)
    (asked,) = ONE.ask(state, 0, NAMES)
    assert (asked.state, asked.revision, asked.asks) == ("revised", 2, "is this the new normal?")
    assert list(ONE.ask(state, 0, NAMES)) == []


def test_a_resolved_incident_asks_nothing() -> None:
    state = started(ONE)
    told(ONE, "a", state=state)
    list(ONE.ask(state, 0, NAMES))
    (resolved,) = ONE.calm(state, (0, ANOMALY), 5, NAMES)
    assert resolved.asks == ""


@pytest.mark.parametrize("rows", ["", "a.", "a"])
def test_nobody_is_asked_about_what_is_not_open(rows: str) -> None:
    rule = Episodes(open_after_ns=5, close_rows=1)
    state = started(rule)
    told(rule, rows, state=state)
    assert list(rule.ask(state, 0, NAMES)) == []


def test_a_pending_incident_is_forgotten_after_the_gap() -> None:
    rule = Episodes(open_after_ns=9, merge_gap_ns=2)
    state = started(rule)
    told(rule, "a..", state=state)
    assert state.phase[0, ANOMALY] == PENDING
    list(rule.calm(state, (0, ANOMALY), 3, NAMES))
    assert state.phase[0, ANOMALY] == CALM


@pytest.mark.parametrize(
    "settings", [{"open_after_ns": -1}, {"close_after_ns": -1}, {"merge_gap_ns": -1}]
)
def test_negative_times_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="open_after, close_after and merge_gap are 0 or more"):
        Episodes(**settings)


def test_closing_takes_a_row_at_least() -> None:
    with pytest.raises(ConfigError, match="close_rows is 1 or more"):
        Episodes(close_rows=0)
