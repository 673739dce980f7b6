"""Where a score stands among the scores before it: different scorers' scores in one unit."""

import math
from dataclasses import dataclass

import numpy as np

from tocsin.detectors.compiled import compiled
from tocsin.pipeline.keyed import per_key
from tocsin.pipeline.types import BoolArray, FloatArray, IntArray

SETTLE = 30  # scores before a score has a standing

_FARTHEST = 1e6  # spreads; where a standing is cut
_MOVED = 10.0  # spreads; a score unlike all before, where these were all the same
_LARGEST = 1e150
_NO_END = 1 << 62
_NORMAL = 1.349  # interquartile range of normal scores, in standard deviations
_ROUNDING = 1e-12  # times the largest score: below it, spread is rounding


@dataclass(slots=True)
class StandingState:
    """Each key's newest scores, in order of time in a ring and in order of size.

    Where it `stops`, the ring holds the first scores that filled it, and nothing is kept after.
    """

    stops: bool
    ring: FloatArray = per_key(np.nan)  # (K, history)
    ordered: FloatArray = per_key(np.nan)  # (K, history), the first `used` ascending
    used: IntArray = per_key(0)  # (K,) scores kept so far


def started(history: int, *, stops: bool) -> StandingState:
    """The state before any score, with room for no key."""
    none = np.empty(0, dtype=np.int64)
    return StandingState(stops, np.empty((0, history)), np.empty((0, history)), none)


def standing(state: StandingState, key: IntArray, score: FloatArray) -> FloatArray:
    """How far each score (B,) lies above the median of its key's, in their spreads.

    The spread is the interquartile range over 1.349, or the standard deviation where the middle
    half is all the same. Cut at a million either way, and never inf: an infinite score is a million
    spreads out, and one that differs from scores that never did is ten. NaN for NaN, and where
    fewer than 30 scores are known.
    """
    return _play(state, key, score, None)


def keep(state: StandingState, key: IntArray, score: FloatArray) -> None:
    """Remember scores, in place; NaN is passed over."""
    room = len(state.ring[0]) if state.stops and len(state.ring) else _NO_END
    keys, scores = np.array(key, dtype=np.int64), np.array(score, dtype=np.float64)
    _keep_all((state.ring, state.ordered, state.used), keys, scores, room)


def advance(
    state: StandingState, key: IntArray, score: FloatArray, kept: BoolArray | None = None
) -> FloatArray:
    """`standing`, then `keep`, row by row; only rows in `kept` (B,) are kept, all where None."""
    return _play(state, key, score, np.ones(len(key), dtype=bool) if kept is None else kept)


def series_standing(score: FloatArray) -> FloatArray:
    """How far each score (N,) of a whole series lies above their median, in the same unit."""
    known = np.sort(np.minimum(score[~np.isnan(score)], _LARGEST))
    result = np.full(len(score), np.nan)
    if known.size:
        for row in np.flatnonzero(~np.isnan(score)).tolist():
            result[row] = _standing(known, score[row])
    return result


def mean_of_top(standings: FloatArray, most: int) -> FloatArray:
    """The mean (B,) of the `most` largest of each row's standings (B, M); NaN is left out."""
    return _mean_of_top(np.ascontiguousarray(standings), most)


def shares(blame: FloatArray, weight: FloatArray) -> FloatArray:
    """Blame (B, T, C) scaled so that each row's sums to its weight (B,), cut at 0 from below.

    A row whose blame is nowhere has it everywhere in its newest frame. NaN weighs nothing.

    >>> shares(np.array([[[1.0, 3.0]]]), np.array([2.0])).tolist()
    [[[0.5, 1.5]]]
    """
    return _shares(np.array(blame, dtype=np.float64, order="C"), np.asarray(weight))


def _play(
    state: StandingState, key: IntArray, score: FloatArray, kept: BoolArray | None
) -> FloatArray:
    result = np.full(len(key), np.nan)
    learns = np.zeros(len(key), dtype=np.bool_) if kept is None else kept
    room = len(state.ring[0]) if state.stops and len(state.ring) else _NO_END
    keys, scores = np.array(key, dtype=np.int64), np.array(score, dtype=np.float64)
    _walk((state.ring, state.ordered, state.used), keys, (scores, learns, result), room)
    return result


