"""Planted faults against the incidents that were raised: what was found, when, and what was not.

A fault is found when an incident of its series overlaps it. Every incident that overlaps a fault
is accounted for, so several incidents on one fault make it one found fault and no false alarm, and
one incident over two faults finds both. What is left over are the false alarms.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from tocsin.evaluation.table import Table
from tocsin.evaluation.wording import duration, moment, number
from tocsin.pipeline.errors import TocsinError
from tocsin.pipeline.incidents import Incident

WEEK_NS = 7 * 86_400 * 1_000_000_000


@dataclass(frozen=True, slots=True)
class Planted:
    """A fault that is known to be there, in nanoseconds, both ends included.

    `channel` is the one channel it was planted in, "" for faults of several or of none.
    """

    series: str
    kind: str
    start: int
    end: int
    channel: str = ""

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise TocsinError(f"{self.kind} on {self.series!r} ends before it starts: {self}")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one planted fault.

    `incident` is the first to open once the fault had begun; failing that, one that was open
    already. None means the fault was missed. `delay_ns` runs from the fault's start to the
    incident's `opened_at`; it is None for missed faults and for incidents that were open already,
    which the fault cannot have caused. `channel_right` says whether the channel with the largest
    share of the blame is the planted one, and is None where either side names none.
    """

    fault: Planted
    incident: Incident | None
    delay_ns: int | None
    channel_right: bool | None

    @property
    def found(self) -> bool:
        """Whether any incident overlaps the fault."""
        return self.incident is not None


@dataclass(frozen=True, slots=True)
class Watch:
    """What was watched: how many series, for how long each, under which budget.

    `budget` is in false alarms a week a series, `span_ns` the judged time, without the warm-up.
    """

    series: int
    span_ns: int
    budget: float

    def __post_init__(self) -> None:
        if self.series < 1 or self.span_ns < 1 or not self.budget >= 0:
            raise TocsinError(f"a watch needs series, a span and a budget; found {self}")

    @property
    def weeks(self) -> float:
        """Series times weeks."""
        return self.series * self.span_ns / WEEK_NS


@dataclass(frozen=True, slots=True)
class Matching:
    """The outcome of every planted fault, in the order given, and the false alarms, in time."""

    outcomes: tuple[Outcome, ...]
    false_alarms: tuple[Incident, ...]

    @property
    def found(self) -> int:
        """How many of the planted faults were found."""
        return sum(outcome.found for outcome in self.outcomes)

    def false_alarms_a_week(self, watch: Watch) -> float:
        """False alarms a week a series."""
        return len(self.false_alarms) / watch.weeks

    def tables(self, watch: Watch) -> tuple[Table, Table, Table]:
        """By kind of fault, the false alarms against the budget, and fault by fault."""
        return _by_kind(self.outcomes), _against_budget(self, watch), _by_fault(self.outcomes)

    def lines(self, watch: Watch) -> list[str]:
        """The same tables as lines of a terminal, the longest first."""
        kinds, budget, faults = (table.lines() for table in self.tables(watch))
        return [*faults, "", *kinds, "", *budget]


def match(truth: Sequence[Planted], incidents: Sequence[Incident], slack_ns: int) -> Matching:
    """Match faults with incidents of any kind; of several revisions of one, the last counts.

    An incident matches a fault of its own series where [started_at, ended_at] meets
    [start, end + slack_ns]; an open incident has no end. Costs faults times incidents a series.
    """
    if slack_ns < 0:
        raise TocsinError(f"slack_ns must not be negative; found {slack_ns}")
    last = {incident.id: incident for incident in sorted(incidents, key=lambda i: i.revision)}
    by_series: defaultdict[str, list[Incident]] = defaultdict(list)
    for incident in sorted(last.values(), key=lambda i: (i.opened_at, i.id)):
        by_series[incident.series].append(incident)
    matched: set[str] = set()
    outcomes = []
    for fault in truth:
        touching = [i for i in by_series[fault.series] if _overlap(fault, i, slack_ns)]
        matched.update(incident.id for incident in touching)
        outcomes.append(_outcome(fault, touching))
    unmatched = [incident for incident in last.values() if incident.id not in matched]
    unmatched.sort(key=lambda i: (i.opened_at, i.id))
    return Matching(tuple(outcomes), tuple(unmatched))


