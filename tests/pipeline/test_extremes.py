"""The tail beyond the largest score agrees with laws whose tail is known."""

import numpy as np
import pytest
from scipy import stats

from tocsin.pipeline.extremes import SMALLEST, pareto_tail

SIZE = 1000


def typical(shape: float, truth: float) -> float:
    """The middle of the tails that samples of a law give to the score whose tail is `truth`."""
    law = stats.genpareto(shape, scale=3.0)
    score = float(law.isf(truth))
    found = []
    for seed in range(200):
        history = law.rvs(SIZE, random_state=seed)
        above = int((history >= score).sum())
        found.append((1 + above) / (1 + SIZE) if above else pareto_tail(history, score))
    return float(np.median(found))


@pytest.mark.parametrize("truth", [5e-4, 1e-4, 1e-5])
@pytest.mark.parametrize("shape", [0.0, 0.2, 0.4])
def test_the_typical_tail_is_within_a_factor_of_the_truth(shape: float, truth: float) -> None:
    assert truth / 3 < typical(shape, truth) < truth * 3


@pytest.mark.parametrize("shape", [0.0, 0.2, 0.4])
def test_new_rows_pass_a_small_level_about_as_often_as_it_says(shape: float) -> None:
    law = stats.genpareto(shape, scale=3.0)
    level, passed = 2e-4, []
    for seed in range(60):
        history = law.rvs(SIZE, random_state=seed)
        ladder = np.geomspace(float(history.max()), 1e4, 200)
        tails = np.array([pareto_tail(history, float(score)) for score in ladder])
        passed.append(law.sf(ladder[np.argmax(tails < level)]))
    assert level / 3 < np.mean(passed) < level * 3


def test_the_tail_of_a_known_fit_is_that_of_the_law() -> None:
    law = stats.genpareto(0.2, scale=2.0)
    history = law.isf(np.arange(1, 100_001) / 100_001)
    score = float(law.isf(1e-6))
    assert pareto_tail(history, score) == pytest.approx(1e-6, rel=0.2)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_units_do_not_matter(scale: float) -> None:
    history = np.random.default_rng(0).exponential(size=SIZE)
    wanted = pareto_tail(history, 15.0)
    assert pareto_tail(7.0 + scale * history, 7.0 + scale * 15.0) == pytest.approx(wanted, rel=1e-6)


def test_the_tail_falls_as_the_score_rises() -> None:
    history = np.random.default_rng(1).gamma(2.0, size=300)
    ladder = history.max() * np.linspace(1.0001, 30.0, 200)
    tails = [pareto_tail(history, float(score)) for score in ladder]
    assert (np.diff(tails) <= 0).all()
    assert tails[-1] < tails[0]


@pytest.mark.parametrize("seed", range(20))
def test_the_tail_is_never_above_one_in_n_plus_one(seed: int) -> None:
    history = np.random.default_rng(seed).standard_t(3, 200)
    assert 0 < pareto_tail(history, float(history.max()) + 1e-9) <= 1 / 201


def test_the_order_of_the_history_does_not_matter() -> None:
    rng = np.random.default_rng(2)
    history = rng.exponential(size=500)
    assert pareto_tail(rng.permutation(history), 20.0) == pareto_tail(history, 20.0)


def test_missing_scores_of_the_history_are_passed_over() -> None:
    history = np.random.default_rng(3).exponential(size=500)
    with_gaps = np.concatenate((history, np.full(300, np.nan)))
    assert pareto_tail(with_gaps, 20.0) == pareto_tail(history, 20.0)


def test_no_history_supports_less_than_the_smallest() -> None:
    history = np.random.default_rng(4).uniform(size=1000)
    assert pareto_tail(history, 1e9) == SMALLEST
    assert pareto_tail(history, np.inf) == SMALLEST


@pytest.mark.parametrize("size", [1, 5, 20])
def test_a_short_history_gives_one_in_n_plus_one(size: int) -> None:
    assert pareto_tail(np.arange(float(size)), 1e9) == 1 / (size + 1)


def test_highest_scores_without_a_spread_give_one_in_n_plus_one() -> None:
    history = np.concatenate((np.linspace(0, 1, 900), np.full(100, 5.0)))
    assert pareto_tail(history, 6.0) == 1 / 1001


def test_a_tail_that_falls_quicker_than_any_power_is_taken_as_exponential() -> None:
    history = np.random.default_rng(5).uniform(size=1000)
    top = np.sort(history)[-51:]
    score = float(top[-1]) + 0.2
    wanted = np.exp(-(score - top[0]) / (top[1:] - top[0]).mean()) * 50 / 1000
    assert pareto_tail(history, score) == pytest.approx(wanted)


def test_a_law_without_a_mean_is_kept_to_one_that_has_it() -> None:
    history = stats.genpareto(1.5).rvs(1000, random_state=0)
    score = float(history.max()) * 100
    assert 0 < pareto_tail(history, score) < 1 / 1001


@pytest.mark.parametrize("score", [1e300, 1.7e308])
def test_a_huge_score_after_a_tiny_spread_is_taken_quietly(score: float) -> None:
    history = np.random.default_rng(6).exponential(size=500) * 1e-20
    assert pareto_tail(history, score) == SMALLEST


def test_a_history_as_wide_as_numbers_go_is_taken_quietly() -> None:
    history = 1.7e308 * np.random.default_rng(7).uniform(-1, 1, size=500)
    assert 0 < pareto_tail(history, 1.79e308) <= 1 / 501