@compiled
def _walk(
    state: tuple[FloatArray, FloatArray, IntArray],
    key: IntArray,
    rows: tuple[FloatArray, BoolArray, FloatArray],
    room: int,
) -> None:
    ring, ordered, used = state
    score, learns, result = rows
    for row in range(len(key)):
        k = key[row]
        if np.isnan(score[row]):
            continue
        size = min(used[k], ring.shape[1])
        if size >= SETTLE:
            result[row] = _standing(ordered[k, :size], score[row])
        if learns[row] and used[k] < room:
            _keep(ring[k], ordered[k], int(used[k]), score[row])
            used[k] += 1


@compiled
def _keep_all(
    state: tuple[FloatArray, FloatArray, IntArray], key: IntArray, score: FloatArray, room: int
) -> None:
    ring, ordered, used = state
    for row in range(len(key)):
        k = key[row]
        if not np.isnan(score[row]) and used[k] < room:
            _keep(ring[k], ordered[k], int(used[k]), score[row])
            used[k] += 1


@compiled
def _keep(ring: FloatArray, ordered: FloatArray, used: int, score: float) -> None:
    new = min(max(score, -_LARGEST), _LARGEST)
    size = min(used, len(ring))
    slot = used % len(ring)
    if size == len(ring):  # the oldest leaves its place among the ordered
        place = np.searchsorted(ordered, ring[slot])
        for i in range(place, size - 1):
            ordered[i] = ordered[i + 1]
        size -= 1
    place = np.searchsorted(ordered[:size], new)
    for i in range(size, place, -1):
        ordered[i] = ordered[i - 1]
    ordered[place] = new
    ring[slot] = new


@compiled
def _standing(known: FloatArray, score: float) -> float:
    if score == np.inf:
        return _FARTHEST
    middle = _quantile(known, 0.5)
    spread = (_quantile(known, 0.75) - _quantile(known, 0.25)) / _NORMAL
    least = _ROUNDING * max(abs(known[0]), abs(known[-1]))
    if spread <= least:
        spread = _deviation(known)
    off = score - middle
    if spread > least:
        return float(min(max(off / spread, -_FARTHEST), _FARTHEST))
    if abs(off) <= least:
        return 0.0
    return _MOVED if off > 0.0 else -_MOVED


@compiled
def _quantile(known: FloatArray, share: float) -> float:
    place = share * (len(known) - 1)
    low = int(place)
    high = min(low + 1, len(known) - 1)
    return float(known[low] + (place - low) * (known[high] - known[low]))


@compiled
def _deviation(known: FloatArray) -> float:
    unit = max(abs(known[0]), abs(known[-1]))
    if unit == 0.0:
        return 0.0
    mean = 0.0
    for value in known:
        mean += value / unit / len(known)
    total = 0.0
    for value in known:
        total += (value / unit - mean) ** 2
    return float(unit * math.sqrt(total / len(known)))


@compiled
def _mean_of_top(standings: FloatArray, most: int) -> FloatArray:
    result = np.full(len(standings), np.nan)
    for row in range(len(standings)):
        known = np.sort(standings[row][~np.isnan(standings[row])])
        count = min(most, len(known))
        total = 0.0
        for i in range(len(known) - count, len(known)):
            total += known[i]
        if count:
            result[row] = total / count
    return result


@compiled
def _shares(blame: FloatArray, weight: FloatArray) -> FloatArray:
    rows, frames, width = blame.shape
    for row in range(rows):
        largest = 0.0
        for t in range(frames):
            for c in range(width):
                largest = max(largest, blame[row, t, c])
        total = 0.0
        for t in range(frames):
            for c in range(width):
                if largest == np.inf:
                    blame[row, t, c] = 1.0 if blame[row, t, c] == np.inf else 0.0
                elif largest > 0.0:
                    blame[row, t, c] /= largest
                else:
                    blame[row, t, c] = 1.0 if t == frames - 1 else 0.0
                total += blame[row, t, c]
        share = weight[row] / total if weight[row] > 0.0 else 0.0
        blame[row] *= share
    return blame
