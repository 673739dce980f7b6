"""Binomial and beta probabilities in log space, so that 1e-14 and 1 - 1e-14 are both exact."""

import math

import numpy as np
from numpy.typing import ArrayLike

from tocsin.pipeline.types import FloatArray

_TINY = 1e-300
_ROUNDS = 10_000  # of the continued fraction; it needs about the root of its larger shape
_HALVINGS = 200


def log_beta_tails(a: ArrayLike, b: ArrayLike, x: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Log of P(X <= x) and of P(X > x) for X of a Beta(a, b), with a and b positive.

    The arguments are (B,) or numbers. Each element's result does not depend on the others. Lentz's
    continued fraction of the incomplete beta function (Lentz 1976, doi:10.1364/AO.15.000668). NaN
    in gives NaN out.

    >>> below, above = log_beta_tails([1.0], [1.0], [0.25])
    >>> np.exp(below).round(6).tolist(), np.exp(above).round(6).tolist()
    ([0.25], [0.75])
    """
    first, second, at = (
        np.array(each, dtype=np.float64)
        for each in np.broadcast_arrays(np.atleast_1d(a), np.atleast_1d(b), np.atleast_1d(x))
    )
    at = np.clip(at, 0.0, 1.0)
    swap = at > (first + 1.0) / (first + second + 2.0)  # where the fraction converges slowly
    one, two = np.where(swap, second, first), np.where(swap, first, second)
    place = np.where(swap, 1.0 - at, at)
    rest = np.where(swap, at, 1.0 - at)
    with np.errstate(divide="ignore", invalid="ignore"):
        front = one * np.log(place) + two * np.log(rest) - _log_beta(one, two) - np.log(one)
        small = np.minimum(front + np.log(_fraction(one, two, place)), 0.0)
        large = np.log1p(-np.exp(small))
    small, large = np.where(place == 0, -np.inf, small), np.where(place == 0, 0.0, large)
    return np.where(swap, large, small), np.where(swap, small, large)


def log_binomial_tails(
    count: ArrayLike, size: ArrayLike, chance: ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """Log of P(N <= count) and of P(N > count) for N of a Binomial(size, chance).

    A count between whole numbers, above -1 and below `size`, is answered by the same beta function
    as the whole ones, so the answer is smooth in it. A count of -1 or less, or of `size` or more,
    is certain.

    >>> at_most, more = log_binomial_tails(0, 2, 0.5)
    >>> np.exp(at_most).round(6).tolist(), np.exp(more).round(6).tolist()
    ([0.25], [0.75])
    """
    k, n, p = np.broadcast_arrays(np.atleast_1d(count), np.atleast_1d(size), np.atleast_1d(chance))
    never, always = k <= -1, k >= n
    sure = never | always
    first, second = np.where(sure, 1.0, k + 1.0), np.where(sure, 1.0, n - k)
    more, at_most = log_beta_tails(first, second, p)
    at_most = np.where(always, 0.0, np.where(never, -np.inf, at_most))
    more = np.where(always, -np.inf, np.where(never, 0.0, more))
    return at_most, more


def beta_quantile(a: ArrayLike, b: ArrayLike, chance: float) -> FloatArray:
    """The x (B,) with P(X <= x) = chance for X of a Beta(a, b), by bisection.

    >>> beta_quantile([1.0, 2.0], [1.0, 2.0], 0.5).round(9).tolist()
    [0.5, 0.5]
    """
    first, second = np.broadcast_arrays(np.atleast_1d(a), np.atleast_1d(b))
    low, high = np.zeros(len(first)), np.ones(len(first))
    for _ in range(_HALVINGS):
        middle = np.where(low > 0, np.sqrt(low * high), high / 2)  # tiny roots need a ratio
        middle = np.where(low > 0.01, (low + high) / 2, np.maximum(middle, high * 1e-6))
        below, _ = log_beta_tails(first, second, middle)
        less = below < math.log(chance)
        low, high = np.where(less, middle, low), np.where(less, high, middle)
        if bool((high - low <= 1e-12 * high).all()):
            break
    return (low + high) / 2


def _log_beta(a: FloatArray, b: FloatArray) -> FloatArray:
    rows = zip(a.tolist(), b.tolist(), strict=True)
    return np.array([math.lgamma(i) + math.lgamma(j) - math.lgamma(i + j) for i, j in rows])


def _fraction(a: FloatArray, b: FloatArray, x: FloatArray) -> FloatArray:
    """The continued fraction of the incomplete beta function; a row that has settled stays."""
    c = np.ones_like(a)
    d = 1.0 / _away_from_zero(1.0 - (a + b) * x / (a + 1.0))
    value = d.copy()
    busy = np.flatnonzero(np.isfinite(value))
    for m in range(1, _ROUNDS):
        i, j, at, u, v = a[busy], b[busy], x[busy], c[busy], d[busy]
        even = m * (j - m) * at / ((i + 2 * m - 1.0) * (i + 2 * m))
        v = 1.0 / _away_from_zero(1.0 + even * v)
        u = _away_from_zero(1.0 + even / u)
        step = u * v
        odd = -(i + m) * (i + j + m) * at / ((i + 2 * m) * (i + 2 * m + 1.0))
        v = 1.0 / _away_from_zero(1.0 + odd * v)
        u = _away_from_zero(1.0 + odd / u)
        value[busy] *= step * u * v
        c[busy], d[busy] = u, v
        busy = busy[np.abs(u * v - 1.0) > 1e-15]
        if not busy.size:
            break
    return value


def _away_from_zero(value: FloatArray) -> FloatArray:
    return np.where(np.abs(value) < _TINY, _TINY, value)
