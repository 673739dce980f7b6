"""Exponentially weighted z-scores, slowly: all past values and their weights, row by row."""

import numpy as np

from tocsin.pipeline.types import FloatArray


def blames(values: FloatArray, half_life: float, warmup: int) -> FloatArray:
    """|z| of each value (N, C) against the weighted moments of those before it, else NaN."""
    found = np.full(values.shape, np.nan)
    for c in range(values.shape[1]):
        past: list[float] = []
        for n, value in enumerate(values[:, c].tolist()):
            if not np.isfinite(value):
                continue
            if len(past) >= warmup:
                age = np.arange(len(past))[::-1]
                weight = 0.5 ** (age / half_life)
                mean = np.average(past, weights=weight)
                variance = np.average((np.array(past) - mean) ** 2, weights=weight)
                if np.ptp(past) == 0.0:
                    found[n, c] = 0.0 if value == past[0] else np.inf
                else:
                    found[n, c] = abs(value - mean) / np.sqrt(variance)
            past.append(value)
    return found
