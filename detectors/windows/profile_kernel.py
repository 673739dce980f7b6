"""The compiled parts of the matrix profile: the nearest of many windows, and a history of them."""

from typing import NamedTuple

import numpy as np

from tocsin.detectors.compiled import compiled
from tocsin.pipeline.types import FloatArray, IntArray

_ROUNDING = 1e-12  # of the largest value: below it, spread is rounding
_BLOCK = 1024  # windows whose products stay in the nearest cache
_FLAT = 0.5  # what stands for the correlation of a flat window with another one


class Past(NamedTuple):
    """Rows of one key, newest last, and for each the window that ends there."""

    rows: FloatArray  # (C, N)
    inverse: FloatArray  # (C, N), of the window's length about its mean; 0: flat, NaN: no window


class Pasts(NamedTuple):
    """The histories of K keys; the first `used` places hold rows."""

    rows: FloatArray  # (K, C, room)
    inverse: FloatArray  # (K, C, room)
    low: FloatArray  # (K, C), least of the last `memory` rows
    high: FloatArray  # (K, C)
    used: IntArray  # (K,)
    stretch: IntArray  # (K,), rows since the last break
    seen: IntArray  # (K,)


class Found(NamedTuple):
    """What is written of windows (B, T, C)."""

    distance: FloatArray  # (B, C), NaN where there is nothing to compare
    reach: FloatArray  # (B, C), the range of the history before the window, low and high
    top: FloatArray  # (B, C)
    parts: FloatArray  # (B, T, C), the difference from the nearest window; its length is `distance`


class Limits(NamedTuple):
    """Settings of a history."""

    memory: int  # rows that are looked at
    apart: int  # the beginnings of two windows differ by more rows than this
    warmup: int


@compiled
def lengths(rows: FloatArray, broken: IntArray, frames: int) -> FloatArray:
    """The `inverse` (C, N) of rows (C, N); `broken` (N,) counts rows since the last break."""
    inverse = np.full(rows.shape, np.nan)
    for c in range(rows.shape[0]):
        for end in range(frames - 1, rows.shape[1]):
            if broken[end] >= frames:
                inverse[c, end] = _inverse(rows[c, end + 1 - frames : end + 1])
    return inverse


@compiled
def nearest(windows: FloatArray, past: Past, found: Found) -> None:
    """Find for each channel of windows (B, T, C) the nearest window of the past."""
    desk = np.empty(_BLOCK)
    for b in range(len(windows)):
        for c in range(windows.shape[2]):
            query = windows[b, :, c].copy()
            distance, parts = found.distance[b], found.parts[b, :, c]
            distance[c] = _nearest(query, past.rows[c], past.inverse[c], parts, desk)


@compiled
def nearest_other(past: Past, frames: int, apart: int) -> FloatArray:
    """The distance (C, N) of each window of the past to the nearest that begins over `apart` away.

    It stands where the window ends; NaN where there is none.
    """
    found = np.full(past.rows.shape, np.nan)
    desk, parts = np.empty(_BLOCK), np.empty(frames)
    for c in range(len(found)):
        rows, inverse = past.rows[c], past.inverse[c]
        for end in range(frames - 1, len(rows)):
            if np.isnan(inverse[end]):
                continue
            query = rows[end + 1 - frames : end + 1]
            last, first = end - apart, end + apart + 2 - frames
            left = right = np.inf
            if last >= frames:
                left = _nearest(query.copy(), rows[:last], inverse[:last], parts, desk)
            if first + frames <= len(rows):
                right = _nearest(query.copy(), rows[first:], inverse[first:], parts, desk)
            left, right = np.inf if np.isnan(left) else left, np.inf if np.isnan(right) else right
            found[c, end] = min(left, right) if min(left, right) < np.inf else np.nan
    return found


