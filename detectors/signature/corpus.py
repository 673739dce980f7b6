"""A bounded corpus: which training rows are kept, and how far a row is from the nearest of them."""

from typing import NamedTuple

import numpy as np

from tocsin.detectors.compiled import compiled
from tocsin.pipeline.types import FloatArray, IntArray


def k_centre(rows: FloatArray, most: int) -> IntArray:
    """At most `most` places of rows (n, D) that cover them, in rising order.

    The first is the row nearest the origin; each next one is the row farthest from those chosen,
    the earliest of equals, and rows that equal a chosen one are left out. No other choice of as
    many has a covering radius under half of this one's.

    Reference: Gonzalez, Clustering to minimize the maximum intercluster distance, 1985,
    doi:10.1016/0304-3975(85)90224-5.

    >>> k_centre(np.array([[0.0], [1.0], [0.1], [9.0], [0.0]]), 3).tolist()
    [0, 1, 3]
    """
    if not len(rows) or most < 1:
        return np.empty(0, dtype=np.int64)
    return np.sort(_farthest_first(np.ascontiguousarray(rows), min(most, len(rows))))


def reservoir(count: int, most: int, seed: int) -> IntArray:
    """At most `most` of `count` places, each as likely as any other, in rising order.

    Reference: Vitter, Random sampling with a reservoir, 1985, doi:10.1145/3147.3165.

    >>> len(reservoir(1000, 10, seed=0))
    10
    """
    rng = np.random.default_rng(seed)
    kept = np.arange(min(count, most))
    for place in range(most, count):
        slot = int(rng.integers(place + 1))
        if slot < most:
            kept[slot] = place
    return np.sort(kept)


def leave_one_out(
    rows: FloatArray, when: IntArray, chosen: IntArray, apart: int, neighbours: int
) -> tuple[FloatArray, IntArray]:
    """Each training row's distance (n,) to its `neighbours`-th nearest chosen row, and its place.

    A row does not see itself, nor those less than `apart` from it in `when` (n,), whose windows
    overlap its own. NaN and -1 where too few are left. This is what a row like the training rows
    scores; their own distances to a corpus that they are in would be too small.
    """
    found = np.full(len(rows), np.nan)
    which = np.full(len(rows), -1, dtype=np.int64)
    held = _Held(np.ascontiguousarray(rows[chosen]), when[chosen])
    _leave_one_out(np.ascontiguousarray(rows), when, held, (apart, neighbours), (found, which))
    return found, np.where(which < 0, -1, chosen[which])


@compiled
def _farthest_first(rows: FloatArray, most: int) -> IntArray:
    far = np.empty(len(rows))
    for i in range(len(rows)):
        far[i] = _apart(rows[i], np.zeros_like(rows[i]))
    best = int(far.argmin())
    far[:] = np.inf
    chosen = np.empty(most, dtype=np.int64)
    for k in range(most):
        chosen[k] = best
        for i in range(len(rows)):
            far[i] = min(far[i], _apart(rows[i], rows[chosen[k]]))
        best = int(far.argmax())
        if far[best] == 0.0:
            return chosen[: k + 1]
    return chosen


@compiled
def _apart(one: FloatArray, other: FloatArray) -> float:
    total = 0.0
    for j in range(len(one)):
        off = one[j] - other[j]
        total += off * off
    return total


class _Held(NamedTuple):
    rows: FloatArray  # (n, D)
    when: IntArray  # (n,)


@compiled
def _leave_one_out(
    rows: FloatArray,
    when: IntArray,
    held: _Held,
    limits: tuple[int, int],
    answer: tuple[FloatArray, IntArray],
) -> None:
    apart, neighbours = limits
    nearest, which = np.empty(neighbours), np.empty(neighbours, dtype=np.int64)
    for i in range(len(rows)):
        nearest[:] = np.inf
        for k in range(len(held.rows)):
            if abs(held.when[k] - when[i]) >= apart:
                _insert(nearest, which, _apart(rows[i], held.rows[k]), k)
        if nearest[neighbours - 1] < np.inf:
            answer[0][i] = np.sqrt(nearest[neighbours - 1])
            answer[1][i] = which[neighbours - 1]


@compiled
def _insert(nearest: FloatArray, which: IntArray, far: float, k: int) -> None:
    """Put one distance among the nearest so far, behind its equals, if it is one of them."""
    place = len(nearest)
    while place > 0 and far < nearest[place - 1]:
        place -= 1
    for later in range(len(nearest) - 1, place, -1):
        nearest[later], which[later] = nearest[later - 1], which[later - 1]
    if place < len(nearest):
        nearest[place], which[place] = far, k
