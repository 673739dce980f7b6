"""Means over data sets, and how far they would move had other series been drawn."""

from dataclasses import dataclass

import numpy as np

from tocsin.pipeline.errors import TocsinError
from tocsin.pipeline.types import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """How intervals are drawn: percentiles of `draws` resamplings, covering `level`.

    Series are drawn with replacement within their data set, the same for all detectors (B. Efron,
    R. Tibshirani, 1993, An Introduction to the Bootstrap, ISBN 0-412-04231-2). So an interval
    speaks of other series of the same data sets, not of other data sets. A data set of n series
    makes it too narrow by about the square root of (n - 1) / n, one of a single series adds
    nothing to it at all.
    """

    draws: int = 2_000
    seed: int = 0
    level: float = 0.95

    def __post_init__(self) -> None:
        if self.draws < 1 or not 0 < self.level < 1:
            raise TocsinError(f"a bootstrap needs draws and a level between 0 and 1; found {self}")


STANDARD = Bootstrap()


def macro_means(values: FloatArray, group: IntArray) -> FloatArray:
    """The mean of the data sets' means, (D,), of values (S, D) and data sets (S,) from 0 on.

    NaN where there are no series.

    >>> macro_means(np.array([[1.0], [3.0], [10.0]]), np.array([0, 0, 1]))
    array([6.])
    """
    if not len(values):
        return np.full(values.shape[1], np.nan)
    return np.asarray(_even(group) @ values, dtype=np.float64)


def interval(
    values: FloatArray, group: IntArray, how: Bootstrap = STANDARD
) -> tuple[FloatArray, FloatArray]:
    """Lower and upper end, (D,) each, of the interval around the macro means; NaN without series.

    Takes draws times series numbers of memory. The order of the series matters to the last digits
    that chance decides, so give them sorted.
    """
    if not len(values):
        nothing = np.full(values.shape[1], np.nan)
        return nothing, nothing
    moved = _weights(group, how) @ values  # (draws, D)
    rest = (1.0 - how.level) / 2.0
    low, high = np.quantile(moved, [rest, 1.0 - rest], axis=0)
    return low, high


def _even(group: IntArray) -> FloatArray:
    """The weight of each series, (S,): the same for each data set, and within it."""
    sizes = np.bincount(group)
    weights: FloatArray = 1.0 / (sizes[group] * len(sizes))
    return weights


def _weights(group: IntArray, how: Bootstrap) -> FloatArray:
    """The weights of each draw, (draws, S): how often a series was drawn, times its even weight."""
    rng = np.random.default_rng(how.seed)
    times = np.empty((how.draws, len(group)))
    for dataset in range(int(group.max()) + 1):
        members = np.flatnonzero(group == dataset)
        chances = np.full(len(members), 1.0 / len(members))
        times[:, members] = rng.multinomial(len(members), chances, size=how.draws)
    return times * _even(group)
