"""Range-based areas under ROC and PR curves, and their volumes over all buffer widths.

Paparrizos, Boniol, Palpanas, Tsay, Elmore, Franklin (2022), "Volume Under the Surface", PVLDB
15(11), 10.14778/3551793.3551830. The numbers are those of TSB-AD's `opt` version.

Each threshold needs four sums over rows, and all of them change at one threshold for each row: the
first that lets it alarm. So rows are put into the bins of the 250 thresholds once, and each buffer
width costs a pass over the rows inside buffers: O(n log n + W (K W + 250)) for n rows, K events and
buffers up to W, with memory linear in n.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tocsin.evaluation.metrics.checked import labelled, runs
from tocsin.evaluation.metrics.compiled import compiled
from tocsin.pipeline.errors import TocsinError
from tocsin.pipeline.types import BoolArray, FloatArray, IntArray

THRESHOLDS = 250


@dataclass(frozen=True, slots=True)
class Areas:
    """An area under the ROC curve and one under the PR curve, both from 0 to 1."""

    roc: float
    pr: float


def vus_pr(labels: ArrayLike, scores: ArrayLike, window: int = 100) -> float:
    """VUS-PR: range-based PR areas, averaged over buffer widths 0 to `window` rows.

    Labels (N,) are 0 or 1, scores (N,) higher where stranger. Rewards high scores on and near
    events, and on as many events as possible; a hit within half a buffer of an event still counts
    in part. The best known single number for ranking detectors. Gamed by a lag: what is late by
    less than half the window still earns a good part. `window` (`vus_window` derives one) moves the
    result a lot, so two values are comparable only at the same one. A constant score gets 0.092, a
    random one 0.095: about the share of rows in events and their buffers. Only the ranking of
    scores counts. NaN, or labels of one kind only, are a TocsinError.

    >>> round(vus_pr([0, 0, 1, 1, 0, 0], [0.1, 0.3, 0.9, 0.2, 0.4, 0.2], window=2), 3)
    0.767
    """
    return volumes(labels, scores, window).pr


def vus_roc(labels: ArrayLike, scores: ArrayLike, window: int = 100) -> float:
    """VUS-ROC: range-based ROC areas, averaged over buffer widths 0 to `window` rows.

    As `vus_pr`, but false alarms are weighed against the many normal rows, so that detectors with
    many more false than true alarms still look good. Gamed in the same way, and by scattered
    alarms: few are enough to touch every event's zone, which lifts recall while false alarms are
    rare. A constant score gets 0.512, a random one 0.674.

    >>> round(vus_roc([0, 0, 1, 1, 0, 0], [0.1, 0.3, 0.9, 0.2, 0.4, 0.2], window=2), 3)
    0.77
    """
    return volumes(labels, scores, window).roc


def volumes(labels: ArrayLike, scores: ArrayLike, window: int = 100) -> Areas:
    """VUS-ROC and VUS-PR in one go."""
    return _areas(labels, scores, 0, window)


def range_auc(labels: ArrayLike, scores: ArrayLike, window: int = 100) -> Areas:
    """Range-AUC-ROC and Range-AUC-PR at one buffer width of `window` rows.

    One slice of the volume: cheaper, and more at the mercy of the chosen width.
    """
    return _areas(labels, scores, window, window)


def _areas(labels: ArrayLike, scores: ArrayLike, narrowest: int, widest: int) -> Areas:
    truth, found = labelled(labels, scores)
    if widest < 0:
        raise TocsinError(f"window: {widest} rows, wanted 0 or more")
    falling = np.sort(found)[::-1]
    at = np.floor(np.linspace(0, len(found) - 1, THRESHOLDS)).astype(np.int64)
    bins = np.searchsorted(-falling[at], -found, side="left")  # (N,) first threshold that alarms
    alarms = np.cumsum(np.bincount(bins, minlength=THRESHOLDS)).astype(np.float64)
    inside = np.cumsum(np.bincount(bins[truth], minlength=THRESHOLDS)).astype(np.float64)
    counts = np.stack((alarms, inside))  # (2, T)
    roc, pr = _mean_areas(bins, truth, runs(truth), counts, (narrowest, widest))
    return Areas(roc, pr)


# The kernels share these arrays: `bins` (N,) is each row's first alarming threshold, `truth` (N,)
# its label, `events` (K, 2) first and last rows, `earliest` (K,) the first threshold that alarms in
# an event's zone. T is the number of thresholds. Numba calls only functions above the caller.


@compiled
def _widen(earliest: IntArray, bins: IntArray, events: IntArray, reach: int) -> None:
    """Take the rows `reach` before and after each event into its zone."""
    for k in range(len(events)):
        before, after = events[k, 0] - reach, events[k, 1] + reach
        if before >= 0:
            earliest[k] = min(earliest[k], bins[before])
        if after < len(bins):
            earliest[k] = min(earliest[k], bins[after])


@compiled
def _soften(soft: FloatArray, events: IntArray, width: int) -> None:
    """Add to `soft` (N,) what each event lends the rows within half of `width` of it."""
    half = width // 2
    for d in range(1, half + 1):
        weight = np.sqrt(1.0 - d / width)
        for k in range(len(events)):
            before, after = events[k, 0] - d, events[k, 1] + d
            if after < len(soft):
                soft[after] += weight
            if before >= 0:
                soft[before] += weight


@compiled
def _collect(
    soft: FloatArray, bins: IntArray, truth: BoolArray, events: IntArray, half: int
) -> FloatArray:
    """Soft labels of rows outside events, summed by threshold (T,); `soft` is zero again after."""
    near = np.zeros(THRESHOLDS)
    for k in range(len(events)):
        for side in range(2):
            first = events[k, 1] + 1 if side else max(0, events[k, 0] - half)
            last = min(len(bins), events[k, 1] + half + 1) if side else events[k, 0]
            for t in range(first, last):
                if not truth[t]:
                    near[bins[t]] += min(1.0, soft[t])
                soft[t] = 0.0  # two zones may hold the row; it counts once
    return near


@compiled
def _zone_shares(earliest: IntArray, events: IntArray, half: int) -> FloatArray:
    """Share of zones with an alarm at each threshold (T,); zones that meet are one."""
    zones = np.zeros(THRESHOLDS)
    lead = THRESHOLDS
    for k in range(len(events)):
        lead = min(lead, earliest[k])
        if k + 1 == len(events) or events[k, 1] + half < events[k + 1, 0] - half:
            zones[lead] += 1.0
            lead = THRESHOLDS
    shares: FloatArray = np.cumsum(zones) / zones.sum()
    return shares


@compiled
def _area_pair(counts: FloatArray, near: FloatArray, shares: FloatArray) -> tuple[float, float]:
    """ROC and PR area of one width; `counts` (2, T) are alarms, and those of them in events."""
    rows, positives = counts[0, -1], counts[1, -1]
    roc, pr, gained = 0.0, 0.0, 0.0
    x_before, recall_before = 0.0, 0.0
    for j in range(len(near)):
        gained += near[j]
        true, wanted = counts[1, j] + gained, positives + gained / 2.0
        recall = min(true / wanted, 1.0) * shares[j]
        x = (counts[0, j] - true) / (rows - wanted)
        roc += (x - x_before) * (recall + recall_before) / 2.0
        pr += (recall - recall_before) * true / counts[0, j]
        x_before, recall_before = x, recall
    return roc + (1.0 - x_before) * (1.0 + recall_before) / 2.0, pr


@compiled
def _mean_areas(
    bins: IntArray,
    truth: BoolArray,
    events: IntArray,
    counts: FloatArray,
    widths: tuple[int, int],
) -> tuple[float, float]:
    """ROC and PR area, averaged over the widths from the first to the last of `widths`."""
    soft = np.zeros(len(bins))
    earliest = np.full(len(events), THRESHOLDS)
    for k in range(len(events)):
        earliest[k] = bins[events[k, 0] : events[k, 1] + 1].min()
    roc, pr, reach = 0.0, 0.0, 0
    for width in range(widths[0], widths[1] + 1):
        half = width // 2
        while reach < half:
            reach += 1
            _widen(earliest, bins, events, reach)
        _soften(soft, events, width)
        near = _collect(soft, bins, truth, events, half)
        one_roc, one_pr = _area_pair(counts, near, _zone_shares(earliest, events, half))
        roc += one_roc
        pr += one_pr
    span = widths[1] - widths[0] + 1
    return roc / span, pr / span
