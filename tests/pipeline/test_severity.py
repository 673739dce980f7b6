"""Severity goes on rising with the raw score where the tail can fall no further."""

import numpy as np
import pytest

from tocsin.pipeline.calibrate import Conformal, ConformalState
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.severity import MOST, reach

ROW = (np.array([0]), np.array([0]))


def calibrated(rule: Conformal) -> ConformalState:
    state = rule.start()
    grow(state, 1)
    for score in range(1, 101):
        rule.learn(state, *ROW, np.array([float(score)]))
    return state


def reached(score: float, rule: Conformal | None = None) -> float:
    rule = rule or Conformal(history=100, alone=50, extremes=False)
    return reach(rule, calibrated(rule), ROW, score)


def test_there_is_no_reach_where_the_tail_still_tells_scores_apart() -> None:
    assert reached(99.0) == 0.0


@pytest.mark.parametrize("orders", [0.5, 1.0, 3.0])
def test_reach_counts_orders_of_magnitude_beyond_the_largest_calibration_score(
    orders: float,
) -> None:
    assert reached(100.0 * 10**orders) == pytest.approx(orders, abs=1e-3)


def test_reach_has_an_end() -> None:
    assert reached(1e30) == reached(float("inf")) == MOST


def test_scores_that_are_not_positive_have_no_reach() -> None:
    assert reached(-1.0) == reached(0.0) == 0.0


@pytest.mark.parametrize("extremes", [False, True])
def test_severity_never_falls_as_the_score_rises(*, extremes: bool) -> None:
    rule = Conformal(history=100, alone=50, extremes=extremes)
    state = calibrated(rule)
    severity = [
        reach(rule, state, ROW, score) - np.log10(rule.tail(state, *ROW, np.array([score]))[0])
        for score in np.geomspace(50, 1e20, 40).tolist()
    ]
    assert (np.diff(severity) >= 0).all()
    assert severity[-1] > severity[4] > severity[0]
