"""What rows were expected to be: a value for each channel, and how far values usually lie from it.

Three usual misses on either side are the band that is drawn. Of clean rows, it holds 98 % of a
channel's values or more: 99.7 % where misses are normal.
"""

import numpy as np

from tocsin.detectors.scaling import Scale
from tocsin.pipeline.types import Band, FloatArray, IntArray

_LEAST = 1e-3  # spreads of the channel; an ordinary miss counts as no smaller


def unknown(windows: FloatArray) -> Band:
    """The band of windows (B, T, C) of which nothing can be told."""
    shape = (windows.shape[0], windows.shape[2])
    return Band(np.full(shape, np.nan), np.full(shape, np.nan))


def in_units(windows: FloatArray, ready: IntArray, scale: Scale, band: Band) -> Band:
    """The band of windows (B, T, C) by one in spreads, of those of them that are `ready` (R,).

    >>> one = Band(np.array([[2.0]]), np.array([[0.5]]))
    >>> scale = Scale(np.array([10.0]), np.array([3.0]))
    >>> found = in_units(np.zeros((2, 4, 1)), np.array([1]), scale, one)
    >>> found.expected.ravel().tolist(), found.usual.ravel().tolist()
    ([nan, 16.0], [nan, 1.5])
    """
    found = unknown(windows)
    found.expected[ready] = scale.centre + scale.spread * band.expected
    found.usual[ready] = scale.spread * band.usual
    return found


def usual_miss(missed: FloatArray) -> FloatArray:
    """The root mean square (C,) of training misses (N, C) in spreads, never 0."""
    if not len(missed):
        return np.ones(missed.shape[1])
    return np.asarray(np.maximum(np.sqrt((missed**2).mean(axis=0)), _LEAST))
