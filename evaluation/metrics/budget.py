"""What people on call ask: how many faults are caught, for how many false incidents a week."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from tocsin.evaluation.metrics.checked import alarmed, labelled, runs
from tocsin.evaluation.metrics.compiled import compiled
from tocsin.evaluation.metrics.ranking import falling_order
from tocsin.pipeline.errors import TocsinError
from tocsin.pipeline.types import BoolArray, IntArray


@dataclass(frozen=True, slots=True)
class Caught:
    """Events caught and false incidents raised, of `events` events in `weeks` weeks.

    `alarmed` is the share of normal rows that alarm: how long the false incidents and the tails of
    the right ones last. `threshold` is the smallest score that alarms, None where alarms were given
    or where no threshold catches anything within the budget.
    """

    caught: int
    events: int
    false_incidents: int
    weeks: float
    alarmed: float
    threshold: float | None = None

    @property
    def false_a_week(self) -> float:
        """False incidents a week."""
        return self.false_incidents / self.weeks


def incidents(labels: ArrayLike, alarms: ArrayLike, weeks: float) -> Caught:
    """What alarms (N,) of 0 and 1 over a series of `weeks` weeks catch and cost.

    An incident is a run of alarms; it is false if it overlaps no event. Events that one incident
    joins count as one catch, as it pages once. Rewards an incident of its own for each event. A
    flapping detector is charged for every run. Gamed by few endless incidents: look at `alarmed`.
    Labels without an event, or weeks that are not positive, are a TocsinError.

    >>> found = incidents([0, 1, 1, 0, 0, 1], [0, 0, 1, 1, 1, 1], weeks=1)
    >>> found.caught, found.events, found.false_incidents
    (1, 2, 0)
    """
    _check_weeks(weeks)
    truth, raised = alarmed(labels, alarms)
    before = np.concatenate(([0], np.cumsum(raised)))
    events, raises = runs(truth), runs(raised)
    hit = before[events[:, 1] + 1] > before[events[:, 0]]
    bridges = before[events[1:, 0] + 1] - before[events[:-1, 1]]  # alarms from event to event
    joined = bridges == events[1:, 0] - events[:-1, 1] + 1
    inside = np.concatenate(([0], np.cumsum(truth)))
    false = inside[raises[:, 1] + 1] == inside[raises[:, 0]]
    return Caught(
        caught=int(hit.sum()) - int(joined.sum()),
        events=len(events),
        false_incidents=int(false.sum()),
        weeks=weeks,
        alarmed=int((raised & ~truth).sum()) / max(1, int((~truth).sum())),
    )


def at_budget(labels: ArrayLike, scores: ArrayLike, weeks: float, budget: float) -> Caught:
    """What a score catches at `budget` false incidents a week over a series of `weeks` weeks.

    The threshold falls from the highest score until the false incidents first exceed the budget; of
    the thresholds passed, the one that catches most is taken, the highest of these: an oracle, as
    the labels choose it. Rewards a score that rises above its usual highs in events, be it for one
    row. Gamed by late and by very long alarms, which cost nothing: look at `alarmed`. At one false
    incident in 1,000 rows, as a share of the events, a constant score gets 0.100, a random one
    0.000. NaN, labels of one kind only, or a negative budget are a TocsinError. Sorting dominates:
    O(n log n).

    >>> found = at_budget([0, 1, 0, 0, 1, 0], [1, 9, 2, 8, 7, 3], weeks=1, budget=0)
    >>> found.caught, found.threshold
    (1, 9.0)
    """
    _check_weeks(weeks)
    if not budget >= 0:
        raise TocsinError(f"budget: {budget} false incidents a week, wanted 0 or more")
    truth, found = labelled(labels, scores)
    order, ends = falling_order(found)
    taken = _rows_to_take(order, ends, truth, _places(runs(truth), len(truth)), budget * weeks)
    threshold = float(found[order[taken - 1]]) if taken else None
    raised = np.zeros(len(truth), dtype=np.bool_)
    raised[order[:taken]] = True
    return replace(incidents(truth, raised, weeks), threshold=threshold)


def _check_weeks(weeks: float) -> None:
    if not (weeks > 0 and np.isfinite(weeks)):
        raise TocsinError(f"weeks: {weeks}, wanted a positive number")


def _places(events: IntArray, rows: int) -> IntArray:
    """Where each row stands, (3, N), -1 for nowhere: its event, and the gaps it helps to bridge.

    A gap reaches from the last row of an event to the first row of the next; the second column is
    the gap that a row opens or lies in, the third the one that it closes.
    """
    row = np.arange(rows)
    places = np.full((3, rows), -1)
    for column, (firsts, stops) in enumerate(
        ((events[:, 0], events[:, 1] + 1), (events[:-1, 1], events[1:, 0]))
    ):
        owner = np.searchsorted(firsts, row, side="right") - 1
        inside = (owner >= 0) & (row < np.append(stops, 0)[owner])
        places[column, inside] = owner[inside]
    places[2, events[1:, 0]] = np.arange(len(events) - 1)
    return places


@compiled
def _join(row: int, other: IntArray, touches: BoolArray, truth: BoolArray) -> int:
    """Let a row alarm; gives the change in the number of runs that touch no event.

    `other` (N,) holds, at either end of a run of alarms, its other end, and -1 at calm rows;
    `touches` (N,) holds at the ends whether the run touches an event.
    """
    low, high, touch, change = row, row, truth[row], 0
    if row > 0 and other[row - 1] >= 0:
        low = other[row - 1]
        touch = touch or touches[row - 1]
        change -= not touches[row - 1]
    if row + 1 < len(other) and other[row + 1] >= 0:
        high = other[row + 1]
        touch = touch or touches[row + 1]
        change -= not touches[row + 1]
    other[row] = row
    other[low], other[high] = high, low
    touches[low] = touches[high] = touch
    return change + (not touch)


@compiled
def _catch(row: int, places: IntArray, hit: BoolArray, left: IntArray) -> int:
    """Let a row alarm; gives the change in the number of events caught.

    `hit` (K,) are the events with an alarm, `left` (K - 1,) the calm rows of each gap.
    """
    change = 0
    if places[0, row] >= 0 and not hit[places[0, row]]:
        hit[places[0, row]] = True
        change += 1
    for column in range(1, 3):
        gap = places[column, row]
        if gap >= 0:
            left[gap] -= 1
            change -= left[gap] == 0
    return change


@compiled
def _rows_to_take(
    order: IntArray, ends: IntArray, truth: BoolArray, places: IntArray, allowed: float
) -> int:
    """How many rows are to alarm, highest score first, to catch most within the budget.

    `ends` (M,) are the places in `order` where rows of equal score end; these alarm together.
    """
    other = np.full(len(order), -1)
    touches = np.zeros(len(order), dtype=np.bool_)
    events = places[0].max() + 1
    hit, left = np.zeros(events, dtype=np.bool_), np.zeros(events, dtype=np.int64)
    for column in range(1, 3):
        for gap in places[column]:
            if gap >= 0:
                left[gap] += 1
    false, caught, most, best, begin = 0, 0, 0, 0, 0
    for end in ends:
        for i in range(begin, end + 1):
            false += _join(order[i], other, touches, truth)
            caught += _catch(order[i], places, hit, left)
        if false > allowed:
            break
        begin = end + 1
        if caught > most:
            most, best = caught, begin
    return best
