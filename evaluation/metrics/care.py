"""CARE: coverage, accuracy, reliability and earliness over events of a fleet.

Gück, Roelofs, Faulstich (2024), "CARE to Compare: A Real-World Benchmark Dataset for Early Fault
Detection in Wind Turbine Data", Data 9(12), 10.3390/data9120138, arXiv:2404.10320. The paper and
the authors' package differ in places; `PACKAGE` and `PAPER` name the two sets of rules. The paper's
cost-weighted means, which the package leaves out, are not offered. O(n) in time and memory.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from tocsin.evaluation.metrics.checked import flags
from tocsin.evaluation.metrics.compiled import compiled
from tocsin.evaluation.metrics.parts import PrecisionRecall
from tocsin.pipeline.errors import TocsinError
from tocsin.pipeline.types import BoolArray, FloatArray

_HIGHEST = 1000  # of the criticality counter


@dataclass(frozen=True, slots=True)
class CareRules:
    """What counts as detected and how events are weighed.

    `knee` (a, b): weights of an event window fall from 1 at a/b of it to 0 at its end.
    `criticality`: the counter from which an event is detected; 72 is 12 h of 10-minute rows and
    must be rescaled for others. `must_exceed`: whether the counter must be above it.
    `alarm_share`: if given, the event is detected by this share of alarms among rows of normal
    status instead. `floor_counts`: whether an accuracy of exactly 0.5 is weighed with the rest.
    `until_event_end`: whether rows after the event window are left out.
    """

    beta: float = 0.5
    knee: tuple[int, int] = (1, 4)
    criticality: int = 72
    must_exceed: bool = False
    alarm_share: float | None = None
    floor_counts: bool = False
    until_event_end: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.knee[0] < self.knee[1]:
            raise TocsinError(f"knee: {self.knee}, wanted (a, b) with 0 < a < b")
        if not self.beta > 0 or self.criticality < 0:
            raise TocsinError(
                f"beta {self.beta} and criticality {self.criticality}: wanted a positive beta and "
                "a criticality of 0 or more"
            )


PACKAGE = CareRules()
PAPER = CareRules(knee=(1, 2), must_exceed=True, floor_counts=True)


@dataclass(frozen=True, slots=True)
class CareEvent:
    """One asset's stretch of rows, with the window of one event; N rows.

    `alarms` (N,) are the detector's, `normal` (N,) whether the asset was in normal operation;
    both 0 or 1. `first` and `last` are the rows of the window, both included; for an anomaly,
    `last` is the start of the fault itself.
    """

    name: str
    alarms: BoolArray
    normal: BoolArray
    first: int
    last: int
    anomalous: bool


@dataclass(frozen=True, slots=True)
class EventCare:
    """How one event was judged; `coverage` and `earliness` are None for normal events."""

    name: str
    anomalous: bool
    detected: bool
    criticality: int
    accuracy: float
    coverage: float | None = None
    earliness: float | None = None


@dataclass(frozen=True, slots=True)
class Care:
    """The CARE score and its four components, each 0 to 1, and the events behind them."""

    score: float
    coverage: float
    accuracy: float
    reliability: float
    earliness: float
    events: tuple[EventCare, ...] = field(repr=False)


def care(events: Sequence[CareEvent], rules: CareRules = PACKAGE) -> Care:
    """The CARE score of a detector over anomaly events and normal ones.

    Coverage is the F-beta of rows in anomaly events, accuracy the share of calm rows in normal
    ones, reliability the F-beta of detected events, earliness a weighted share of alarms in event
    windows. Accuracy counts twice; at an accuracy of 0.5 or less it is the whole score, and without
    any detection the score is 0. Rewards lasting alarms well before a fault and calm elsewhere.
    Gamed by the floor: a detector just above 0.5 accuracy gains all the rest. Never alarming gets
    0.000, alarming always 0.000, alarming in a random half of the rows 0.500. Fewer than one event
    of each kind, an event without rows of normal status, or columns that do not fit are a
    TocsinError.

    >>> alarms = np.arange(200) >= 100
    >>> normal = np.ones(200, dtype=bool)
    >>> events = [CareEvent("fault", alarms, normal, 100, 199, True),
    ...           CareEvent("calm", ~normal, normal, 100, 199, False)]
    >>> care(events).score
    1.0
    """
    return combined([judged(event, rules) for event in events], rules)


def judged(event: CareEvent, rules: CareRules = PACKAGE) -> EventCare:
    """One event on its own; errors as for `care`."""
    alarms, normal = _columns(event)
    rows = np.arange(len(alarms))
    window = (rows >= event.first) & (rows <= event.last)
    counts = normal & (rows <= event.last) if rules.until_event_end else normal
    if not counts.any():
        raise TocsinError(f"event {event.name!r}: no row is of normal status")
    truth = window if event.anomalous else np.zeros_like(window)
    right = float((counts & (alarms == truth)).sum() / counts.sum())
    criticality = int(_criticality(alarms[: event.last + 1], normal[: event.last + 1]))
    detected = _detected(float(alarms[counts].mean()), criticality, rules)
    one = EventCare(event.name, event.anomalous, detected, criticality, right)
    if not event.anomalous:
        return one
    hits = float((counts & truth & alarms).sum())
    parts = PrecisionRecall(
        hits / max(1.0, float((counts & alarms).sum())),
        hits / max(1.0, float((counts & truth).sum())),
    )
    weights = window_weights(event.last - event.first + 1, rules.knee)
    early = float(np.average(alarms[window], weights=weights))
    return replace(one, coverage=parts.f(rules.beta), earliness=early)


def combined(events: Sequence[EventCare], rules: CareRules = PACKAGE) -> Care:
    """The CARE score of judged events."""
    faults = [event for event in events if event.anomalous]
    calm = [event for event in events if not event.anomalous]
    if not faults or not calm:
        raise TocsinError(
            f"{len(faults)} anomaly events and {len(calm)} normal ones; at least one of each is "
            "wanted"
        )
    found = sum(event.detected for event in faults)
    raised = sum(event.detected for event in events)
    reliability = PrecisionRecall(found / max(1, raised), found / len(faults)).f(rules.beta)
    coverage = _mean([event.coverage for event in faults])
    earliness = _mean([event.earliness for event in faults])
    accuracy = _mean([event.accuracy for event in calm])
    score = (coverage + earliness + reliability + 2.0 * accuracy) / 5.0
    if accuracy < 0.5 or (accuracy == 0.5 and not rules.floor_counts):
        score = accuracy
    if not raised:
        score = 0.0
    return Care(score, coverage, accuracy, reliability, earliness, tuple(events))


def window_weights(rows: int, knee: tuple[int, int] = PACKAGE.knee) -> FloatArray:
    """Weights (rows,) of an event window: 1 up to the knee, then falling in a line.

    >>> window_weights(5).round(4).tolist()
    [1.0, 1.0, 0.7719, 0.4912, 0.2105]
    """
    before, whole = knee
    fine = rows * whole
    at = whole * np.arange(rows)
    falling = (1.0 - at / (fine - 1)) / (1.0 - before / whole)
    return np.where(at < int(fine * before / whole), 1.0, falling)


def _columns(event: CareEvent) -> tuple[BoolArray, BoolArray]:
    alarms = flags(f"alarms of event {event.name!r}", event.alarms)
    normal = flags(f"status of event {event.name!r}", event.normal)
    if alarms.shape != normal.shape or not 0 <= event.first <= event.last < len(alarms):
        raise TocsinError(
            f"event {event.name!r}: {len(alarms)} alarms, {len(normal)} statuses, window "
            f"{event.first} to {event.last}; wanted columns of one length that hold the window"
        )
    return alarms, normal


def _detected(share: float, criticality: int, rules: CareRules) -> bool:
    if rules.alarm_share is not None:
        return share >= rules.alarm_share
    return criticality >= rules.criticality + int(rules.must_exceed)


def _mean(values: Sequence[float | None]) -> float:
    return float(np.mean([value for value in values if value is not None]))


@compiled
def _criticality(alarms: BoolArray, normal: BoolArray) -> int:
    """The highest count reached: up a row that alarms, down a calm one, in normal status alone."""
    count, highest = 0, 0
    for t in range(len(alarms)):
        if normal[t]:
            count = min(_HIGHEST, count + 1) if alarms[t] else max(0, count - 1)
            highest = max(highest, count)
    return highest
