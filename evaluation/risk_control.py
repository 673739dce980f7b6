"""A threshold whose expected loss on the next incident, or the next day, is bounded.

Conformal risk control (Angelopoulos, Bates, Fisch, Lei and Schuster 2022, arXiv 2208.02814). Of
thresholds from the safest on, the last is taken at which n / (n + 1) x mean loss + B / (n + 1) is
still at most the risk allowed, B being the most that one case can lose. The expected loss on a case
like those labelled is then at most that risk, whatever the scores are; expected over the labelled
cases too, so that the loss after one draw of them may lie above it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tocsin.pipeline.errors import TocsinError
from tocsin.pipeline.types import FloatArray, IntArray

_DAY_NS = 86_400_000_000_000
_MINUTE_NS = 60_000_000_000


@dataclass(frozen=True, slots=True)
class Controlled:
    """A threshold, its mean loss on the labelled cases, and the bound on its expected loss.

    `threshold` is None, and the loss NaN, where no threshold keeps the risk: there are too few
    cases, or the detector is too bad. `bound` is then that of the safest threshold.
    """

    threshold: float | None
    loss: float
    bound: float
    cases: int


def controlled(
    losses: ArrayLike, thresholds: ArrayLike, risk: float, most: float = 1.0
) -> Controlled:
    """The last threshold that keeps the risk, of `thresholds` (L,) from the safest on.

    `losses` (N, L) of each case at each threshold do not fall from one to the next and lie from 0
    to `most`. Where every threshold keeps the risk the last is given, where none does None.

    >>> losses = [[0, 0, 1], [0, 1, 1], [0, 0, 0]]
    >>> controlled(losses, [1.0, 2.0, 3.0], risk=0.5).threshold
    2.0
    >>> controlled(losses, [1.0, 2.0, 3.0], risk=0.9).threshold
    3.0
    """
    table, levels = _checked(losses, thresholds, most)
    cases = len(table)
    bounds = (table.sum(axis=0) + most) / (cases + 1)  # (L,)
    kept = int(np.count_nonzero(np.cumprod(bounds <= risk)))
    if kept == 0:
        return Controlled(None, float("nan"), float(bounds[0]), cases)
    last = kept - 1
    loss = float(table[:, last].mean())
    return Controlled(float(levels[last]), loss, float(bounds[last]), cases)


def for_missed_share(peaks: ArrayLike, risk: float) -> Controlled:
    """The highest threshold that misses at most a share `risk` of incidents in expectation.

    `peaks` (N,) are the largest scores within each labelled incident; one is missed where its peak
    lies under the threshold. An alarm is a score at the threshold or above. With fewer than
    1 / risk - 1 incidents nothing can be promised and the threshold is None.

    >>> for_missed_share([3.0, 5.0, 8.0, 9.0], risk=0.4).threshold
    5.0
    """
    found = np.sort(np.asarray(peaks, dtype=np.float64))
    if found.ndim != 1 or not found.size or not bool(np.isfinite(found).all()):
        raise TocsinError(f"wanted the peaks of incidents, finite; found shape {found.shape}")
    levels = np.unique(found)
    return controlled(found[:, None] < levels, levels, risk)


def for_false_minutes(
    score: ArrayLike, time: IntArray, risk: float, *, row_ns: int = _MINUTE_NS
) -> Controlled:
    """The lowest threshold with at most `risk` false-alarm minutes a day in expectation.

    `score` (N,) and `time` (N,) in nanoseconds are of rows without a fault; a row at the threshold
    or above stands for `row_ns` of alarm. Cases are the days with rows, taken to be exchangeable.
    NaN never alarms. The threshold is one of the scores: the highest of all loses a row or more.
    """
    values, when = np.asarray(score, dtype=np.float64), np.asarray(time, dtype=np.int64)
    known = ~np.isnan(values)
    if values.shape != when.shape or not known.any():
        raise TocsinError(
            f"wanted a time for each score; found shapes {values.shape} and {when.shape}"
        )
    days = np.unique(when // _DAY_NS, return_inverse=True)[1]
    levels = np.unique(values[known])[::-1]
    steps = levels[np.unique(np.linspace(0, len(levels) - 1, 2000).astype(np.int64))]
    losses = np.empty((int(days.max()) + 1, len(steps)))
    minutes = row_ns / _MINUTE_NS
    for day in range(len(losses)):
        own = np.sort(values[known & (days == day)])
        losses[day] = (len(own) - np.searchsorted(own, steps)) * minutes
    return controlled(np.minimum(losses, 1440.0), steps, risk, most=1440.0)


def _checked(
    losses: ArrayLike, thresholds: ArrayLike, most: float
) -> tuple[FloatArray, FloatArray]:
    table = np.asarray(losses, dtype=np.float64)
    levels = np.asarray(thresholds, dtype=np.float64)
    if table.ndim != 2 or not table.size or levels.shape != table.shape[1:]:
        raise TocsinError(
            f"wanted losses (N, L) and thresholds (L,); found {table.shape} and {levels.shape}"
        )
    if not bool(((table >= 0) & (table <= most)).all()):
        raise TocsinError(f"losses lie from 0 to {most}, the most that one case can lose")
    if bool((np.diff(table, axis=1) < 0).any()):
        raise TocsinError(
            "losses may not fall from a threshold to the next: order them safest first"
        )
    return table, levels
