"""The contamination posterior: the published form to the digit, the default by simulation."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles.contamination import SHAPES, simulated

from tocsin.evaluation.contamination.gamma_gmm import GammaGmm
from tocsin.evaluation.contamination.gamma_gmm_published import Published
from tocsin.pipeline.errors import ConfigError, TocsinError

GOLDEN: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "golden" / "decisions" / "gamma_gmm.json").read_text()
)


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: f"K={case['components']}")
def test_the_published_form_equals_pythresh(case: dict[str, Any]) -> None:
    settings = {name: case[name] for name in ("components", "steps", "skip")}
    found = Published(**settings, seed=GOLDEN["random_state"]).fit(np.array(case["scores"]))
    assert found.strangeness == pytest.approx(case["strangeness"], abs=1e-6)
    assert found.order.tolist() == case["order"]
    assert found.fits == case["fits"]
    assert found.samples.mean() == pytest.approx(case["mean"], abs=0.002)
    quantiles = np.quantile(found.samples, [0.05, 0.25, 0.5, 0.75, 0.95])
    assert quantiles == pytest.approx(case["quantiles"], abs=0.002)
    if not case["skip"]:  # without a solution the constants are where the search gave up
        assert (found.delta, found.tau) == pytest.approx((case["delta"], case["tau"]), abs=1e-4)


def test_the_global_random_state_is_left_alone() -> None:
    before = str(np.random.get_state())  # noqa: NPY002 - it is what must not change
    scores = np.array(GOLDEN["cases"][2]["scores"])
    GammaGmm(samples=100).posterior(scores)
    Published(components=5, steps=0, skip=True, samples=100).fit(scores)
    assert str(np.random.get_state()) == before  # noqa: NPY002 - as above


def test_the_published_form_answers_0_where_it_finds_no_solution() -> None:
    case = next(case for case in GOLDEN["cases"] if case["skip"])
    found = Published(components=case["components"], steps=0).fit(np.array(case["scores"]))
    assert not found.samples.any()  # of scores of which a tenth is anomalous


@pytest.mark.parametrize("share", [0.0, 0.01, 0.05, 0.1])
def test_the_interval_covers_the_true_contamination(share: float) -> None:
    held = 0
    for seed in range(16):
        scores = simulated(seed, 300, share, seed % len(SHAPES))
        found = GammaGmm(samples=150, seed=seed).estimate(scores)
        held += found.low <= share <= found.high
    assert held >= 12  # a coverage of 0.9 holds fewer than 12 of 16 in 2 % of cases


def test_the_interval_narrows_with_rows_and_says_something() -> None:
    few, many = (
        GammaGmm(samples=200, most_rows=4000).estimate(simulated(5, rows, 0.05, 0))
        for rows in (200, 3200)
    )
    assert many.high - many.low < 0.6 * (few.high - few.low)
    assert 0.02 < many.low < 0.05 < many.high < 0.08


def test_scores_above_the_threshold_are_the_mean_share() -> None:
    scores = simulated(6, 400, 0.1, 0)[:, 0]
    found = GammaGmm(samples=200).estimate(scores)
    assert (scores > found.threshold).mean() == pytest.approx(found.mean, abs=0.003)


def test_units_do_not_matter() -> None:
    scores = simulated(7, 300, 0.05, 1)
    plain = GammaGmm(samples=150).posterior(scores)
    other = GammaGmm(samples=150).posterior(scores * [1e-3, 1.0, 50.0] + [5.0, 0.0, -100.0])
    assert np.quantile(other, [0.05, 0.95]) == pytest.approx(
        np.quantile(plain, [0.05, 0.95]), abs=0.01
    )


def test_the_same_seed_gives_the_same_posterior() -> None:
    scores = simulated(8, 200, 0.05, 0)
    one, again, other = (GammaGmm(samples=100, seed=s).posterior(scores) for s in (1, 1, 2))
    assert one.tolist() == again.tolist() != other.tolist()


@pytest.mark.parametrize(
    "scores", [np.ones(100), np.arange(5.0), np.append(np.arange(50.0), np.nan), np.ones((9, 9, 9))]
)
def test_scores_that_tell_nothing_are_refused(scores: Any) -> None:
    with pytest.raises(TocsinError, match=r"scores"):
        GammaGmm().estimate(scores)


def test_too_few_samples_for_an_interval_are_refused() -> None:
    with pytest.raises(ConfigError, match="samples >= 100"):
        GammaGmm(samples=5)
