"""Veracity scores: the published numbers, the audit of a table, and the detector made of them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from oracles import forecast_veracity as oracle

from tocsin.detectors.forecast.cross_check import CrossCheck
from tocsin.detectors.forecast.veracity import (
    Auditor,
    blocks,
    label_quality,
    least_squares,
    neighbour_quality,
    residual_quality,
)
from tocsin.detectors.scaling import scaled
from tocsin.detectors.trained import training_windows
from tocsin.evaluation.conformance import Subject, cases
from tocsin.pipeline.errors import ConfigError, TocsinError
from tocsin.pipeline.types import FloatArray, Spec

SMALL = CrossCheck(train=60, memory=200, lags=2)


def table(rows: int = 240, seed: int = 0) -> tuple[FloatArray, FloatArray]:
    """Readings (N,), and features (N, 2) that tell them but for a little noise."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(rows, 2))
    return features @ [1.0, -2.0] + 4.0 + 0.2 * rng.normal(size=rows), features


def plant(rows: int, seed: int = 0) -> FloatArray:
    """Four channels (N, 4) that move together, in different units."""
    rng = np.random.default_rng(seed)
    common = np.cumsum(rng.normal(size=rows)) * 0.3
    return (common[:, None] + 0.1 * rng.normal(size=(rows, 4))) * [1.0, 20.0, 0.1, 5.0]


def test_quality_is_that_of_the_published_package() -> None:
    found = label_quality(oracle.READINGS, oracle.FORECAST, oracle.UNSURE, oracle.NOISE)
    np.testing.assert_allclose(found, oracle.QUALITY, atol=1e-8)


@pytest.mark.parametrize("rows", [20, 21])
def test_quality_is_that_of_the_formula(rows: int) -> None:
    rng = np.random.default_rng(rows)
    given = rng.normal(size=rows), rng.normal(size=rows), rng.uniform(size=rows), 0.3
    np.testing.assert_allclose(label_quality(*given), oracle.quality(*given), rtol=1e-12)


def test_a_missing_reading_has_no_quality_and_changes_no_other() -> None:
    readings = oracle.READINGS.copy()
    readings[0] = np.nan
    given = (oracle.FORECAST, oracle.UNSURE)
    found = label_quality(readings, *given, oracle.NOISE)
    rest = label_quality(readings[1:], given[0][1:], given[1][1:], oracle.NOISE)
    assert np.isnan(found[0])
    assert found[1:].tolist() == rest.tolist()


def test_where_most_readings_are_exact_the_others_are_untrue() -> None:
    found = label_quality(np.array([1.0, 1.0, 1.0, 2.0]), np.ones(4), np.zeros(4), 0.0)
    assert found.tolist() == [1.0, 1.0, 1.0, 0.0]


def test_the_simple_scores_are_those_of_the_published_package() -> None:
    np.testing.assert_allclose(residual_quality(*oracle.PAIRS), oracle.RESIDUAL_QUALITY, atol=1e-8)
    np.testing.assert_allclose(
        neighbour_quality(*oracle.PAIRS), oracle.NEIGHBOUR_QUALITY, atol=1e-7
    )


@pytest.mark.parametrize("seed", range(4))
def test_planted_errors_have_the_lowest_quality(seed: int) -> None:
    readings, features = table(seed=seed)
    wrong = np.random.default_rng(seed).choice(240, 12, replace=False)
    readings[wrong] += np.resize([2.5, -2.5], 12)
    found = Auditor(purge=2).audit(readings, features)
    assert set(np.argsort(found.quality)[:12]) == set(wrong)


def test_the_share_left_out_is_one_that_makes_the_forecasts_better() -> None:
    readings, features = table(60)
    wrong = [5, 17, 40]
    readings[wrong] += [30.0, -30.0, 25.0]
    found = Auditor().audit(readings, features)
    first = np.empty(len(readings))
    for asked, fitted in blocks(len(readings), 5):
        first[asked] = least_squares(features[fitted], readings[fitted], features[asked])
    assert found.share > 0
    assert ((readings - found.forecast) ** 2).sum() < ((readings - first) ** 2).sum()
    assert found.wrong.sum() == np.ceil(found.share * len(readings))
    assert found.wrong[wrong].all()


