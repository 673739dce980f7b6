"""Slow, obvious versions of the ways to spoil a window, one value at a time."""

import numpy as np

from tocsin.pipeline.types import BoolArray, FloatArray, IntArray


def soft(
    window: FloatArray, start: int, columns: IntArray, foreign: FloatArray, hard: BoolArray
) -> FloatArray:
    """Foreign values (length, k) blended in by a trapezoid whose ramps take a tenth each."""
    found, length = window.copy(), len(foreign)
    ramp = max(1, length // 10)
    for i in range(length):
        share = 0.7 * min(1.0, (i + 1) / ramp, (length - i) / ramp)
        for k, c in enumerate(columns.tolist()):
            own = 0.0 if hard[k] else 1.0 - share
            found[start + i, c] = (1.0 - own) * foreign[i, k] + own * window[start + i, c]
    return found


def longer(window: FloatArray, start: int, length: int, c: int, factor: int) -> FloatArray:
    """A stretch of one channel `factor` times as slow."""
    slow = [value for value in window[start:, c] for _ in range(factor)]
    found = window.copy()
    found[start : start + length, c] = slow[:length]
    return found


def shorter(window: FloatArray, start: int, length: int, c: int, factor: int) -> FloatArray:
    """A stretch of one channel `factor` times as quick."""
    quick = window[start::factor, c]
    found = window.copy()
    found[start : start + length, c] = quick[:length]
    return found


def ramp_window(rows: int, width: int, seed: int) -> FloatArray:
    """A window (W, C) in 0 to 1 in which no value comes twice."""
    values = np.random.default_rng(seed).permutation(rows * width) + 0.5
    return np.asarray(values.reshape(rows, width) / (rows * width), dtype=np.float64)
