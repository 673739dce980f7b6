"""How sure a contamination leaves each prediction, and how many rows it cannot decide.

A threshold that lets a share of the training scores through moves when the training rows are drawn
again. A prediction is stable where it comes out the same in nearly all draws (Perini, Vercruyssen
and Davis 2020, ExCeeD, doi:10.1007/978-3-030-67664-3_14); the others are rejected (Perini and Davis
2023, RejEx, arXiv 2305.13189). All is computed in log space, where stabilities of 1e-14 and of
1 - 1e-14 are both exact. Only the noise of the threshold is measured, given the ranking and the
contamination: a detector that is confidently wrong is never rejected.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaincinv

from tocsin.pipeline.errors import TocsinError
from tocsin.pipeline.thresholds.binomial import log_binomial_tails
from tocsin.pipeline.types import FloatArray, IntArray

NORMAL, ANOMALOUS, REJECTED = 0, 1, -2

_LEAST, _MOST = 1.0, 32.0  # certainties: under 1 little is ever unsure; RejEx proves for 32


def log_stability(
    train: ArrayLike, scores: ArrayLike, contamination: ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """Log of the chance (B,) that each score is anomalous in a new draw, and that it is normal.

    `train` (N,) scores, `scores` (B,) to be judged, and a contamination, or samples (G,) of its
    posterior, over which the chances are averaged: what is not known of it makes rows less sure.

    >>> anomalous, normal = log_stability(np.arange(100.0), [50.0, 99.0], 0.05)
    >>> np.exp(anomalous).round(3).tolist(), np.exp(normal).round(3).tolist()
    ([0.0, 0.997], [1.0, 0.003])
    """
    history = np.sort(_finite(train, "training scores"))
    judged = _finite(scores, "scores")
    n = len(history)
    chance = (1 + np.searchsorted(history, judged, side="right")) / (2 + n)  # (B,)
    above, share = _counts(contamination, n)
    at_most, more = (
        part.reshape(len(judged), len(above))
        for part in log_binomial_tails(
            np.tile(n - above, len(judged)), n, np.repeat(chance, len(above))
        )
    )
    return _log_mean(more, share), _log_mean(at_most, share)


def predict(
    train: ArrayLike, scores: ArrayLike, contamination: ArrayLike, certainty: float = 32.0
) -> IntArray:
    """Each row's prediction (B,): 0 normal, 1 anomalous, -2 where that is not stable.

    A score is anomalous above the (1 - contamination) quantile of `train` (N,); of posterior
    samples (G,) the mean is taken. It is rejected where both its stabilities are at least
    exp(-certainty), the T of RejEx; `certainty_for` gives one that fits the number of scores.

    >>> predict(np.arange(1000.0), [10.0, 945.0, 955.0, 2000.0], 0.05, certainty=2).tolist()
    [0, -2, -2, 1]
    """
    judged = _finite(scores, "scores")
    mean = float(np.mean(np.asarray(contamination, dtype=np.float64)))
    threshold = np.percentile(_finite(train, "training scores"), 100 * (1 - mean))
    found = np.where(judged > threshold, ANOMALOUS, NORMAL)
    anomalous, normal = log_stability(train, scores, contamination)
    return np.where(np.minimum(anomalous, normal) >= -certainty, REJECTED, found)


@dataclass(frozen=True, slots=True)
class RejectionRate:
    """What share of rows is rejected: expected, and at most with a chance of 1 - delta.

    `cost` bounds the cost a row: false alarm, miss and rejection each have a price.
    """

    expected: float
    bound: float
    cost: float


def rejection_rate(
    n: int,
    contamination: float,
    certainty: float = 32.0,
    *,
    delta: float = 0.1,
    costs: tuple[float, float, float] | None = None,
) -> RejectionRate:
    """The rejection rate of `n` training scores at a contamination, as RejEx proves it.

    `costs` are those of a false alarm, a miss and a rejection; 1, 1 and the contamination where
    none are given. The bound is above 1 where it says nothing. Fewer than one anomalous training
    score, or a certainty at which nothing is unsure, is a TocsinError.

    >>> round(rejection_rate(1000, 0.05).expected, 3)
    0.106
    """
    low, high = unsure_shares(n, contamination, certainty)
    false_alarm, miss, unsure = costs or (1.0, 1.0, contamination)
    cost = min(contamination, low) * false_alarm + min(1 - high, contamination) * miss
    cost += (high - low) * unsure
    slack = 2 * math.sqrt(math.log(2 / delta) / (2 * n))
    bound = _right(n, contamination, certainty) - _left(n, contamination, certainty) + slack
    return RejectionRate(expected=high - low, bound=bound, cost=cost)


def unsure_shares(n: int, contamination: float, certainty: float) -> tuple[float, float]:
    """The tail probabilities between which a score is rejected."""
    count = int(n * contamination) - 1
    if not 0 < contamination < 1 or count < 0:
        raise TocsinError(
            f"{n} scores at a contamination of {contamination} hold no anomalous one; "
            "stability needs n x contamination of at least 1"
        )
    if certainty <= math.log(2):
        raise TocsinError(f"a certainty is above log 2, 0.69; found {certainty}")
    rare = math.exp(-certainty)
    low = float(betaincinv(count + 1, n - count, rare))
    return low, 1.0 - float(betaincinv(n - count, count + 1, rare))


def certainty_for(n: int, contamination: float, share: float = 1.0) -> float:
    """The largest T, from 1 to 32, that rejects at most `share` times the contamination.

    The T of 32 that RejEx proposes rejects a quarter of all rows at 200 training scores and a
    contamination of 5 %; this one leaves as many unsure rows as anomalous ones, whatever n is.

    >>> [round(certainty_for(n, 0.05), 1) for n in (200, 1000, 10_000)]
    [3.0, 8.9, 32.0]
    """
    low, high = _LEAST, _MOST
    if _width(n, contamination, high) <= share * contamination:
        return high
    for _ in range(50):
        middle = (low + high) / 2
        fits = _width(n, contamination, middle) <= share * contamination
        low, high = (middle, high) if fits else (low, middle)
    return low


def _width(n: int, contamination: float, certainty: float) -> float:
    low, high = unsure_shares(n, contamination, certainty)
    return high - low


def _right(n: int, g: float, certainty: float) -> float:
    margin = (n + 1 - g * (n + 2)) / n + certainty * (n + 2) / math.sqrt(2 * n**3 * certainty)
    return min(1.0, margin)


def _left(n: int, g: float, certainty: float) -> float:
    inner = 2 * n * (-3 * g**2 - 2 * n * (1 - g) ** 2 + 4 * g - 3) + certainty * (n + 2) ** 2 - 8
    if inner < 0:  # T is too small for the theorem, and nothing is known but that it is a share
        return 0.0
    return max(0.0, (2 + n * (1 - g) * (n + 1)) / n**2 - math.sqrt(0.5 * n**5 * inner) / n**4)


def _counts(contamination: ArrayLike, n: int) -> tuple[IntArray, FloatArray]:
    """How many of n scores are anomalous under each sample, once each, and how often."""
    shares = np.atleast_1d(np.asarray(contamination, dtype=np.float64))
    if not shares.size or not bool(((shares >= 0) & (shares < 1)).all()):
        raise TocsinError("a contamination lies from 0 to 1, and there is at least one")
    above, often = np.unique((shares * n).astype(np.int64), return_counts=True)
    return above, often / often.sum()


def _log_mean(logs: FloatArray, share: FloatArray) -> FloatArray:
    """Log of the mean over the second axis, by weight, without leaving log space."""
    with np.errstate(divide="ignore"):
        weighted = logs + np.log(share)
    mean: FloatArray = np.logaddexp.reduce(weighted, axis=1)
    return np.minimum(mean, 0.0)


def _finite(values: ArrayLike, what: str) -> FloatArray:
    found = np.atleast_1d(np.asarray(values, dtype=np.float64))
    if found.ndim != 1 or not found.size or not bool(np.isfinite(found).all()):
        raise TocsinError(f"{what} are a line of finite numbers; found shape {found.shape}")
    return found