def test_rows_with_missing_numbers_are_left_out() -> None:
    readings, features = table()
    readings[7], features[20, 1] = np.nan, np.inf
    found = Auditor().audit(readings, features)
    assert np.flatnonzero(np.isnan(found.quality)).tolist() == [7, 20]
    assert not found.wrong[[7, 20]].any()


def test_units_leave_the_quality_alone() -> None:
    readings, features = table()
    plain = Auditor().audit(readings, features).quality
    other = Auditor().audit(1e6 * readings - 3e6, features * [1e-4, 1e3]).quality
    np.testing.assert_allclose(other, plain, rtol=1e-5)


def test_another_seed_draws_other_halves() -> None:
    readings, features = table()
    one, two, again = (Auditor(seed=seed).audit(readings, features).unsure for seed in (0, 1, 0))
    assert one.tolist() == again.tolist() != two.tolist()


@pytest.mark.parametrize("purge", [0, 3])
def test_no_model_sees_the_rows_near_those_it_is_asked_about(purge: int) -> None:
    asked_of_all = np.zeros(50, dtype=int)
    for asked, fitted in blocks(50, 4, purge):
        asked_of_all += asked
        apart = np.abs(np.flatnonzero(asked)[:, None] - np.flatnonzero(fitted))
        assert apart.min() == purge + 1
    assert (asked_of_all == 1).all()


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(TocsinError, match="needs 20 complete rows; found 12"):
        Auditor().audit(*table(12))


@pytest.mark.parametrize("check", cases([Subject(SMALL, Spec((3,), window=4))]))
def test_cross_check_keeps_the_promise(check: Callable[[], None]) -> None:
    check()


def test_cross_check_scores_are_those_of_the_slow_version() -> None:
    rows = plant(150)
    model = SMALL.model(rows)
    assert model is not None
    windows = training_windows(rows[:30], 3)
    value, blame = SMALL.measure(model, windows)
    wanted = [oracle.cross_check(model, scaled(window, model.scale)) for window in windows]
    np.testing.assert_allclose(blame[:, -1], wanted, rtol=1e-9)
    assert value.tolist() == blame[:, -1].max(axis=1).tolist()


def test_the_contradicted_channel_has_the_blame_however_all_move() -> None:
    rows = plant(600)
    model = SMALL.model(rows[:400])
    windows = training_windows(rows[400:], 3)
    windows[100, -1, 2] += 0.1  # a tenth of what the channel moves by itself
    value, blame = SMALL.measure(model, windows)
    assert value.argmax() == 100
    assert blame[100, -1].argmax() == 2


def test_fewer_rows_of_training_make_the_check_less_sure() -> None:
    rows = plant(1000)
    windows = training_windows(rows[-200:], 3)
    unsure = []
    for first in (940, 0):
        model = SMALL.model(rows[first:])
        assert model is not None
        unsure.append(np.std(model.weights[1:], axis=0).mean())
    assert unsure[0] > 2 * unsure[1]
    assert np.isfinite(SMALL.measure(SMALL.model(rows[:60]), windows)[0]).all()


def test_what_follows_a_row_leaves_its_score_alone() -> None:
    rows = plant(200)
    model = SMALL.model(rows[:100])
    other = rows.copy()
    other[150:] *= 7.0
    found = [SMALL.measure(model, training_windows(each, 3))[0][:148] for each in (rows, other)]
    assert found[0].tobytes() == found[1].tobytes()


@pytest.mark.parametrize(
    ("make", "setting"),
    [
        (lambda: replace(SMALL, lags=0), "lags"),
        (lambda: replace(SMALL, folds=1), "folds"),
        (lambda: replace(SMALL, ridge=0.0), "ridge"),
        (lambda: Auditor(folds=1), "folds"),
        (lambda: Auditor(purge=-1), "purge"),
        (lambda: Auditor(draws=0), "draws"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(make: Callable[[], Any], setting: str) -> None:
    with pytest.raises(ConfigError, match=setting):
        make()
