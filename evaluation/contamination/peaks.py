"""Contamination as the rows beyond what the tail of the bulk explains."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import genpareto

from tocsin.evaluation.contamination.contamination import Contamination, one_score, resampled
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.types import FloatArray

_HEAVIEST = 0.25  # a heavier tail would explain any anomaly


@dataclass(frozen=True, slots=True)
class PeaksOverThreshold:
    """The excess of rows over a generalised Pareto tail fitted to the scores just under the top.

    The tail of the bulk is fitted to two quantiles of the scores between
    `body` and `top` (peaks over threshold: Pickands 1975, doi:10.1214/aos/1176343003), of which at
    most 1 - `top` are taken to be anomalous. A score is anomalous beyond the level that one normal
    row in `per` histories of this length passes. The interval is a bootstrap of rows. A
    contamination above 1 - `top` bends the tail itself and is missed.

    >>> rng = np.random.default_rng(0)
    >>> scores = np.concatenate([rng.exponential(size=980), rng.normal(30, 1, size=20)])
    >>> PeaksOverThreshold(draws=20).estimate(scores).mean
    0.02
    """

    body: float = 0.5
    top: float = 0.9
    per: float = 20.0
    draws: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.body < self.top < 1 or not self.per > 0 or self.draws < 20:
            raise ConfigError(f"need 0 < body < top < 1, per > 0 and draws >= 20; found {self}")

    def estimate(self, scores: ArrayLike) -> Contamination:
        line = one_score(scores)
        threshold = self._limit(line)
        mean = float((line > threshold).mean())
        shares = [
            float((drawn > self._limit(drawn)).mean())
            for drawn in resampled(line, self.draws, self.seed)
        ]
        low, high = (float(each) for each in np.quantile(shares, (0.05, 0.95)))
        none_seen = 1 - 0.05 ** (1 / len(line))
        return Contamination(mean, min(low, mean), max(high, mean, none_seen), threshold, "pot")

    def _limit(self, score: FloatArray) -> float:
        """The score that one normal row in `per` histories passes."""
        start, cut = np.quantile(score, (self.body, self.top))
        shape, scale = _censored_tail(score[score > start] - start, float(cut - start))
        chance = 1 / (self.per * len(score) * (1 - self.body))
        return float(start + genpareto.isf(min(chance, 0.5), shape, scale=scale))


def _censored_tail(excess: FloatArray, cut: float) -> tuple[float, float]:
    """Shape and scale of a Pareto tail from two quantiles of the excesses under the cut.

    Quantiles do not see how far beyond the cut the top lies, so anomalies do not stretch the fit.
    """
    under = float((excess <= cut).mean())  # the share of excesses that the fit looks at
    half, full = np.quantile(excess, (1 - np.sqrt(1 - under), under))
    ratio = (full - half) / half if half > 0 else 1.0
    shape = float(np.clip(-np.log(ratio) / np.log(np.sqrt(1 - under)), -0.5, _HEAVIEST))
    if abs(shape) < 1e-6:
        return 0.0, float(full / -np.log(1 - under))
    return shape, float(full * shape / ((1 - under) ** -shape - 1))
