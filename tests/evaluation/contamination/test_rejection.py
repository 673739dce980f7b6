"""Rejected predictions and their rate, against PyOD's numbers and the published table."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tocsin.evaluation.contamination.rejection import (
    certainty_for,
    log_stability,
    predict,
    rejection_rate,
)
from tocsin.pipeline.errors import TocsinError

GOLDEN: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "golden" / "decisions" / "rejection.json").read_text()
)
CASES = [(run, case) for run in GOLDEN["runs"] for case in run["cases"]]
# PyOD computes 1 - exp(-32) in doubles, which leaves three digits of exp(-32).
ROUNDING = {32: 5e-6}


@pytest.mark.parametrize(("run", "case"), CASES)
def test_predictions_equal_those_of_pyod(run: dict[str, Any], case: dict[str, Any]) -> None:
    found = predict(run["scores"], run["judged"], run["contamination"], case["certainty"])
    assert found.tolist() == case["prediction"]


@pytest.mark.parametrize(("run", "case"), CASES)
def test_rates_equal_those_of_pyod(run: dict[str, Any], case: dict[str, Any]) -> None:
    certainty = case["certainty"]
    found = rejection_rate(len(run["scores"]), run["contamination"], certainty)
    expected, bound, cost = case["rates"]
    near = ROUNDING.get(certainty, 1e-12)
    assert found.expected == pytest.approx(expected, abs=near)
    assert found.cost == pytest.approx(cost, abs=near)
    assert found.bound == pytest.approx(bound, abs=1e-12)


@pytest.mark.parametrize("run", GOLDEN["runs"])
def test_confidence_equals_that_of_pyod(run: dict[str, Any]) -> None:
    anomalous, normal = log_stability(run["scores"], run["judged"], run["contamination"])
    above = np.array(run["judged"]) > run["threshold"]
    assert np.exp(np.where(above, anomalous, normal)) == pytest.approx(run["confidence"], abs=1e-9)


@pytest.mark.parametrize(
    ("n", "contamination", "at_32", "at_4"),
    [
        (200, 0.05, 0.246, 0.063),
        (1000, 0.05, 0.106, 0.029),
        (1000, 0.1, 0.144, 0.040),
        (10_000, 0.01, 0.015, 0.004),
        (100_000, 0.01, 0.005, 0.001),
    ],
)
def test_the_expected_rejection_rate_is_that_of_the_table(
    n: int, contamination: float, at_32: float, at_4: float
) -> None:
    assert rejection_rate(n, contamination).expected == pytest.approx(at_32, abs=5.1e-4)
    assert rejection_rate(n, contamination, 4.0).expected == pytest.approx(at_4, abs=5.1e-4)


def test_the_expected_rate_is_what_comes() -> None:
    rng = np.random.default_rng(1)
    rates = [
        (predict(rng.normal(size=500), rng.normal(size=500), 0.05, 4.0) == -2).mean()
        for _ in range(40)
    ]
    assert np.mean(rates) == pytest.approx(rejection_rate(500, 0.05, 4.0).expected, rel=0.1)


@pytest.mark.parametrize("n", [100, 400, 2000, 20_000])
def test_a_certainty_by_the_number_of_scores_rejects_no_more_than_is_anomalous(n: int) -> None:
    certainty = certainty_for(n, 0.05)
    assert 1 <= certainty <= 32
    assert rejection_rate(n, 0.05, certainty).expected <= 0.05 * 1.001


def test_an_unsure_contamination_leaves_more_rows_unsure() -> None:
    train, judged = np.arange(2000.0), np.arange(0.0, 2000.0, 5)
    known = predict(train, judged, 0.05, 8.0) == -2
    spread = predict(train, judged, np.random.default_rng(2).beta(5, 95, size=300), 8.0) == -2
    assert spread.sum() > 1.5 * known.sum()


def test_stabilities_of_both_decisions_sum_to_one() -> None:
    anomalous, normal = log_stability(np.arange(300.0), np.arange(0.0, 300.0, 7), [0.02, 0.05, 0.1])
    assert np.exp(anomalous) + np.exp(normal) == pytest.approx(np.ones(43), abs=1e-12)


def test_tiny_stabilities_keep_their_digits() -> None:
    anomalous, _ = log_stability(np.arange(5000.0), [2500.0], 0.01)
    assert -4000 < anomalous[0] < -2000


def test_what_has_no_answer_is_refused() -> None:
    with pytest.raises(TocsinError, match="no anomalous one"):
        rejection_rate(50, 0.01)
    with pytest.raises(TocsinError, match=r"log 2"):
        rejection_rate(500, 0.05, 0.5)
    with pytest.raises(TocsinError, match="finite numbers"):
        predict([1.0, np.nan], [0.5], 0.1)
    with pytest.raises(TocsinError, match="from 0 to 1"):
        log_stability([1.0, 2.0], [0.5], 1.5)
