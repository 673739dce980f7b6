import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.evaluation.matching import WEEK_NS, Planted, Watch, chance_of, match
from tocsin.pipeline.errors import TocsinError
from tocsin.pipeline.incidents import Incident

HOUR = 3_600 * 1_000_000_000
END_OF_TIME = 60  # the oracle looks at every nanosecond up to here


def incident(name, series="pump", start=10, end: int | None = 20, **changes):
    plain = Incident(
        id=name,
        revision=1,
        state="open" if end is None else "resolved",
        kind="anomaly",
        series=series,
        started_at=start,
        opened_at=start,
        ended_at=end,
        peak_at=start,
        score=4.0,
        tail=1e-4,
        alpha=1e-3,
        severity=4.0,
        level="warning",
        rows=3,
        channels=(("speed", 0.8), ("load", 0.2)),
        reason="speed is unusual",
    )
    return replace(plain, **changes)


@st.composite
def drawn_incidents(draw):
    found = []
    for number in range(draw(st.integers(0, 6))):
        start = draw(st.integers(0, 40))
        length = draw(st.none() | st.integers(0, 15))
        end = None if length is None else start + length
        series = draw(st.sampled_from(["pump", "fan"]))
        opened = start + draw(st.integers(0, 5))
        found.append(incident(f"i{number}", series, start, end, opened_at=opened))
    return found


@st.composite
def drawn_faults(draw):
    faults = []
    for _ in range(draw(st.integers(0, 5))):
        start = draw(st.integers(0, 40))
        series = draw(st.sampled_from(["pump", "fan"]))
        faults.append(Planted(series, "spike", start, start + draw(st.integers(0, 15)), "speed"))
    return faults


def moments_of(start, end):
    return set(range(start, (END_OF_TIME if end is None else end) + 1))


@given(drawn_faults(), drawn_incidents(), st.integers(0, 5))
def test_matching_agrees_with_looking_at_every_moment(faults, incidents, slack):
    matching = match(faults, incidents, slack)
    spans = {i.id: moments_of(i.started_at, i.ended_at) for i in incidents}
    used = set()
    for fault, outcome in zip(faults, matching.outcomes, strict=True):
        window = moments_of(fault.start, fault.end + slack)
        hits = [i for i in incidents if i.series == fault.series and window & spans[i.id]]
        used |= {i.id for i in hits}
        assert outcome.fault == fault
        assert outcome.found == bool(hits)
        later = [i.opened_at - fault.start for i in hits if i.opened_at >= fault.start]
        assert outcome.delay_ns == (min(later) if later else None)
        assert outcome.incident is None or outcome.incident in hits
    assert {i.id for i in matching.false_alarms} == {i.id for i in incidents} - used


@given(drawn_faults(), drawn_incidents(), st.randoms(use_true_random=False))
def test_the_order_of_incidents_does_not_matter(faults, incidents, random):
    shuffled = list(incidents)
    random.shuffle(shuffled)
    assert match(faults, shuffled, 2) == match(faults, incidents, 2)


def test_several_incidents_on_one_fault_find_it_once_and_none_is_false():
    fault = Planted("pump", "drift", 10, 30)
    matching = match([fault], [incident("a", end=12), incident("b", start=20, end=22)], 0)
    assert (matching.found, matching.false_alarms) == (1, ())
    assert matching.outcomes[0].incident == incident("a", end=12)


def test_one_incident_over_two_faults_finds_both():
    faults = [Planted("pump", "spike", 11, 12), Planted("pump", "drift", 15, 40)]
    matching = match(faults, [incident("a")], 0)
    assert matching.found == 2


def test_an_incident_that_was_open_already_gives_no_delay():
    outcome = match([Planted("pump", "spike", 15, 16)], [incident("a")], 0).outcomes[0]
    assert outcome.found
    assert outcome.delay_ns is None


def test_an_incident_opened_after_the_fault_began_goes_before_one_open_already():
    long = incident("a", start=0, end=None)
    outcome = match([Planted("pump", "spike", 8, 30)], [long, incident("b")], 0).outcomes[0]
    assert outcome.incident is not None
    assert (outcome.incident.id, outcome.delay_ns) == ("b", 2)


