"""Moving z-scores, slowly: a list of past values a channel and the formulas of a textbook."""

import numpy as np

from tocsin.pipeline.types import FloatArray


def blames(values: FloatArray, window: int) -> FloatArray:
    """|z| of each value (N, C) against the last `window` finite ones of its channel, else NaN."""
    found = np.full(values.shape, np.nan)
    for c in range(values.shape[1]):
        past: list[float] = []
        for n, value in enumerate(values[:, c].tolist()):
            if not np.isfinite(value):
                continue
            if len(past) >= window:
                last = np.array(past[-window:])
                off, deviation = abs(value - last.mean()), last.std(ddof=1)
                if np.ptp(last) == 0.0:
                    found[n, c] = 0.0 if value == last[0] else np.inf
                else:
                    found[n, c] = off / deviation
            past.append(value)
    return found
