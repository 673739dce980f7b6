"""The Poincare ball of curvature -1 by its textbook formulas, one point at a time."""

import numpy as np
from numpy.typing import NDArray

from tocsin.pipeline.types import FloatArray

Exact = NDArray[np.longdouble]


def point(vector: FloatArray) -> Exact:
    """The point (H,) that a tangent vector (H,) at the origin leads to."""
    long = np.asarray(vector, dtype=np.longdouble)
    length = np.sqrt((long * long).sum())
    return long if length == 0 else np.asarray(np.tanh(length) * long / length)


def added(x: Exact, y: Exact) -> Exact:
    """The Moebius sum of points (H,) and (H,)."""
    both, left, right = (x * y).sum(), (x * x).sum(), (y * y).sum()
    above = (1 + 2 * both + right) * x + (1 - left) * y
    return np.asarray(above / (1 + 2 * both + left * right), dtype=np.longdouble)


def distance(x: Exact, y: Exact) -> float:
    """Between points (H,) and (H,)."""
    gap = ((x - y) ** 2).sum()
    return float(np.arccosh(1 + 2 * gap / ((1 - (x * x).sum()) * (1 - (y * y).sum()))))
