"""Mean and covariance of many rows, from parts that are merged without loss."""

from dataclasses import dataclass

import numpy as np

from tocsin.pipeline.types import FloatArray


@dataclass(frozen=True, slots=True)
class Moments:
    """The count of rows, their mean (D,) and the sums of products about it (D, D)."""

    count: int
    mean: FloatArray
    scatter: FloatArray

    def covariance(self) -> FloatArray:
        """The sample covariance (D, D); zeros of fewer than two rows."""
        return np.asarray(self.scatter / max(self.count - 1, 1))


def moments(rows: FloatArray) -> Moments:
    """The moments of rows (n, D), which are finite.

    >>> found = moments(np.array([[1.0, 0.0], [3.0, 2.0]]))
    >>> found.count, found.mean.tolist(), found.covariance().tolist()
    (2, [2.0, 1.0], [[2.0, 2.0], [2.0, 2.0]])
    """
    if not len(rows):
        width = rows.shape[1]
        return Moments(0, np.zeros(width), np.zeros((width, width)))
    mean = rows[0] + (rows - rows[0]).mean(axis=0)  # exact where all rows are one
    off = rows - mean
    return Moments(len(rows), mean, off.T @ off)


def merged(one: Moments, other: Moments) -> Moments:
    """The moments of the rows of both, as if they had been taken together.

    Reference: Chan, Golub and LeVeque, Updating formulae and a pairwise algorithm for computing
    sample variances, 1979, doi:10.1007/978-3-642-51461-6_3.
    """
    if not one.count or not other.count:
        return one if one.count else other
    count = one.count + other.count
    apart = other.mean - one.mean
    mean = one.mean + apart * (other.count / count)
    between = np.outer(apart, apart) * (one.count * (other.count / count))
    return Moments(count, mean, one.scatter + other.scatter + between)
