"""The losses: their slopes, their best constant forecasts, and the parabolas above them."""

from typing import get_args

import numpy as np
import pytest

from tocsin.detectors.forecast.losses import LossName, bowl, huber, loss_of, pinball
from tocsin.pipeline.types import FloatArray

NAMES = get_args(LossName)


def points() -> FloatArray:
    """Residuals of all sizes, none where a loss has a corner."""
    return np.linspace(-6.03, 6.0, 400)


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.8])
@pytest.mark.parametrize("name", NAMES)
def test_the_slope_is_that_of_the_loss(name: LossName, quantile: float) -> None:
    step = 1e-6
    above, below = (loss_of(name, points() + move, quantile).value for move in (step, -step))
    slope = loss_of(name, points(), quantile).slope
    np.testing.assert_allclose(slope, (above - below) / (2 * step), atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_a_loss_is_positive_but_at_nothing(name: LossName) -> None:
    assert loss_of(name, np.zeros(1), 0.3).value[0] == 0
    assert (loss_of(name, points(), 0.3).value > 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_nan_gives_nan(name: LossName) -> None:
    value, slope = loss_of(name, np.array([np.nan]))
    assert np.isnan([value[0], slope[0]]).all()


@pytest.mark.parametrize("name", NAMES)
def test_wild_residuals_have_a_finite_loss(name: LossName) -> None:
    value, slope = loss_of(name, np.array([-1e100, 1e100]))
    assert np.isfinite([*value, *slope]).all()


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_the_best_constant_by_pinball_is_the_quantile(quantile: float) -> None:
    values = np.random.default_rng(0).exponential(size=999)
    tried = np.linspace(0, 5, 2001)
    losses = [pinball(values - forecast, quantile).value.mean() for forecast in tried]
    assert tried[np.argmin(losses)] == pytest.approx(np.quantile(values, quantile), abs=0.01)


def test_huber_is_the_square_within_its_knee() -> None:
    inside = np.linspace(-1, 1, 11)
    np.testing.assert_allclose(huber(inside).value, 0.5 * inside**2)


@pytest.mark.parametrize("quantile", [0.2, 0.5])
@pytest.mark.parametrize("name", NAMES)
def test_the_parabola_lies_above_the_loss_and_touches_it(name: LossName, quantile: float) -> None:
    for touched in (-3.0, -0.4, 0.01, 2.0):
        bend, tilt = bowl(name, np.array([touched]), quantile)
        rise = bend[0] / 2 * (points() ** 2 - touched**2) + tilt * (points() - touched)
        loss = loss_of(name, points(), quantile).value
        start = loss_of(name, np.array([touched]), quantile).value[0]
        assert (rise - (loss - start)).min() > -1e-3  # the pinball loss is rounded off near 0
