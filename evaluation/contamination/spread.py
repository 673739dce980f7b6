"""Contamination by rules of thumb: how far above the usual a score lies."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tocsin.evaluation.contamination.contamination import Contamination, one_score, resampled
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.types import FloatArray


@dataclass(frozen=True, slots=True)
class Mad:
    """Scores more than `factor` robust spreads above the median are anomalous.

    The spread is 1.4826 x the median absolute deviation, the standard deviation of normal scores
    (Iglewicz and Hoaglin 1993, who take 3.5; Leys and others 2013, doi:10.1016/j.jesp.2013.03.013).
    A skewed bulk is counted in part. The interval is a bootstrap of rows: it says how the rule
    would vary, not whether the rule is right. Half the scores being equal leaves no spread, and
    every score above them is anomalous.

    >>> scores = np.concatenate([np.linspace(-1, 1, 99), [9.0]])
    >>> Mad().estimate(scores).mean
    0.01
    """

    factor: float = 3.5
    draws: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        _check(self.factor, self.draws)

    def estimate(self, scores: ArrayLike) -> Contamination:
        return _by_rule(one_score(scores), self._limit, "mad", (self.draws, self.seed))

    def _limit(self, score: FloatArray) -> float:
        middle = float(np.median(score))
        return middle + self.factor * 1.4826 * float(np.median(np.abs(score - middle)))


@dataclass(frozen=True, slots=True)
class Karch:
    """Scores more than `factor` standard deviations above the Karcher mean are anomalous.

    The Karcher mean is the point with the least squared distances on a curved space (Afsari 2011,
    doi:10.1090/S0002-9939-2010-10541-5). Scores are taken as positions on the half line of positive
    numbers, after the smallest is put at 0, in its logarithmic distance from 1; there the Karcher
    mean is the geometric mean, which a few large scores hardly move. On a flat line it would be
    the plain mean. With the factor of 1 of the published rule a sixth of clean scores is called
    anomalous; it is meant to be compared with. The interval is a bootstrap of rows.

    >>> scores = np.concatenate([np.linspace(0, 1, 98), [9.0, 9.0]])
    >>> Karch().estimate(scores).mean
    0.02
    """

    factor: float = 1.0
    draws: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        _check(self.factor, self.draws)

    def estimate(self, scores: ArrayLike) -> Contamination:
        return _by_rule(one_score(scores), self._limit, "karch", (self.draws, self.seed))

    def _limit(self, score: FloatArray) -> float:
        least = float(score.min())
        spread = float(score.std())
        centre = float(np.expm1(np.log1p((score - least) / (spread or 1.0)).mean())) * spread
        return least + centre + self.factor * spread


def _check(factor: float, draws: int) -> None:
    if not factor > 0 or draws < 20:
        raise ConfigError(f"need a factor above 0 and draws >= 20; found {factor} and {draws}")


def _by_rule(
    score: FloatArray,
    limit: Callable[[FloatArray], float],
    method: str,
    bootstrap: tuple[int, int],
) -> Contamination:
    """The share above a limit, and where it moves when rows are drawn again.

    With no row above, the interval ends at what leaves a chance of 5 % of seeing none.
    """
    threshold = limit(score)
    mean = float((score > threshold).mean())
    shares = [float((drawn > limit(drawn)).mean()) for drawn in resampled(score, *bootstrap)]
    low, high = (float(each) for each in np.quantile(shares, (0.05, 0.95)))
    none_seen = 1 - 0.05 ** (1 / len(score))
    return Contamination(mean, min(low, mean), max(high, mean, none_seen), threshold, method)