def anomalies(incidents: Sequence[Incident]) -> list[Incident]:
    """The incidents that count for or against a detector: those it raised.

    Others tell of the health of data and pipeline, as stuck and uncalibrated do, not of scores.
    """
    return [incident for incident in incidents if incident.kind == "anomaly"]


def chance_of(count: int, expected: float) -> float:
    """The chance of `count` or more where `expected` come on average, by Poisson's law.

    >>> round(chance_of(3, 1.0), 4), chance_of(0, 5.0)
    (0.0803, 1.0)
    """
    if count == 0:
        return 1.0
    if expected == 0:
        return 0.0
    terms = (i * math.log(expected) - expected - math.lgamma(i + 1) for i in range(count))
    return max(0.0, 1.0 - math.fsum(map(math.exp, terms)))


def _overlap(fault: Planted, incident: Incident, slack_ns: int) -> bool:
    begun = incident.started_at <= fault.end + slack_ns
    return begun and (incident.ended_at is None or incident.ended_at >= fault.start)


def _outcome(fault: Planted, touching: Sequence[Incident]) -> Outcome:
    """`touching` stands in the order of opening."""
    after = [incident for incident in touching if incident.opened_at >= fault.start]
    incident = next(iter((*after, *touching)), None)
    if incident is None:
        return Outcome(fault, None, None, None)
    right = None
    if fault.channel and incident.channels:
        right = incident.channels[0][0] == fault.channel
    return Outcome(fault, incident, incident.opened_at - fault.start if after else None, right)


def _by_kind(outcomes: Sequence[Outcome]) -> Table:
    kinds = list(dict.fromkeys(outcome.fault.kind for outcome in outcomes))
    parts = [(kind, [o for o in outcomes if o.fault.kind == kind]) for kind in kinds]
    rows = [_tally(kind, part) for kind, part in parts]
    if len(rows) != 1:
        rows.append(_tally("all", outcomes))
    head = ("kind", "planted", "found", "median delay", "channel right")
    return Table("Planted faults", head, tuple(rows), numbers=(1, 2, 3, 4))


def _tally(name: str, outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    delays = [outcome.delay_ns for outcome in outcomes if outcome.delay_ns is not None]
    judged = [outcome.channel_right for outcome in outcomes if outcome.channel_right is not None]
    return (
        name,
        str(len(outcomes)),
        str(sum(outcome.found for outcome in outcomes)),
        duration(round(median(delays))) if delays else "-",
        f"{sum(judged)} of {len(judged)}" if judged else "-",
    )


def _by_fault(outcomes: Sequence[Outcome]) -> Table:
    rows = tuple(
        (
            outcome.fault.series,
            outcome.fault.kind,
            moment(outcome.fault.start),
            "found" if outcome.found else "missed",
            _delay(outcome),
            "-" if outcome.incident is None else outcome.incident.id,
            _channel(outcome),
        )
        for outcome in outcomes
    )
    head = ("series", "kind", "planted at (UTC)", "outcome", "delay", "incident", "blamed channel")
    return Table("Fault by fault", head, rows, numbers=(4,))


def _delay(outcome: Outcome) -> str:
    if outcome.delay_ns is not None:
        return duration(outcome.delay_ns)
    return "already open" if outcome.found else "-"


def _channel(outcome: Outcome) -> str:
    if outcome.incident is None or not outcome.incident.channels:
        return "-"
    blamed = outcome.incident.channels[0][0]
    if outcome.channel_right is None:
        return blamed
    return (
        f"{blamed} (right)" if outcome.channel_right else f"{blamed}, not {outcome.fault.channel}"
    )


def _against_budget(matching: Matching, watch: Watch) -> Table:
    """A short watch can break a weekly budget by chance, so the chance is told as well."""
    count, allowed = len(matching.false_alarms), watch.budget * watch.weeks
    rows = (
        ("false alarms", str(count), number(allowed)),
        (
            "false alarms a week a series",
            number(matching.false_alarms_a_week(watch)),
            number(watch.budget),
        ),
    )
    note = "Within the budget."
    if count > allowed:
        chance = chance_of(count, allowed)
        told = "under 0.1 %" if chance < 0.001 else f"{100 * chance:.2g} %"
        note = f"Over the budget; a true rate on budget shows so many {told} of the time."
    title = f"False alarms in {number(watch.weeks)} weeks of series"
    return Table(title, ("", "seen", "budget"), rows, numbers=(1, 2), note=note)
