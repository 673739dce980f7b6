"""Rows whose decision hangs on which calibration scores happened to be drawn."""

import math

import numpy as np

from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.thresholds.binomial import log_binomial_tails
from tocsin.pipeline.types import BoolArray, FloatArray, IntArray


def rejects(tail: FloatArray, alpha: FloatArray, n: IntArray, certainty: float) -> BoolArray:
    """Whether `tail < alpha` would come out otherwise with a chance above 1 - `certainty`.

    `tail`, `alpha` (B,) and `n` (B,), the number of calibration scores behind each tail. The n
    scores are drawn again from what is known of them: one is as high as the row's with probability
    tail (n + 1) / (n + 2), the mean of its posterior, and the alarm comes again where fewer than
    alpha (n + 1) of them are, the row counted. That is the stability of Perini, Vercruyssen and
    Davis 2020 (ExCeeD, doi:10.1007/978-3-030-67664-3_14) and the reject option of Perini and Davis
    2023 (RejEx, arXiv 2305.13189). Where alpha (n + 1) is no whole number, and below 1, where an
    extrapolated tail decides, the binomial is read between its steps.

    Few calibration scores for a small alpha leave much unsure: with alpha (n + 1) under 1 only very
    small tails alarm for certain. Where tail, alpha or size is missing nothing is unsure: there is
    no opinion. Only sampling noise is measured; a detector that is wrong for certain is not found
    out.

    >>> tail = np.array([1e-9, 0.008, 0.02, 0.5])
    >>> rejects(tail, np.full(4, 0.01), np.full(4, 999), 0.9).tolist()
    [False, True, False, False]
    """
    if not 0.5 < certainty < 1:
        raise ConfigError(f"a certainty lies between 0.5 and 1; found {certainty}")
    known = ~(np.isnan(tail) | np.isnan(alpha)) & (n > 0)
    unsure = np.zeros(len(tail), dtype=bool)
    rows = np.flatnonzero(known)
    rows = rows[_near(tail[rows], alpha[rows], n[rows], certainty)]
    if rows.size:
        size = n[rows].astype(np.float64)
        chance = tail[rows] * (size + 1.0) / (size + 2.0)
        needed = alpha[rows] * (size + 1.0) - 1.0
        again, otherwise = log_binomial_tails(needed, size, chance)
        unsure[rows] = np.minimum(again, otherwise) > math.log1p(-certainty)
    return unsure


def _near(tail: FloatArray, alpha: FloatArray, n: IntArray, certainty: float) -> BoolArray:
    """Rows that Chernoff's bound does not settle: nearly all normal rows lie far from alpha."""
    most = np.minimum(np.ceil(alpha * (n + 1.0)) / n, 1.0)
    chance = tail * (n + 1.0) / (n + 2.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = np.where(most < 1, (1 - most) * np.log((1 - most) / (1 - chance)), 0.0)
        apart = n * (most * np.log(most / chance) + gap)
    near: BoolArray = (chance <= most) | ~(apart > -math.log1p(-certainty))
    return near
