"""Incidents of health say the value, the limit and since when; cuts of the rows change nothing."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.pipeline_chains import PLAIN
from oracles.pipeline_runs import SECOND, Run, Stream, play

from tocsin.pipeline.events import LANES, Episodes, Evidence, Naming
from tocsin.pipeline.health import Health, Limits, Seen
from tocsin.pipeline.incidents import iso
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.order import NEVER
from tocsin.pipeline.troubles import Course, Trouble, in_words

STUCK, OUTSIDE = LANES.index("stuck"), LANES.index("out_of_range")
VALUES = st.sampled_from([0.0, 0.0, 1.0, np.nan, np.nan])
ROWS = st.lists(st.tuples(st.integers(0, 1), VALUES, VALUES), max_size=50)
CUTS = st.lists(st.integers(0, 50), max_size=5)
STRICT = Health(stuck_rows=3)


def seen(rows: list[tuple[int, float, float]], cuts: list[int]) -> list[Seen]:
    """What health makes of rows of (key, two channels), one a nanosecond."""
    state = STRICT.start((2,))
    grow(state, 2)
    table = np.array(rows).reshape(-1, 3)
    edges = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    return [
        STRICT.observe(
            state, first - 1, table[first:last, 0].astype(int), np.arange(first, last), part
        )
        for first, last in pairwise(edges)
        for part in [table[first:last, 1:]]
    ]


def by_hand(rows: list[tuple[int, float, float]]) -> list[Trouble]:
    """The trouble of each stuck row, with what its first stuck channel has shown so far."""
    found = []
    for number, (key, *_) in enumerate(rows):
        mine = [(time, row) for time, row in enumerate(rows[: number + 1]) if row[0] == key]
        for channel in (1, 2):
            told = [(time, row[channel]) for time, row in mine]
            values = [(time, value) for time, value in told if not math.isnan(value)]
            changed = next(
                (
                    time
                    for (_, before), (time, value) in reversed(
                        list(pairwise([(NEVER, math.nan), *values]))
                    )
                    if value != before
                ),
                NEVER,
            )
            count = sum(time >= changed for time, _ in told)
            if count - (changed != NEVER) < 3:
                continue
            missing = math.isnan(told[-1][1])
            since = values[-1][0] if missing and values else changed
            measure = count if changed != NEVER else count + 1
            found.append(Trouble(told[-1][1], measure, since))
            break
    return found


@given(ROWS, CUTS)
def test_a_stuck_channel_tells_what_it_is_and_since_when_as_by_hand(
    rows: list[tuple[int, float, float]], cuts: list[int]
) -> None:
    found = [
        part.stuck_why.at(row)
        for part in seen(rows, cuts)
        for row in np.flatnonzero(part.stuck).tolist()
    ]
    assert list(map(repr, found)) == [
        repr(replace(each, measure=float(each.measure))) for each in by_hand(rows)
    ]


def told(lane: int, *troubles: Trouble) -> list[str]:
    """The reasons of an incident in whose rows these are the troubles, open and then over."""
    rule, names = Episodes(close_rows=1), Naming(["pump"], ("flow", "heat"), "r1")
    state = rule.start((2,))
    grow(state, 1)
    reasons = []
    for second, trouble in enumerate(troubles):
        why = Evidence(channel=1, trouble=trouble)
        made = rule.alarm(state, (0, lane), second * SECOND, why, names)
        reasons += [each.reason for each in made]
    ends = rule.calm(state, (0, lane), len(troubles) * SECOND, names)
    return reasons + [each.reason for each in ends]


def test_a_channel_out_of_range_tells_its_farthest_value_and_the_limit() -> None:
    rows = [Trouble(61.0, 59.0), Trouble(63.5, 59.0), Trouble(-1.0, 0.0)]
    assert told(OUTSIDE, *rows) == [
        "heat was 61, above 59, 1 row",
        "heat was up to 63.5, above 59, 3 rows over 2s",
    ]


def test_a_channel_under_its_range_says_so() -> None:
    assert told(OUTSIDE, Trouble(-1.0, 0.0))[0] == "heat was -1, below 0, 1 row"


def test_a_channel_without_values_is_told_as_missing() -> None:
    rows = [Trouble(math.nan, 30.0, 0), Trouble(math.nan, 31.0, 0)]
    assert told(STUCK, *rows) == [
        "heat has had no value since 1970-01-01T00:00:00Z, for 0s",
        "heat had no value after 1970-01-01T00:00:00Z, for 1s",
    ]


def test_a_channel_that_never_had_a_value_says_so() -> None:
    assert told(STUCK, Trouble(math.nan, 31.0))[0] == "heat has never had a value, 31 rows"


def test_a_silence_of_unknown_usual_interval_tells_the_limit_alone() -> None:
    text = in_words("stale", "", Course(1, 0, 0), Trouble(math.nan, 7.0 * SECOND, 0))
    assert text == "the last row came 1970-01-01T00:00:00Z; silent after 7s"


def stream() -> Stream:
    """Two pumps, a row a second: one is stuck, misses values, is out of range; one is silent."""
    values = np.random.default_rng(3).normal(size=(800, 2))
    values[200:280:2, 0] = 0.25
    values[400:480:2, 1] = np.nan
    values[600:603:2, 0] = 20.0, 25.0
    time = np.repeat(np.arange(400) * SECOND, 2)
    kept = np.setdiff1d(np.arange(800), np.arange(501, 700, 2))
    names = [f"p{row % 2}" for row in kept.tolist()]
    return Stream(names, time[kept], values[kept])


CHAIN = replace(PLAIN, health=replace(PLAIN.health, limits=(Limits(low=-9.0, high=9.0),)))


@pytest.mark.parametrize("edges", [None, list(range(701)), [0, 131, 247, 460, 533, 700]])
def test_a_run_tells_what_was_wrong_however_it_is_cut(edges: list[int] | None) -> None:
    run = play(CHAIN, stream(), edges)
    at = {second: iso(second * SECOND) for second in (100, 199, 249)}
    assert last_reasons(run, "stuck") == [
        f"c0 was 0.25 from {at[100]}, 40 rows over 39s",
        f"c1 had no value after {at[199]}, for 40s",
    ]
    assert last_reasons(run, "out_of_range") == ["c0 was up to 25, above 9, 2 rows over 1s"]
    assert last_reasons(run, "stale") == [
        f"no row came for 1m41s after {at[249]}; usually every 1s, silent after 8s"
    ]


def test_readings_of_health_tell_the_value() -> None:
    run = play(CHAIN, stream())
    values = [each.to_json()["channels"][0]["value"] for each in run.of("out_of_range")]
    assert values == [20.0, 25.0]
    assert run.of("stuck")[0].readings == ((0.25, None, None),)


def last_reasons(run: Run, kind: str) -> list[str]:
    """The reason of each incident of a kind once it is over."""
    return [each.reason for each in run.of(kind) if each.state == "resolved"]
