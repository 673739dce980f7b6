"""Slow, obvious versions of the wrappers around detectors."""

from typing import Any

import numpy as np
from scipy import stats

from tocsin.pipeline.keyed import grow
from tocsin.pipeline.types import Batch, FloatArray, Spec


def standing(past: list[float], score: float) -> float:
    """How far a score lies above the median of those before it, in their spreads."""
    if np.isnan(score) or len(past) < 30:
        return np.nan
    low, middle, high = np.percentile(past, [25, 50, 75])
    spread = (high - low) / 1.349 or float(np.std(past))
    if spread == 0.0:
        return 0.0 if score == middle else float(10.0 * np.sign(score - middle))
    return float(np.clip((score - middle) / spread, -1e6, 1e6))


def standings(scores: list[float], history: int) -> list[float]:
    """The standing of each score among the `history` before it."""
    past: list[float] = []
    found = []
    for score in scores:
        found.append(standing(past[-history:], score))
        if not np.isnan(score):
            past.append(score)
    return found


def block_means(rows: FloatArray, end: int, scale: int, frames: int) -> FloatArray:
    """The `frames` blocks (frames, C) of `scale` rows that end with row `end`."""
    result = np.full((frames, rows.shape[1]), np.nan)
    for frame in range(frames):
        last = end + 1 - scale * (frames - 1 - frame)
        block = rows[max(last - scale, 0) : max(last, 0)]
        for c in range(rows.shape[1]):
            known = block[~np.isnan(block[:, c]), c]
            if 2 * len(known) >= scale:
                result[frame, c] = known.mean()
    return result


def multi_scale(of: Any, scales: tuple[int, ...], history: int, rows: FloatArray) -> FloatArray:
    """The score of each row (N,): at scale s all rows are scored and every s-th is learned."""
    columns = []
    for scale in scales:
        state = of.start(Spec((rows.shape[1],)))
        grow(state, 1)
        past: list[float] = []
        column = []
        for end in range(len(rows)):
            means = block_means(rows, end, scale, 1)
            batch = Batch(np.array([0]), np.array([end]), means[None])
            score = float(of.score(state, batch).value[0])
            column.append(standing(past[-history:], score))
            if end % scale == scale - 1:
                of.learn(state, batch)
                if not np.isnan(score):
                    past.append(score)
        columns.append(column)
    table = np.array(columns).T  # (N, scales)
    return np.array([_mean(row) for row in table])


def joint_surprise(tails: list[float], rule: str) -> float:
    """-log of the combined probability of tails, by distributions of scipy."""
    known = np.array([tail for tail in tails if not np.isnan(tail)])
    if not known.size:
        return np.nan
    if rule == "fisher":
        return float(-stats.chi2.logsf(-2 * np.log(known).sum(), df=2 * len(known)))
    if rule == "harmonic":
        return float(-np.log(stats.hmean(known)))
    if rule == "min":
        return float(-np.log(stats.beta.cdf(known.min(), 1, len(known))))
    if rule == "first":
        return float(-np.log(known[0]))
    return float(-np.log(known).mean())


def _mean(row: FloatArray) -> float:
    known = row[~np.isnan(row)]
    return float(known.mean()) if known.size else np.nan
