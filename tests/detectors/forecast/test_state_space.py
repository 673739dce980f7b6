"""The state-space forecaster: statsmodels' Kalman filter goes on as it ended, and what it finds."""

from typing import Any

import numpy as np
import pytest

from tocsin.detectors.forecast.state_space import StateSpace
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.types import FloatArray

TRAINED = 200


def series(rows: int = 300, period: int = 12) -> FloatArray:
    """A level that wanders, a season and noise, in spreads."""
    rng = np.random.default_rng(1)
    wave = np.sin(2 * np.pi * np.arange(rows) / period)
    values = wave + 0.2 * rng.normal(size=rows) + 0.05 * np.cumsum(rng.normal(size=rows))
    return (values - values.mean()) / values.std()


def reference(scorer: StateSpace, values: FloatArray, period: int) -> Any:
    """Residuals (N - 200,) of the rows that follow, by statsmodels' filter with its own gains."""
    model = scorer.fitted(values[:TRAINED], period)
    return model.append(values[TRAINED:]).filter_results.forecasts_error[0, TRAINED:]


@pytest.mark.parametrize("order", [(1, 0, 1), (2, 1, 1)])
def test_arima_residuals_are_those_of_statsmodels(order: tuple[int, ...]) -> None:
    scorer, values = StateSpace(train=TRAINED, order=order), series()
    found = scorer.residuals(scorer.form(values[:TRAINED], 1), values)[TRAINED:]
    np.testing.assert_allclose(found, reference(scorer, values, 1), atol=1e-6)


def test_a_level_has_the_residuals_of_statsmodels() -> None:
    scorer, values = StateSpace(train=TRAINED, lags=0), series()
    found = scorer.residuals(scorer.form(values[:TRAINED], 1), values)[TRAINED:]
    np.testing.assert_allclose(found, reference(scorer, values, 1), atol=1e-6)


def test_a_season_has_nearly_the_residuals_of_statsmodels() -> None:
    # A season that hardly changes is still being learned when training ends: its exact gain goes on
    # falling, and that of the stream stays.
    scorer, values = StateSpace(train=TRAINED, lags=0, harmonics=1), series()
    found = scorer.residuals(scorer.form(values[:TRAINED], 12), values)[TRAINED:]
    wanted = reference(scorer, values, 12)
    assert np.abs(found - wanted).max() < 0.05 * wanted.std()


def test_training_raises_the_likelihood_step_by_step() -> None:
    scorer, values = StateSpace(train=TRAINED, lags=0, harmonics=1), series()[:TRAINED]
    reached = [scorer.fitted(values, 12, steps=steps).llf for steps in (1, 2, 4, 8, 30)]
    assert np.diff(reached).min() > -1e-9
    assert reached[-1] > reached[0] + 1.0


@pytest.mark.parametrize("slope", [False, True])
@pytest.mark.parametrize("lags", [0, 2])
def test_the_hidden_numbers_fit_their_room(lags: int, slope: bool) -> None:
    scorer = StateSpace(train=60, lags=lags, slope=slope, harmonics=2)
    form = scorer.form(series()[:60], 12)
    assert len(form.hidden) == scorer.size
    assert len(scorer.form(series()[:60], 1).hidden) == scorer.size - 4


def test_missing_training_values_are_no_news() -> None:
    scorer, values = StateSpace(train=TRAINED, lags=0, harmonics=1), series()
    holes = values.copy()
    holes[50:60] = holes[TRAINED - 1] = np.nan
    found = scorer.residuals(scorer.form(holes[:TRAINED], 12), values)[TRAINED:]
    whole = scorer.residuals(scorer.form(values[:TRAINED], 12), values)[TRAINED:]
    assert np.abs(found - whole).max() < 0.5 * whole.std()


@pytest.mark.parametrize("order", [(1, 1), (1, -1, 0)])
def test_an_order_that_cannot_be_is_refused(order: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="order must be"):
        StateSpace(order=order)
