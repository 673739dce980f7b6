"""Mean shift: a window is moved towards clean windows like it before it is rebuilt.

What the network then rebuilds is ordinary, so that it cannot rebuild an anomaly by luck.
"""

import numpy as np

from tocsin.detectors.compiled import compiled
from tocsin.pipeline.types import FloatArray, IntArray


def banks(points: FloatArray, rounds: int, neighbours: int) -> FloatArray:
    """Clean points (N, D) as they stand before each round: (rounds, N, D).

    In every round all points move at once, each to the mean of its `neighbours` nearest, itself
    among them.

    Source: Yang, Rahardja and Fränti, Mean-shift outlier detection and filtering, 2021,
    doi:10.1016/j.patcog.2021.107874.
    """
    found = np.zeros((rounds, *points.shape))
    for number in range(rounds):
        found[number] = points
        points = _moved(points, points, neighbours)
    return found


def shifted(points: FloatArray, bank: FloatArray, neighbours: int) -> FloatArray:
    """Points (B, D) after a round for each of the banks (R, N, D); rows of NaN are no neighbours.

    Of neighbours at the same distance the first counts. Cost a point: R N D operations.
    """
    for points_then in bank:
        points = _moved(points, points_then, neighbours)
    return points


@compiled
def _moved(points: FloatArray, bank: FloatArray, neighbours: int) -> FloatArray:
    found = points.copy()
    most = min(neighbours, len(bank))
    for b in range(len(points)):
        near = _nearest(points[b], bank, most)
        count = 0
        total = np.zeros(points.shape[1])
        for n in near:
            if n >= 0:
                count += 1
                for i in range(len(total)):
                    total[i] += bank[n, i]
        if count:
            for i in range(len(total)):
                found[b, i] = total[i] / count
    return found


@compiled
def _nearest(point: FloatArray, bank: FloatArray, most: int) -> IntArray:
    """The places of the nearest points of the bank, nearest first; -1 where there is none."""
    apart = np.full(most, np.inf)
    near = np.full(most, -1)
    for n in range(len(bank)):
        square = 0.0
        for i in range(len(point)):
            off = point[i] - bank[n, i]
            square += off * off
        place = most  # NaN is not nearer than anything
        while place > 0 and square < apart[place - 1]:
            place -= 1
        if place < most:
            for later in range(most - 1, place, -1):
                apart[later], near[later] = apart[later - 1], near[later - 1]
            apart[place], near[place] = square, n
    return near
