"""The expected anomaly posterior spelled out, one point and one ball at a time."""

import math
from collections.abc import Callable

from tocsin.pipeline.types import FloatArray


def radius(normal: FloatArray, row: int, k: int) -> float:
    """The distance of a row to its k-th neighbour."""
    others = [math.dist(normal[row], other) for n, other in enumerate(normal) if n != row]
    return sorted(others)[k - 1]


def slow_rarity(normal: FloatArray, point: FloatArray, k: int) -> float:
    balls = [(radius(normal, row, k), row) for row in range(len(normal))]
    holding = [size for size, row in balls if math.dist(normal[row], point) < size]
    return min(holding, default=0.0)


def slow_density(normal: FloatArray, point: FloatArray, k: int) -> float:
    rare = slow_rarity(normal, point, k)
    if rare == 0:
        return 0.0
    others = [slow_rarity(normal, row, k) for row in normal]
    around = sum(1 / other for other in others if other > 0)
    return (1 / rare) / (1 / rare + around)


def slow_cover(normal: FloatArray, anomaly: FloatArray, least: int) -> int:
    """The smallest k from `least` with which some ball holds an anomaly; the largest if none."""
    for k in range(least, len(normal)):
        if slow_rarity(normal, anomaly, k) > 0:
            return k
    return len(normal) - 1


def slow_smallest_k(
    normal: FloatArray, anomalies: FloatArray, least: int, quantile: Callable[[float, float], float]
) -> int:
    most = len(normal) - 1
    shares = [(slow_cover(normal, one, least) - least) / (most - least) for one in anomalies]
    upper = quantile(1 + sum(shares), 1 + len(shares) - sum(shares))
    return max(min(most, int(upper * (most - least) + least)), least)
