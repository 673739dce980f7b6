"""The variance norm: distance in units of how much the training rows vary in each direction.

All is done in standardised coordinates, each divided by its standard deviation, so that units do
not matter: neither for the distance, nor for what counts as a direction that never varies.
"""

from dataclasses import dataclass

import numpy as np

from tocsin.detectors.signature.moments import Moments
from tocsin.pipeline.types import FloatArray

OFF_SUPPORT = 1e-3  # share of a difference outside the support at which it counts as outside
_ROUNDING = 8.0  # times the rounding of the largest spread: below that there is none
_FLAT = 1e-12  # times its mean: a coordinate that spreads less does not vary


@dataclass(frozen=True, slots=True)
class VarianceNorm:
    """Mean and unit of each coordinate, and the principal axes of their correlation.

    `mean` (D,); `unit` (D,), the standard deviation, and 1 where a coordinate never varies; `axes`
    (D, r) the directions that vary, `spread` (r,) their variances in units, largest first.
    """

    mean: FloatArray
    unit: FloatArray
    axes: FloatArray
    spread: FloatArray

    def split(self, delta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """In-support distance (n,) and off-support residual (n,) of differences (n, D).

        The first is sqrt(d' pinv(cov) d) of what lies in the span of the training rows, the second
        the length of what does not, in units.
        """
        scaled = delta / self.unit
        along = scaled @ self.axes  # (n, r)
        outside = scaled - along @ self.axes.T
        inside = np.sqrt((along**2 / self.spread).sum(axis=1))
        return inside, np.sqrt((outside**2).sum(axis=1))

    def strict(self, delta: FloatArray) -> FloatArray:
        """The distance (n,) of differences (n, D) by the definition: inf outside the support."""
        inside, outside = self.split(delta)
        length = np.sqrt(((delta / self.unit) ** 2).sum(axis=1))
        return np.where(outside > OFF_SUPPORT * length, np.inf, inside)

    def ridge(self, delta: FloatArray, shrinkage: float) -> FloatArray:
        """The distance (n,) by (1 - shrinkage) R + shrinkage I: finite and ordered everywhere."""
        white = (delta / self.unit) @ self.whitening(shrinkage)
        return np.asarray(np.sqrt((white**2).sum(axis=1)))

    def whitening(self, shrinkage: float) -> FloatArray:
        """The symmetric root (D, D) of the inverse of the shrunk correlation.

        Being symmetric it turns coordinates as little as may be, so that each keeps its meaning.

        Reference: Kessy, Lewin and Strimmer, Optimal whitening and decorrelation, 2018,
        doi:10.1080/00031305.2016.1277159.
        """
        outside = 1.0 / np.sqrt(shrinkage)
        inside = 1.0 / np.sqrt((1.0 - shrinkage) * self.spread + shrinkage)
        turned = (self.axes * (inside - outside)) @ self.axes.T
        return np.asarray(turned + outside * np.eye(len(self.unit)))


def variance_norm(moments: Moments) -> VarianceNorm:
    """The norm of training rows with these moments.

    A direction counts as one that varies where its variance is above the rounding of the largest,
    in standardised coordinates: a relative rule, which no choice of units can move.

    Reference: Shao, Chan, Cochrane, Foster and Lyons, Dimensionless anomaly detection on
    multivariate streams with variance norm and path signature, 2020, arXiv:2006.03487.
    """
    covariance = moments.covariance()
    deviation = np.sqrt(np.diagonal(covariance))
    varies = deviation > _FLAT * np.abs(moments.mean)
    unit = np.where(varies, deviation, 1.0)
    correlation = np.where(np.outer(varies, varies), covariance / unit / unit[:, None], 0.0)
    spread, axes = np.linalg.eigh(correlation)
    spread, axes = spread[::-1], axes[:, ::-1]  # largest first
    largest = max(float(spread[0]), 0.0) if spread.size else 0.0
    count = max(moments.count, len(unit))
    rank = int((spread > _ROUNDING * count * np.finfo(np.float64).eps * largest).sum())
    return VarianceNorm(moments.mean, unit, axes[:, :rank], spread[:rank])


def strict_conformance(
    norm: VarianceNorm, corpus: FloatArray, rows: FloatArray, *, count: int
) -> FloatArray:
    """The distance (B,) from rows (B, D) to the nearest of a corpus (n, D), inf if none is in span.

    Divided by sqrt(count - 1) for the `count` training rows, which is the published definition: the
    covariance there is the sum of products, not their mean.
    """
    nearest = [norm.strict(corpus - row).min() for row in rows]
    return np.asarray(np.array(nearest) / np.sqrt(max(count - 1, 1)))
