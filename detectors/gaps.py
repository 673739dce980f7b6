"""Missing values in windows, filled so that a detector of whole windows can look at them."""

import numpy as np

from tocsin.detectors.compiled import compiled
from tocsin.pipeline.types import FloatArray


def filled(windows: FloatArray, usual: FloatArray) -> FloatArray:
    """A copy of windows (B, T, C) without NaN.

    A gap holds the last value before it; one at the beginning takes the first value after it; a
    channel without any value in its window takes its `usual` (C,). Each window is filled from
    itself alone.

    >>> filled(np.array([[[np.nan], [2.0], [np.nan]]]), np.array([7.0])).ravel().tolist()
    [2.0, 2.0, 2.0]
    """
    whole = np.array(windows, dtype=np.float64, order="C")
    _fill(whole, np.asarray(usual, dtype=np.float64))
    return whole


def known(windows: FloatArray) -> FloatArray:
    """The share of values that are there in each window (B, T, C): (B,), 0 to 1."""
    return np.asarray((~np.isnan(windows)).mean(axis=(1, 2)), dtype=np.float64)


@compiled
def _fill(windows: FloatArray, usual: FloatArray) -> None:
    for b in range(windows.shape[0]):
        for c in range(windows.shape[2]):
            last, first = np.nan, -1
            for t in range(windows.shape[1]):
                if np.isnan(windows[b, t, c]):
                    windows[b, t, c] = last
                else:
                    last = windows[b, t, c]
                    if first < 0:
                        first = t
            early = usual[c] if first < 0 else windows[b, first, c]
            for t in range(windows.shape[1] if first < 0 else first):
                windows[b, t, c] = early
