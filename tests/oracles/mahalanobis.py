"""Mahalanobis distances, slowly: a plain loop over rows and pairs, and a matrix inverse."""

import numpy as np

from tocsin.pipeline.types import BoolArray, FloatArray


def moments(values: FloatArray, half_life: float) -> tuple[FloatArray, FloatArray]:
    """Weighted mean (C,) and covariance (C, C) of complete rows (N, C), by their definition."""
    weight = 0.5 ** (np.arange(len(values))[::-1] / half_life)
    mean = np.average(values, axis=0, weights=weight)
    off = values - mean
    return mean, (weight[:, None] * off).T @ off / weight.sum()


def scores(
    values: FloatArray, half_life: float, shrinkage: float, memory: float, warmup: int
) -> tuple[FloatArray, FloatArray]:
    """Score (N,) and blame (N, C), 0 where a channel has none, of rows (N, C) in turn."""
    rows, width = values.shape
    mean, covariance = np.zeros(width), np.zeros((width, width))
    weight, seen = np.zeros(width), np.zeros(width, dtype=int)
    keep = 0.5 ** (1.0 / half_life)
    share = 1.0 - 0.5 ** (1.0 / memory) if memory else 1.0
    score, blame = np.full(rows, np.nan), np.zeros(values.shape)
    recent: float | None = None
    for n, value in enumerate(values):
        has = np.isfinite(value)
        off = np.where(has, value - mean, 0.0)
        distance = _distance(off, covariance, has & (seen >= warmup), shrinkage, blame[n])
        if distance is not None:
            score[n] = np.sqrt(_mixed(recent, distance, share))
            recent = _mixed(recent, min(distance, 10.0), share)
        weight = np.where(has, keep * weight + 1.0, weight)
        seen = seen + has
        for a in np.flatnonzero(has):
            for b in np.flatnonzero(has):
                gain = max(1.0 / weight[a], 1.0 / weight[b])
                covariance[a, b] = (1 - gain) * (covariance[a, b] + gain * off[a] * off[b])
        mean[has] += off[has] / weight[has]
    return score, blame


def _mixed(recent: float | None, distance: float, share: float) -> float:
    return distance if recent is None else share * distance + (1 - share) * recent


def _distance(
    off: FloatArray, covariance: FloatArray, judged: BoolArray, shrinkage: float, blame: FloatArray
) -> float | None:
    if not judged.any():
        return None
    moves = judged & (np.diag(covariance) > 0)
    blame[judged & ~moves & (off != 0)] = np.inf
    which = np.flatnonzero(moves)
    deviation = np.sqrt(np.diag(covariance)[which])
    z = off[which] / deviation
    correlation = covariance[np.ix_(which, which)] / np.outer(deviation, deviation)
    correlation = np.clip(correlation, -1.0, 1.0)  # pairs learn at a gain of their own
    trust = 1.0 - shrinkage
    while len(which) and np.linalg.eigvalsh(_shrunk(correlation, trust)).min() <= 0:
        trust /= 2
    inverse = np.linalg.inv(_shrunk(correlation, trust))
    squared = z @ inverse @ z
    for i, c in enumerate(which):
        others = np.delete(np.arange(len(which)), i)
        part = np.linalg.inv(_shrunk(correlation, trust)[np.ix_(others, others)])
        blame[c] = np.sqrt(max(squared - z[others] @ part @ z[others], 0.0))
    return float("inf") if np.isinf(blame).any() else float(squared / judged.sum())


def _shrunk(correlation: FloatArray, trust: float) -> FloatArray:
    return trust * correlation + (1 - trust) * np.eye(len(correlation))
