"""PATE: precision and recall weighed by how near in time an alarm is to an event.

Ghorbani, Reinders, Tax (2024), "PATE: Proximity-Aware Time Series Anomaly Evaluation", KDD 2024,
10.1145/3637528.3671971, arXiv:2405.12096. The numbers are those of the authors' package with its
250 thresholds.

What an alarm earns depends on its row alone, and the row starts to alarm at one threshold: earnings
are binned by threshold and summed up once per pair of buffers. What missed rows cost does not
depend on the buffers at all and takes 250 passes over the rows inside events. So time is
O(n log n + 250 A) for A anomalous rows, and memory is linear in n.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from tocsin.evaluation.metrics.checked import alarmed, labelled, reined, runs
from tocsin.evaluation.metrics.compiled import compiled
from tocsin.evaluation.metrics.parts import PrecisionRecall
from tocsin.pipeline.errors import TocsinError
from tocsin.pipeline.types import BoolArray, FloatArray, IntArray

THRESHOLDS = 250


class _Curve(NamedTuple):
    """Precision (T,) and recall (T,) over falling thresholds, for one pair of buffers."""

    precision: FloatArray
    recall: FloatArray


def pate(
    labels: ArrayLike,
    scores: ArrayLike,
    *,
    early: int = 100,
    late: int = 100,
    splits: int = 1,
    with_zero: bool = True,
) -> float:
    """PATE: area under a proximity-weighted PR curve, by trapezoids, as its authors compute it.

    Labels (N,) are 0 or 1, scores (N,) higher where stranger. Up to `early` rows before an event
    and `late` rows after it an alarm counts in part, the less the further off; early alarms count
    only where the event itself is hit too. The area is the mean over the pairs of buffers 0 (where
    `with_zero`) and 1 to `splits` parts of `early` and `late`. Rewards alarms on, and close to,
    each event, and an early first alarm. Gamed by coarse scores: the curve starts at precision 1
    and is joined by straight lines, so few distinct values give a large area for nothing. Show it
    beside `distinct_scores` and `pate_step`. A constant score gets 0.545, a random one 0.092.
    Infinite scores count as just beyond the finite ones. NaN, or labels of one kind only, are a
    TocsinError.

    >>> labels = [0] * 8 + [1] * 4 + [0] * 8
    >>> round(pate(labels, [0.0] * 20, early=2, late=2), 3)
    0.607
    """
    curves = _curves(labels, scores, _pairs(early, late, splits, with_zero=with_zero))
    return float(np.mean([_trapezoids(*_forward(curve)) for curve in curves]))


def pate_step(
    labels: ArrayLike,
    scores: ArrayLike,
    *,
    early: int = 100,
    late: int = 100,
    splits: int = 1,
    with_zero: bool = True,
) -> float:
    """PATE summed in steps, as average precision is: no credit between two thresholds.

    As `pate`, but each gain in recall is multiplied with the precision at which it was made, so a
    score with few distinct values gains nothing by it. Gamed by alarms beside events, which the
    buffers pay for. A constant score gets 0.090, a random one 0.092.

    >>> labels = [0] * 8 + [1] * 4 + [0] * 8
    >>> round(pate_step(labels, [0.0] * 20, early=2, late=2), 3)
    0.214
    """
    curves = _curves(labels, scores, _pairs(early, late, splits, with_zero=with_zero))
    return float(np.mean([_steps(*_forward(curve)) for curve in curves]))


def pate_f1(
    labels: ArrayLike,
    alarms: ArrayLike,
    *,
    early: int = 100,
    late: int = 100,
    splits: int = 1,
    with_zero: bool = True,
) -> float:
    """PATE-F1 of alarms (N,) of 0 and 1: proximity-weighted F1, averaged over the buffers.

    Rewards and is gamed as `pate`, but for the curve: alarms have one threshold. Alarming always
    gets 0.164, alarming in a random 1 % of rows 0.017. Without any alarm it is 0. Labels without an
    event are a TocsinError.

    >>> round(pate_f1([0, 0, 0, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1, 0], early=2, late=2), 3)
    0.568
    """
    truth, raised = alarmed(labels, alarms)
    bins = np.where(raised, 0, 1)
    pairs = _pairs(early, late, splits, with_zero=with_zero)
    curves = _binned_curves(truth, bins, 1, pairs)
    return float(
        np.mean([PrecisionRecall(float(c.precision[0]), float(c.recall[0])).f1 for c in curves])
    )


def _pairs(early: int, late: int, splits: int, *, with_zero: bool) -> IntArray:
    """Every pair of an early and a late buffer, (P, 2)."""
    if early < 0 or late < 0 or splits < 1:
        raise TocsinError(
            f"early {early}, late {late}, splits {splits}: wanted buffers of 0 rows or more and at "
            "least one split"
        )
    parts = [
        np.linspace(0 if with_zero else n / splits, n, splits + with_zero) for n in (early, late)
    ]
    leads, lags = (part.astype(int) for part in parts)
    return np.array([(before, after) for before in leads for after in lags], dtype=np.int64)


def _curves(labels: ArrayLike, scores: ArrayLike, pairs: IntArray) -> list[_Curve]:
    truth, found = labelled(labels, scores)
    found = reined(found)
    thresholds = _thresholds(truth, found)
    bins = np.searchsorted(-thresholds, -found, side="left")  # (N,) first threshold that alarms
    return _binned_curves(truth, bins, len(thresholds), pairs)


def _thresholds(truth: BoolArray, found: FloatArray) -> FloatArray:
    """250 falling values between the distinct scores at which the number of hits changes."""
    distinct, place = np.unique(found, return_inverse=True)
    hits = np.bincount(place, weights=truth, minlength=len(distinct))[::-1]  # highest score first
    kept = np.ones(len(distinct), dtype=np.bool_)
    kept[1:-1] = (hits[1:-1] > 0) | (hits[2:] > 0)
    values = np.percentile(distinct[::-1][kept], np.linspace(100.0, 0.0, THRESHOLDS))
    return np.minimum.accumulate(values)


def _binned_curves(truth: BoolArray, bins: IntArray, count: int, pairs: IntArray) -> list[_Curve]:
    """A curve of `count` thresholds a pair; a row of bin `count` never alarms."""
    events = runs(truth)
    struck = _first_hits(bins, events)
    inside = np.bincount(bins[truth], minlength=count + 1)[:count].astype(np.float64)
    alarms = np.cumsum(np.bincount(bins, minlength=count + 1)[:count])
    missed = _missed(bins, events, struck, count)
    curves = []
    for early, late in pairs.tolist():
        earned = inside + _earned(bins, events, struck, (early, late), count)[:count]
        true = np.cumsum(earned)
        precision = true / np.maximum(alarms, 1)
        recall = true / (true + missed)
        curves.append(_Curve(precision, recall))
    return curves


def _forward(curve: _Curve) -> _Curve:
    """The curve without the points where recall falls back."""
    kept = curve.recall >= np.maximum.accumulate(curve.recall)
    return _Curve(curve.precision[kept], curve.recall[kept])


def _trapezoids(precision: FloatArray, recall: FloatArray) -> float:
    """Area under straight lines from (recall 0, precision 1) through the points."""
    return float(np.trapezoid(np.append(1.0, precision), np.append(0.0, recall)))


def _steps(precision: FloatArray, recall: FloatArray) -> float:
    """Area under steps from recall 0."""
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


@compiled
def _first_hits(bins: IntArray, events: IntArray) -> IntArray:
    """First threshold that alarms in each event, (K,)."""
    struck = np.empty(len(events), dtype=np.int64)
    for k in range(len(events)):
        struck[k] = bins[events[k, 0] : events[k, 1] + 1].min()
    return struck


@compiled
def _earned(
    bins: IntArray, events: IntArray, struck: IntArray, pair: tuple[int, int], count: int
) -> FloatArray:
    """Weights of buffer rows by the threshold that first earns them, (T + 1,)."""
    earned = np.zeros(count + 1)
    free = 0  # first row that no zone before holds
    for k in range(len(events)):
        first, last = events[k]
        middle = (first + last) / 2.0
        begin = max(first - pair[0], free)
        for t in range(begin, first):
            weight = 1.0 - (middle - t) / (middle - begin)
            earned[max(bins[t], struck[k])] += weight
        following = events[k + 1, 0] if k + 1 < len(events) else len(bins)
        end = min(last + pair[1], following - 1)
        for t in range(last + 1, end + 1):
            earned[bins[t]] += 1.0 - (t - middle) / (end - middle)
        free = end + 1
    return earned


@compiled
def _event_cost(inside: IntArray, threshold: int) -> float:
    """What the missed rows of a hit event cost; `inside` (L,) are the bins of its rows.

    Missed rows up to the length of the first run of alarms cost 1, later ones the less the further
    they are from it.
    """
    length, run = len(inside), 0
    for u in range(length):
        if inside[u] <= threshold:
            run += 1
        elif run:
            break
    missed, beyond, distance = 0, 0, 0
    for u in range(length):
        if inside[u] > threshold:
            missed += 1
            if u > run:
                beyond += 1
                distance += u
    if not beyond:
        return float(missed)
    saved = (run + 1.0) * distance - beyond * (run * (run + 1.0) / 2.0)
    return missed - saved / (length * (length - 1.0) / 2.0)


@compiled
def _missed(bins: IntArray, events: IntArray, struck: IntArray, count: int) -> FloatArray:
    """What missed rows cost at each threshold, (T,)."""
    cost = np.zeros(count)
    for k in range(len(events)):
        inside = bins[events[k, 0] : events[k, 1] + 1]
        for j in range(count):
            if j < struck[k]:
                cost[j] += len(inside)
            else:
                cost[j] += _event_cost(inside, j)
    return cost
