import numpy as np
import pytest
from oracles.comparison import side_by_side, slow_interval, slow_macro_mean

from tocsin.evaluation.comparing.averages import averages
from tocsin.evaluation.comparing.bootstrap import Bootstrap, interval, macro_means
from tocsin.pipeline.errors import TocsinError


def drawn(rng, sizes, detectors=1):
    group = np.repeat(np.arange(len(sizes)), sizes)
    return rng.random((len(group), detectors)), group


@pytest.mark.parametrize("sizes", [(1,), (5,), (1, 1), (4, 34, 1, 3)])
def test_macro_means_are_those_of_the_slow_loop(sizes):
    values, group = drawn(np.random.default_rng(1), sizes, detectors=3)
    slow = [slow_macro_mean(list(zip(group.tolist(), column, strict=True))) for column in values.T]
    np.testing.assert_allclose(macro_means(values, group), slow, rtol=1e-12)


def test_the_interval_is_that_of_the_slow_loop_within_chance():
    values, group = drawn(np.random.default_rng(2), (9, 30))
    rows = list(zip(group.tolist(), values[:, 0].tolist(), strict=True))
    slow = slow_interval(rows, 1500, 0.9, np.random.default_rng(3))
    fast = np.ravel(interval(values, group, Bootstrap(draws=20_000, level=0.9)))
    np.testing.assert_allclose(fast, slow, atol=0.006)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(4)
    covered = 0
    for seed in range(300):
        values = np.concatenate([rng.beta(2, 5, 20), rng.beta(5, 2, 40)])[:, np.newaxis]
        group = np.repeat([0, 1], [20, 40])
        low, high = interval(values, group, Bootstrap(draws=400, seed=seed))
        covered += bool(low[0] <= (2 / 7 + 5 / 7) / 2 <= high[0])
    assert 0.91 <= covered / 300 <= 0.97


def test_the_same_seed_gives_the_same_interval_and_another_one_another():
    values, group = drawn(np.random.default_rng(5), (6, 7))
    first, again = (interval(values, group, Bootstrap(seed=1)) for _ in range(2))
    other = interval(values, group, Bootstrap(seed=2))
    assert first == again
    assert first != other


def test_a_detector_has_the_interval_it_has_alone():
    values, group = drawn(np.random.default_rng(6), (6, 7), detectors=4)
    together = interval(values, group)
    alone = interval(values[:, [2]], group)
    np.testing.assert_allclose([end[2] for end in together], np.ravel(alone), rtol=1e-12)


def test_data_sets_of_one_series_move_nothing():
    values, group = drawn(np.random.default_rng(7), (1, 1, 1))
    low, high = interval(values, group)
    np.testing.assert_allclose(low, macro_means(values, group))
    np.testing.assert_allclose(high, macro_means(values, group))


def test_without_series_there_is_no_opinion():
    nothing, group = np.empty((0, 2)), np.empty(0, dtype=np.int64)
    assert np.isnan(macro_means(nothing, group)).all()
    assert np.isnan(interval(nothing, group)).all()


@pytest.mark.parametrize("wrong", [{"draws": 0}, {"level": 1.0}, {"level": 0.0}])
def test_a_bootstrap_that_says_nothing_is_refused(wrong):
    with pytest.raises(TocsinError, match="a bootstrap needs"):
        Bootstrap(**wrong)


def test_averages_tell_the_plain_mean_from_the_macro_mean():
    (found,) = averages(side_by_side([[0.0], [0.0], [0.0], [1.0]], datasets=["A", "A", "A", "B"]))
    assert (found.mean, found.macro) == (pytest.approx(0.25), pytest.approx(0.5))
    assert (found.detector, found.mode) == ("d0", "causal")


def test_an_interval_lies_around_its_mean():
    values = np.random.default_rng(8).random((30, 5))
    for each in averages(side_by_side(values)):
        assert each.low < each.macro < each.high
