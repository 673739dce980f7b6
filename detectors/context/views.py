"""What the encoder sees of a window: its points on a robust scale, gaps filled and marked.

The scale comes from the first `context` points of a window alone. With all of them it is that of
the offline form; with all but the newest, what is judged has no part in the scale it is judged on.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.pipeline.types import BoolArray, FloatArray, IntArray

Singles = NDArray[np.float32]  # what networks compute with

PATCH = 16  # points a token
VIEWS = 4  # scaled points squeezed, the same cut short, scaled steps squeezed, what is missing
FAR = 30.0  # spreads from the middle beyond which farther is the same
_NEAR = 4.0  # spreads at which the second view is cut
_LARGEST = 1e150  # so that no difference overflows
_SMALLEST = 1e-9  # of the middle: a spread below is rounding
_FINEST = 1e-6  # of the spread; smaller steps are rounding
_QUARTILES = 1.3489795003921634  # the middle half of a normal law, in standard deviations
_NINE_TENTHS = 3.289707253902945  # its middle nine tenths
_WIDE = 0.25  # the share of the wider spread that the narrow one must reach


class Scale(NamedTuple):
    """Middle and spread of each window, and the spread of its steps, all (B,)."""

    middle: FloatArray
    spread: FloatArray  # positive
    step: FloatArray  # positive

    def apply(self, values: FloatArray) -> FloatArray:
        """The values (B, L) in spreads from the middle, cut at 30 either way."""
        return _cut(values - self.middle[:, None], self.spread)


def scale_of(values: FloatArray, context: IntArray) -> Scale:
    """The scale of windows (B, L) by their first `context` (B,) points; NaN is missing.

    The middle is the median. The spread is the larger of two, as standard deviations of a normal
    law: the middle half, and a quarter of the middle nine tenths; up to one point in twenty can be
    anything. Where nine tenths are one value it is a quarter of the standard deviation, and where
    all are, a billionth of that value, so that any move is far. The steps from point to point have
    a spread of their own, at least a millionth of the other. Windows with nothing observed get
    middle 0 and spread 1.
    """
    tidy = _tidy(values)
    tidy[np.arange(values.shape[1]) >= context[:, None]] = np.nan
    middle, spread = _spread(tidy)
    nothing = np.where(np.isfinite(tidy).any(axis=1), 1e-150, 1.0)
    spread = np.maximum(spread, np.maximum(_SMALLEST * np.abs(middle), nothing))
    _, step = _spread(np.diff(tidy, axis=1))
    return Scale(middle, spread, np.maximum(step, _FINEST * spread))


def views_of(values: FloatArray, scale: Scale) -> Singles:
    """The views (B, VIEWS, L) of windows (B, L); gaps are bridged by straight lines."""
    tidy = _tidy(values)
    whole = filled(tidy)
    off = scale.apply(whole)
    views = np.zeros((len(values), VIEWS, values.shape[1]), dtype=np.float32)
    views[:, 0] = squeezed(off)
    views[:, 1] = np.clip(off, -_NEAR, _NEAR) / 2.0
    views[:, 2, 1:] = squeezed(_cut(np.diff(whole, axis=1), scale.step))
    views[:, 3] = np.isnan(tidy)
    return views


def squeezed(off: FloatArray) -> FloatArray:
    """The first view of points that are in spreads from the middle."""
    return np.asarray(np.arcsinh(off) / 2.0)


def filled(values: FloatArray) -> FloatArray:
    """Windows (B, L) without gaps: straight lines between, the nearest value at the ends.

    A window with nothing observed becomes zeros.

    >>> filled(np.array([[np.nan, 1.0, np.nan, 2.0, np.nan]]))
    array([[1. , 1. , 1.5, 2. , 2. ]])
    """
    known = np.isfinite(values)
    if known.all():
        return values
    length = values.shape[1]
    at = np.arange(length)
    before = np.maximum.accumulate(np.where(known, at, -1), axis=1)
    after = np.flip(np.minimum.accumulate(np.flip(np.where(known, at, length), 1), axis=1), 1)
    nothing = known.sum(axis=1) == 0
    before = np.where(before < 0, np.minimum(after, length - 1), before)
    after = np.where(after == length, before, after)
    left = np.take_along_axis(values, before, axis=1)
    right = np.take_along_axis(values, after, axis=1)
    share = (at - before) / np.maximum(after - before, 1)
    bridged = left + np.clip(share, 0.0, 1.0) * (right - left)
    return np.where(nothing[:, None], 0.0, np.where(known, values, bridged))


def observed(values: FloatArray) -> BoolArray:
    """Which values are there; NaN and infinities are missing."""
    return np.isfinite(values)


def _tidy(values: FloatArray) -> FloatArray:
    known = np.isfinite(values)
    return np.where(known, np.clip(values, -_LARGEST, _LARGEST), np.nan)


def _cut(off: FloatArray, spread: FloatArray) -> FloatArray:
    with np.errstate(over="ignore"):
        return np.clip(off / spread[:, None], -FAR, FAR)


def _spread(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Median and robust spread (B,) of what is there in each row; 0 where nothing moves."""
    ordered = np.sort(values, axis=1)  # NaN last
    count = np.isfinite(ordered).sum(axis=1)
    low, quarter, middle, three, high = (
        _quantile(ordered, count, share) for share in (0.05, 0.25, 0.5, 0.75, 0.95)
    )
    spread = np.maximum((three - quarter) / _QUARTILES, _WIDE * (high - low) / _NINE_TENTHS)
    for row in np.flatnonzero(spread <= _SMALLEST * np.abs(middle)):
        off = ordered[row, : count[row]] - middle[row]
        # Through the largest, so that squares neither overflow nor vanish.
        largest = np.abs(off).max(initial=0.0)
        if largest > 0:
            spread[row] = _WIDE * largest * np.sqrt(np.mean((off / largest) ** 2))
    return middle, spread


def _quantile(ordered: FloatArray, count: IntArray, share: float) -> FloatArray:
    """A quantile (B,) of rows whose first `count` values are sorted; 0 where there are none."""
    place = share * np.maximum(count - 1, 0)
    low = np.floor(place).astype(np.int64)
    high = np.minimum(low + 1, np.maximum(count - 1, 0))
    rows = np.arange(len(ordered))
    left, right = ordered[rows, low], ordered[rows, high]
    return np.where(count > 0, left + (place - low) * (right - left), 0.0)
