"""Scores that look both ways: for history that is all there, never for live rows."""

from dataclasses import replace
from typing import Any

import numpy as np

from tocsin.config import Stages
from tocsin.evaluation.panel import standardise
from tocsin.history.judging import Judged, Progress, Rows, Trained, judge
from tocsin.history.learning import learn
from tocsin.history.listening import Listener
from tocsin.pipeline.durations import parse_budget
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.events import ANOMALY, Evidence, Naming
from tocsin.pipeline.extremes import pareto_tail
from tocsin.pipeline.incidents import Incident
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.standing import standing
from tocsin.pipeline.threshold import AlertBudget, FixedTail
from tocsin.pipeline.types import FloatArray, IntArray

_LEVELS = 60  # that are tried for a budget


def judge_offline(
    stages: Stages,
    rows: Rows,
    history: Rows | None = None,
    *,
    follows: bool = True,
    progress: Progress | None = None,
) -> Judged:
    """Score each row from both sides of it.

    `history` is clean; with `follows` the rows come after it in time.

    A detector with a form of its own for that (`offline`) is asked for it. Of any other, the score
    is the mean of the causal score and that of the rows played backwards, or the one of the two
    that there is. The tail is the rank of the score in its whole series; the highest goes on past
    1/n as the calibrator's does. A budget is what the highest scores are cut at: the series has up
    to so many incidents, however calm it is. The channels of an incident are those that lay
    farthest from their median in it, in their usual spreads. Incidents of health are those of the
    causal pass.
    """
    if stages.grid is not None:
        raise ConfigError("offline scores take rows as they are; leave `every` out")
    own = hasattr(stages.scorer, "offline")
    played = _unscored(stages) if own else stages
    trained = None if history is None else learn(played, history, follows=follows)
    forward = judge(played, rows, trained, progress)
    order = rows.in_time()
    order = order[~forward.refused[order]]
    score, ordered = forward.score.copy(), rows.take(order)
    if own:
        score[order] = _own_form(stages.scorer, ordered, history)
    else:
        score[order] = _mean(score[order], _backwards(stages, ordered, trained, progress))
    tail, alpha = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    incidents = [incident for incident in forward.incidents if incident.kind != "anomaly"]
    names = np.array(rows.series, dtype=object)
    for name in dict.fromkeys(rows.series):
        mine = order[names[order] == name]
        tail[mine] = rank_tail(score[mine])
        alpha[mine] = _level(stages, rows.time[mine], tail[mine])
        incidents += _incidents(stages, rows.take(mine), score[mine], tail[mine], alpha[mine])
    return Judged(score, tail, alpha, tail < alpha, tuple(incidents), forward.refused)


def rank_tail(score: FloatArray) -> FloatArray:
    """The share of scores (N,) at least as high as each; NaN stays NaN.

    The highest, if it is alone, goes on past 1/n by the law of the tail of the others.

    >>> rank_tail(np.array([1.0, np.nan, 3.0, 2.0])).round(2).tolist()
    [1.0, nan, 0.33, 0.67]
    """
    known = np.flatnonzero(~np.isnan(score))
    tail = np.full(len(score), np.nan)
    if not known.size:
        return tail
    ranked = np.sort(score[known])
    tail[known] = (len(known) - np.searchsorted(ranked, score[known], side="left")) / len(known)
    top = known[np.argmax(score[known])]
    if len(known) > 1 and ranked[-2] < ranked[-1]:
        tail[top] = min(tail[top], pareto_tail(ranked[:-1], float(ranked[-1])))
    return tail


def _unscored(stages: Stages) -> Stages:
    """The stages with nobody who scores, and rows as they are."""
    nobody: Any = Listener(stages.scorer.traits, keeps=False)
    return replace(stages, scorer=nobody, window=replace(stages.window, length=1))


def _own_form(scorer: Any, rows: Rows, history: Rows | None) -> FloatArray:
    """The scores of the rows, which stand in time order, by the detector's two-sided form."""
    score = np.full(len(rows), np.nan)
    names = np.array(rows.series, dtype=object)
    before = None if history is None else history.take(history.in_time())
    for name in dict.fromkeys(rows.series):
        mine = np.flatnonzero(names == name)
        past = np.empty((0, len(rows.channels)))
        if before is not None:
            past = before.values[np.flatnonzero(np.array(before.series, dtype=object) == name)]
        score[mine] = scorer.offline(rows.spec(), past, rows.values[mine]).value
    return score


def _backwards(
    stages: Stages, rows: Rows, trained: Trained | None, progress: Progress | None
) -> FloatArray:
    """The causal scores of the rows, which stand in time order, played backwards."""
    if not len(rows):
        return np.empty(0)
    mirrored = Rows(
        rows.series[::-1],
        (rows.time[0] + rows.time[-1] - rows.time)[::-1],
        rows.values[::-1],
        rows.channels,
    )
    # What follows on history in time does not follow on it backwards.
    learned = None if trained is None else replace(trained, follows=False)
    return judge(stages, mirrored, learned, progress).score[::-1]


def _mean(one: FloatArray, other: FloatArray) -> FloatArray:
    """The mean of two scores, or the one that there is."""
    both = (one + other) / 2
    return np.where(np.isnan(one), other, np.where(np.isnan(other), one, both))


def _level(stages: Stages, time: IntArray, tail: FloatArray) -> float:
    """The alarm level of a series whose rows stand in time order; NaN where it has no span.

    For a budget it is the highest at which the series has no more incidents than the budget
    allows for its span, one at least: ranks say nothing of how strange the highest scores are.
    """
    if isinstance(stages.threshold, FixedTail):
        return stages.threshold.level
    if not isinstance(stages.threshold, AlertBudget) or len(time) < 2:
        return np.nan
    count, period, _ = parse_budget(stages.threshold.budget)
    allowed = max(1.0, count * float(time[-1] - time[0]) / period)
    gap = max(stages.episodes.merge_gap_ns, 0)
    best = 1.0 / len(time)
    for level in np.geomspace(best, max(best, stages.threshold.most), _LEVELS).tolist():
        alarms = time[tail < level]
        if len(alarms) and 1 + np.count_nonzero(np.diff(alarms) > gap) > allowed:
            break
        best = level
    return best


def _incidents(
    stages: Stages, rows: Rows, score: FloatArray, tail: FloatArray, alpha: FloatArray
) -> list[Incident]:
    """The incidents of one series' rows, which stand in time order; as they stand at the end."""
    names = Naming(rows.series[:1], rows.channels, f"{stages.chain(rows.spec()).rule()}-offline")
    state = stages.episodes.start(rows.spec().item)
    grow(state, 1)
    apart = np.nan_to_num(np.abs(standardise(rows.values)))  # (N, C)
    found: dict[str, Incident] = {}
    for row, when in enumerate(rows.time.tolist()):
        if tail[row] < alpha[row]:
            why = Evidence(float(score[row]), float(tail[row]), float(alpha[row]), apart[row])
            made = stages.episodes.alarm(state, (0, ANOMALY), when, why, names)
        elif not np.isnan(tail[row]):
            made = stages.episodes.calm(state, (0, ANOMALY), when, names)
        else:
            continue
        found |= {incident.id: incident for incident in made}
    return list(standing(stages.episodes, state, names, found).values())
