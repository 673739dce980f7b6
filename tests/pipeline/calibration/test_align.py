"""Scores of different detectors on one scale, their order kept."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from tocsin.pipeline.calibration.align import box_cox, box_cox_power, ranks, standardise
from tocsin.pipeline.errors import TocsinError
from tocsin.pipeline.types import FloatArray

RNG = np.random.default_rng(1)
SKEWED = RNG.lognormal(0.0, 0.8, 500)
ALL = [standardise, box_cox, ranks]


@pytest.mark.parametrize("align", ALL)
def test_the_order_is_kept(align: Callable[[FloatArray, FloatArray], FloatArray]) -> None:
    ladder = np.concatenate(([-np.inf], np.linspace(-3, 20, 300), [np.inf]))
    assert (np.diff(align(SKEWED, ladder)[1:-1]) >= 0).all()
    assert np.isnan(align(SKEWED, np.array([np.nan]))).all()


@pytest.mark.parametrize("align", ALL)
def test_units_do_not_matter(align: Callable[[FloatArray, FloatArray], FloatArray]) -> None:
    value = np.linspace(0.1, 9.0, 50)
    there = align(SKEWED * 7.0 + 3.0, value * 7.0 + 3.0)
    np.testing.assert_allclose(there, align(SKEWED, value), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("align", ALL)
def test_a_reference_of_nothing_is_refused(
    align: Callable[[FloatArray, FloatArray], FloatArray],
) -> None:
    with pytest.raises(TocsinError, match="found none"):
        align(np.array([np.nan, np.inf]), np.array([1.0]))


def test_the_power_is_that_of_largest_likelihood() -> None:
    for shape in (0.5, 2.0, 9.0):
        positive = np.random.default_rng(2).gamma(shape, size=400)
        wanted = stats.boxcox_normmax(positive, method="mle")
        assert box_cox_power(positive) == pytest.approx(float(wanted), abs=0.0101)


def test_after_a_power_transform_a_skewed_reference_is_nearly_normal() -> None:
    moved = box_cox(SKEWED, SKEWED)
    assert stats.skew(SKEWED) > 1.0
    assert abs(stats.skew(moved)) < 0.25
    assert moved.mean() == pytest.approx(0.0, abs=1e-9)
    assert moved.std() == pytest.approx(1.0)


def test_a_power_transform_needs_spread() -> None:
    with pytest.raises(TocsinError, match="that differ"):
        box_cox(np.ones(5), np.ones(1))


def test_outliers_do_not_move_the_standard() -> None:
    calm = RNG.normal(size=1000)
    spiked = np.concatenate((calm, np.full(20, 1e6)))
    assert standardise(spiked, np.array([2.0]))[0] == pytest.approx(2.0, abs=0.3)


def test_a_flat_reference_tells_only_equal_from_not() -> None:
    found = standardise(np.zeros(9), np.array([0.0, 1.0, -1.0, np.nan]))
    np.testing.assert_array_equal(found, [0.0, np.inf, -np.inf, np.nan])
    nearly = np.append(np.zeros(9), 1.0)
    assert np.isfinite(standardise(nearly, np.array([1.0]))).all()


def test_ranks_are_mid_ranks() -> None:
    value = np.array([-9.0, 1.0, 2.0, 9.0])
    reference = np.array([1.0, 1.0, 2.0, 3.0])
    wanted = [stats.percentileofscore(reference, one, kind="mean") / 100 for one in value]
    np.testing.assert_allclose(ranks(reference, value), wanted)
