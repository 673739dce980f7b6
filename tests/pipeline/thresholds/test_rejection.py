"""Decisions that hang on which calibration scores were drawn."""

from fractions import Fraction

import numpy as np
import pytest
from oracles.rejection import unsure

from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.thresholds.rejection import rejects


@pytest.mark.parametrize("certainty", [0.6, 0.9, 0.99])
def test_whole_counts_are_decided_as_by_exact_sums(certainty: float) -> None:
    size, needed = 99, 4  # alpha x (size + 1) = 5
    above = np.arange(0, 60)
    tail = (1 + above) / (size + 1)
    found = rejects(tail, np.full(60, 0.05), np.full(60, size), certainty)
    exact = [unsure(int(k), size, needed, Fraction(str(certainty))) for k in above]
    assert found.tolist() == exact
    assert 0 < found.sum() < 60


def test_only_rows_near_the_level_are_unsure() -> None:
    tail = np.array([1e-12, 0.0005, 0.0009, 0.0011, 0.002, 0.01, 0.5])
    found = rejects(tail, np.full(7, 0.001), np.full(7, 20_000), 0.9)
    assert found.tolist() == [False, False, True, True, False, False, False]


def test_more_calibration_scores_leave_fewer_rows_unsure() -> None:
    tail = np.geomspace(1e-5, 0.5, 400)
    shares = [
        rejects(tail, np.full(400, 0.01), np.full(400, size), 0.9).mean()
        for size in (100, 1000, 10_000)
    ]
    assert shares[0] > 1.5 * shares[1] > 2 * shares[2] > 0


def test_more_certainty_leaves_more_rows_unsure() -> None:
    tail = np.geomspace(1e-5, 0.5, 400)
    counts = [
        rejects(tail, np.full(400, 0.01), np.full(400, 500), certainty)
        for certainty in (0.6, 0.9, 0.999)
    ]
    assert not (counts[0] & ~counts[1]).any()
    assert not (counts[1] & ~counts[2]).any()
    assert counts[0].sum() < counts[1].sum() < counts[2].sum()


def test_a_redrawn_calibration_decides_otherwise_as_often_as_promised() -> None:
    rng = np.random.default_rng(3)
    size, alpha, certainty = 400, 0.02, 0.9
    scores = rng.normal(size=size)
    judged = np.linspace(1.0, 3.5, 60)

    def tails(history: np.ndarray) -> np.ndarray:
        return (1 + (history[:, None] >= judged).sum(axis=0)) / (1 + size)

    first = tails(scores)
    found = rejects(first, np.full(60, alpha), np.full(60, size), certainty)
    draws = [tails(rng.choice(scores, size)) < alpha for _ in range(2000)]
    other = np.mean(np.array(draws) != (first < alpha), axis=0)
    assert other[~found].max() < 2 * (1 - certainty)
    assert other[found].min() > 0.02


def test_missing_tails_levels_and_sizes_are_no_matter_of_certainty() -> None:
    found = rejects(
        np.array([np.nan, 0.01, 0.01]), np.array([0.01, np.nan, 0.01]), np.array([99, 99, 0]), 0.9
    )
    assert not found.any()


def test_a_row_does_not_depend_on_its_batch() -> None:
    rng = np.random.default_rng(4)
    tail, alpha = 10 ** rng.uniform(-6, 0, 300), 10 ** rng.uniform(-4, -1, 300)
    size = rng.integers(10, 3000, 300)
    whole = rejects(tail, alpha, size, 0.95)
    alone = [bool(rejects(tail[[row]], alpha[[row]], size[[row]], 0.95)[0]) for row in range(300)]
    assert whole.tolist() == alone


@pytest.mark.parametrize("certainty", [0.5, 1.0, 0.2])
def test_a_certainty_lies_between_a_half_and_one(certainty: float) -> None:
    with pytest.raises(ConfigError, match=r"between 0\.5 and 1"):
        rejects(np.array([0.1]), np.array([0.1]), np.array([9]), certainty)
