"""A plant that a covariate heats: which one is known, and clean rows show it already."""

import numpy as np

from tocsin.detectors.forecast.trees import TreeForecast
from tocsin.pipeline.types import FloatArray

CHANNELS = ("flow", "power", "wind", "sun", "rain")  # two are judged, three are covariates
CAUSE = CHANNELS.index("sun")
SMALL = TreeForecast(
    train=400, memory=420, lags=(1, 2), widths=(), horizons=(1,), folds=2, rounds=15, depth=2,
    rate=0.3, covariates=(2, 3, 4), given=False,
)  # fmt: skip


def heated(rows: int, faults: tuple[int, ...] = (), seed: int = 0) -> FloatArray:
    """Rows (N, 5): above 0.5 the sun makes the flow restless, and for six rows a fault moves it.

    The sun then stands higher than ever before; so does the wind, harmlessly, ten rows earlier.
    """
    rng = np.random.default_rng(seed)
    covariates = np.zeros((rows, 3))
    for row, step in enumerate(rng.normal(size=(rows, 3))):
        before = covariates[row - 1] if row else 0.0
        covariates[row] = np.clip(0.8 * before + 0.6 * step, -2.5, 2.5)
    for first in faults:
        covariates[first : first + 6, 1] = 4.0
        covariates[first - 10 : first - 4, 0] = 4.0
    flow, power = 0.1 * rng.normal(size=(2, rows))
    flow += 0.8 * np.maximum(covariates[:, 1] - 0.5, 0.0) * rng.normal(size=rows)
    for first in faults:
        flow[first : first + 6] += [9.0, -9.0, 12.0, -9.0, 9.0, -9.0]
    return np.column_stack([flow, power, covariates])
