"""Scores of three detectors with a known share of anomalous rows."""

import numpy as np

from tocsin.pipeline.types import FloatArray

SHAPES = ("normal", "log-normal", "chi-squared", "heavy log-normal")


def simulated(seed: int, rows: int, share: float, shape: int) -> FloatArray:
    """Scores (N, 3): a bulk of one of `SHAPES`, and anomalies 4 to 7 spreads above it."""
    rng = np.random.default_rng([seed, int(share * 1000), rows])
    latent = rng.standard_normal(rows)
    many = rng.binomial(rows, share)
    latent[:many] = rng.uniform(4, 7) + rng.uniform(0.5, 1.2) * rng.standard_normal(many)
    scores = latent[:, None] + 0.4 * rng.standard_normal((rows, 3))
    if shape == 1:
        return np.exp(0.25 * scores)
    if shape == 2:
        return np.square(np.maximum(scores / 6 + 1.3, 0))
    return np.exp(0.4 * scores) if shape == 3 else scores
