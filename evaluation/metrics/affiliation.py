"""Affiliation precision and recall: distances to events against those of random rows.

Huet, Navarro, Rossi (2022), "Local Evaluation of Time Series Anomaly Detection Algorithms", KDD,
10.1145/3534678.3539339. Rows are intervals of length 1 on the real line, each event owns the zone
up to half-way to its neighbours, and all integrals are taken exactly. O(n) in time and memory.
"""

import numpy as np
from numpy.typing import ArrayLike

from tocsin.evaluation.metrics.checked import alarmed, runs
from tocsin.evaluation.metrics.compiled import compiled
from tocsin.evaluation.metrics.cuts import CUTS, best_cut
from tocsin.evaluation.metrics.parts import PrecisionRecall
from tocsin.pipeline.types import FloatArray


def affiliation_f1(labels: ArrayLike, scores: ArrayLike, cuts: int = CUTS) -> float:
    """The affiliation F1 of the best of `cuts` cuts, an oracle; of alarms of 0 and 1, theirs.

    Rewards alarms nearer to events than random rows would be. Gamed with ease: a few random alarms
    in each zone are near enough, and an alarm that is late by more than the event lasts still
    scores high, so small differences mean nothing. A constant score gets 0.000, a random one 0.687.
    NaN, or labels of one kind only, are a TocsinError.

    >>> round(affiliation_f1([0, 0, 1, 1, 0, 0], [0, 0, 0, 1, 1, 0]), 3)
    0.825
    """
    return best_cut(labels, scores, lambda truth, alarms: affiliation_parts(truth, alarms).f1, cuts)


def affiliation_parts(labels: ArrayLike, alarms: ArrayLike) -> PrecisionRecall:
    """Affiliation precision and recall of alarms (N,), 0 to 1.

    Precision is the mean over zones with alarms, 0 without any; recall that over all zones, a zone
    without alarms counting 0. Labels without an event are a TocsinError.

    >>> affiliation_parts([0, 1, 1, 0], [0, 1, 1, 0])
    PrecisionRecall(precision=1.0, recall=1.0)
    """
    truth, raised = alarmed(labels, alarms)
    events, guesses = runs(truth).astype(np.float64), runs(raised).astype(np.float64)
    events[:, 1] += 1.0  # rows are half-open intervals
    guesses[:, 1] += 1.0
    if not len(guesses):
        return PrecisionRecall(0.0, 0.0)
    between = (events[:-1, 1] + events[1:, 0]) / 2.0
    zones = np.stack((np.append(0.0, between), np.append(between, float(len(truth)))), axis=1)
    precision, recall = _sums(events, guesses, zones)
    heard = np.isfinite(precision)
    return PrecisionRecall(float(precision[heard].mean()), float(recall.mean()))


# Integrals below run from `a` to `b`. A zone is [low, high], an event [first, last], both in rows.


@compiled
def _capped(a: float, b: float, cap: float) -> float:
    """Integral of min(x, cap)."""
    under, over = min(b, cap), max(a, cap)
    area = 0.0
    if under > a:
        area += (under * under - a * a) / 2.0
    if b > over:
        area += cap * (b - over)
    return area


@compiled
def _tent(a: float, b: float, left: float, right: float) -> float:
    """Integral of min(x - left, right - x), for a and b between left and right."""
    middle = (left + right) / 2.0
    area = 0.0
    up, down = min(b, middle), max(a, middle)
    if up > a:
        area += ((up - left) ** 2 - (a - left) ** 2) / 2.0
    if b > down:
        area += ((right - down) ** 2 - (right - b) ** 2) / 2.0
    return area


@compiled
def _nearness(near: float, far: float, event: FloatArray, zone: FloatArray, room: float) -> float:
    """Integral over alarms at distances `near` to `far` of the event, on one side of it.

    A distance is worth the share of the zone that is at least as far off; `room` is what the zone
    has beyond the event on the other side.
    """
    length = far - near
    closer = (event[1] - event[0]) * length + (far * far - near * near) / 2.0
    worth: float = length - (closer + _capped(near, far, room)) / (zone[1] - zone[0])
    return worth


@compiled
def _precise(a: float, b: float, event: FloatArray, zone: FloatArray) -> float:
    """Integral of the worth of alarms in [a, b], which lies in the zone."""
    worth: float = max(0.0, min(b, event[1]) - max(a, event[0]))
    if a < event[0]:
        near = event[0] - min(b, event[0])
        worth += _nearness(near, event[0] - a, event, zone, zone[1] - event[1])
    if b > event[1]:
        near = max(a, event[1]) - event[1]
        worth += _nearness(near, b - event[1], event, zone, event[0] - zone[0])
    return worth


@compiled
def _gap(a: float, b: float, left: float, right: float, zone: FloatArray) -> float:
    """Integral over event rows in [a, b] whose nearest alarms end at `left` and start at `right`.

    NaN stands for no alarm of the zone on that side.
    """
    if b <= a:
        return 0.0
    if np.isnan(left):
        lost = _tent(a, b, zone[0], right) + ((right - a) ** 2 - (right - b) ** 2) / 2.0
    elif np.isnan(right):
        lost = _tent(a, b, left, zone[1]) + ((b - left) ** 2 - (a - left) ** 2) / 2.0
    else:
        lost = 2.0 * _tent(a, b, left, right)
    kept: float = (b - a) - lost / (zone[1] - zone[0])
    return kept


@compiled
def _sums(
    events: FloatArray, guesses: FloatArray, zones: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Precision (K,), NaN where a zone has no alarm, and recall (K,) of each zone."""
    precision, recall = np.full(len(events), np.nan), np.zeros(len(events))
    i = 0
    for k in range(len(events)):
        event, zone = events[k], zones[k]
        while i < len(guesses) and guesses[i, 1] <= zone[0]:
            i += 1
        worth, length, found, left = 0.0, 0.0, 0.0, np.nan
        j = i
        while j < len(guesses) and guesses[j, 0] < zone[1]:
            a, b = max(guesses[j, 0], zone[0]), min(guesses[j, 1], zone[1])
            worth += _precise(a, b, event, zone)
            length += b - a
            begin = event[0] if np.isnan(left) else max(event[0], left)
            found += _gap(begin, min(event[1], a), left, a, zone)
            found += max(0.0, min(b, event[1]) - max(a, event[0]))
            left = b
            j += 1
        if length > 0:
            found += _gap(max(event[0], left), event[1], left, np.nan, zone)
            precision[k] = worth / length
            recall[k] = found / (event[1] - event[0])
    return precision, recall
