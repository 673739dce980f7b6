"""The matrix profile of one long channel by stumpy."""

import numpy as np
import stumpy

from tocsin.pipeline.types import FloatArray


def profile(series: FloatArray, model: FloatArray | None, frames: int) -> FloatArray:
    """Distances (N - frames + 1,) of a series (N,) to the nearest windows of a model (M,).

    Without a model, to the nearest other windows of the series. NaN where there is none.
    """
    if model is None:
        found = stumpy.stump(series, frames)
    else:
        found = stumpy.stump(series, frames, model, ignore_trivial=False)
    distance = np.asarray(found[:, 0], dtype=np.float64)
    return np.where(np.isfinite(distance), distance, np.nan)