@compiled
def follow(
    pasts: Pasts,
    key: IntArray,
    windows: FloatArray,
    found: Found,
    limits: Limits,
    tasks: tuple[bool, bool],
) -> None:
    """Go through windows (B, T, C) with gaps; `tasks`: whether they are looked up, and learned."""
    scores, learns = tasks
    frames, width = windows.shape[1:]
    query, desk = np.empty((width, frames)), np.empty(_BLOCK)
    for b in range(len(key)):
        k = key[b]
        joined = _complete(pasts, k, windows[b], query)
        is_heard = not np.isnan(windows[b, -1]).all()
        if scores and is_heard and pasts.seen[k] >= limits.warmup:
            first = max(0, pasts.used[k] - limits.memory)
            last = pasts.used[k] - limits.apart
            found.reach[b], found.top[b] = pasts.low[k], pasts.high[k]
            for c in range(width):
                if last > first + frames - 1:
                    rows, inverse = pasts.rows[k, c, first:last], pasts.inverse[k, c, first:last]
                    distance, parts = found.distance[b], found.parts[b, :, c]
                    distance[c] = _nearest(query[c].copy(), rows, inverse, parts, desk)
        if learns and not np.isnan(windows[b]).all():
            pasts.seen[k] += is_heard
            pasts.stretch[k] = pasts.stretch[k] + 1 if joined else 1
            _append(pasts, k, query, 2 * _heard(windows[b]) >= frames, limits)


@compiled
def _complete(pasts: Pasts, key: int, window: FloatArray, query: FloatArray) -> bool:
    """Fill the gaps of a window into `query` (C, T); whether it goes on where the past ends.

    A window that goes on holds what the past holds in its gaps; another one is filled from itself,
    each gap with the value before it.
    """
    frames, width = window.shape
    used, known = pasts.used[key], min(pasts.stretch[key], frames - 1)
    joined = known > 0
    for c in range(width):
        for back in range(1, known + 1):
            value, had = window[frames - 1 - back, c], pasts.rows[key, c, used - back]
            joined = joined and (np.isnan(value) or value == had)
    for c in range(width):
        usual = pasts.rows[key, c, used - 1] if used > 0 else 0.0
        for t in range(frames - 1, -1, -1):
            usual = usual if np.isnan(window[t, c]) else window[t, c]
        last = usual
        for t in range(frames):
            back = frames - 1 - t
            if joined and 0 < back <= known:
                last = pasts.rows[key, c, used - back]
            elif not np.isnan(window[t, c]):
                last = window[t, c]
            query[c, t] = last
    return bool(joined)


@compiled
def _heard(window: FloatArray) -> int:
    """Rows of a window (T, C) with any value."""
    count = 0
    for t in range(len(window)):
        count += not np.isnan(window[t]).all()
    return count


@compiled
def _append(pasts: Pasts, key: int, query: FloatArray, is_whole: bool, limits: Limits) -> None:  # noqa: FBT001 - a kernel
    """Add the newest row to the past, and the window that ends there unless it spans a break."""
    width, frames = query.shape
    used, room = pasts.used[key], pasts.rows.shape[2]
    if used == room:
        for c in range(width):
            for n in range(limits.memory):
                pasts.rows[key, c, n] = pasts.rows[key, c, room - limits.memory + n]
                pasts.inverse[key, c, n] = pasts.inverse[key, c, room - limits.memory + n]
        pasts.rows[key, :, limits.memory :] = np.nan
        pasts.inverse[key, :, limits.memory :] = np.nan
        used = limits.memory
    for c in range(width):
        value = query[c, frames - 1]
        pasts.rows[key, c, used] = value
        if is_whole and pasts.stretch[key] >= frames:
            pasts.inverse[key, c, used] = _inverse(query[c])
        _widen(pasts, key, c, used, limits.memory)
    pasts.used[key] = used + 1


