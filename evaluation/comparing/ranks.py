"""Average ranks of detectors over series, and which of them cannot be told apart.

J. Demšar, 2006, Statistical comparisons of classifiers over multiple data sets, Journal of Machine
Learning Research 7, 1-30. Each series is one vote, whatever its data set; neighbouring series of a
data set are alike, so the tests are surer of themselves than they should be.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2, f, rankdata, studentized_range

from tocsin.evaluation.comparing.comparison import DECIMALS, Comparison, Mode
from tocsin.pipeline.errors import TocsinError
from tocsin.pipeline.types import FloatArray


@dataclass(frozen=True, slots=True)
class Friedman:
    """The test of whether all detectors rank alike.

    `statistic` is Friedman's chi-squared, corrected for ties, and `p` its p value; `f` and `p_f`
    are Iman and Davenport's sharper form. Both p are 1 where all series are all ties.
    """

    statistic: float
    p: float
    f: float
    p_f: float


@dataclass(frozen=True, slots=True)
class Ranking:
    """Detectors of one mode by average rank over the series, the best first, 1 being the best.

    Two whose ranks are less than `critical_difference` apart cannot be told apart at `alpha`.
    `groups` are the largest sets of neighbours of which that is true, best first; where the
    Friedman test sees no difference at all, they are one group.
    """

    metric: str
    mode: Mode
    detectors: tuple[str, ...]
    ranks: tuple[float, ...]
    series: int
    friedman: Friedman
    alpha: float
    critical_difference: float
    groups: tuple[tuple[str, ...], ...]


def rank(comparison: Comparison, alpha: float = 0.05, *, lower_is_better: bool = False) -> Ranking:
    """The ranking of the detectors compared; equal values share the mean of their ranks.

    A TocsinError for fewer than two detectors or two series, of which no ranking can be tested.
    """
    series, detectors = comparison.values.shape
    if detectors < 2 or series < 2:
        raise TocsinError(
            f"{comparison.metric}, {comparison.mode}: a ranking needs 2 detectors and 2 series; "
            f"found {detectors} and {series} that all of them have"
        )
    ranks = ranks_of(comparison.values, lower_is_better=lower_is_better)
    average = ranks.mean(axis=0)
    order = sorted(range(detectors), key=lambda i: (average[i], comparison.detectors[i]))
    names = tuple(comparison.detectors[i] for i in order)
    means = tuple(float(average[i]) for i in order)
    test = friedman(ranks)
    distance = critical_difference(detectors, series, alpha)
    alike = (names,) if test.p_f >= alpha else groups(names, means, distance)
    return Ranking(
        comparison.metric, comparison.mode, names, means, series, test, alpha, distance, alike
    )


def ranks_of(values: FloatArray, *, lower_is_better: bool = False) -> FloatArray:
    """The ranks (S, D) of values (S, D) within each series, the best 1.

    >>> ranks_of(np.array([[0.2, 0.9, 0.2]]))
    array([[2.5, 1. , 2.5]])
    """
    signed = values if lower_is_better else -values
    return np.asarray(rankdata(np.round(signed, DECIMALS), axis=1), dtype=np.float64)


def friedman(ranks: FloatArray) -> Friedman:
    """The Friedman test of ranks (S, D), D at least 2.

    M. Friedman, 1937, DOI 10.1080/01621459.1937.10503522; R. Iman and J. Davenport, 1980, DOI
    10.1080/03610928008827904.
    """
    series, detectors = ranks.shape
    middle = (detectors + 1) / 2
    between = series * float(((ranks.mean(axis=0) - middle) ** 2).sum())
    within = float(((ranks - middle) ** 2).sum()) / (series * (detectors - 1))
    if within == 0.0:
        return Friedman(0.0, 1.0, 0.0, 1.0)
    freedom = detectors - 1
    statistic = between / within
    left = series * freedom - statistic  # 0 where all series agree
    sharper = (series - 1) * statistic / left if left > 1e-9 * series else math.inf
    return Friedman(
        statistic,
        float(chi2.sf(statistic, freedom)),
        sharper,
        float(f.sf(sharper, freedom, freedom * (series - 1))),
    )


def critical_difference(detectors: int, series: int, alpha: float = 0.05) -> float:
    """How far average ranks must be apart to be told apart, all pairs considered (Nemenyi, 1963).

    >>> round(critical_difference(4, 14), 2)
    1.25
    """
    if not 0 < alpha < 1:
        raise TocsinError(f"alpha must lie between 0 and 1; found {alpha}")
    q = float(studentized_range.isf(alpha, detectors, np.inf))
    return q * math.sqrt(detectors * (detectors + 1) / (12 * series))


def groups(
    names: tuple[str, ...], ranks: tuple[float, ...], distance: float
) -> tuple[tuple[str, ...], ...]:
    """The largest runs of two or more neighbours less than `distance` apart; ranks rise.

    >>> groups(("a", "b", "c", "d"), (1.0, 1.5, 2.5, 4.0), 1.2)
    (('a', 'b'), ('b', 'c'))
    """
    found: list[tuple[str, ...]] = []
    reached = 0
    for first, best in enumerate(ranks):
        last = sum(each - best < distance for each in ranks)  # one past the last within reach
        if last > max(reached, first + 1):
            found.append(names[first:last])
            reached = last
    return tuple(found)
