"""How far two normal laws differ along each channel, slowly: drawn rows and measured slopes."""

import numpy as np

from tocsin.pipeline.types import FloatArray

_STEP = 1e-4


def log_density(rows: FloatArray, mean: FloatArray, covariance: FloatArray) -> FloatArray:
    """Log of the normal density, but for its constant, at rows (N, C)."""
    off = rows - mean
    return np.array([-0.5 * one @ np.linalg.solve(covariance, one) for one in off])


def conditional_shift(
    p: tuple[FloatArray, FloatArray], q: tuple[FloatArray, FloatArray], draws: int, seed: int
) -> FloatArray:
    """For each channel the mean squared difference of slopes, over rows drawn from p and from q."""
    rng = np.random.default_rng(seed)
    rows = np.concatenate([rng.multivariate_normal(*law, size=draws) for law in (p, q)])
    result = np.empty(rows.shape[1])
    for c in range(rows.shape[1]):
        step = _STEP * np.eye(rows.shape[1])[c]
        slopes = [
            (log_density(rows + step, *law) - log_density(rows - step, *law)) / (2 * _STEP)
            for law in (p, q)
        ]
        result[c] = ((slopes[0] - slopes[1]) ** 2).mean()
    return result
