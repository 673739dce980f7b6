"""The matrix profile, slowly: every window against every other, one pair at a time."""

import math

import numpy as np

from tocsin.pipeline.types import FloatArray


def normalised(window: FloatArray) -> FloatArray:
    """A window (T,) of mean 0 and deviation 1; zeros where it is flat."""
    if np.ptp(window) == 0:
        return np.zeros(len(window))
    return np.asarray((window - window.mean()) / window.std(), dtype=np.float64)


def distance(one: FloatArray, other: FloatArray) -> float:
    """Between two windows (T,), however they are scaled and shifted."""
    return float(np.linalg.norm(normalised(one) - normalised(other)))


def join(series: FloatArray, model: FloatArray, frames: int) -> FloatArray:
    """The distance of each window of a series (N,) to the nearest one of a model (M,)."""
    others = [model[n : n + frames] for n in range(len(model) + 1 - frames)]
    return np.array(
        [
            min(distance(series[n : n + frames], other) for other in others)
            for n in range(len(series) + 1 - frames)
        ]
    )


def left(series: FloatArray, frames: int, memory: int) -> FloatArray:
    """The distance (N,) of the window that ends at a row to the nearest that began well before.

    Only windows that lie within the `memory` rows before the newest one count.
    """
    found = np.full(len(series), np.nan)
    apart = math.ceil(frames / 4)
    for end in range(frames - 1, len(series)):
        begin = end + 1 - frames
        first = max(0, end - memory)
        near = [
            distance(series[begin : end + 1], series[other : other + frames])
            for other in range(first, begin - apart)
        ]
        found[end] = min(near, default=np.nan)
    return found
