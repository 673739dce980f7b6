"""NAB, CARE and severity, slowly: row by row, threshold by threshold, pair by pair."""

import math
from itertools import combinations


def sigmoid(x):
    return -1.0 if x > 3 else 2 / (1 + math.exp(5 * x)) - 1


def nab_raw(files, threshold, profile):
    """`files` are (scores, windows); `profile` is what a hit earns, an alarm and a miss cost."""
    hit, false, miss = profile
    total = 0.0
    for scores, windows in files:
        n = len(scores)
        best = {}
        for i in range(min(math.floor(0.15 * n), 750), n):
            if scores[i] < threshold:
                continue
            inside = [k for k, (a, b) in enumerate(windows) if a <= i <= b]
            before = [(a, b) for a, b in windows if b < i]
            if inside:
                a, b = windows[inside[0]]
                value = hit * sigmoid(-(b - i + 1) / (b - a + 1)) / sigmoid(-1)
                best[inside[0]] = max(value, best.get(inside[0], -math.inf))
            elif not before:
                total -= false
            else:
                a, b = before[-1]
                total += false * (sigmoid((i - b) / (b - a)) if b > a else -1.0)
        total += sum(best.get(k, -miss) for k in range(len(windows)))
    return total


def nab_score(files, profile):
    count = sum(len(windows) for _, windows in files)
    every = {s for scores, _ in files for s in scores} | {math.inf}
    raw = max(nab_raw(files, h, profile) for h in every)
    return 100 * (raw + profile[2] * count) / ((profile[0] + profile[2]) * count)


def f_beta(precision, recall, beta=0.5):
    below = beta**2 * precision + recall
    return (1 + beta**2) * precision * recall / below if below else 0.0


def care_event(event, knee, criticality):
    """Detected, accuracy, coverage and earliness of one event."""
    tp = fp = fn = tn = count = highest = 0
    over = under = 0.0
    a, b = knee
    length = event.last - event.first + 1
    for t, (alarm, normal) in enumerate(zip(event.alarms, event.normal, strict=True)):
        inside = event.first <= t <= event.last
        truth = inside and event.anomalous
        if normal:
            tp += truth and alarm
            fp += alarm and not truth
            fn += truth and not alarm
            tn += not alarm and not truth
            if t <= event.last:
                count = min(1000, count + 1) if alarm else max(0, count - 1)
                highest = max(highest, count)
        if inside:
            i = t - event.first
            early = b * i < int(length * b * a / b)
            weight = 1.0 if early else (1 - b * i / (length * b - 1)) / (1 - a / b)
            over += weight * alarm
            under += weight
    precision, recall = tp / max(1, tp + fp), tp / max(1, tp + fn)
    accuracy = (tp + tn) / (tp + fp + fn + tn)
    return highest >= criticality, accuracy, f_beta(precision, recall), over / under


def care(events, knee, criticality):
    judged = [(event.anomalous, *care_event(event, knee, criticality)) for event in events]
    faults, calm = [j for j in judged if j[0]], [j for j in judged if not j[0]]
    raised = sum(j[1] for j in judged)
    found = sum(j[1] for j in faults)
    accuracy = sum(j[2] for j in calm) / len(calm)
    if not raised:
        return 0.0
    if accuracy <= 0.5:
        return accuracy
    reliability = f_beta(found / raised, found / len(faults))
    coverage = sum(j[3] for j in faults) / len(faults)
    earliness = sum(j[4] for j in faults) / len(faults)
    return (coverage + earliness + reliability + 2 * accuracy) / 5


def concordance(severity, scores):
    won = every = 0.0
    for (a, s), (b, r) in combinations(list(zip(severity, scores, strict=True)), 2):
        if a != b:
            every += 1
            won += 0.5 if s == r else float((a > b) == (s > r))
    return won / every
