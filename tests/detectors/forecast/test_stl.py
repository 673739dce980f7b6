"""STL: the same parts as statsmodels, the causal form, and the form that looks both ways."""

import numpy as np
import pytest
from statsmodels.tsa.seasonal import STL

from tocsin.detectors.forecast.stl import StlResidual
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.types import FloatArray, Spec

SCORER = StlResidual(train=120)


def series(rows: int, seed: int = 0) -> FloatArray:
    """A season with corners on a slow slope, and noise: (N,)."""
    noise = 0.1 * np.random.default_rng(seed).normal(size=rows)
    return (
        np.resize([0.0, 1.0, 3.0, 1.0, 0.0, 0.0, -1.0, 0.0], rows) + 0.005 * np.arange(rows) + noise
    )


def test_the_remainder_is_that_of_statsmodels() -> None:
    values = series(160)
    wanted = STL(values, period=8, seasonal=7, robust=True).fit().resid
    np.testing.assert_allclose(SCORER.remainder(values, 8), wanted, atol=1e-9)


def test_the_stream_starts_with_the_last_season_of_training() -> None:
    values = series(123)  # not a whole number of cycles
    form = SCORER.form(values, 8)
    season = STL(values, period=8, seasonal=7, robust=True).fit().seasonal[-8:]
    places = np.arange(115, 123) % 8
    np.testing.assert_allclose(form.season[places], season, atol=1e-9)


def test_a_season_makes_the_residuals_smaller() -> None:
    values = series(200)
    with_season = SCORER.residuals(SCORER.form(values, 8), values)
    without = SCORER.residuals(SCORER.form(values, 1), values)
    assert with_season.std() < 0.3 * without.std()


def test_a_longer_half_life_moves_the_level_less() -> None:
    values = series(120)
    quick, slow = StlResidual(train=120, half_life=2), StlResidual(train=120, half_life=200)
    assert quick.form(values, 8).gain[0] > 10 * slow.form(values, 8).gain[0]


@pytest.mark.parametrize("seed", range(3))
def test_offline_a_value_out_of_its_place_stands_out(seed: int) -> None:
    rows = np.stack([series(400, seed), 50.0 * series(400, seed + 10)], axis=1)
    rows[300, 1] = 50.0 * 2.5  # an ordinary value, at the wrong time
    found = SCORER.offline(Spec((2,)), rows[:200], rows[200:])
    assert found.blame is not None
    assert found.value.argmax() == 100
    assert found.blame[100].argmax() == 1
    assert 0.5 < np.median(found.value) < 2.0


def test_offline_without_history_judges_a_series_by_itself() -> None:
    rows = series(300)[:, None]
    rows[150] += 2.0
    rows[200] = np.nan
    found = SCORER.offline(Spec((1,)), np.empty((0, 1)), rows)
    assert np.nanargmax(found.value) == 150
    assert np.flatnonzero(np.isnan(found.value)).tolist() == [200]


def test_offline_without_a_period_a_local_line_is_the_trend() -> None:
    rows = (np.cumsum(np.random.default_rng(0).normal(size=300)) * 0.02)[:, None]
    rows += 0.05 * np.random.default_rng(1).normal(size=(300, 1))
    rows[150] += 1.0
    found = SCORER.offline(Spec((1,)), np.empty((0, 1)), rows)
    assert found.value.argmax() == 150


def test_offline_a_channel_of_few_values_has_no_opinion() -> None:
    rows = np.stack([series(200), np.full(200, np.nan)], axis=1)
    found = SCORER.offline(Spec((2,)), np.empty((0, 2)), rows)
    assert found.blame is not None
    assert np.isfinite(found.value).all()
    assert (found.blame[:, 1] == 0).all()


@pytest.mark.parametrize(("cycles", "half_life"), [(4, 0.0), (1, 0.0), (7, -1.0), (7, np.inf)])
def test_a_setting_that_cannot_be_is_refused(cycles: int, half_life: float) -> None:
    with pytest.raises(ConfigError, match=r"cycles|half_life"):
        StlResidual(cycles=cycles, half_life=half_life)
