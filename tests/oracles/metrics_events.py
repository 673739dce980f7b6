"""Metrics of events and ranges, slowly: sums over single rows and quarter rows."""

import math
from itertools import pairwise

from oracles.metrics_runs import runs


def range_reward(judged, others, existence, bias, pieces):
    """Mean reward of the ranges `judged` for their overlap with `others`."""
    total = 0.0
    for first, last in judged:
        length = last - first + 1

        def weight(t, first=first, length=length):
            i = t - first + 1
            middle = i if i <= length / 2 else length - i + 1
            return {"flat": 1, "front": length - i + 1, "back": i, "middle": middle}[bias]

        rows = set(range(first, last + 1))
        overlaps = [rows & set(range(a, b + 1)) for a, b in others]
        overlaps = [overlap for overlap in overlaps if overlap]
        share = sum(map(weight, (t for o in overlaps for t in o))) / sum(map(weight, rows))
        factor = 1 / len(overlaps) if pieces == "reciprocal" and overlaps else 1.0
        total += existence * bool(overlaps) + (1 - existence) * factor * share
    return total / len(judged) if judged else 0.0


def affiliation(labels, alarms):
    """Precision and recall; all kinks lie on quarters of a row, so sums over quarters are exact."""
    if not any(alarms):
        return 0.0, 0.0
    events = [(first, last + 1) for first, last in runs(labels)]
    between = [(a[1] + b[0]) / 2 for a, b in pairwise(events)]
    zones = list(pairwise([0.0, *between, len(labels)]))
    parts = [_zone(alarms, e, z) for e, z in zip(events, zones, strict=True)]
    precisions = [p for p, _ in parts if p is not None]
    return sum(precisions) / len(precisions), sum(r for _, r in parts) / len(parts)


def _zone(alarms, event, zone):
    """Precision, None without an alarm, and recall of one zone."""
    (first, last), (low, high) = event, zone
    quarters = [low + (i + 0.5) / 4 for i in range(round((high - low) * 4))]
    raised = [x for x in quarters if alarms[int(x)]]
    if not raised:
        return None, 0.0
    worth = 0.0
    for x in raised:
        d = max(first - x, x - last, 0.0)
        closer = (last - first) + min(d, first - low) + min(d, high - last)
        worth += 1 - closer / (high - low) if d else 1.0
    found = 0.0
    inside = [x for x in quarters if first < x < last]
    for y in inside:
        # Alarms fill whole quarters, whose edges are an eighth from their middles.
        d = max(0.0, min(abs(y - x) for x in raised) - 0.125)
        found += 1 - (min(d, y - low) + min(d, high - y)) / (high - low)
    return worth / len(raised), found / len(inside)


def event_aupimo(labels, scores, low, high):
    """One value an event, from the trapezoid rule over every budget."""
    calm = sorted((s for s, label in zip(scores, labels, strict=True) if not label), reverse=True)
    n = len(calm)
    budgets = [k for k in range(1, n + 1) if low * n - 1e-9 <= k <= high * n + 1e-9]
    values = []
    for first, last in runs(labels):
        inside = scores[first : last + 1]
        shares = []
        for k in budgets:
            h = calm[k - 1]
            tied = sum(s >= h for s in calm) > k
            shares.append(sum(s > h if tied else s >= h for s in inside) / len(inside))
        area = sum(
            (shares[i] + shares[i + 1]) / 2 * math.log(budgets[i + 1] / budgets[i])
            for i in range(len(budgets) - 1)
        )
        values.append(area / math.log(budgets[-1] / budgets[0]))
    return values


def delays(labels, alarms):
    found = []
    for first, last in runs(labels):
        hits = [t - first for t in range(first, last + 1) if alarms[t]]
        found.append(hits[0] if hits else None)
    return found


def incidents(labels, alarms):
    """Events caught and false incidents."""
    events = runs(labels)
    caught = sum(any(alarms[first : last + 1]) for first, last in events)
    caught -= sum(all(alarms[a[1] : b[0] + 1]) for a, b in pairwise(events))
    false = sum(not any(labels[first : last + 1]) for first, last in runs(alarms))
    return caught, false


def at_budget(labels, scores, allowed):
    """Most events caught over falling thresholds, until the budget breaks, and the threshold."""
    best, chosen = 0, None
    for h in sorted(set(scores), reverse=True):
        caught, false = incidents(labels, [s >= h for s in scores])
        if false > allowed:
            break
        if caught > best:
            best, chosen = caught, h
    return best, chosen
