"""The tail beyond the largest score seen: a generalised Pareto law on the highest of them."""

import numpy as np

from tocsin.pipeline.types import FloatArray

SMALLEST = 1e-12  # no history of ours supports a smaller probability

_SHARE = 20  # one score in so many makes the tail
_FEWEST = 20


@np.errstate(over="ignore", invalid="ignore")  # scores may be as far apart as numbers go
def pareto_tail(history: FloatArray, score: float) -> float:
    """P(a normal score is at least `score`), for a score above all of `history`.

    The excesses over a high quantile follow a generalised Pareto law (Pickands 1975,
    doi:10.1214/aos/1176343003), fitted by probability-weighted moments (Hosking and Wallis 1987,
    doi:10.1080/00401706.1987.10488243). The shape is kept between 0 and 0.7: the tail is never
    given an end, and always has a mean. `history` (n,) may hold NaN; the answer is never above
    1/(n+1), and is 1/(n+1) where the highest scores have no spread to learn from.

    >>> calm = np.linspace(0, 1, 1000) ** 3
    >>> pareto_tail(calm, 1.1) > pareto_tail(calm, 2.0) > 0
    True
    """
    known = history[np.isfinite(history)]
    floor = 1.0 / (np.count_nonzero(~np.isnan(history)) + 1)
    if np.isposinf(score):
        return min(SMALLEST, floor)
    size = max(_FEWEST, len(known) // _SHARE)
    if len(known) <= size:
        return floor
    top = np.sort(known)[-size - 1 :]
    excess = top[1:] - top[0]  # (size,), ascending
    shape, scale = fitted(excess)
    if scale == 0:
        return floor
    reach = (score - top[0]) / scale
    beyond = np.exp(-reach) if shape == 0 else (1 + shape * reach) ** (-1 / shape)
    return float(np.clip(beyond * size / len(known), min(SMALLEST, floor), floor))


@np.errstate(over="ignore", invalid="ignore")
def survival(excess: FloatArray, shape: FloatArray, scale: FloatArray) -> FloatArray:
    """P(excess at least so large) (B,) under generalised Pareto laws; scales are positive.

    >>> survival(np.array([0.0, 1.0]), np.array([0.5, 0.0]), np.ones(2)).round(3).tolist()
    [1.0, 0.368]
    """
    reach = excess / scale
    curved = np.where(shape > 0, shape, 1.0)
    heavy = (1 + curved * reach) ** (-1 / curved)
    return np.where(shape > 0, heavy, np.exp(-reach))


@np.errstate(over="ignore", invalid="ignore")
def fitted(excess: FloatArray) -> tuple[float, float]:
    """Shape and scale of the law of `excess` (n,), ascending; a scale of 0 means no spread.

    By probability-weighted moments, the shape between 0 and 0.7, as in `pareto_tail`.

    >>> fitted(np.zeros(20))
    (0.0, 0.0)
    """
    shape, scale = _by_moments(excess)
    return (shape, scale) if 0 < scale < np.inf else (0.0, 0.0)


def _by_moments(excess: FloatArray) -> tuple[float, float]:
    count = len(excess)
    plotting = (np.arange(1, count + 1) - 0.35) / count
    mean = float(excess.mean())
    weighted = float(((1 - plotting) * excess).mean())
    gap = mean - 2 * weighted
    if not (mean > 0 and gap > 0):
        return 0.0, mean
    shape = 2 - mean / gap
    if shape <= 0:
        return 0.0, mean
    shape = min(shape, 0.7)
    return shape, mean * (1 - shape)
