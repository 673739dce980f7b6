"""Each length has the Box-Cox transformation of highest likelihood; short ones borrow paths."""

import numpy as np
import pytest
from scipy.stats import boxcox_normmax, kstest

from tocsin.detectors.events.lengths import best_power, normaliser
from tocsin.pipeline.types import FloatArray, IntArray

LENGTHS = (2, 5, 9)


def paths(rows: int, seed: int) -> tuple[FloatArray, IntArray]:
    """Strangeness of so many paths of each length, a sum of skewed steps."""
    rng = np.random.default_rng(seed)
    length = np.repeat(LENGTHS, rows)
    return rng.gamma(2.0 * length, 0.7)[:, None], length[:, None]


@pytest.mark.parametrize("shape", [1.0, 4.0, 50.0])
def test_the_power_is_the_one_that_scipy_finds(shape: float) -> None:
    values = np.random.default_rng(0).gamma(shape, size=500)
    wanted = float(boxcox_normmax(values, method="mle"))
    assert 0.0 < wanted < 2.0
    np.testing.assert_allclose(best_power(values), wanted, atol=1e-3)


def test_powers_stay_where_the_transformation_has_no_ceiling() -> None:
    values = 1.0 / np.random.default_rng(1).gamma(3.0, size=500)
    assert float(boxcox_normmax(values, method="mle")) < -0.1
    assert 0.0 <= best_power(values) < 0.01


def test_normalised_paths_of_different_lengths_have_one_law() -> None:
    usual = normaliser(*paths(2000, 2), longest=9)
    strangeness, length = paths(400, 3)
    score = usual.normalised(strangeness, length)[:, 0]
    parts = [score[length[:, 0] == one] for one in LENGTHS]
    for other in parts[1:]:
        assert kstest(parts[0], other).pvalue > 0.05


def test_a_length_that_was_never_seen_borrows_from_its_neighbours() -> None:
    usual = normaliser(*paths(500, 4), longest=12)
    length = np.array([[3], [6], [12]])
    score = usual.normalised(2.0 * 0.7 * length, length)
    assert np.abs(score).max() < 1.0
    twice = usual.normalised(2 * 2.0 * 0.7 * length, length)
    assert twice.min() > 1.5


def test_higher_strangeness_of_a_length_is_a_higher_score() -> None:
    usual = normaliser(*paths(300, 5), longest=9)
    rising = np.linspace(0.01, 100.0, 200)[:, None]
    for length in LENGTHS:
        score = usual.normalised(rising, np.full(rising.shape, length))
        assert (np.diff(score[:, 0]) > 0).all()


def test_a_path_without_visits_has_no_score() -> None:
    usual = normaliser(*paths(300, 6), longest=9)
    assert np.isnan(usual.normalised(np.zeros((1, 1)), np.zeros((1, 1), dtype=np.int64))).all()


def test_paths_that_are_all_alike_are_at_zero_and_others_a_unit_for_each_nat() -> None:
    alike, length = np.full((50, 1), 3.0), np.full((50, 1), 4)
    usual = normaliser(alike, length, longest=4)
    score = usual.normalised(np.array([[3.0], [5.0]]), length[:2])
    np.testing.assert_allclose(score[:, 0], [0.0, 2.0])
