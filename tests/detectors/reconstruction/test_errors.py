"""Reconstruction errors: each is what its formula says, for every value and every window."""

import numpy as np
import pytest
from oracles.reconstruction_networks import mean_shifted, probabilistic_error

from tocsin.detectors.reconstruction import errors
from tocsin.detectors.reconstruction.errors_mean_shift import banks, shifted

RNG_SEED = 7


def left_of(rows: int = 50, size: int = 4) -> np.ndarray:
    return np.random.default_rng(RNG_SEED).normal(size=(rows, size)) * np.arange(1.0, size + 1)


def test_residuals_are_standardised_by_what_is_usual() -> None:
    left = left_of()
    known = np.ones(left.shape)
    apart = errors.standardised(left, known, errors.usual(left, known))
    np.testing.assert_allclose(apart.mean(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(apart.std(axis=0), 1.0, rtol=1e-12)


def test_a_missing_value_is_no_part_of_what_is_usual() -> None:
    left, known = left_of(), np.ones((50, 4))
    known[10:, 2] = 0.0
    left[10:, 2] = 0.0
    found = errors.usual(left, known)
    assert found.offset[2] == pytest.approx(left[:10, 2].mean())
    assert found.width[2] == pytest.approx(left[:10, 2].std())


def test_log_cosh_is_the_logarithm_of_the_hyperbolic_cosine() -> None:
    left = left_of()
    value, parts = errors.log_cosh(left, np.ones(left.shape))
    np.testing.assert_allclose(parts, np.log(np.cosh(left)), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(value, parts.mean(axis=1))


def test_log_cosh_of_a_huge_residual_is_finite() -> None:
    value, _ = errors.log_cosh(np.array([[1e6]]), np.ones((1, 1)))
    assert value[0] == pytest.approx(1e6 - np.log(2))


def test_the_logarithmic_error_grows_up_to_the_whole_range_and_stays() -> None:
    left = np.array([[0.0], [1.0], [1.99], [2.0], [50.0]])
    value, _ = errors.logarithmic(left, np.array([2.0]), np.ones(left.shape))
    np.testing.assert_allclose(value[:3], -np.log(1 - (left[:3, 0] / 2) ** 2), atol=1e-12)
    assert value[2] < value[3] == value[4] < np.inf


def test_the_probabilistic_error_is_its_two_terms() -> None:
    rng = np.random.default_rng(8)
    left, log = rng.normal(size=(30, 3)), rng.normal(size=(30, 3)) * 6
    terms = errors.Weights(0.7, 0.2)
    value, parts = errors.probabilistic(left, log, np.ones(left.shape), terms)
    wanted = [probabilistic_error(a, b, 0.7, 0.2) for a, b in zip(left.flat, log.flat, strict=True)]
    np.testing.assert_allclose(parts.ravel(), wanted, rtol=1e-12)
    np.testing.assert_allclose(value, parts.mean(axis=1))


def test_with_one_variance_for_all_the_probabilistic_error_ranks_as_the_squared() -> None:
    left = left_of()
    ones = np.ones(left.shape)
    value, _ = errors.probabilistic(left, np.zeros(left.shape), ones, errors.Weights())
    np.testing.assert_array_equal(np.argsort(value), np.argsort((left**2).sum(axis=1)))


def test_no_error_is_negative_and_none_counts_what_is_missing() -> None:
    left, log = left_of(), left_of() * 3
    known = (np.random.default_rng(9).random(left.shape) < 0.6).astype(float)
    left = left * known
    for _, parts in (
        errors.rooted(left, known),
        errors.log_cosh(left, known),
        errors.logarithmic(left, np.ones(4), known),
        errors.probabilistic(left, log, known, errors.Weights()),
    ):
        assert (parts >= 0).all()
        assert (parts[known == 0] == 0).all()


def test_the_mahalanobis_error_is_the_distance_along_the_covariance() -> None:
    apart = left_of() @ np.random.default_rng(10).normal(size=(4, 4))
    precision = errors.precision_of(apart)
    whitener = np.asarray(np.linalg.cholesky(precision), dtype=np.float64)
    value, given = errors.mahalanobis(apart, whitener, precision)
    wanted = np.sqrt(np.einsum("bi,ij,bj->b", apart, precision, apart) / 4)
    np.testing.assert_allclose(value, wanted, rtol=1e-9)
    np.testing.assert_allclose(
        given, np.abs(apart @ precision) / np.sqrt(np.diag(precision)), rtol=1e-9
    )


@pytest.mark.parametrize("rounds", [1, 3])
def test_mean_shift_moves_all_points_at_once(rounds: int) -> None:
    rng = np.random.default_rng(11)
    clean, points = rng.normal(size=(40, 3)), rng.normal(size=(9, 3)) * 2
    found = shifted(points, banks(clean, rounds, 5), 5)
    np.testing.assert_allclose(found, mean_shifted(points, clean, rounds, 5), rtol=1e-12)


def test_no_round_of_mean_shift_leaves_points_alone() -> None:
    points = left_of()
    np.testing.assert_array_equal(shifted(points, banks(points, 0, 5), 5), points)


def test_mean_shift_of_a_point_does_not_depend_on_its_company() -> None:
    points, bank = left_of(), banks(left_of(30), 2, 4)
    alone = np.concatenate([shifted(point[None], bank, 4) for point in points])
    np.testing.assert_array_equal(alone, shifted(points, bank, 4))


def test_empty_places_of_a_bank_are_no_neighbours() -> None:
    bank = np.full((1, 6, 2), np.nan)
    bank[0, :2] = [[0.0, 0.0], [2.0, 2.0]]
    np.testing.assert_array_equal(shifted(np.array([[9.0, 9.0]]), bank, 5), [[1.0, 1.0]])
