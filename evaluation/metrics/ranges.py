"""Precision and recall over ranges: existence, overlap, its place, and its pieces.

Tatbul, Lee, Zdonik, Alam, Gottschlich (2018), "Precision and Recall for Time Series", NeurIPS,
arXiv:1803.03639.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from tocsin.evaluation.metrics.checked import alarmed, runs
from tocsin.evaluation.metrics.cuts import CUTS, best_cut
from tocsin.evaluation.metrics.parts import PrecisionRecall
from tocsin.pipeline.errors import TocsinError
from tocsin.pipeline.types import FloatArray, IntArray

Bias = Literal["flat", "front", "middle", "back"]
Pieces = Literal["one", "reciprocal"]


@dataclass(frozen=True, slots=True)
class RangeRule:
    """How much of a range counts as found.

    `existence`: share of the reward for any overlap at all. `bias`: which rows of the range weigh
    most. `pieces`: whether several overlaps with one range divide its reward by their number.
    """

    existence: float = 0.0
    bias: Bias = "flat"
    pieces: Pieces = "one"

    def __post_init__(self) -> None:
        if not 0 <= self.existence <= 1:
            raise TocsinError(f"existence: {self.existence}, wanted 0 to 1")
        if self.bias not in ("flat", "front", "middle", "back"):
            raise TocsinError(f"bias: {self.bias!r}, wanted flat, front, middle or back")
        if self.pieces not in ("one", "reciprocal"):
            raise TocsinError(f"pieces: {self.pieces!r}, wanted one or reciprocal")


TSB_AD_RECALL = RangeRule(existence=0.2, pieces="reciprocal")
TSB_AD_PRECISION = RangeRule(pieces="reciprocal")


def range_f1(
    labels: ArrayLike,
    scores: ArrayLike,
    *,
    recall: RangeRule = TSB_AD_RECALL,
    precision: RangeRule = TSB_AD_PRECISION,
    cuts: int = CUTS,
) -> float:
    """The range F1 of the best of `cuts` cuts, an oracle; of alarms of 0 and 1, theirs.

    The rules are TSB-AD's unless given. Rewards alarms in one piece that cover events and nothing
    else; a run of alarms counts as much as another, however long. Gamed by one alarming row in each
    event: it is a range without fault, and that there is one at all is a fifth of the recall. A
    constant score gets 0.000, a random one 0.093. NaN, or labels of one kind only, are a
    TocsinError.

    >>> round(range_f1([0, 1, 1, 0, 0, 1, 1], [0, 1, 1, 0, 1, 0, 0]), 3)
    0.5
    """
    return best_cut(
        labels,
        scores,
        lambda truth, alarms: (
            PrecisionRecall(
                range_precision(truth, alarms, precision), range_recall(truth, alarms, recall)
            ).f1
        ),
        cuts,
    )


def range_recall(labels: ArrayLike, alarms: ArrayLike, rule: RangeRule = TSB_AD_RECALL) -> float:
    """Mean reward of the labelled ranges, 0 to 1; labels without an event are a TocsinError.

    >>> range_recall([1, 1, 1, 0], [0, 1, 1, 1], RangeRule(bias="front"))
    0.5
    """
    truth, raised = alarmed(labels, alarms)
    return _mean_reward(runs(truth), runs(raised), rule)


def range_precision(
    labels: ArrayLike, alarms: ArrayLike, rule: RangeRule = TSB_AD_PRECISION
) -> float:
    """Mean reward of the runs of alarms, 0 to 1; 0 without an alarm.

    >>> range_precision([1, 1, 0, 0], [0, 1, 0, 1])
    0.5
    """
    truth, raised = alarmed(labels, alarms)
    return _mean_reward(runs(raised), runs(truth), rule)


def _mean_reward(judged: IntArray, others: IntArray, rule: RangeRule) -> float:
    """Mean reward of the ranges `judged` (K, 2) for their overlap with `others` (M, 2)."""
    if not len(judged) or not len(others):
        return 0.0
    begin = np.searchsorted(others[:, 1], judged[:, 0], side="left")  # first other that reaches in
    end = np.searchsorted(others[:, 0], judged[:, 1], side="right")
    counts = end - begin
    owner = np.repeat(np.arange(len(judged)), counts)
    other = np.arange(counts.sum()) + np.repeat(begin - np.cumsum(counts) + counts, counts)
    first, last = judged[owner, 0], judged[owner, 1]
    length = (last - first + 1).astype(np.float64)
    before = np.maximum(others[other, 0] - first, 0)
    through = np.minimum(others[other, 1], last) - first + 1
    weight = _weight_up_to(through, length, rule.bias) - _weight_up_to(before, length, rule.bias)
    overlap = np.bincount(
        owner, weights=weight / _weight_up_to(length, length, rule.bias), minlength=len(judged)
    )
    factor = 1.0 / np.maximum(counts, 1) if rule.pieces == "reciprocal" else 1.0
    reward = rule.existence * (counts > 0) + (1.0 - rule.existence) * factor * overlap
    return float(reward.mean())


def _weight_up_to(rows: IntArray | FloatArray, length: FloatArray, bias: Bias) -> FloatArray:
    """Sum of the weights of the first `rows` rows of ranges of `length` rows."""
    i = np.asarray(rows, dtype=np.float64)
    if bias == "flat":
        return i
    rising = i * (i + 1.0) / 2.0
    if bias == "back":
        return rising
    falling = i * (length + 1.0) - rising
    if bias == "front":
        return falling
    half = np.floor(length / 2.0)
    peak = half * (half + 1.0) / 2.0
    return np.where(i <= half, rising, peak + falling - (half * (length + 1.0) - peak))
