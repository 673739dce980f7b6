"""Moving standard deviations, slowly: every window's variance and their weighted mean, anew."""

import numpy as np

from tocsin.pipeline.types import FloatArray


def blames(values: FloatArray, window: int, half_life: float) -> FloatArray:
    """Variance of the window ending at each value (N, C) over the usual one, else NaN."""
    found = np.full(values.shape, np.nan)
    for c in range(values.shape[1]):
        past: list[float] = []
        variances: list[float] = []
        for n, value in enumerate(values[:, c].tolist()):
            if not np.isfinite(value):
                continue
            past.append(value)
            if len(past) < window:
                continue
            last = np.array(past[-window:])
            variance = 0.0 if np.ptp(last) == 0.0 else float(last.var())
            if len(past) > 2 * window:
                age = np.arange(len(variances))[::-1]
                usual = np.average(variances, weights=0.5 ** (age / half_life))
                found[n, c] = np.divide(variance, usual) if variance and usual else 0.0
                if variance and not usual:
                    found[n, c] = np.inf
            variances.append(variance)
    return found
