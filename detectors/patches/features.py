"""What a patch looks like in numbers: nineteen statistics of a stretch of one channel.

Level and spread, order statistics, slope and trend, how it moves from row to row, and how like
itself it is one, two and five rows later. A patch is in spreads of its channel, so that all of
them are in spreads or without unit.
"""

import numpy as np

from tocsin.detectors.compiled import compiled
from tocsin.pipeline.types import FloatArray, IntArray

FEATURES = 19

_ROUNDING = 1e-9  # of a patch's range
_ORDER = np.array([0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0])  # quantiles, by linear interpolation


def patch_features(line: FloatArray, width: int, first: IntArray) -> FloatArray:
    """The statistics (P, 19) of the patches of a channel's rows (N,) that begin at `first` (P,).

    There is no NaN among the rows, and `first` rises. Quantiles come from a sorted patch that is
    kept up from patch to patch, all else from the patch itself, so that no number depends on the
    patches before. O(P width).

    >>> patch_features(np.array([0.0, 1.0, 2.0, 3.0, 9.0]), 4, np.array([0, 1]))[:, 0].tolist()
    [1.5, 3.75]
    """
    result = np.empty((len(first), FEATURES))
    _of_line(np.ascontiguousarray(line), width, first, _ORDER, result)
    return result


def window_features(windows: FloatArray, widths: tuple[int, ...]) -> FloatArray:
    """The statistics (B, C, S, 19) of the newest rows of windows (B, T, C), for each of S widths.

    Each window is looked at as if it were alone. Where one follows on the other, as windows of a
    stream do, sorting is saved; widths rise.
    """
    rows, _, channels = windows.shape
    result = np.empty((channels, rows, len(widths), FEATURES))
    lines = np.ascontiguousarray(np.moveaxis(windows, 2, 0))  # (C, B, T)
    for c in range(channels):
        _of_windows(lines[c], np.array(widths), _ORDER, result[c])
    return np.moveaxis(result, 0, 1)


@compiled
def _of_line(
    line: FloatArray, width: int, first: IntArray, order: FloatArray, result: FloatArray
) -> None:
    ranked, off = np.empty(width), np.empty(width)
    held = 0  # the row after the last one that is in the sorted patch
    for p in range(len(result)):
        begin, end = first[p], first[p] + width
        if p and begin < held:
            for t in range(first[p - 1], begin):
                _remove(ranked, held - t, line[t])
        else:
            held = begin
        for t in range(held, end):
            _insert(ranked, t - begin, line[t])
        held = end
        _statistics(line[begin:end], ranked, order, off, result[p])


@compiled
def _of_windows(lines: FloatArray, widths: IntArray, order: FloatArray, out: FloatArray) -> None:
    length = lines.shape[1]
    ranked, off = np.empty((len(widths), length)), np.empty(length)
    for b in range(len(lines)):
        line = lines[b]
        follows = b > 0
        for t in range(length - 1):
            if not follows:
                break
            follows = line[t] == lines[b - 1, t + 1]
        _rank(line, lines[b - 1], follows, widths, ranked)
        for s in range(len(widths)):
            width = widths[s]
            _statistics(line[length - width :], ranked[s, :width], order, off, out[b, s])


@compiled
def _rank(
    line: FloatArray,
    before: FloatArray,
    follows: bool,  # noqa: FBT001 - a kernel
    widths: IntArray,
    ranked: FloatArray,
) -> None:
    """Sort the newest rows of each width: by exchanging one row, or each width from the last."""
    length = len(line)
    for s in range(len(widths)):
        width = widths[s]
        if follows:
            _remove(ranked[s], width, float(before[length - width]))
            _insert(ranked[s], width - 1, line[length - 1])
            continue
        sorted_before = 0
        if s:
            sorted_before = widths[s - 1]
            for i in range(sorted_before):
                ranked[s, i] = ranked[s - 1, i]
        for n in range(sorted_before, width):
            _insert(ranked[s], n, line[length - 1 - n])


@compiled
def _place(ranked: FloatArray, count: int, value: float) -> int:
    """How many of the first `count` sorted values are below `value`."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if ranked[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def _insert(ranked: FloatArray, count: int, value: float) -> None:
    place = _place(ranked, count, value)
    for i in range(count, place, -1):
        ranked[i] = ranked[i - 1]
    ranked[place] = value


@compiled
def _remove(ranked: FloatArray, count: int, value: float) -> None:
    for i in range(_place(ranked, count, value), count - 1):
        ranked[i] = ranked[i + 1]


@compiled
def _statistics(
    patch: FloatArray, ranked: FloatArray, order: FloatArray, off: FloatArray, out: FloatArray
) -> None:
    width = len(patch)
    total = 0.0
    for t in range(width):
        total += patch[t]
    mean = total / width
    middle = 0.5 * (width - 1)
    # A value that is the mean itself must not cross it by rounding.
    level = _ROUNDING * (ranked[width - 1] - ranked[0])
    square, trend, steps, moved, largest = 0.0, 0.0, 0.0, 0.0, 0.0
    near, second, fifth = 0.0, 0.0, 0.0
    crossings = 0
    for t in range(width):
        away = patch[t] - mean
        off[t] = away
        square += away * away
        trend += away * (t - middle)
        if t >= 1:
            step = patch[t] - patch[t - 1]
            steps += step * step
            moved += abs(step)
            largest = max(largest, abs(step))
            near += away * off[t - 1]
            crossings += (away > level) != (off[t - 1] > level)
        if t >= 2:
            second += away * off[t - 2]
        if t >= 5:
            fifth += away * off[t - 5]
    flat = ranked[0] == ranked[width - 1]
    out[0] = mean
    out[1] = 0.0 if flat else np.sqrt(square / width)
    for q in range(len(order)):
        place = order[q] * (width - 1)
        low = min(int(place), width - 2)
        out[2 + q] = ranked[low] + (place - low) * (ranked[low + 1] - ranked[low])
    out[9] = np.sqrt(square / width + mean * mean)
    out[10] = patch[width - 1] - patch[0]
    out[11] = 0.0 if flat else 6.0 * trend / (width * (width + 1.0))  # half the rise of a line
    out[12] = np.sqrt(steps / (width - 1))
    out[13] = moved / (width - 1)
    out[14] = largest
    out[15] = 0.0 if flat else near / square
    out[16] = 0.0 if flat else second / square
    out[17] = 0.0 if flat else fifth / square
    out[18] = 0.0 if flat else crossings / (width - 1)
