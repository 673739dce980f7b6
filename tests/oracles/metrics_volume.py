"""VUS, slowly: for each width and threshold, the soft labels and sums over all rows."""

import math
from itertools import pairwise

from oracles.metrics_runs import runs

THRESHOLDS = 250


def soft_labels(labels, width):
    half = width // 2
    soft = [float(label) for label in labels]
    for t in range(len(labels)):
        for first, last in runs(labels):
            if last < t <= last + half:
                soft[t] += math.sqrt(1 - (t - last) / width)
            if first - half <= t < first:
                soft[t] += math.sqrt(1 - (first - t) / width)
    return [min(1.0, value) for value in soft]


def zones(labels, width):
    """Events with their buffers, joined where these meet."""
    half = width // 2
    found = []
    for first, last in runs(labels):
        if found and found[-1][1] >= first - half:
            found[-1][1] = last + half
        else:
            found.append([first - half, last + half])
    return [(max(0, first), min(len(labels) - 1, last)) for first, last in found]


def areas(labels, scores, width):
    """ROC and PR area at one width."""
    n = len(labels)
    falling = sorted(scores, reverse=True)
    soft, around = soft_labels(labels, width), zones(labels, width)
    points, pr, recall_before = [(0.0, 0.0)], 0.0, 0.0
    for j in range(THRESHOLDS):
        h = falling[math.floor((n - 1) * j / (THRESHOLDS - 1))]
        alarms = [s >= h for s in scores]
        true = sum(value for value, alarm in zip(soft, alarms, strict=True) if alarm)
        near = sum(
            value
            for value, alarm, label in zip(soft, alarms, labels, strict=True)
            if alarm and not label
        )
        wanted = sum(labels) + near / 2
        exists = sum(any(alarms[a : b + 1]) for a, b in around) / len(around)
        recall = min(true / wanted, 1.0) * exists
        points.append(((sum(alarms) - true) / (n - wanted), recall))
        pr += (recall - recall_before) * true / sum(alarms)
        recall_before = recall
    points.append((1.0, 1.0))
    roc = sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(points))
    return roc, pr


def volumes(labels, scores, window):
    every = [areas(labels, scores, width) for width in range(window + 1)]
    return tuple(sum(column) / len(every) for column in zip(*every, strict=True))
