"""Rules of thumb for the contamination, with intervals, and which of them `auto` takes."""

import numpy as np
import pytest
from oracles.contamination import simulated

from tocsin.evaluation.contamination.auto import Auto
from tocsin.evaluation.contamination.contamination import Estimator
from tocsin.evaluation.contamination.peaks import PeaksOverThreshold
from tocsin.evaluation.contamination.spread import Karch, Mad
from tocsin.pipeline.errors import ConfigError

ALL: list[Estimator] = [Mad(draws=40), Karch(draws=40), PeaksOverThreshold(draws=40), Auto()]


@pytest.mark.parametrize("estimator", ALL, ids=lambda each: type(each).__name__)
def test_the_mean_lies_in_the_interval_and_the_threshold_cuts_it_off(estimator: Estimator) -> None:
    scores = simulated(1, 400, 0.05, 0)[:, 0]
    found = estimator.estimate(scores)
    assert 0 <= found.low <= found.mean <= found.high <= 1
    assert (scores > found.threshold).mean() == pytest.approx(found.mean, abs=0.003)


@pytest.mark.parametrize("estimator", ALL, ids=lambda each: type(each).__name__)
def test_far_anomalies_are_counted(estimator: Estimator) -> None:
    rng = np.random.default_rng(2)
    scores = np.concatenate([rng.normal(size=970), rng.normal(40, 1, size=30)])
    found = estimator.estimate(scores)
    assert found.low <= 0.03 <= found.high
    assert found.mean == pytest.approx(0.03, abs=0.01)


@pytest.mark.parametrize("estimator", ALL, ids=lambda each: type(each).__name__)
def test_a_larger_unit_changes_nothing_but_the_threshold(estimator: Estimator) -> None:
    scores = simulated(3, 400, 0.05, 1)[:, 0]
    one, other = estimator.estimate(scores), estimator.estimate(100 * scores - 7)
    assert other.mean == pytest.approx(one.mean, abs=0.005)
    assert other.threshold == pytest.approx(100 * one.threshold - 7, rel=0.1)


def test_no_row_above_still_leaves_an_upper_end() -> None:
    found = Mad(factor=50.0).estimate(np.random.default_rng(4).normal(size=299))
    assert (found.mean, found.low) == (0.0, 0.0)
    assert found.high == pytest.approx(0.01, abs=0.001)  # the rule of three


def test_clean_scores_are_called_anomalous_by_karch_and_not_by_mad() -> None:
    scores = np.random.default_rng(5).normal(size=2000)
    assert Karch(draws=20).estimate(scores).low > 0.1
    assert Mad(draws=20).estimate(scores).high < 0.005


@pytest.mark.parametrize(
    ("scores", "method"),
    [
        (np.random.default_rng(6).normal(size=60), "mad"),
        (np.random.default_rng(6).poisson(5.0, size=400).astype(float), "mad"),
        (np.random.default_rng(6).normal(size=400), "gamma_gmm"),
    ],
)
def test_auto_takes_a_mixture_only_where_it_can_be_fitted(scores: np.ndarray, method: str) -> None:
    assert Auto().estimate(scores).method == method


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match="factor above 0"):
        Mad(factor=0.0)
    with pytest.raises(ConfigError, match="body < top"):
        PeaksOverThreshold(body=0.9, top=0.5)
