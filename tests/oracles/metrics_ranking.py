"""Row-wise metrics, slowly: every pair of rows, every threshold, and loops over events."""

import math

from oracles.metrics_runs import runs


def auc_roc(labels, scores):
    right = [s for label, s in zip(labels, scores, strict=True) if label]
    calm = [s for label, s in zip(labels, scores, strict=True) if not label]
    wins = sum((a > b) + 0.5 * (a == b) for a in right for b in calm)
    return wins / (len(right) * len(calm))


def counts(labels, alarms):
    """True positives, false positives, false negatives, true negatives."""
    pairs = list(zip(map(bool, labels), map(bool, alarms), strict=True))
    kinds = [(True, True), (False, True), (True, False), (False, False)]
    return tuple(pairs.count(kind) for kind in kinds)


def at_every_threshold(labels, scores):
    """Threshold, precision, recall and g-mean, highest threshold first."""
    for h in sorted(set(scores), reverse=True):
        tp, fp, fn, tn = counts(labels, [s >= h for s in scores])
        recall = tp / (tp + fn)
        yield h, tp / (tp + fp), recall, math.sqrt(recall * tn / (tn + fp))


def average_precision(labels, scores):
    total, before = 0.0, 0.0
    for _, precision, recall, _ in at_every_threshold(labels, scores):
        total += (recall - before) * precision
        before = recall
    return total


def best_f1(labels, scores, softening):
    return max(
        2 * p * r / (p + r + softening) if p + r else 0.0
        for _, p, r, _ in at_every_threshold(labels, scores)
    )


def best_gmean(labels, scores):
    return max(g for _, _, _, g in at_every_threshold(labels, scores))


def f1(labels, alarms):
    tp, fp, fn, _ = counts(labels, alarms)
    return 2 * tp / (2 * tp + fp + fn)


def point_adjusted_f1(labels, alarms, percent):
    filled = list(map(bool, alarms))
    for first, last in runs(labels):
        inside = [bool(a) for a in alarms[first : last + 1]]
        if 100 * sum(inside) > percent * len(inside):
            filled[first : last + 1] = [True] * len(inside)
    return f1(labels, filled)


def event_f1(labels, alarms):
    tp, fp, _, _ = counts(labels, alarms)
    hits = [any(alarms[first : last + 1]) for first, last in runs(labels)]
    precision, recall = tp / max(1, tp + fp), sum(hits) / len(hits)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def best_over_cuts(labels, scores, judge, cuts=100):
    low, high = min(scores), max(scores)
    steps = [low + (high - low) * i / (cuts - 1) for i in range(cuts - 1)] + [high]
    return max(judge(labels, [s > cut for s in scores]) for cut in steps)
