"""Points of the Poincare ball, each given by the tangent vector at the origin that leads to it.

The ball has curvature -1. The point of a vector v lies at tanh(|v|) v / |v|, so that a vector of
any length has one; a point so near the edge that it rounds to it keeps its distances all the same.

Source: Ungar, A gyrovector space approach to hyperbolic geometry, 2008,
doi:10.2200/S00175ED1V01Y200901MAS004; Ganea, Becigneul and Hofmann, Hyperbolic neural networks,
2018, arXiv:1805.09112.
"""

import math

import numpy as np

from tocsin.detectors.compiled import compiled
from tocsin.pipeline.types import FloatArray

_LN2 = math.log(2.0)
_LONG = 20.0  # from here on, sinh x is half of exp x, to the last digit


@compiled
def distances(one: FloatArray, other: FloatArray) -> FloatArray:
    """Hyperbolic distances (B,) between the points of vectors (B, H) and (B, H), row by row.

    Where the points are close it is twice the distance in the ball over 1 - r^2, so the same gap
    is wider near the edge. Of a vector to the origin it is twice its length.

    >>> float(distances(np.array([[3.0, 4.0]]), np.zeros((1, 2)))[0])
    10.0
    """
    rows, size = one.shape
    found = np.zeros(rows)
    for b in range(rows):
        near, far = _length(one[b]), _length(other[b])
        apart = 0.0  # a quarter of the squared distance of the directions
        if near > 0.0 and far > 0.0:
            for i in range(size):
                apart += (one[b, i] / near - other[b, i] / far) ** 2 / 4.0
        # sinh^2(d / 2) = sinh^2(|u| - |v|) + apart sinh(2 |u|) sinh(2 |v|), in logarithms.
        along = 2.0 * _log_sinh(abs(near - far))
        across = np.log(apart) + _log_sinh(2.0 * near) + _log_sinh(2.0 * far)
        most = max(along, across)
        if most > -np.inf:
            log = most + np.log(np.exp(along - most) + np.exp(across - most))
            half = log / 2.0
            found[b] = 2.0 * (half + _LN2 if half > _LONG else np.arcsinh(np.exp(half)))
    return found


@compiled
def radii(vectors: FloatArray) -> FloatArray:
    """How far from the origin of the ball, 0 to 1, the points of vectors (B, H) lie: (B,).

    >>> float(radii(np.array([[0.0, 0.0]]))[0])
    0.0
    """
    found = np.zeros(len(vectors))
    for b in range(len(vectors)):
        found[b] = np.tanh(_length(vectors[b]))
    return found


@compiled
def led(values: FloatArray, turn: FloatArray, shift: FloatArray) -> FloatArray:
    """Vectors (B, H) of values (B, D): the sum of `shift` (H,) and the values times `turn` (D, H).

    Each row is summed by itself and in its own order.
    """
    rows, size = values.shape
    found = np.empty((rows, len(shift)))
    for b in range(rows):
        found[b] = shift
        for i in range(size):
            for j in range(len(shift)):
                found[b, j] += values[b, i] * turn[i, j]
    return found


@compiled
def shares(left: FloatArray) -> FloatArray:
    """Each value's share of the sum of squares of its row (B, D); 0 in a row of zeros."""
    found = np.zeros(left.shape)
    for b in range(left.shape[0]):
        most = np.abs(left[b]).max()
        total = 0.0
        for i in range(left.shape[1] if most > 0.0 else 0):
            found[b, i] = (left[b, i] / most) ** 2
            total += found[b, i]
        for i in range(left.shape[1] if most > 0.0 else 0):
            found[b, i] /= total
    return found


@compiled
def _length(vector: FloatArray) -> float:
    total = 0.0
    for i in range(len(vector)):
        total += vector[i] * vector[i]
    return float(np.sqrt(total))


@compiled
def _log_sinh(x: float) -> float:
    """The logarithm of sinh of x, not negative; -inf at 0."""
    return float(x - _LN2 if x > _LONG else np.log(np.sinh(x)))
