"""Event-AUPIMO: how much of each event is seen while few normal rows alarm.

After Bertoldo, Ameln, Vaidya, Akcay (2024), "AUPIMO: Redefining Visual Anomaly Detection Benchmarks
with High Speed and Low Tolerance", BMVC, arXiv:2401.01984, with events of a series in the place of
images. O(n log n) in time and linear in memory.
"""

from dataclasses import dataclass
from math import ceil, floor

import numpy as np
from numpy.typing import ArrayLike

from tocsin.evaluation.metrics.checked import labelled, runs
from tocsin.pipeline.errors import TocsinError
from tocsin.pipeline.types import FloatArray

_ROUNDING = 1e-9  # so that 0.1 of 30 rows is 3 rows


@dataclass(frozen=True, slots=True)
class EventShares:
    """Event-AUPIMO of each event (K,), 0 to 1, in time order, and how it spreads."""

    each: FloatArray

    @property
    def mean(self) -> float:
        """The mean over events."""
        return float(self.each.mean())

    @property
    def low_decile(self) -> float:
        """What 90 % of the events reach."""
        return float(np.percentile(self.each, 10))

    @property
    def above_half(self) -> float:
        """Share of events above 0.5."""
        return float((self.each > 0.5).mean())


def event_aupimo(
    labels: ArrayLike, scores: ArrayLike, low: float = 1e-3, high: float = 1e-1
) -> float:
    """Mean over events of the share of rows seen while `low` to `high` of normal rows alarm.

    Labels (N,) are 0 or 1, scores (N,) higher where stranger. For each event, the share of its rows
    at or above a threshold is averaged over the logarithm of the share of normal rows that alarm.
    Rewards seeing much of every event, long or short, at alarm rates that people can bear; it is
    blind to all beyond `high`. Gamed by leaving the hard events out: the mean hides them, so look
    at `event_shares`. Rows just before or after an event count as normal, so a late score pays. A
    constant score gets 0.000, a random one 0.026: thresholds that cannot be held because of ties
    are not used. NaN, labels of one kind only, or too few normal rows are a TocsinError.

    >>> labels = [0] * 50 + [1] * 5 + [0] * 50
    >>> round(event_aupimo(labels, [0.0] * 50 + [1.0] * 5 + [0.0] * 50), 3)
    1.0
    """
    return event_shares(labels, scores, low, high).mean


def event_shares(
    labels: ArrayLike, scores: ArrayLike, low: float = 1e-3, high: float = 1e-1
) -> EventShares:
    """Event-AUPIMO of every event; arguments and errors as for `event_aupimo`.

    The bounds snap inwards to whole numbers of normal rows, at least 1, and the area is divided by
    the range that is left, so that a perfect score gets 1 at any length.
    """
    truth, found = labelled(labels, scores)
    calm = np.sort(found[~truth])
    budgets = _budgets(len(calm), low, high)
    seen = _seen_from(found[truth], calm)  # budget at which each anomalous row alarms
    worth = _worth(seen, budgets)
    events = runs(truth)
    lengths = events[:, 1] - events[:, 0] + 1
    starts = np.concatenate(([0], np.cumsum(lengths)[:-1]))
    return EventShares(np.add.reduceat(worth, starts) / lengths)


def _budgets(normal: int, low: float, high: float) -> FloatArray:
    """Numbers of normal rows that may alarm, from the low bound to the high one."""
    if not 0 < low < high <= 1:
        raise TocsinError(f"bounds {low} and {high}: wanted 0 < low < high <= 1")
    fewest = max(1, ceil(low * normal - _ROUNDING))
    most = floor(high * normal + _ROUNDING)
    if most <= fewest:
        raise TocsinError(
            f"{normal} normal rows are too few for alarm rates from {low} to {high}; at least "
            f"{ceil(2 / high)} are wanted, or wider bounds"
        )
    return np.arange(fewest, most + 1, dtype=np.float64)


def _seen_from(values: FloatArray, calm: FloatArray) -> FloatArray:
    """The smallest number of alarming normal rows at which each value alarms.

    The threshold of budget k is the k-th largest normal score, or just above it where more than k
    rows reach it.
    """
    above = len(calm) - np.searchsorted(calm, values, side="right")
    reaching = len(calm) - np.searchsorted(calm, values, side="left")
    return np.maximum(above + 1, reaching).astype(np.float64)


def _worth(seen: FloatArray, budgets: FloatArray) -> FloatArray:
    """Trapezoid area of a row that alarms from a budget on, 0 to 1, over the log of the budget."""
    place = np.log(budgets / budgets[0]) / np.log(budgets[-1] / budgets[0])
    # A row that alarms from budget i on rises between budgets i - 1 and i.
    rises = np.concatenate(([0.0], (place[1:] + place[:-1]) / 2.0, [1.0]))
    return 1.0 - rises[np.searchsorted(budgets, seen, side="left")]
