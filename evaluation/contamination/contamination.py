"""What every estimate of a contamination gives."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from tocsin.pipeline.errors import TocsinError
from tocsin.pipeline.types import FloatArray


@dataclass(frozen=True, slots=True)
class Contamination:
    """The share of rows that are anomalous: its mean and 90 % interval, from 0 to 1.

    Scores above `threshold` are the share `mean` of the rows, in the unit of the score; of several
    detectors' scores, in the unit of `combined`.
    """

    mean: float
    low: float
    high: float
    threshold: float
    method: str


class Estimator(Protocol):
    """A way to estimate the contamination of scores (N,), or (N, M) of M detectors."""

    def estimate(self, scores: ArrayLike) -> Contamination:
        """The estimate, the same for the same scores; too few or unusable ones: TocsinError."""
        ...


def of_posterior(scores: ArrayLike, posterior: FloatArray, method: str) -> Contamination:
    """The estimate that posterior samples (S,) stand for."""
    low, high = np.quantile(posterior, (0.05, 0.95))
    mean = float(posterior.mean())
    line = one_score(scores)
    threshold = float(np.quantile(line, 1 - mean))
    return Contamination(mean, float(low), float(high), threshold, method)


def one_score(scores: ArrayLike) -> FloatArray:
    """Scores (N,) as they are; of several detectors (N, M), `combined`."""
    table = checked(scores)
    return table[:, 0] if table.shape[1] == 1 else combined(table)


def combined(scores: FloatArray) -> FloatArray:
    """One score (N,) from several (N, M): their mean, each first put on a scale of its own.

    The scale is the median and the distance of the quartiles, so that no detector outvotes the
    others and anomalies do not stretch it. A detector without a spread has no vote.
    """
    middle = np.median(scores, axis=0)
    spread = np.subtract(*np.percentile(scores, (75, 25), axis=0))
    spread = np.where(spread > 0, spread, np.inf)
    line: FloatArray = ((scores - middle) / spread).mean(axis=1)
    return line


def checked(scores: ArrayLike, least: int = 20) -> FloatArray:
    """Scores as a table (N, M), or a TocsinError: at least `least` rows, finite, not all equal."""
    table = np.asarray(scores, dtype=np.float64)
    table = table[:, None] if table.ndim == 1 else table
    if table.ndim != 2 or table.shape[0] < least or not table.shape[1]:
        raise TocsinError(f"wanted scores (N,) or (N, M) of at least {least} rows; found shape "
                          f"{np.shape(scores)}")  # fmt: skip
    if not bool(np.isfinite(table).all()):
        raise TocsinError("scores are finite; leave rows of no opinion out first")
    if bool((table == table[0]).all()):
        raise TocsinError("all scores are the same: nothing can be told apart")
    return table


def resampled(scores: FloatArray, draws: int, seed: int) -> Iterator[FloatArray]:
    """Bootstrap samples of scores (N,), each (N,)."""
    rng = np.random.default_rng(seed)
    for _ in range(draws):
        yield scores[rng.integers(0, len(scores), len(scores))]
