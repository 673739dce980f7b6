"""Exponential smoothing: the same residuals as statsmodels, and what it finds."""

from typing import Any, get_args

import numpy as np
import pytest
from statsmodels.tsa.exponential_smoothing.ets import ETSModel

from tocsin.detectors.forecast.smoothing import Smoothing, Trend
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.types import FloatArray


def series(rows: int = 200, period: int = 12) -> FloatArray:
    """A level that wanders, a season, a slope and noise."""
    rng = np.random.default_rng(1)
    time = np.arange(rows)
    wave = np.sin(2 * np.pi * time / period) + 0.3 * np.cos(4 * np.pi * time / period + 1)
    return (
        wave + 0.2 * rng.normal(size=rows) + 0.02 * np.cumsum(rng.normal(size=rows)) + 0.01 * time
    )


def reference(values: FloatArray, trend: Trend, period: int) -> Any:
    """The model as statsmodels fits it."""
    return ETSModel(
        values,
        error="add",
        trend=None if trend == "none" else "add",
        damped_trend=trend == "damped",
        seasonal="add" if period > 1 else None,
        seasonal_periods=period if period > 1 else None,
        initialization_method="heuristic",
    )


@pytest.mark.parametrize("period", [1, 12])
@pytest.mark.parametrize("trend", get_args(Trend))
def test_residuals_are_those_of_statsmodels(trend: Trend, period: int) -> None:
    scorer, values = Smoothing(train=200, trend=trend), series()
    found = scorer.residuals(scorer.form(values, period), values)
    wanted = reference(values, trend, period).fit(disp=False).resid
    np.testing.assert_allclose(found, wanted, atol=1e-6)


@pytest.mark.parametrize("period", [1, 12])
def test_training_makes_the_residuals_smaller(period: int) -> None:
    scorer, values = Smoothing(train=200), series()
    form = scorer.form(values, period)
    fitted = scorer.residuals(form, values)
    for gain in (0.02, 0.6, 0.98):
        other = form._replace(gain=np.array([gain]), season_gain=0.01)
        assert (fitted**2).sum() < (scorer.residuals(other, values) ** 2).sum()


def test_a_season_makes_the_residuals_smaller() -> None:
    scorer, values = Smoothing(train=200), series()
    with_season = scorer.residuals(scorer.form(values, 12), values)
    without = scorer.residuals(scorer.form(values, 1), values)
    assert with_season[24:].std() < 0.5 * without[24:].std()


def test_gaps_in_training_are_bridged() -> None:
    scorer, values = Smoothing(train=200), series()
    values[60:63] = np.nan
    found = scorer.residuals(scorer.form(values, 12), values)
    assert np.isnan(found[60:63]).all()
    assert np.nanstd(found[24:]) < 0.4


def test_an_unknown_trend_is_refused() -> None:
    with pytest.raises(ConfigError, match="trend must be none"):
        Smoothing(trend="rising")  # type: ignore[arg-type]  # what is refused
