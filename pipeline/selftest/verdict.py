"""From replayed scores to a verdict: whether the detector sees gross faults at all."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tocsin.pipeline.selftest.faults import KINDS, Fault
from tocsin.pipeline.selftest.shadow import Replay
from tocsin.pipeline.types import BoolArray, FloatArray, IntArray

State = Literal["healthy", "blind", "unknown"]

_ORDINARY = 0.95  # share of ordinary stretches that a score must exceed to stand out
_ROUNDING = 1e-9  # share of a score by which it must, so that rounding is no opinion


@dataclass(frozen=True, slots=True)
class Examination:
    """What a self-test found in one series.

    `tested`, `seen` and `found` (kinds,) count the known faults by kind, in the order of
    `faults.KINDS`: put in, standing out by score, and raising an alarm. `gross` is the same three
    of the gross faults, on which the verdict rests. `ties` is the share of untouched scores that
    another one equals, `spread` the distance of their 10th and 90th percentile as a share of the
    median's size, `stability` the rank correlation of scores before and after the rows are a little
    shaken; NaN where there is nothing to tell it by. `expected` and `alarms` are the alarms that
    the alarm levels promise on the untouched rows, and those that came. `mute` says that gross
    faults are seen and yet raise no alarm.
    """

    key: int
    state: State
    why: str
    tested: IntArray
    seen: IntArray
    found: IntArray
    gross: tuple[int, int, int]
    ties: float
    spread: float
    stability: float
    expected: float
    alarms: int
    mute: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    """What a healthy detector sees: each gross fault with chance `healthy`, tested at `rate`."""

    healthy: float
    rate: float


def unknown(key: int, why: str) -> Examination:
    """An examination that could not be made."""
    none = np.zeros(len(KINDS), dtype=np.int64)
    nan = math.nan
    return Examination(
        key, "unknown", why, none, none, none, (0, 0, 0), nan, nan, nan, expected=0.0, alarms=0
    )


def examine(
    key: int, faults: Sequence[Fault], replay: Replay, alpha: FloatArray, bar: Bar
) -> Examination:
    """The verdict on a replay: version 0 untouched, version 1 shaken, then one a fault.

    `alpha` (N,) is the alarm level of each row.
    """
    untouched = replay.score[0]
    known = np.isfinite(untouched)
    with np.errstate(invalid="ignore"):
        alarm = replay.tail < alpha
    decided, seen, found = _outcomes(faults, replay, alarm)
    gross = np.array([fault.gross for fault in faults], dtype=bool)
    alarms = int(alarm[0].sum())
    there = ~np.isnan(alpha) & ~np.isnan(replay.tail[0])
    counts = _sum(decided, gross), _sum(seen, gross), _sum(found, gross)
    disturbed = alarms > (1.0 - _ORDINARY) * len(alpha)
    state, why = _verdict((counts[0], counts[1]), bar, disturbed=disturbed)
    able = bool(there.any()) and state == "healthy"
    return Examination(
        key,
        state,
        why,
        tested=_by_kind(faults, decided & ~gross),
        seen=_by_kind(faults, seen & ~gross),
        found=_by_kind(faults, found & ~gross),
        gross=counts,
        ties=_ties(untouched[known]),
        spread=_spread(untouched[known]),
        stability=_rank_correlation(untouched, replay.score[1]),
        expected=float(alpha[there].sum()),
        alarms=alarms,
        mute=able and counts[2] <= most_of_the_blind(counts[0], bar),
    )


def most_of_the_blind(trials: int, bar: Bar) -> int:
    """The most faults of `trials` that a detector may see and still be called blind.

    A healthy one sees so few with a chance of at most `bar.rate`, by the binomial law; -1 where
    even seeing none would not show it.

    >>> most_of_the_blind(40, Bar(0.5, 1e-6)), most_of_the_blind(10, Bar(0.5, 1e-6))
    (5, -1)
    """
    chance = 0.0
    for count in range(trials + 1):
        ways = math.comb(trials, count)
        chance += ways * bar.healthy**count * (1.0 - bar.healthy) ** (trials - count)
        if chance > bar.rate:
            return count - 1
    return trials


def _verdict(gross: tuple[int, int], bar: Bar, *, disturbed: bool) -> tuple[State, str]:
    decided, seen = gross
    most = most_of_the_blind(decided, bar)
    if most < 0:
        return "unknown", f"the detector has an opinion on {decided} gross faults only"
    told = f"{seen} of {decided} gross faults stand out from ordinary rows"
    if seen > most:
        return "healthy", told
    if disturbed:
        return "unknown", f"{told}, but those rows raise alarms themselves"
    return "blind", told


def _outcomes(
    faults: Sequence[Fault], replay: Replay, alarm: BoolArray
) -> tuple[BoolArray, BoolArray, BoolArray]:
    """Of each fault: whether there was an opinion, whether its score stood out, and its alarm."""
    decided, seen, found = (np.zeros(len(faults), dtype=bool) for _ in range(3))
    levels: dict[int, float] = {}
    known = ~np.isnan(replay.score)
    filled = np.where(known, replay.score, -np.inf)
    for nth, fault in enumerate(faults):
        later = known[2 + nth, fault.last - 1 :]
        if not later.any():
            continue
        # A detector that scores now and then is heard at its next opinion.
        rows = slice(fault.first, fault.last + int(later.argmax()))
        lasts = rows.stop - rows.start
        if lasts not in levels:
            levels[lasts] = _level(filled[0], lasts)
        decided[nth] = not math.isnan(levels[lasts])
        # Above ordinary rows in general, and above what these rows score without the fault.
        level = max(levels[lasts], float(filled[0, rows].max()))
        seen[nth] = _exceeds(float(filled[2 + nth, rows].max()), level)
        found[nth] = bool((alarm[2 + nth, rows] & ~alarm[0, rows]).any())
    return decided, seen & decided, found & decided


def _level(score: FloatArray, lasts: int) -> float:
    """What the largest score of ordinary stretches so long hardly ever exceeds; NaN if unknown.

    `score` (N,) is -inf where there is no opinion.
    """
    largest = sliding_window_view(score, lasts).max(axis=1)
    largest = np.sort(largest[largest > -np.inf])
    if not len(largest):
        return math.nan
    return float(largest[math.ceil(_ORDINARY * (len(largest) - 1))])


def _exceeds(score: float, level: float) -> bool:
    if math.isinf(score) or math.isinf(level):
        return score > level
    return score - level > _ROUNDING * max(abs(score), abs(level))


def _sum(chosen: BoolArray, among: BoolArray) -> int:
    return int(np.count_nonzero(chosen & among))


def _by_kind(faults: Sequence[Fault], chosen: BoolArray) -> IntArray:
    kinds = [
        KINDS.index(fault.kind)
        for fault, is_chosen in zip(faults, chosen, strict=True)
        if is_chosen
    ]
    return np.bincount(np.array(kinds, dtype=np.int64), minlength=len(KINDS))


def _ties(score: FloatArray) -> float:
    if len(score) < 2:
        return math.nan
    _, counts = np.unique(score, return_counts=True)
    return float(counts[counts > 1].sum() / len(score))


def _spread(score: FloatArray) -> float:
    if len(score) < 2:
        return math.nan
    low, middle, high = np.quantile(score, [0.1, 0.5, 0.9])
    return float((high - low) / abs(middle)) if middle else math.inf if high > low else 0.0


def _rank_correlation(one: FloatArray, other: FloatArray) -> float:
    """Spearman's rank correlation over the rows that both know; NaN where either is all tied."""
    known = np.isfinite(one) & np.isfinite(other)
    if known.sum() < 2:
        return math.nan
    left, right = _ranks(one[known]), _ranks(other[known])
    left, right = left - left.mean(), right - right.mean()
    size = math.sqrt(float(left @ left) * float(right @ right))
    return float(left @ right) / size if size else math.nan


def _ranks(values: FloatArray) -> FloatArray:
    """Ranks from 1, the mean rank where values are equal."""
    ordered = np.sort(values)
    below = np.searchsorted(ordered, values, side="left")
    upto = np.searchsorted(ordered, values, side="right")
    ranks: FloatArray = (below + upto + 1) / 2.0
    return ranks
