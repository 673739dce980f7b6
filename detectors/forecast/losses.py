"""Losses of a forecast's residual, each with its slope, and what a fit by them needs.

A residual is the value less its forecast. Each loss of residuals of any shape gives two arrays of
that shape: the loss, 0 at 0 and above elsewhere, and its slope in the residual; NaN gives NaN.
"""

from typing import Literal, NamedTuple

import numpy as np

from tocsin.pipeline.types import FloatArray

LossName = Literal["squared", "huber", "log_cosh", "pinball"]

KNEE = 1.345  # deviations; 95 % as sure as least squares on normal residuals (Huber, 1981)

_BEND = 1e-4  # deviations; how near 0 the pinball loss is rounded off in a fit


class Loss(NamedTuple):
    """The loss of each residual, and its slope in the residual."""

    value: FloatArray
    slope: FloatArray


class Bowl(NamedTuple):
    """A parabola above a loss that touches it at a residual r0: its bend and its tilt.

    loss(r) - loss(r0) <= bend / 2 (r**2 - r0**2) + tilt (r - r0), for every r.
    """

    bend: FloatArray
    tilt: float


def squared(residual: FloatArray) -> Loss:
    """Half the square: the mean is its best forecast.

    >>> squared(np.array([-2.0, 1.0])).value.tolist()
    [2.0, 0.5]
    """
    return Loss(0.5 * residual**2, residual.copy())


def huber(residual: FloatArray, knee: float = KNEE) -> Loss:
    """Half the square up to `knee`, a straight line beyond, as by Huber, 1964.

    doi:10.1214/aoms/1177703732.

    >>> huber(np.array([0.5, 3.0]), knee=1.0).value.tolist()
    [0.125, 2.5]
    """
    size = np.abs(residual)
    value = np.where(size <= knee, 0.5 * residual**2, knee * (size - 0.5 * knee))
    return Loss(value, np.clip(residual, -knee, knee))


def log_cosh(residual: FloatArray) -> Loss:
    """The logarithm of the hyperbolic cosine: smooth, a square near 0 and a line far from it.

    >>> log_cosh(np.array([1000.0])).value.round(2).tolist()
    [999.31]
    """
    size = np.abs(residual)
    # log(cosh(r)) without the overflow of cosh: |r| + log(1 + exp(-2 |r|)) - log(2).
    return Loss(size + np.log1p(np.exp(-2.0 * size)) - np.log(2.0), np.tanh(residual))


def pinball(residual: FloatArray, quantile: float = 0.5) -> Loss:
    """`quantile` times a residual above 0, 1 - `quantile` times one below: that quantile is best.

    At 0 the slope is that of a residual above it. Koenker and Bassett, 1978, doi:10.2307/1913643.

    >>> pinball(np.array([2.0, -2.0]), quantile=0.9).value.round(1).tolist()
    [1.8, 0.2]
    """
    slope = np.where(residual >= 0, quantile, quantile - 1.0)
    slope = np.where(np.isnan(residual), np.nan, slope)
    return Loss(slope * residual, slope)


def loss_of(name: LossName, residual: FloatArray, quantile: float = 0.5) -> Loss:
    """The loss of that name; `quantile` is for the pinball loss alone."""
    if name == "pinball":
        return pinball(residual, quantile)
    return {"squared": squared, "huber": huber, "log_cosh": log_cosh}[name](residual)


def bowl(name: LossName, residual: FloatArray, quantile: float = 0.5) -> Bowl:
    """The parabola above a loss at each residual.

    A fit that minimises the parabolas minimises the loss step by step, and never raises it: for the
    pinball loss but for 1e-4, by which it is rounded off near 0. Hunter and Lange, Quantile
    regression via an MM algorithm, 2000, doi:10.1080/10618600.2000.10474866.

    >>> bowl("huber", np.array([0.5, 2.69])).bend.tolist()
    [1.0, 0.5]
    """
    size = np.abs(residual)
    if name == "pinball":
        return Bowl(0.5 / (size + _BEND), quantile - 0.5)
    if name == "squared":
        return Bowl(np.ones_like(residual), 0.0)
    small = np.maximum(size, 1e-8)  # both losses are squares near 0
    return Bowl(loss_of(name, small).slope / small, 0.0)
