"""Means of blocks of rows, for windows and for whole series."""

import numpy as np

from tocsin.detectors.compiled import compiled
from tocsin.pipeline.types import FloatArray


def blocks(windows: FloatArray, scale: int, frames: int) -> FloatArray:
    """The newest `frames` x `scale` rows of windows (B, T, C) as means of blocks (B, frames, C).

    NaN is left out; a block of which less than half is there is NaN. A mean never leaves the range
    of its rows, so a flat stretch stays exactly flat.

    >>> blocks(np.array([[[9.0], [1.0], [3.0], [np.nan], [5.0]]]), 2, 2).ravel().tolist()
    [2.0, 5.0]
    """
    result = np.full((len(windows), frames, windows.shape[2]), np.nan)
    _average(np.ascontiguousarray(windows[:, -frames * scale :]), scale, result)
    return result


def whole_blocks(rows: FloatArray, scale: int) -> FloatArray:
    """Rows (N, C) as means of blocks from the first row on; the last block may be short."""
    if not len(rows):
        return rows.copy()
    short = -len(rows) % scale
    padded = np.concatenate([rows, np.full((short, rows.shape[1]), np.nan)])
    return blocks(padded.reshape(-1, scale, rows.shape[1]), scale, 1)[:, 0]


def blocks_at_offsets(rows: FloatArray, scale: int) -> FloatArray:
    """Whole blocks of rows (N, C) from each of the `scale` first rows on, parted by NaN rows."""
    seam = np.full((1, rows.shape[1]), np.nan)
    parts: list[FloatArray] = []
    for offset in range(scale):
        count = max(len(rows) - offset, 0) // scale
        parts += [whole_blocks(rows[offset : offset + count * scale], scale), seam]
    return np.concatenate(parts[:-1])


def spread_back(blame: FloatArray, scale: int, result: FloatArray) -> None:
    """Add blame of blocks (B, frames, C) to `result` (B, T, C), in equal parts to their rows."""
    _spread(np.ascontiguousarray(blame), scale, result)


@compiled
def _average(windows: FloatArray, scale: int, result: FloatArray) -> None:
    rows, frames, width = result.shape
    for row in range(rows):
        for t in range(frames):
            for c in range(width):
                total, count, low, high = 0.0, 0, np.inf, -np.inf
                for i in range(t * scale, (t + 1) * scale):
                    value = windows[row, i, c]
                    if not np.isnan(value):
                        total += value
                        count += 1
                        low, high = min(low, value), max(high, value)
                if 2 * count >= scale:
                    result[row, t, c] = min(max(total / count, low), high)


@compiled
def _spread(blame: FloatArray, scale: int, result: FloatArray) -> None:
    rows, frames, width = blame.shape
    first = result.shape[1] - frames * scale
    for row in range(rows):
        for i in range(frames * scale):
            for c in range(width):
                result[row, first + i, c] += blame[row, i // scale, c] / scale
