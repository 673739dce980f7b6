"""How soon an alarm comes after an event has begun."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tocsin.evaluation.metrics.checked import alarmed, runs
from tocsin.pipeline.types import FloatArray


@dataclass(frozen=True, slots=True)
class Delays:
    """Rows from each event's first row to its first alarm, (K,); NaN where it was missed."""

    rows: FloatArray

    @property
    def found(self) -> int:
        """How many events have an alarm."""
        return int(np.isfinite(self.rows).sum())

    @property
    def median(self) -> float | None:
        """The median delay of the events found, in rows; None if none was."""
        found = self.rows[np.isfinite(self.rows)]
        return float(np.median(found)) if found.size else None


def detection_delay(labels: ArrayLike, alarms: ArrayLike) -> Delays:
    """The delay of each event, counted in rows, from alarms (N,) of 0 and 1.

    An alarm that began before the event and still holds gives 0. Rewards quick alarms, missed
    events cost nothing: read it with `Delays.found`. Gamed by alarming always, which has no delay
    at all. Labels without an event are a TocsinError.

    >>> detection_delay([0, 1, 1, 1, 0, 1], [0, 0, 0, 1, 0, 0]).rows
    array([ 2., nan])
    """
    truth, raised = alarmed(labels, alarms)
    events = runs(truth)
    at = np.append(np.flatnonzero(raised), len(raised))  # beyond the end: no alarm any more
    first = at[np.searchsorted(at, events[:, 0])]
    return Delays(np.where(first <= events[:, 1], first - events[:, 0], np.nan))


def earliness(labels: ArrayLike, alarms: ArrayLike) -> float:
    """Mean share of an event that is still to come at its first alarm; 0 if it is missed.

    1 is an alarm in the first row of every event. Rewards many and quick alarms. Gamed by alarming
    always, as false alarms cost nothing. Alarming always gets 1.000, alarming in a random 1 % of
    rows 0.158. Labels without an event are a TocsinError.

    >>> earliness([0, 1, 1, 1, 1, 0, 1], [0, 0, 0, 1, 0, 0, 0])
    0.25
    """
    truth, raised = alarmed(labels, alarms)
    events = runs(truth)
    delays = detection_delay(truth, raised).rows
    left = 1.0 - delays / (events[:, 1] - events[:, 0] + 1)
    return float(np.where(np.isnan(left), 0.0, left).mean())
