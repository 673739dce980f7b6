"""How distances of windows become the score of a matrix profile, live and in whole series."""

from typing import NamedTuple

import numpy as np

from tocsin.detectors.rows import need
from tocsin.detectors.scaling import FARTHEST, MOVED
from tocsin.detectors.windows.profile_kernel import Found
from tocsin.pipeline.types import FloatArray

SHORTEST = 4  # rows; below it, all windows are alike once they are normalised


class Manner(NamedTuple):
    """How channels are put together, and whether values beyond the known range count."""

    largest: int
    levels: bool


def check_manner(window: int, largest: int) -> None:
    """Refuse settings that cannot be."""
    need(window >= SHORTEST, "window", f"{SHORTEST} or more", window)
    need(largest >= 0, "largest", "a number of channels, or 0 for all", largest)


def nothing_found(shape: tuple[int, ...]) -> Found:
    """Room for what is found of windows (B, T, C)."""
    rows, _, width = shape
    ends = (np.full((rows, width), np.nan), np.full((rows, width), np.nan))
    return Found(np.full((rows, width), np.nan), *ends, np.zeros(shape))


def beyond(values: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """By how many ranges values (..., C) lie outside of `low` to `high`; 10 for a flat range.

    0 where a value or the range is missing; a million at most.

    >>> beyond(np.array([[3.0, 5.0], [-1.0, 6.0]]), np.array([0.0, 5]), np.array([2.0, 5])).tolist()
    [[0.5, 0.0], [0.5, 10.0]]
    """
    off = np.maximum(np.maximum(low - values, values - high), 0.0)
    wide = np.broadcast_to(high - low, off.shape)
    shares = np.full(off.shape, MOVED)
    np.divide(off, wide, out=shares, where=wide > off / FARTHEST)
    shares = np.where((wide > 0.0) & ~(wide > off / FARTHEST), FARTHEST, shares)
    return np.where(off > 0.0, shares, 0.0)


def put_together(distances: FloatArray, largest: int) -> FloatArray:
    """The mean (B,) of the `largest` distances of each row (B, C), or of all; NaN left out.

    >>> put_together(np.array([[1.0, np.nan, 3.0], [np.nan, np.nan, np.nan]]), 0).tolist()
    [2.0, nan]
    >>> put_together(np.array([[1.0, 2.0, 4.0]]), 2).tolist()
    [3.0]
    """
    there = ~np.isnan(distances)
    falling = -np.sort(-np.where(there, distances, -1.0), axis=1)
    count = there.sum(axis=1)
    if largest:
        count = np.minimum(count, largest)
    total, value = np.zeros(len(distances)), np.full(len(distances), np.nan)
    for c in range(distances.shape[1]):  # one by one, so that every row adds in one order
        total += np.where(c < count, falling[:, c], 0.0)
    np.divide(total, count, out=value, where=count > 0)
    return value


def judgement(windows: FloatArray, found: Found, manner: Manner) -> tuple[FloatArray, FloatArray]:
    """Scores (B,) and blame (B, T, C) of windows (B, T, C) from what was found of them."""
    distances, blame = found.distance, found.parts
    if manner.levels:
        over = beyond(windows, found.reach[:, None], found.top[:, None])  # (B, T, C)
        distances = distances + np.sqrt(windows.shape[1]) * over.max(axis=1)
        blame = blame + over
    return put_together(distances, manner.largest), blame
