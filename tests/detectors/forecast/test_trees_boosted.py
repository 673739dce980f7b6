"""Boosted trees: what XGBoost grows is kept as arrays that say the same."""

import numpy as np
import pytest
import xgboost
from oracles import forecast_trees as oracle

from tocsin.detectors.forecast.boosted import (
    Growth,
    Sample,
    booster_of,
    contributions,
    first_rounds,
    foretold,
    gridded,
    grow,
)
from tocsin.detectors.forecast.lags import Layout, anchors, covariates_at, own_past
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.types import FloatArray

GROWTH = Growth(rounds=20, depth=3, rate=0.3)


def sample(rows: int = 300, seed: int = 0) -> Sample:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(rows, 5))
    target = features[:, 0] * features[:, 1] + 0.3 * rng.normal(size=rows)
    features[rng.random(features.shape) < 0.1] = np.nan
    return Sample(features, target)


def of_xgboost(raw: bytes, features: FloatArray) -> FloatArray:
    matrix = xgboost.DMatrix(gridded(features), nthread=1)
    return booster_of(raw).predict(matrix).astype(float).reshape(len(features), -1)


@pytest.mark.parametrize("quantiles", [(), (0.1, 0.5, 0.9)])
def test_arrays_say_what_xgboost_says(quantiles: tuple[float, ...]) -> None:
    grown = grow(sample(), GROWTH, None, quantiles)
    other = sample(seed=1).features
    other[0], other[1], other[2] = np.nan, 1e6, -1e6
    found = foretold(grown.trees, other)
    np.testing.assert_allclose(found, of_xgboost(grown.raw, other), atol=1e-5)


def test_the_compiled_walk_is_the_slow_one() -> None:
    trees = grow(sample(), GROWTH, None, (0.1, 0.5)).trees
    other = sample(40, seed=2).features
    slow = [[oracle.said(trees, row, output) for output in (0, 1)] for row in other]
    assert foretold(trees, other).tolist() == slow


def test_the_same_rows_grow_the_same_trees_to_the_bit() -> None:
    first, again = grow(sample(), GROWTH), grow(sample(), GROWTH)
    assert first.raw == again.raw
    assert first.trees.numbers.tobytes() == again.trees.numbers.tobytes()


@pytest.mark.parametrize("quantiles", [(), (0.1, 0.5, 0.9)])
def test_the_loss_is_positive_and_falls_in_the_first_rounds(quantiles: tuple[float, ...]) -> None:
    grown = grow(sample(), GROWTH, sample(seed=1), quantiles)
    for loss in (grown.loss, grown.held):
        assert len(loss) == 20
        assert (loss > 0).all()
    assert (np.diff(grown.loss[:8]) < 0).all()
    assert grown.held[5] < grown.held[0]


def test_rounding_of_the_input_does_not_change_the_side_of_a_known_row() -> None:
    known = sample()
    trees = grow(known, GROWTH).trees
    exact = gridded(known.features).astype(float)
    for factor in (1 - 1e-7, 1 + 1e-7):
        assert foretold(trees, exact * factor).tolist() == foretold(trees, exact).tolist()


def test_fewer_rounds_are_the_first_ones() -> None:
    whole = grow(sample(), GROWTH)
    few = grow(sample(), Growth(rounds=7, depth=3, rate=0.3))
    asked = sample(seed=1).features
    cut = foretold(first_rounds(whole.trees, 7), asked)
    assert cut.tobytes() == foretold(few.trees, asked).tobytes()


def test_outer_quantiles_hold_their_share() -> None:
    rng = np.random.default_rng(0)
    level = rng.uniform(-2, 2, 2000)
    target = level + (1 + (level > 0)) * rng.normal(size=2000)
    growth = Growth(rounds=60, depth=2, rate=0.2, fewest=20)
    trees = grow(Sample(level[:1000, None], target[:1000]), growth, None, (0.1, 0.5, 0.9)).trees
    told = foretold(trees, level[1000:, None])
    inside = (target[1000:] >= told[:, 0]) & (target[1000:] <= told[:, 2])
    assert 0.72 < inside.mean() < 0.86
    assert np.mean((told[:, 2] - told[:, 0])[level[1000:] > 0.3]) > 1.5 * np.mean(
        (told[:, 2] - told[:, 0])[level[1000:] < -0.3]
    )


def test_contributions_add_up_to_the_answer() -> None:
    grown = grow(sample(), GROWTH)
    asked = sample(seed=1).features
    total = contributions(grown.raw, asked).sum(axis=1)
    np.testing.assert_allclose(total, foretold(grown.trees, asked)[:, 0], atol=1e-4)


@pytest.mark.parametrize(
    "settings", [{"rounds": 0}, {"depth": 0}, {"rate": 0.0}, {"fewest": -1.0}, {"bins": 1}]
)
def test_growth_out_of_range_is_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(settings))} must be"):
        Growth(**settings)  # type: ignore[arg-type]  # of the wrong size, not of the wrong type


@pytest.mark.parametrize("horizon", [1, 4])
def test_features_are_those_of_the_slow_oracle(horizon: int) -> None:
    layout = Layout((1, 3, 7), (2, 6), (0,))
    rng = np.random.default_rng(0)
    windows = rng.normal(size=(30, layout.frames(horizon) + 2, 2))
    windows[rng.random(windows.shape) < 0.4] = np.nan
    found = own_past(windows, layout, horizon)
    slow = [
        [oracle.own_past(windows[b, :, c], layout, horizon) for c in range(2)] for b in range(30)
    ]
    np.testing.assert_allclose(found, slow, rtol=1e-12)


def test_features_read_nothing_inside_the_horizon() -> None:
    layout, rng = Layout((1, 2), (3,), (0,)), np.random.default_rng(0)
    windows = rng.normal(size=(5, layout.frames(4), 1))
    before = own_past(windows, layout, 4), anchors(windows, layout, 4)
    windows[:, -4:] = rng.normal(size=(5, 4, 1))
    assert own_past(windows, layout, 4).tobytes() == before[0].tobytes()
    assert anchors(windows, layout, 4).tobytes() == before[1].tobytes()


def test_covariates_are_read_at_their_lags() -> None:
    windows = np.arange(12.0).reshape(1, 6, 2)
    found = covariates_at(windows, Layout((1,), (), (0, 2)))
    assert found.tolist() == [[10.0, 11.0, 6.0, 7.0]]
