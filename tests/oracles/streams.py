"""Streams that the detectors' tests share: rough channels and frames, played in several ways."""

from typing import Any

import numpy as np

from tocsin.pipeline.keyed import grow
from tocsin.pipeline.types import Batch, FloatArray, Scores, Spec


def rough(rows: int, width: int, seed: int) -> FloatArray:
    """Correlated channels (N, C) with spikes, a flat stretch, and NaN and infinities planted."""
    rng = np.random.default_rng(seed)
    values = 0.6 * rng.standard_normal((rows, 1)) + rng.standard_normal((rows, width))
    values = 3.0 + values * np.resize([1.0, 100.0, 0.001], width)
    values[rng.random(rows) < 0.03] *= 20.0
    values[rng.random(values.shape) < 0.05] = np.nan
    values[rng.random(rows) < 0.03] = np.nan
    values[rng.random(values.shape) < 0.01] = np.inf
    values[rng.random(values.shape) < 0.01] = -np.inf
    values[rows // 2 : rows // 2 + 6, 0] = 3.0
    return values


def batch_of(values: FloatArray) -> Batch:
    """One key's frames (N, *item) as windows of one frame."""
    rows = np.arange(len(values))
    return Batch(np.zeros(len(values), dtype=np.int64), rows, values[:, None])


def played(scorer: Any, values: FloatArray) -> Scores:
    """Scores of one key's frames (N, *item), scored and learned in turn."""
    state = scorer.start(Spec(values.shape[1:]))
    grow(state, 1)
    scores: Scores = scorer.advance(state, batch_of(values))
    return scores


def blame_of(scores: Scores) -> FloatArray:
    """The blame (N, *item) of the newest frames."""
    assert scores.blame is not None
    return scores.blame[:, -1]
