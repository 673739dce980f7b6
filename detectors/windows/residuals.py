"""What detectors share that predict a row from those before it: residuals, and both directions."""

from typing import Any

import numpy as np

from tocsin.detectors.compiled import compiled
from tocsin.detectors.trained import Trained
from tocsin.pipeline.types import FloatArray, Scores, Spec

_LEAST = 1e-3  # spreads of the channel; an ordinary residual counts as no smaller


def residuals(windows: FloatArray, weights: FloatArray) -> FloatArray:
    """Newest row of windows (B, T, C) less its prediction, (B, C).

    `weights` (T - 1, C, C) say what each earlier row's channel adds to each channel's prediction.
    """
    return _residuals(np.ascontiguousarray(windows), weights)


def ordinary(residual: FloatArray) -> FloatArray:
    """The usual size (C,) of training residuals (B, C): their root mean square, never 0."""
    if not len(residual):
        return np.ones(residual.shape[1])
    return np.asarray(np.maximum(np.sqrt((residual**2).mean(axis=0)), _LEAST))


def both_ways(forward: Scores, backward: Scores) -> Scores:
    """The mean of a series' scores, and of those of the series turned round, by row.

    A row with an opinion from one side alone has that one.
    """
    pair = np.stack([forward.value, backward.value[::-1]])
    known = ~np.isnan(pair)
    count = np.maximum(known.sum(axis=0), 1)
    value = np.where(known.any(axis=0), np.where(known, pair, 0.0).sum(axis=0) / count, np.nan)
    if forward.blame is None or backward.blame is None:
        return Scores(value)
    return Scores(value, (forward.blame + backward.blame[::-1]) / count[:, None])


def offline(scorer: Trained[Any], spec: Spec, history: FloatArray, series: FloatArray) -> Scores:
    """Scores of a whole series by the residuals around each row, read forwards and backwards.

    The scorer is trained anew on the history read backwards.
    """
    forward = Trained.offline(scorer, spec, history, series)
    return both_ways(forward, Trained.offline(scorer, spec, history[::-1], series[::-1]))


@compiled
def _residuals(windows: FloatArray, weights: FloatArray) -> FloatArray:
    rows, frames, width = windows.shape
    left = np.empty((rows, width))
    for b in range(rows):
        left[b] = windows[b, frames - 1]
        for t in range(frames - 1):
            for c in range(width):
                value = windows[b, t, c]
                for to in range(width):
                    left[b, to] -= value * weights[t, c, to]
    return left
