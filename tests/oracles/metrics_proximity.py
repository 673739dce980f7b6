"""PATE, slowly: each row's weight at each threshold, for each pair of buffers."""

from itertools import pairwise

import numpy as np
from oracles.metrics_runs import runs


def weights(labels, early, late):
    """For each row: 1 in events, its weight in a buffer, 0 outside; and the event of a pre-zone."""
    events, n = runs(labels), len(labels)
    weight, before = [float(label) for label in labels], -1
    owner: list[int | None] = [None] * n
    for k, (first, last) in enumerate(events):
        middle = (first + last) / 2
        start = max(0, first - early, before + 1)
        for t in range(start, first):
            weight[t], owner[t] = 1 - (middle - t) / (middle - start), k
        following = events[k + 1][0] if k + 1 < len(events) else n
        before = min(last + late, following - 1)
        for t in range(last + 1, before + 1):
            weight[t] = 1 - (t - middle) / (before - middle)
    return weight, owner


def missed_cost(inside):
    """`inside` tells for each row of an event whether it alarms."""
    length = len(inside)
    if not any(inside):
        return float(length)
    first_run = runs(inside)[0]
    run = first_run[1] - first_run[0] + 1
    cost = 0.0
    for x in (x for x in range(length) if not inside[x]):
        near = sum(abs(x - y) for y in range(run + 1))
        cost += 1.0 if x <= run else 1 - near / (length * (length - 1) / 2)
    return cost


def precision_recall(labels, alarms, early, late):
    weight, owner = weights(labels, early, late)
    events = runs(labels)
    hit = [any(alarms[first : last + 1]) for first, last in events]
    true = sum(
        weight[t] for t, alarm in enumerate(alarms) if alarm and ((k := owner[t]) is None or hit[k])
    )
    missed = sum(missed_cost(alarms[first : last + 1]) for first, last in events)
    raised = sum(alarms)
    return (true / raised if raised else 0.0), (true / (true + missed) if true + missed else 0.0)


def thresholds(labels, scores, count=250):
    distinct = sorted(set(scores), reverse=True)
    hits = [sum(label for label, s in zip(labels, scores, strict=True) if s >= h) for h in distinct]
    kept = [
        h
        for i, h in enumerate(distinct)
        if i in (0, len(distinct) - 1) or hits[i] != hits[i - 1] or hits[i + 1] != hits[i]
    ]
    return np.percentile(kept, np.linspace(100, 0, count)).tolist()


def curve(labels, scores, early, late):
    points = []
    for h in thresholds(labels, scores):
        precision, recall = precision_recall(labels, [s >= h for s in scores], early, late)
        if not points or recall >= points[-1][0] - 1e-12:
            points.append((recall, precision))
    return points


def pate(labels, scores, pairs):
    areas = []
    for early, late in pairs:
        points = [(0.0, 1.0), *curve(labels, scores, early, late)]
        steps = pairwise(points)
        areas.append(sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in steps))
    return sum(areas) / len(areas)


def pate_step(labels, scores, pairs):
    areas = []
    for early, late in pairs:
        points = [(0.0, 0.0), *curve(labels, scores, early, late)]
        steps = pairwise(points)
        areas.append(sum((b[0] - a[0]) * b[1] for a, b in steps))
    return sum(areas) / len(areas)


def pate_f1(labels, alarms, pairs):
    found = []
    for early, late in pairs:
        precision, recall = precision_recall(labels, alarms, early, late)
        both = precision + recall
        found.append(2 * precision * recall / both if both else 0.0)
    return sum(found) / len(found)
