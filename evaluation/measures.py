"""Every metric of one series' scores, by name, and what the pipeline's own alarms came to."""

from itertools import pairwise

import numpy as np

from tocsin.evaluation import metrics
from tocsin.pipeline.types import BoolArray, FloatArray

ORACLE = ("best_f1", "affiliation_f1", "range_f1")  # their threshold is the best for these labels

BUDGETS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)  # incidents a week


def measure(
    labels: FloatArray, scores: FloatArray, window: int, buffer: int | None = None
) -> dict[str, float]:
    """Every metric by its name, for labels of 0 and 1 and scores (N,) without NaN.

    `window` is the width in rows around an event that VUS allows for, `buffer` that of PATE, the
    same where it is not given. Those in `ORACLE` take the best threshold for these very labels.
    """
    near = window if buffer is None else buffer
    volume = metrics.volumes(labels, scores, window)
    return {
        "vus_pr": volume.pr,
        "vus_roc": volume.roc,
        "pate": metrics.pate(labels, scores, early=near, late=near),
        "pate_step": metrics.pate_step(labels, scores, early=near, late=near),
        "auc_pr": metrics.auc_pr(labels, scores),
        "auc_roc": metrics.auc_roc(labels, scores),
        "best_f1": metrics.best_f1(labels, scores),
        "event_aupimo": metrics.event_aupimo(labels, scores),
        "affiliation_f1": metrics.affiliation_f1(labels, scores),
        "range_f1": metrics.range_f1(labels, scores),
        "distinct_scores": float(metrics.distinct_scores(scores)),
    }


def complete(scores: FloatArray) -> FloatArray:
    """Scores (N,) that every metric takes, in the same order.

    A row without an opinion gets the lowest score there is, as it can raise no alarm; infinities
    go just beyond the finite scores. Without any score all are 0.

    >>> complete(np.array([np.nan, 1.0, np.inf])).tolist()
    [1.0, 1.0, 2.0]
    """
    finite = scores[np.isfinite(scores)]
    if not finite.size:
        return np.where(np.isposinf(scores), 1.0, 0.0)
    low, high = float(finite.min()), float(finite.max())
    above = high + max(1.0, abs(high))
    below = low - max(1.0, abs(low))
    filled = np.where(np.isnan(scores), below if np.isneginf(scores).any() else low, scores)
    return np.clip(filled, below, above)


def budget_curve(
    labels: BoolArray, tails: FloatArray, weeks: float, gap: int
) -> list[dict[str, float]]:
    """What a fixed tail catches, at the tails that stand for some budgets of incidents a week.

    A budget of b a week is taken for the tail b x `weeks` / N: calm rows then alarm b times a week.
    Alarms not more than `gap` rows apart are one incident. No label has a part in the tail. Each
    entry has the budget `per_week`, `events`, those `caught`, and `false_per_week`.
    """
    found = []
    for budget in BUDGETS:
        level = min(1.0, budget * weeks / max(1, len(tails)))
        alarms = bridged(np.nan_to_num(tails, nan=1.0) < level, gap)
        came = metrics.incidents(labels, alarms, weeks)
        found.append(
            {
                "per_week": budget,
                "events": float(came.events),
                "caught": float(came.caught),
                "false_per_week": came.false_a_week,
            }
        )
    return found


def bridged(alarms: BoolArray, gap: int) -> BoolArray:
    """Alarms (N,) with the calm rows between two of them set, where these are at most `gap`.

    >>> bridged(np.array([True, False, True, False, False, True]), 1).astype(int).tolist()
    [1, 1, 1, 0, 0, 1]
    """
    whole = alarms.copy()
    for before, after in pairwise(np.flatnonzero(alarms).tolist()):
        if after - before - 1 <= gap:
            whole[before:after] = True
    return whole