@compiled
def _widen(pasts: Pasts, key: int, c: int, newest: int, memory: int) -> None:
    """Keep the range of the last `memory` rows; looks at all of them when an end has left."""
    value, gone = pasts.rows[key, c, newest], newest - memory
    low, high = pasts.low[key, c], pasts.high[key, c]
    if gone >= 0 and not low < pasts.rows[key, c, gone] < high:
        low = high = value
        for n in range(gone + 1, newest):
            low, high = min(low, pasts.rows[key, c, n]), max(high, pasts.rows[key, c, n])
    pasts.low[key, c] = value if not low <= value else low  # NaN: nothing yet
    pasts.high[key, c] = value if not high >= value else high


@compiled
def _inverse(window: FloatArray) -> float:
    """One over the length of a window (T,) about its mean, 0 where it is flat."""
    size, mean = 0.0, 0.0
    for value in window:
        size = max(size, abs(value))
        mean += value / len(window)
    square = 0.0
    for value in window:
        square += (value - mean) * (value - mean)
    length = np.sqrt(square / len(window))
    if not length > _ROUNDING * size:
        return 0.0
    return float(1.0 / (length * np.sqrt(len(window))))


@compiled
def _nearest(
    query: FloatArray, rows: FloatArray, inverse: FloatArray, parts: FloatArray, desk: FloatArray
) -> float:
    """The distance to the nearest window of rows (N,), NaN for none; normalises `query` (T,)."""
    frames = len(query)
    scale = _inverse(query)
    _normalise(query, scale)
    best, at = -np.inf, -1
    for first in range(frames - 1, len(rows), _BLOCK):
        stop = min(first + _BLOCK, len(rows))
        _products(query, rows[first + 1 - frames : stop], desk)
        _correlate(desk, inverse[first:stop], scale)
        for n in range(stop - first):
            if desk[n] > best:
                best, at = desk[n], first + n
    if at < 0:
        return np.nan
    other = rows[at + 1 - frames : at + 1].copy()
    _normalise(other, inverse[at])
    square = 0.0
    for t in range(frames):
        parts[t] = abs(query[t] - other[t]) * np.sqrt(frames)
        square += parts[t] * parts[t]
    return float(np.sqrt(square))


@compiled
def _correlate(desk: FloatArray, inverse: FloatArray, scale: float) -> None:
    """Make products correlations, in place; NaN where there is no window."""
    for n in range(len(inverse)):
        like = desk[n] * inverse[n]
        # A flat window has no correlation; this one stands for its distance, sqrt(T).
        like = _FLAT if (inverse[n] == 0.0) != (scale == 0.0) else like
        like = 1.0 if inverse[n] == 0.0 and scale == 0.0 else like
        desk[n] = np.nan if np.isnan(inverse[n]) else like


@compiled
def _normalise(window: FloatArray, inverse: float) -> None:
    """Bring a window (T,) to mean 0 and length 1; a flat one to 0."""
    mean = 0.0
    for value in window:
        mean += value / len(window)
    for t in range(len(window)):
        window[t] = (window[t] - mean) * inverse


@compiled
def _products(query: FloatArray, rows: FloatArray, desk: FloatArray) -> None:
    """The product of `query` (T,) with each window of rows (n + T - 1,), into the first n places.

    The windows are the inner loop: each sum has its own order, so that all are taken side by side.
    """
    frames = len(query)
    count = len(rows) + 1 - frames
    desk[:count] = 0.0
    for t in range(0, frames - 3, 4):
        a, b, c, d = query[t], query[t + 1], query[t + 2], query[t + 3]
        one, two = rows[t : t + count], rows[t + 1 : t + 1 + count]
        three, four = rows[t + 2 : t + 2 + count], rows[t + 3 : t + 3 + count]
        for n in range(count):
            desk[n] += (a * one[n] + b * two[n]) + (c * three[n] + d * four[n])
    for t in range(frames - frames % 4, frames):
        one, a = rows[t : t + count], query[t]
        for n in range(count):
            desk[n] += a * one[n]
