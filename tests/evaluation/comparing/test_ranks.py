import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.comparison import (
    AUC,
    TREES,
    side_by_side,
    slow_friedman,
    slow_groups,
    slow_ranks,
    tie_factor,
)
from scipy.stats import friedmanchisquare

from tocsin.evaluation.comparing.ranks import critical_difference, friedman, groups, rank, ranks_of
from tocsin.pipeline.errors import TocsinError


def test_average_ranks_of_the_published_example():
    found = rank(side_by_side(AUC, TREES))
    ranks = dict(zip(found.detectors, found.ranks, strict=True))
    published = {"C4.5": 3.143, "C4.5+m": 2.000, "C4.5+cf": 2.893, "C4.5+m+cf": 1.964}
    assert ranks == pytest.approx(published, abs=5e-4)
    assert found.detectors[0] == "C4.5+m+cf"


def test_friedman_of_the_published_example():
    # The paper has 9.28 and, in Iman and Davenport's form, 3.69, both without the tie correction.
    found = friedman(ranks_of(AUC))
    plain = found.statistic * tie_factor(AUC)
    assert plain == pytest.approx(9.28, abs=0.005)
    assert 13 * plain / (14 * 3 - plain) == pytest.approx(3.69, abs=0.005)
    assert plain == pytest.approx(slow_friedman(ranks_of(AUC).mean(axis=0), 14))
    assert found.f == pytest.approx(13 * found.statistic / (14 * 3 - found.statistic))


@pytest.mark.parametrize(("alpha", "published"), [(0.05, 1.25), (0.10, 1.12)])
def test_critical_difference_of_the_published_example(alpha, published):
    assert critical_difference(4, 14, alpha) == pytest.approx(published, abs=0.005)


@pytest.mark.parametrize(
    ("detectors", "alpha", "q"),
    [(2, 0.05, 1.960), (3, 0.05, 2.343), (10, 0.05, 3.164), (2, 0.1, 1.645), (10, 0.1, 2.920)],
)
def test_critical_values_are_those_of_the_published_table(detectors, alpha, q):
    unit = np.sqrt(detectors * (detectors + 1) / 6)
    assert critical_difference(detectors, 1, alpha) / unit == pytest.approx(q, abs=1e-3)


def test_nemenyi_of_the_published_example():
    # At 0.10 the paper tells C4.5 from the two with m, and none from C4.5+cf.
    found = rank(side_by_side(AUC, TREES), alpha=0.10)
    assert found.groups == (("C4.5+m+cf", "C4.5+m", "C4.5+cf"), ("C4.5+cf", "C4.5"))


def test_the_test_is_scipys():
    values = np.round(np.random.default_rng(1).random((12, 5)), 1)  # with ties
    found, other = friedman(ranks_of(values)), friedmanchisquare(*values.T)
    assert (found.statistic, found.p) == pytest.approx((other.statistic, other.pvalue))


@given(st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0]), min_size=1, max_size=9))
def test_ranks_are_those_of_the_slow_loop(row):
    assert ranks_of(np.array([row])).tolist() == [slow_ranks(row)]


def test_noise_in_the_last_digit_is_a_tie():
    assert ranks_of(np.array([[0.3, 0.1 + 0.2]])).tolist() == [[1.5, 1.5]]


def test_lower_can_be_better():
    assert ranks_of(np.array([[3.0, 1.0]]), lower_is_better=True).tolist() == [[2.0, 1.0]]


def test_series_that_all_agree_leave_no_doubt():
    found = friedman(ranks_of(np.tile([3.0, 2.0, 1.0], (6, 1))))
    assert (found.statistic, found.f, found.p_f) == (pytest.approx(12.0), np.inf, 0.0)


def test_ties_everywhere_say_nothing():
    found = rank(side_by_side(np.ones((5, 3))))
    assert (found.friedman.p, found.friedman.p_f) == (1.0, 1.0)
    assert found.groups == (("d0", "d1", "d2"),)


def test_without_a_difference_overall_no_pair_is_told_apart():
    values = np.random.default_rng(7).random((8, 4))
    found = rank(side_by_side(values))
    assert found.friedman.p_f >= 0.05
    assert found.groups == (found.detectors,)


def test_chance_alone_is_rejected_as_often_as_alpha_says():
    rng = np.random.default_rng(3)
    rejected = [friedman(ranks_of(rng.random((20, 6)))).p_f < 0.05 for _ in range(1000)]
    assert 0.03 <= np.mean(rejected) <= 0.07


@given(
    st.lists(st.floats(1.0, 9.0), min_size=1, max_size=9).map(sorted),
    st.floats(0.1, 9.0),
)
def test_groups_are_the_largest_runs_within_reach(ranks, distance):
    names = tuple(f"d{i}" for i in range(len(ranks)))
    assert groups(names, tuple(ranks), distance) == slow_groups(names, ranks, distance)


@pytest.mark.parametrize("shape", [(5, 1), (1, 5), (0, 3)])
def test_what_cannot_be_ranked_is_refused(shape):
    with pytest.raises(TocsinError, match=f"found {shape[1]} and {shape[0]}"):
        rank(side_by_side(np.ones(shape)))


def test_alpha_is_a_chance():
    with pytest.raises(TocsinError, match="alpha must lie between 0 and 1"):
        critical_difference(3, 5, alpha=5)
