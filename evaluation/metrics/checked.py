"""Labels, scores and alarms, refused where a metric would be silent about a fault in them."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tocsin.pipeline.errors import TocsinError
from tocsin.pipeline.types import BoolArray, FloatArray, IntArray

_HUGE = 1e300  # differences of larger scores overflow
_SHRINK = 2.0**-8  # a power of two, so that no ranking is lost


def column(name: str, values: ArrayLike) -> FloatArray:
    """A column (N,) of numbers, with at least one row; anything else is a TocsinError."""
    found: NDArray[np.generic] = np.asarray(values)
    if found.ndim != 1 or not found.size or found.dtype.kind not in "biuf":
        raise TocsinError(
            f"{name}: shape {found.shape} of {found.dtype}, wanted a column (N,) of numbers with "
            "at least one row"
        )
    return found.astype(np.float64)


def flags(name: str, values: ArrayLike) -> BoolArray:
    """A column of 0 and 1 (N,) as booleans; anything else is a TocsinError that names the row."""
    found = column(name, values)
    odd = np.flatnonzero(~((found == 0) | (found == 1)))
    if odd.size:
        raise TocsinError(f"{name}: row {odd[0]} is {found[odd[0]]}, wanted 0 or 1")
    return np.asarray(found, dtype=np.bool_)


def labelled(labels: ArrayLike, scores: ArrayLike) -> tuple[BoolArray, FloatArray]:
    """Labels (N,) with rows of both kinds, and their scores (N,); scores may be infinite.

    A NaN score is a TocsinError: whether "no opinion" counts as calm is the caller's to say.
    """
    truth = flags("labels", labels)
    found = column("scores", scores)
    if found.shape != truth.shape:
        raise TocsinError(f"labels have {len(truth)} rows, scores {len(found)}")
    holes = np.flatnonzero(np.isnan(found))
    if holes.size:
        raise TocsinError(
            f"scores: row {holes[0]} is NaN, and {holes.size - 1} more; leave rows without an "
            "opinion out, or say what they count as"
        )
    if truth.all() or not truth.any():
        raise TocsinError(
            f"labels: {int(truth.sum())} of {len(truth)} rows are anomalous; at least one "
            "anomalous and one normal row are wanted"
        )
    return truth, found


def alarmed(labels: ArrayLike, alarms: ArrayLike) -> tuple[BoolArray, BoolArray]:
    """Labels (N,) with at least one anomalous row, and alarms (N,)."""
    truth, raised = flags("labels", labels), flags("alarms", alarms)
    if raised.shape != truth.shape:
        raise TocsinError(f"labels have {len(truth)} rows, alarms {len(raised)}")
    if not truth.any():
        raise TocsinError("labels: no row is anomalous; at least one is wanted")
    return truth, raised


def runs(marked: BoolArray) -> IntArray:
    """First and last row of each run of marked rows, (K, 2), in order.

    >>> runs(np.array([True, True, False, True])).tolist()
    [[0, 1], [3, 3]]
    """
    steps = np.diff(np.concatenate(([False], marked, [False])).astype(np.int8))
    return np.stack((np.flatnonzero(steps == 1), np.flatnonzero(steps == -1) - 1), axis=1)


def reined(scores: FloatArray) -> FloatArray:
    """The scores (N,) in the same ranking, finite, and small enough to be subtracted.

    Infinities move to the next number beyond the finite ones, so that a cut between two scores
    can be computed; ordinary scores come back as they are.
    """
    finite = scores[np.isfinite(scores)]
    if finite.size == scores.size and (not finite.size or np.abs(finite).max() <= _HUGE):
        return scores
    shrink = _SHRINK if finite.size and np.abs(finite).max() > _HUGE else 1.0
    low, high = (finite.min() * shrink, finite.max() * shrink) if finite.size else (0.0, 0.0)
    inside = np.where(np.isfinite(scores), scores, 0.0) * shrink
    above = np.where(scores == np.inf, np.nextafter(high, np.inf), inside)
    return np.where(scores == -np.inf, np.nextafter(low, -np.inf), above)
