"""Metrics of the ranking of single rows: ROC and PR areas, and the best threshold's F1.

They know rows, not events: each row of a long event counts as much as a whole short one.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tocsin.evaluation.metrics.checked import alarmed, labelled
from tocsin.evaluation.metrics.parts import PrecisionRecall
from tocsin.pipeline.types import BoolArray, FloatArray, IntArray

TSB_AD_SOFTENING = 1e-5


@dataclass(frozen=True, slots=True)
class Threshold:
    """What alarms at `score >= threshold` give, counted in rows.

    `gmean` is the geometric mean of recall and of the share of normal rows left calm.
    """

    threshold: float
    parts: PrecisionRecall
    gmean: float

    @property
    def f1(self) -> float:
        """The F1 of the rows."""
        return self.parts.f1


def auc_roc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the ROC curve: the chance that an anomalous row outranks a normal one.

    Ties count half. Labels (N,) are 0 or 1, scores (N,) higher where stranger. Rewards a right
    order of rows at every false-alarm rate, also at those nobody could live with; with rare events
    0.99 can still mean mostly false alarms. Gamed by long events, whose rows are many, and by any
    slow wave that is high around events. A constant score gets 0.500, a random one 0.504. NaN, or
    labels of one kind only, are a TocsinError.

    >>> auc_roc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    hits, false = _counts(*labelled(labels, scores))
    return float(np.trapezoid(np.append(0.0, hits / hits[-1]), np.append(0.0, false / false[-1])))


def auc_pr(labels: ArrayLike, scores: ArrayLike) -> float:
    """Average precision: the area under the PR curve of rows, in steps.

    The sum over falling thresholds of the gain in recall times the precision. Rewards detectors
    whose strongest alarms are right. Gamed by long events: one of 500 rows found row by row makes
    up for many that are missed; a detector that marks the right event a little late gets next to
    nothing. A constant score gets 0.050, a random one 0.052: the share of anomalous rows. NaN, or
    labels of one kind only, are a TocsinError.

    >>> round(auc_pr([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]), 4)
    0.8333
    """
    hits, false = _counts(*labelled(labels, scores))
    return float(np.sum(np.diff(hits, prepend=0.0) / hits[-1] * hits / (hits + false)))


def best_f1(labels: ArrayLike, scores: ArrayLike, *, softening: float = TSB_AD_SOFTENING) -> float:
    """The F1 of rows at the best of all thresholds: an oracle, as the labels choose it.

    `softening` is added to the denominator; TSB-AD's 1e-5 keeps numbers comparable with published
    ones, and 0 gives the exact F1. Rewards one threshold that parts rows well. Gamed by alarming
    always, which is worth much where events are frequent. A constant score gets 0.095, a random
    one 0.097. NaN, or labels of one kind only, are a TocsinError.

    >>> best_f1([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], softening=0)
    0.8
    """
    hits, false = _counts(*labelled(labels, scores))
    precision, recall = hits / (hits + false), hits / hits[-1]
    below = precision + recall + softening
    twice = 2.0 * precision * recall
    return float(np.max(np.divide(twice, below, out=np.zeros_like(twice), where=below > 0)))


def best_gmean(labels: ArrayLike, scores: ArrayLike) -> Threshold:
    """The threshold with the best geometric mean of recall and calm, with its F1: an oracle.

    The geometric mean does not care how rare events are, so the F1 at its threshold is one that
    was not tuned to the share of anomalous rows. Of equally good thresholds the highest is taken.
    Gamed as `auc_roc` is: thousands of false alarms hide in a small share of the normal rows. A
    constant score gets 0.095 as F1, a random one 0.095.

    >>> best_gmean([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]).threshold
    0.8
    """
    truth, found = labelled(labels, scores)
    hits, false = _counts(truth, found)
    recall, calm = hits / hits[-1], 1.0 - false / false[-1]
    gmeans = np.sqrt(recall * calm)
    best = int(np.argmax(gmeans)) if gmeans.max() > 0 else len(gmeans) - 1
    precision = float(hits[best] / (hits[best] + false[best]))
    threshold = float(np.unique(found)[::-1][best])
    return Threshold(
        threshold, PrecisionRecall(precision, float(recall[best])), float(gmeans[best])
    )


def row_parts(labels: ArrayLike, alarms: ArrayLike) -> PrecisionRecall:
    """Precision and recall of alarms (N,), row by row; precision 0 without an alarm.

    Rewards and is gamed as `auc_pr`. Alarming always gets an F1 of 0.095, alarming in a random 1 %
    of rows 0.010.

    >>> row_parts([0, 1, 1, 0], [0, 0, 1, 1])
    PrecisionRecall(precision=0.5, recall=0.5)
    """
    truth, raised = alarmed(labels, alarms)
    hits = float((truth & raised).sum())
    return PrecisionRecall(hits / max(1, int(raised.sum())), hits / int(truth.sum()))


def distinct_scores(scores: ArrayLike) -> int:
    """How many different values a score takes; shown beside metrics that coarse scores inflate.

    NaN is "no opinion" and is not counted. A constant score gets 1, a random one 10000.

    >>> distinct_scores([0.5, 0.5, float("nan"), 2.0])
    2
    """
    found = np.asarray(scores, dtype=np.float64)
    return len(np.unique(found[~np.isnan(found)]))


def falling_order(found: FloatArray) -> tuple[IntArray, IntArray]:
    """Rows by falling score, (N,), and the places (M,) in it where rows of equal score end.

    >>> order, ends = falling_order(np.array([0.5, 2.0, 0.5]))
    >>> order.tolist(), ends.tolist()
    ([1, 0, 2], [0, 2])
    """
    order = np.argsort(-found, kind="stable")
    ranked = found[order]
    return order, np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(order) - 1)


def _counts(truth: BoolArray, found: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Hits and false alarms at each distinct score, falling, (M,) both."""
    distinct, place = np.unique(found, return_inverse=True)
    hits = np.bincount(place, weights=truth, minlength=len(distinct))[::-1]
    false = np.bincount(place, weights=~truth, minlength=len(distinct))[::-1]
    return np.cumsum(hits, dtype=np.float64), np.cumsum(false, dtype=np.float64)
