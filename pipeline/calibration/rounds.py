"""A calibrator's `tail` and `learn` over many ticks, and the places of a ring."""

from typing import TypeVar

import numpy as np

from tocsin.pipeline.calibrate import Calibrator
from tocsin.pipeline.groups import group
from tocsin.pipeline.types import BoolArray, FloatArray, IntArray

C = TypeVar("C")


def in_rounds(
    calibrator: Calibrator[C], state: C, key: IntArray, time: IntArray, value: FloatArray
) -> FloatArray:
    """`tail`, then `learn`: the first row of every key together, then the second, and so on.

    Equal to going tick by tick for a calibrator whose keys do not see each other between renewals.
    A row without a score is passed over.
    """
    tail = np.full(len(value), np.nan)
    known = np.flatnonzero(~np.isnan(value))
    if not len(known):
        return tail
    groups = group(key[known])
    order = known[groups.order[np.argsort(groups.round, kind="stable")]]
    ends = np.cumsum(np.bincount(groups.round))
    for rows in np.split(order, ends[:-1]):
        tail[rows] = calibrator.tail(state, key[rows], time[rows], value[rows])
        calibrator.learn(state, key[rows], time[rows], value[rows])
    return tail


def ages(seen: IntArray, places: int) -> IntArray:
    """How many scores ago each place of a ring was written, (B, places); 0 is the newest.

    `seen` (B,) counts the scores learned. Places never written have an age of at least `seen`.
    """
    return (seen[:, None] - 1 - np.arange(places)) % places


def written(seen: IntArray, places: int) -> BoolArray:
    """Which places of a ring hold a score, (B, places)."""
    return np.arange(places) < seen[:, None]
