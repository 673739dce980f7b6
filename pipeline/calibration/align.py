"""Scores of one detector on a common scale with those of another, as pure functions.

For looking at scores side by side, and for combining them where tails are not wanted. All take the
scores of a calm reference (N,) and values (B,), keep the order of values, pass NaN on, and leave
NaN and infinite references out.
"""

import numpy as np

from tocsin.pipeline.errors import TocsinError
from tocsin.pipeline.types import FloatArray

_POWERS = np.linspace(-2.0, 2.0, 401)


def standardise(reference: FloatArray, value: FloatArray) -> FloatArray:
    """Distance from the reference's median in robust spreads (1.4826 x the median deviation).

    Where more than half of the reference is one number, the plain spread is taken; where all of it
    is, values are 0, or infinite where they differ.

    >>> standardise(np.array([0.0, 1.0, 2.0, 3.0, 4.0]), np.array([2.0, 4.0])).round(3).tolist()
    [0.0, 1.349]
    """
    known = _known(reference)
    middle = float(np.median(known))
    spread = 1.4826 * float(np.median(np.abs(known - middle))) or float(known.std())
    off = np.asarray(value - middle, dtype=np.float64)
    if spread > 0:
        return off / spread
    return np.where((off == 0) | np.isnan(off), off, np.copysign(np.inf, off))


def box_cox(reference: FloatArray, value: FloatArray) -> FloatArray:
    """Values after the power transform that makes the reference most nearly normal, standardised.

    (x^p - 1) / p, or ln x where p = 0, of x = score - lowest of reference + a tenth of the
    reference's plain spread, p between -2 and 2 by largest likelihood (Box and Cox 1964,
    doi:10.1111/j.2517-6161.1964.tb00553.x), less the mean over the spread of the transformed
    reference. Values below all of the reference are taken as that lowest one, so the order is kept
    but not told apart there. A reference without spread raises TocsinError.

    >>> skewed = np.exp(np.linspace(-2, 2, 101))
    >>> box_cox(skewed, np.array([1e-9, 7.39])).round(1).tolist()
    [-1.7, 1.7]
    """
    known = _known(reference)
    if known.max() <= known.min():
        raise TocsinError(f"a power transform needs scores that differ; found {known[0]} alone")
    offset = 0.1 * float(known.std())
    shifted = known - known.min() + offset
    power = box_cox_power(shifted)
    base = _powered(shifted, power)
    moved = _powered(np.maximum(value - known.min(), 0.0) + offset, power)
    aligned: FloatArray = (moved - base.mean()) / base.std()
    return aligned


def box_cox_power(positive: FloatArray) -> float:
    """The power between -2 and 2, to 0.01, of largest normal likelihood for scores (N,) above 0."""
    logs = np.log(positive).sum()
    count = len(positive)
    with np.errstate(divide="ignore"):
        likelihood = [
            (power - 1) * logs - count / 2 * np.log(_powered(positive, power).var())
            for power in _POWERS
        ]
    return float(_POWERS[int(np.argmax(likelihood))])


def ranks(reference: FloatArray, value: FloatArray) -> FloatArray:
    """The share of the reference below each value, ties counting half; from 0 to 1.

    >>> ranks(np.array([1.0, 2.0, 2.0, 3.0]), np.array([2.0, 9.0])).tolist()
    [0.5, 1.0]
    """
    known = np.sort(_known(reference))
    below = np.searchsorted(known, value, side="left")
    up_to = np.searchsorted(known, value, side="right")
    return np.where(np.isnan(value), np.nan, (below + up_to) / (2 * len(known)))


def _known(reference: FloatArray) -> FloatArray:
    known = reference[np.isfinite(reference)]
    if not len(known):
        raise TocsinError("scores are aligned to a reference of finite scores; found none")
    return known


def _powered(positive: FloatArray, power: float) -> FloatArray:
    # Near 0 the quotient loses its digits; the logarithm is its limit.
    if abs(power) < 1e-9:
        return np.log(positive)
    return np.asarray(np.expm1(power * np.log(positive)) / power)