def test_slack_reaches_past_the_end_and_not_before_the_start():
    late = match([Planted("pump", "spike", 2, 5)], [incident("a")], 5)
    early = match([Planted("pump", "spike", 22, 25)], [incident("a")], 5)
    assert (late.found, early.found) == (1, 0)


def test_an_incident_of_another_series_is_a_false_alarm():
    matching = match([Planted("fan", "spike", 10, 20)], [incident("a")], 0)
    assert (matching.found, len(matching.false_alarms)) == (0, 1)


def test_an_incident_of_a_health_kind_finds_a_fault_as_well():
    health = incident("a", kind="stale", score=np.nan, tail=np.nan, severity=np.nan, channels=())
    outcome = match([Planted("pump", "dropout", 10, 20, "speed")], [health], 0).outcomes[0]
    assert outcome.found
    assert outcome.channel_right is None


def test_only_the_last_revision_of_an_incident_counts():
    first = incident("a", end=None, revision=1)
    last = incident("a", end=12, revision=2)
    matching = match([Planted("pump", "spike", 30, 31)], [last, first], 0)
    assert matching.found == 0
    assert matching.false_alarms == (last,)


@pytest.mark.parametrize(("channel", "right"), [("speed", True), ("load", False), ("", None)])
def test_the_top_blamed_channel_is_compared_with_the_planted_one(channel, right):
    fault = Planted("pump", "spike", 10, 20, channel)
    assert match([fault], [incident("a")], 0).outcomes[0].channel_right is right


def test_false_alarms_are_counted_a_week_a_series():
    matching = match([], [incident("a"), incident("b"), incident("c")], 0)
    watch = Watch(series=2, span_ns=3 * WEEK_NS, budget=1.0)
    assert matching.false_alarms_a_week(watch) == pytest.approx(0.5)


def test_tables_say_what_was_found_missed_and_false():
    faults = [
        Planted("pump", "spike", HOUR, HOUR + 5, "speed"),
        Planted("pump", "drift", 30 * HOUR, 31 * HOUR, "load"),
    ]
    seen = [
        incident("aaaa", start=HOUR, end=2 * HOUR, opened_at=HOUR + 90 * 10**9),
        incident("bbbb", start=9 * HOUR, end=10 * HOUR),
    ]
    lines = match(faults, seen, 0).lines(Watch(series=1, span_ns=WEEK_NS, budget=2.0))
    text = "\n".join(lines)
    assert re.search(r"spike +1 +1 +1 min 30 s +1 of 1", text)
    assert re.search(r"drift +1 +0 +- +-", text)
    assert re.search(r"all +2 +1", text)
    assert re.search(r"pump +drift +1970-01-02 06:00:00 +missed", text)
    assert re.search(r"false alarms a week a series +1 +2", text)
    assert "Within the budget." in text


def test_a_broken_budget_is_told_with_its_chance():
    seen = [incident(f"i{n}") for n in range(3)]
    table = match([], seen, 0).tables(Watch(series=1, span_ns=WEEK_NS, budget=1.0))[1]
    assert table.note == "Over the budget; a true rate on budget shows so many 8 % of the time."


def test_names_cannot_steer_the_terminal():
    fault = Planted("pump\x1b[2J\n", "spike", 10, 20)
    lines = match([fault], [], 0).lines(Watch(series=1, span_ns=WEEK_NS, budget=1.0))
    assert all(line.isprintable() for line in lines)


@given(st.integers(1, 40), st.floats(0.01, 40))
def test_chance_is_the_share_of_simulated_counts(count, expected):
    draws = np.random.default_rng(1).poisson(expected, 20_000)
    assert chance_of(count, expected) == pytest.approx((draws >= count).mean(), abs=0.02)


def test_a_fault_or_a_watch_that_makes_no_sense_is_refused():
    with pytest.raises(TocsinError, match="ends before it starts"):
        Planted("pump", "spike", 5, 4)
    with pytest.raises(TocsinError, match="a watch needs"):
        Watch(series=0, span_ns=1, budget=1.0)
    with pytest.raises(TocsinError, match="slack_ns"):
        match([], [], -1)
