"""Windows for the encoder, cut out of series: blocks of averaged rows, at several lengths.

Nothing here depends on the other rows of a call: sums over a block are added one by one, and each
window is handled on its own.
"""

from collections.abc import Iterator

import numpy as np

from tocsin.detectors.context.views import PATCH
from tocsin.pipeline.types import FloatArray, IntArray


def ending(series: FloatArray, blocks: int, size: int) -> FloatArray:
    """The last `blocks` means of `size` rows each, (B, L) to (B, blocks); NaN is left out."""
    parts = series[:, series.shape[1] - blocks * size :].reshape(len(series), blocks, size)
    return _means(parts)


def from_the_start(series: FloatArray, size: int) -> FloatArray:
    """The means of each `size` rows of one series (N,); the last block may have fewer."""
    short = -len(series) % size
    padded = np.pad(series, (0, short), constant_values=np.nan)
    return _means(padded.reshape(-1, size))


def ages(series: FloatArray) -> IntArray:
    """Rows (B,) from the first that is there to the newest, both counted; 0 where none is."""
    known = np.isfinite(series)
    return np.where(known.any(axis=1), series.shape[1] - known.argmax(axis=1), 0)


def fitting(age: IntArray, size: int, most: int) -> IntArray:
    """Blocks (B,) of `size` rows that so many rows give: whole patches, at most `most`.

    >>> fitting(np.array([10, 100, 1000]), 2, 256).tolist()
    [0, 48, 256]
    """
    return np.minimum(age // size // PATCH * PATCH, most)


def spans(length: int, window: int, stride: int) -> Iterator[tuple[int, int]]:
    """Windows that cover so many points: (first, end), the last one ending where they end.

    >>> list(spans(20, 8, 8))
    [(0, 8), (8, 16), (12, 20)]
    """
    for first in range(0, max(length - window, 0), stride):
        yield first, first + window
    yield max(length - window, 0), length


def in_patches(window: FloatArray) -> FloatArray:
    """A window (n,) with missing points put in front, so that it is of whole patches."""
    return np.pad(window, (-len(window) % PATCH, 0), constant_values=np.nan)


def _means(parts: FloatArray) -> FloatArray:
    """Means over the last axis of what is there; NaN where nothing is."""
    known = np.isfinite(parts)
    total, count = np.zeros(parts.shape[:-1]), np.zeros(parts.shape[:-1])
    for i in range(parts.shape[-1]):
        # Sums of huge values overflow; their parts do not.
        total += np.where(known[..., i], parts[..., i], 0.0) / parts.shape[-1]
        count += known[..., i]
    share = count / parts.shape[-1]
    return np.where(count > 0, total / np.where(count > 0, share, 1.0), np.nan)
