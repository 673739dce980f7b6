"""The two-sample test is its definition, is calibrated, and says where the batch differs."""

import numpy as np
import pytest
from oracles import nplm as oracle
from scipy.stats import chi2, kstest

from tocsin.detectors.events.kernel_logistic import KernelTest
from tocsin.detectors.events.nplm import freedom, toy, two_sample
from tocsin.pipeline.errors import ConfigError, TocsinError
from tocsin.pipeline.types import FloatArray


def noise(rows: int, seed: int, channels: int = 2) -> FloatArray:
    return np.random.default_rng(seed).normal(size=(rows, channels))


@pytest.mark.parametrize(("width", "penalty"), [(1.0, 0.1), (2.5, 0.01)])
def test_with_all_rows_as_centres_it_is_dense_kernel_logistic_regression(
    width: float, penalty: float
) -> None:
    reference, batch = noise(50, 0), noise(20, 1) + 0.7
    test = KernelTest(centres=200, penalty=penalty)
    # Half of the centres would be reference rows: all 50 of them, and all 20 of the batch.
    found = test.statistics(reference, batch, np.array([width]))
    assert len(found.centres) == 70
    statistic, ratio = oracle.fitted(reference, batch, width, penalty)
    np.testing.assert_allclose(found.statistic[0], statistic, rtol=1e-6)
    seen = np.concatenate((found.at(batch, 0), found.at(reference, 0)))
    np.testing.assert_allclose(seen, ratio, atol=1e-5)


def test_few_centres_come_close_to_all_of_them() -> None:
    reference, batch = noise(200, 2), noise(40, 3) + 0.7
    few, all_rows = (
        KernelTest(centres=centres).statistics(reference, batch, np.array([2.5])).statistic[0]
        for centres in (32, 500)
    )
    np.testing.assert_allclose(few, all_rows, rtol=0.02)


def test_a_batch_that_is_the_reference_differs_nowhere() -> None:
    reference = noise(40, 4)
    found = KernelTest(centres=80).statistics(reference, reference.copy(), np.array([1.0]))
    np.testing.assert_allclose(found.statistic, 0.0, atol=1e-9)
    np.testing.assert_allclose(found.at(reference, 0), 0.0, atol=1e-9)


def test_statistics_under_no_difference_follow_the_fitted_chi_square() -> None:
    """The one-dimensional exponential of the method's authors."""
    rng = np.random.default_rng(5)
    test, width = KernelTest(centres=16, penalty=0.1), np.array([1.5])
    drawn = [
        test.statistics(rng.exponential(size=(200, 1)), rng.exponential(size=(40, 1)), width)
        for _ in range(160)
    ]
    statistics = np.array([each.statistic[0] for each in drawn])
    degrees = freedom(statistics[:80])
    assert kstest(statistics[80:], chi2(degrees).cdf).pvalue > 0.05


def test_freedom_is_that_of_the_law_the_values_are_drawn_from() -> None:
    values = np.random.default_rng(6).chisquare(7.0, size=2000)
    assert abs(freedom(values) - 7.0) < 0.3


def test_p_values_of_no_difference_are_uniform() -> None:
    test = KernelTest(centres=8, percentiles=(50.0,))
    found = [
        two_sample(noise(120, 100 + i), noise(15, 300 + i), test=test, toys=39) for i in range(60)
    ]
    p_values = np.array([each.p_value for each in found])
    tails = np.array([each.tail for each in found])
    for level in (0.1, 0.5, 0.9):
        assert abs((p_values <= level).mean() - level) < 0.15
        assert abs((tails <= level).mean() - level) < 0.2


@pytest.mark.parametrize("kind", ["shift", "spread", "relation", "hole"])
def test_a_batch_that_differs_is_told(kind: str) -> None:
    rng = np.random.default_rng(7)
    rows = rng.normal(size=(240, 1)) + 0.5 * rng.normal(size=(240, 2))
    reference, batch = rows[:200], rows[200:]
    if kind == "shift":
        batch = batch + np.array([1.5, 0.0])
    elif kind == "spread":
        batch = batch * 2.0
    elif kind == "relation":
        batch = batch * [1.0, -1.0]
    else:
        batch = batch / np.abs(batch).max(axis=1, keepdims=True) * 1.3
    found = two_sample(reference, batch, toys=40)
    assert found.p_value == 1 / 41
    assert found.tail < 0.001


def test_the_log_ratio_says_where_the_batch_is_too_dense() -> None:
    reference, batch = noise(200, 8), noise(40, 9)
    batch[:10] = [3.0, 3.0] + 0.1 * batch[:10]
    found = two_sample(reference, batch, toys=20)
    assert found.log_ratio[:10].min() > found.log_ratio[10:].max()


def test_rows_that_lack_a_value_are_left_out() -> None:
    reference, batch = noise(100, 10), noise(20, 11)
    plain = two_sample(reference, batch, toys=5)
    holed = np.insert(batch, 4, [1.0, np.nan], axis=0)
    found = two_sample(reference, holed, toys=5)
    assert found.statistic.tolist() == plain.statistic.tolist()
    assert np.flatnonzero(np.isnan(found.log_ratio)).tolist() == [4]


def test_units_do_not_matter() -> None:
    reference, batch = noise(100, 12), noise(20, 13) + 0.5
    unit, zero = np.array([1e-6, 1e6]), np.array([3.0, -1e7])
    plain = two_sample(reference, batch, toys=5)
    other = two_sample(reference * unit + zero, batch * unit + zero, toys=5)
    np.testing.assert_allclose(other.statistic, plain.statistic, rtol=1e-6)


def test_a_toy_is_not_held_against_itself() -> None:
    rows = noise(60, 14)
    rows[20:30] += 5.0
    test, width = KernelTest(centres=16), np.array([2.0])
    assert toy(rows, 20, 10, test, width)[0] > 2 * toy(rows, 40, 10, test, width)[0]


def test_what_cannot_be_tested_is_refused() -> None:
    with pytest.raises(TocsinError, match="twice its length"):
        two_sample(noise(30, 0), noise(20, 1))
    with pytest.raises(TocsinError, match=r"\(N, C\) and \(n, C\)"):
        two_sample(noise(30, 0), noise(5, 1, channels=3))
    with pytest.raises(ConfigError, match="penalty"):
        KernelTest(penalty=0.0)
    with pytest.raises(ConfigError, match="percentiles"):
        KernelTest(percentiles=())
