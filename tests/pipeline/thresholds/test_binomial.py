"""Tails of binomial and beta distributions, to the digit and in log space."""

from fractions import Fraction
from math import log

import numpy as np
import pytest
from oracles.rejection import at_most

from tocsin.pipeline.thresholds.binomial import (
    beta_quantile,
    log_beta_tails,
    log_binomial_tails,
)


@pytest.mark.parametrize("size", [1, 7, 40, 200])
def test_binomial_tails_equal_exact_sums(size: int) -> None:
    for chance in (Fraction(1, 1000), Fraction(1, 20), Fraction(1, 2), Fraction(97, 100)):
        counts = sorted({0, 1, size // 3, size // 2, size - 1})
        found, more = log_binomial_tails(np.array(counts), size, float(chance))
        for place, count in enumerate(counts):
            below = at_most(count, size, chance)
            assert found[place] == pytest.approx(log(below), rel=1e-9, abs=1e-12)
            if below < 1:
                above = 1 - below
                wanted = log(above.numerator) - log(above.denominator)
                assert more[place] == pytest.approx(wanted, rel=1e-9, abs=1e-12)


def test_tails_far_below_the_smallest_double_keep_their_digits() -> None:
    at_most_, _ = log_binomial_tails(0, 10_000, 0.9)
    assert at_most_[0] == pytest.approx(10_000 * np.log(0.1), rel=1e-12)


def test_counts_beyond_the_ends_are_certain() -> None:
    below, above = log_binomial_tails(np.array([-1.0, -3.5, 10.0, 12.0]), 10, 0.3)
    assert below.tolist() == [-np.inf, -np.inf, 0.0, 0.0]
    assert above.tolist() == [0.0, 0.0, -np.inf, -np.inf]


def test_counts_between_whole_ones_lie_between_their_tails() -> None:
    below, _ = log_binomial_tails(np.array([3.0, 3.5, 4.0]), 20, 0.3)
    assert below[0] < below[1] < below[2]


def test_an_element_does_not_depend_on_the_others() -> None:
    rng = np.random.default_rng(1)
    a, b, x = rng.uniform(0.1, 500, 60), rng.uniform(0.1, 500, 60), rng.random(60)
    whole = log_beta_tails(a, b, x)[0]
    alone = [float(log_beta_tails(*each)[0][0]) for each in zip(a, b, x, strict=True)]
    assert whole.tolist() == alone


def test_a_quantile_is_the_inverse_of_the_tail() -> None:
    a, b = np.array([0.05, 0.5, 3.0, 400.0]), np.array([900.0, 0.5, 7.0, 9000.0])
    for chance in (0.05, 0.95):
        below, _ = log_beta_tails(a, b, beta_quantile(a, b, chance))
        assert np.exp(below) == pytest.approx(np.full(4, chance), rel=1e-8)
