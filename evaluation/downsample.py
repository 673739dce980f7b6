"""Fewer points to draw, chosen so that the drawing does not change."""

import numpy as np

from tocsin.pipeline.errors import TocsinError
from tocsin.pipeline.types import BoolArray, FloatArray, IntArray

FEWEST_POINTS = 5  # first, last, and one bin's smallest, largest and gap
LARGEST = 1e100  # of either sign; beyond it the arithmetic of axes overflows
PAUSE = 5.0  # of the longest usual steps; a longer step is no part of a curve
USUAL = 0.9  # of all steps are usual ones


def thin(values: FloatArray, points: int) -> IntArray:
    """Positions of at most `points` of the values (N,), in order; all of them if so few.

    The first and the last value stay, and of each bin of equally many rows its smallest and its
    largest, so no spike is averaged away. NaN is a gap: a bin that has one keeps its first, so a
    gap as long as a bin is never bridged. One pass, O(N). Fewer than 5 points is a TocsinError.

    >>> thin(np.array([0.0, 0, 0, 9, 0, 0, 0, 0, -9, 0, 0, 0]), 6).tolist()
    [0, 3, 6, 8, 11]
    """
    if points < FEWEST_POINTS:
        raise TocsinError(f"at least {FEWEST_POINTS} points are needed; found {points}")
    rows = len(values)
    if rows <= points:
        return np.arange(rows)
    holes = np.isnan(values)
    bins = (points - 2) // (3 if holes.any() else 2)
    width = -(-rows // bins)
    bins = -(-rows // width)
    padded = np.full(bins * width, np.nan)
    padded[:rows] = values
    grid = padded.reshape(bins, width)  # (bins, width)
    missing = np.isnan(grid)
    missing.reshape(-1)[rows:] = False  # the padding is no gap
    unknown = np.isnan(grid)
    first = np.arange(bins) * width
    gapped = missing.any(axis=1)
    kept = (
        np.array([0, rows - 1]),
        first + np.where(unknown, np.inf, grid).argmin(axis=1),
        first + np.where(unknown, -np.inf, grid).argmax(axis=1),
        (first + missing.argmax(axis=1))[gapped],
    )
    return np.unique(np.concatenate(kept))


def within_reach(values: FloatArray) -> FloatArray:
    """The values (N,) with infinities brought just beyond the finite ones; NaN stays NaN.

    An infinite score is the most important one of all, yet no axis reaches it. Finite values are
    held within 1e100 of 0.

    >>> within_reach(np.array([0.0, 10.0, np.inf, np.nan])).tolist()
    [0.0, 10.0, 11.0, nan]
    """
    held = np.clip(values[np.isfinite(values)], -LARGEST, LARGEST)
    low, high = (float(held.min()), float(held.max())) if held.size else (0.0, 0.0)
    beyond = 0.1 * (high - low) or 1.0
    ends = np.where(np.isinf(values), beyond, 0.0)
    reached: FloatArray = np.clip(values, low - ends, high + ends)
    return reached


def breaks(time: IntArray, kept: IntArray) -> IntArray:
    """Places in `kept`, rows of ascending `time` (N,), before which a curve has to be broken.

    Between that row and the one before it, a step is more than five times as long as nine of ten
    steps of the series are at most: no rows came then, and a line would tell of some.

    >>> breaks(np.array([0, 1, 2, 3, 40, 41, 42]), np.arange(7)).tolist()
    [4]
    """
    steps = np.diff(time)
    known = steps[steps > 0]
    if not known.size:
        return np.empty(0, dtype=np.int64)
    paused = np.flatnonzero(steps > PAUSE * np.quantile(known, USUAL, method="lower"))
    return np.unique(np.searchsorted(kept, paused, side="right"))


def lone(values: FloatArray) -> BoolArray:
    """Which values (N,) have no known neighbour, so that a line alone would not show them.

    >>> lone(np.array([1.0, 2.0, np.nan, 3.0, np.nan])).tolist()
    [False, False, False, True, False]
    """
    known = np.isfinite(values)
    beside = np.zeros(len(values), dtype=bool)
    beside[1:] |= known[:-1]
    beside[:-1] |= known[1:]
    result: BoolArray = known & ~beside
    return result
