"""Whether a batch of rows is drawn as the reference was: a learned likelihood ratio, calibrated."""

from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.stats import chi2

from tocsin.detectors.events.kernel_logistic import KernelTest
from tocsin.detectors.rows import need, tidied
from tocsin.detectors.scaling import plain_scale, scaled
from tocsin.pipeline.errors import TocsinError
from tocsin.pipeline.types import FloatArray, IntArray

_USUAL = KernelTest()


class TwoSample(NamedTuple):
    """How a batch compares with a reference.

    `statistic` (W,) is the log likelihood ratio, twice, at each kernel width. `p_value` is the
    share of stretches of the reference that look as strange at the width that they look strangest
    at, never 0. `tail` is the same chance from chi-square laws fitted to those stretches, which
    goes on beyond them. `log_ratio` (n,) is, at each row of the batch, the log of how much denser
    the batch is there than the reference, at the width that found most; NaN for rows left out.
    """

    statistic: FloatArray
    p_value: float
    tail: float
    log_ratio: FloatArray


def two_sample(
    reference: FloatArray,
    batch: FloatArray,
    *,
    test: KernelTest = _USUAL,
    toys: int = 200,
    seed: int = 0,
) -> TwoSample:
    """Hold rows `batch` (n, C) against rows `reference` (N, C).

    The log ratio of the two densities is learned by kernel logistic regression, and the statistic
    is the extended likelihood ratio on the very rows it was learned from. What that gives under no
    difference comes from `toys` stretches of the reference of the batch's length, each held against
    the other rows; stretches, because rows may depend on those before them.

    Finds any difference that is as wide as one of the kernels and stands out from chance: shifts,
    spread, broken relations, new or missing clusters. Misses the order of rows in time, and fine
    differences in more than about twenty channels.

    Channels are taken in standard deviations of the reference. Rows that lack a value are left
    out. Raises TocsinError for rows of other channels, for an empty batch, and for a reference of
    less than twice the batch.

    Cost: (toys + 1) times (N + n) M**2 for M centres and each width.

    References: Letizia, Losapio, Rando, Grosso, Wulzer, Pierini, Zanetti and Rosasco, Learning new
    physics efficiently with nonparametric methods, 2022, doi:10.1140/epjc/s10052-022-10830-y;
    Grosso, Lai, Letizia, Pazzini, Rando, Rosasco, Wulzer and Zanetti, Fast kernel methods for data
    quality monitoring as a goodness-of-fit test, 2023, arXiv:2303.05413.

    >>> rng = np.random.default_rng(0)
    >>> ring = rng.uniform(0, 2 * np.pi, size=(40, 1))
    >>> rows = rng.normal(size=(300, 2))
    >>> hollow = 1.4 * np.hstack((np.cos(ring), np.sin(ring)))  # the same mean and spread
    >>> two_sample(rows, hollow, toys=50).p_value < 0.05
    True
    """
    need(toys >= 1, "toys", "1 or more", toys)
    past, now, there = _checked(reference, batch)
    scale = plain_scale(past)
    past, now = scaled(past, scale), scaled(now, scale)
    widths = test.widths(past)
    found = test.statistics(past, now, widths)
    rng = np.random.default_rng(seed)
    first = rng.integers(len(past) - len(now) + 1, size=toys).tolist()
    usual = np.array([toy(past, one, len(now), test, widths) for one in first])  # (toys, W)
    strangest, place = _strangest(found.statistic[None], usual)
    beyond = int((_strangest(usual, usual)[0] >= strangest[0]).sum())
    chances = [
        chi2.sf(one, freedom(column)) for one, column in zip(found.statistic, usual.T, strict=True)
    ]
    log_ratio = np.full(len(batch), np.nan)
    log_ratio[there] = found.at(now, int(place[0]))
    tail = min(1.0, len(widths) * float(min(chances)))
    return TwoSample(found.statistic, (1 + beyond) / (1 + toys), tail, log_ratio)


def toy(
    rows: FloatArray, first: int, length: int, test: KernelTest, widths: FloatArray
) -> FloatArray:
    """Statistics (W,) of the stretch of rows (N, C) that begins at `first`, against the others."""
    others = np.concatenate((rows[:first], rows[first + length :]))
    return test.statistics(others, rows[first : first + length], widths).statistic


def freedom(statistics: FloatArray) -> float:
    """Degrees of freedom of the chi-square law nearest to these (B,), by Kolmogorov's distance."""
    ordered = np.maximum(np.sort(statistics), 0.0)
    step = np.arange(len(ordered) + 1) / len(ordered)
    most = max(2.0 * float(ordered.mean()), 1.0)

    def distance(degrees: float) -> float:
        chance = chi2.cdf(ordered, degrees)
        return float(max((step[1:] - chance).max(), (chance - step[:-1]).max()))

    found: Any = minimize_scalar(distance, bounds=(0.05, most), method="bounded")
    return float(found.x)


def _strangest(statistics: FloatArray, usual: FloatArray) -> tuple[FloatArray, IntArray]:
    """Of each row (W,) the largest, in standard deviations from its usual mean, and which it is."""
    spread = usual.std(axis=0)
    away = (statistics - usual.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return away.max(axis=1), away.argmax(axis=1)


def _checked(reference: FloatArray, batch: FloatArray) -> tuple[FloatArray, FloatArray, IntArray]:
    """Complete rows of both, and which rows of the batch these are."""
    if reference.ndim != 2 or batch.ndim != 2 or reference.shape[1] != batch.shape[1]:
        raise TocsinError(
            f"reference and batch must be (N, C) and (n, C); found {reference.shape} "
            f"and {batch.shape}"
        )
    past, now = tidied(reference), tidied(batch)
    past = past[~np.isnan(past).any(axis=1)]
    there = np.flatnonzero(~np.isnan(now).any(axis=1))
    if not there.size or len(past) < 2 * there.size:
        raise TocsinError(
            f"a batch needs a complete row and a reference of twice its length; found "
            f"{there.size} and {len(past)} complete rows"
        )
    return past, now[there], there
