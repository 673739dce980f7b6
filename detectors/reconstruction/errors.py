"""What a window's reconstruction error is: one number a value, one number a window."""

from typing import Literal, NamedTuple

import numpy as np
from sklearn.covariance import ledoit_wolf

from tocsin.detectors.compiled import compiled
from tocsin.pipeline.types import FloatArray

ErrorKind = Literal["squared", "mahalanobis", "log_cosh", "logarithmic", "probabilistic"]
KINDS: tuple[ErrorKind, ...] = (
    "squared",
    "mahalanobis",
    "log_cosh",
    "logarithmic",
    "probabilistic",
)

LEAST_LOG = 2 * float(np.log(0.01))  # of a variance; a spread below a hundredth counts as that
MOST_LOG = 2 * float(np.log(100.0))
NEARLY = 1.0 - 1e-6  # the largest square that the logarithmic error tells from 1

_FLOOR = 1e-3  # spreads; an ordinary residual counts as no smaller
_LN2 = float(np.log(2.0))


class Usual(NamedTuple):
    """What residuals are on clean windows."""

    offset: FloatArray  # (D,), their mean
    width: FloatArray  # (D,), their standard deviation, positive


class Weights(NamedTuple):
    """Of the two terms of the probabilistic error."""

    bias: float = 1.0
    uncertainty: float = 1.0


def residuals(points: FloatArray, answer: FloatArray, known: FloatArray) -> FloatArray:
    """What is left of points (B, D) after an answer (B, D or 2 D); 0 where not known."""
    return np.where(known > 0, points - answer[:, : points.shape[1]], 0.0)


def usual(left: FloatArray, known: FloatArray) -> Usual:
    """Mean and standard deviation of the known residuals (B, D) of clean windows.

    A value that is never known has an offset of 0 and a width of 1.
    """
    count = known.sum(axis=0)
    many = np.maximum(count, 1.0)
    offset = left.sum(axis=0) / many
    square = (known * (left - offset) ** 2).sum(axis=0) / many
    width = np.where(count > 0, np.maximum(np.sqrt(square), _FLOOR), 1.0)
    return Usual(offset, width)


def standardised(left: FloatArray, known: FloatArray, ordinary: Usual) -> FloatArray:
    """Residuals (B, D) in standard deviations of clean ones; 0 where not known."""
    return known * ((left - ordinary.offset) / ordinary.width)


def precision_of(apart: FloatArray) -> FloatArray:
    """The inverse covariance (D, D) of standardised residuals (B, D), shrunk so that it exists.

    Source: Ledoit and Wolf, A well-conditioned estimator for large-dimensional covariance
    matrices, 2004, doi:10.1016/S0047-259X(03)00096-4.
    """
    covariance, _ = ledoit_wolf(apart, assume_centered=True)
    flat = np.flatnonzero(np.diag(covariance) <= 0)
    covariance[flat, flat] = 1.0
    inverse = np.linalg.inv(covariance)
    return np.asarray((inverse + inverse.T) / 2, dtype=np.float64)


def mahalanobis(
    apart: FloatArray, whitener: FloatArray, precision: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Root mean squared distances (B,), and each value's |z| given the others (B, D).

    `whitener` is the lower Cholesky factor of `precision`.
    """
    return _distances(apart, whitener, precision)


def rooted(apart: FloatArray, known: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The root mean square (B,) of the known standardised residuals, and their sizes (B, D)."""
    return np.sqrt(_means(apart**2, known)), np.abs(apart)


def log_cosh(apart: FloatArray, known: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The mean (B,) of log cosh of the standardised residuals, and each one (B, D)."""
    parts = np.zeros(apart.shape)
    _log_cosh(apart, parts)
    return _means(parts, known), parts


def logarithmic(
    left: FloatArray, reach: FloatArray, known: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """The mean (B,) of -log(1 - r^2), with residuals r as shares of the values' range `reach` (D,).

    A residual as large as the range counts as the largest there is.

    Source: after Park, Concise logarithmic loss function for robust training of anomaly detection
    model, 2022, arXiv:2201.05748.
    """
    parts = np.zeros(left.shape)
    _logarithmic(left, reach, parts)
    return _means(parts, known), parts


def probabilistic(
    left: FloatArray, log: FloatArray, known: FloatArray, weights: Weights
) -> tuple[FloatArray, FloatArray]:
    """The adjustable probabilistic error (B,): the mean of its two terms, and each value's (B, D).

    `log` (B, D) is the logarithm of the variance that the network expects; a value's terms are the
    squared residual over twice the variance, and half of what `log` is above its floor.

    Source: after Tan and others, MSS-PAE: saving autoencoder-based outlier detection from
    unexpected reconstruction, 2023, arXiv:2304.00709.
    """
    parts = np.zeros(left.shape)
    _probabilistic(left, log, parts, weights.bias, weights.uncertainty)
    parts *= known
    return _means(parts, known), parts


@compiled
def _means(parts: FloatArray, known: FloatArray) -> FloatArray:
    rows, size = parts.shape
    found = np.zeros(rows)
    for b in range(rows):
        total, count = 0.0, 0.0
        for i in range(size):
            if known[b, i] > 0.0:
                total += parts[b, i]
                count += 1.0
        found[b] = total / max(count, 1.0)
    return found


@compiled
def _log_cosh(apart: FloatArray, parts: FloatArray) -> None:
    for b in range(apart.shape[0]):
        for i in range(apart.shape[1]):
            size = abs(apart[b, i])
            parts[b, i] = max(size + np.log1p(np.exp(-2.0 * size)) - _LN2, 0.0)


@compiled
def _logarithmic(left: FloatArray, reach: FloatArray, parts: FloatArray) -> None:
    for b in range(left.shape[0]):
        for i in range(left.shape[1]):
            share = left[b, i] / reach[i]
            parts[b, i] = -np.log1p(-min(share * share, NEARLY))


@compiled
def _probabilistic(
    left: FloatArray, log: FloatArray, parts: FloatArray, bias: float, uncertainty: float
) -> None:
    for b in range(left.shape[0]):
        for i in range(left.shape[1]):
            kept = min(max(log[b, i], LEAST_LOG), MOST_LOG)
            off = left[b, i] * left[b, i] / (2.0 * np.exp(kept))
            parts[b, i] = bias * off + uncertainty * 0.5 * (kept - LEAST_LOG)


@compiled
def _distances(
    apart: FloatArray, whitener: FloatArray, precision: FloatArray
) -> tuple[FloatArray, FloatArray]:
    rows, size = apart.shape
    value, given = np.zeros(rows), np.zeros((rows, size))
    for b in range(rows):
        for i in range(size):
            along, pull = 0.0, 0.0
            for j in range(size):
                if j >= i:
                    along += whitener[j, i] * apart[b, j]
                pull += precision[i, j] * apart[b, j]
            value[b] += along * along
            given[b, i] = abs(pull) / np.sqrt(precision[i, i])
        value[b] = np.sqrt(value[b] / size)
    return value, given
