"""Event-AUPIMO equals the trapezoid rule over every budget of false alarms."""

import numpy as np
import pytest
from hypothesis import given
from oracles import metrics_events as oracle
from oracles.metrics_samples import labelled

from tocsin.evaluation.metrics import event_aupimo, event_shares
from tocsin.pipeline.errors import TocsinError


@given(labelled(rows=40))
def test_each_event_equals_the_trapezoid_rule(series):
    truth, scores = series
    if (~truth).sum() < 3:
        truth = np.append(truth, [False] * 3)
        scores = np.append(scores, [0.0, 1.0, 2.0])
    found = event_shares(truth, scores, low=0.1, high=0.9)
    wanted = oracle.event_aupimo(truth.tolist(), scores.tolist(), 0.1, 0.9)
    assert found.each.tolist() == pytest.approx(wanted)


def test_the_mean_and_the_spread_are_those_of_the_events():
    truth = np.repeat([0, 1, 0, 1, 0], [50, 5, 50, 5, 50])
    scores = np.repeat([0.0, 1.0, 0.0, -1.0, 0.5], [50, 5, 50, 5, 50])
    found = event_shares(truth, scores)
    assert found.each.tolist() == [1.0, 0.0]
    assert (found.mean, found.above_half) == (0.5, 0.5)
    assert found.low_decile == pytest.approx(0.1)
    assert event_aupimo(truth, scores) == 0.5


def test_a_random_score_gets_what_its_alarm_rates_are_on_average():
    rng = np.random.default_rng(0)
    truth = np.tile(np.repeat([0, 1], [900, 100]), 100)
    found = event_aupimo(truth, rng.random(len(truth)))
    assert found == pytest.approx((1e-1 - 1e-3) / np.log(1e-1 / 1e-3), abs=2e-3)


def test_a_constant_score_sees_nothing():
    assert event_aupimo(np.repeat([0, 1], [99, 9]), np.ones(108)) == 0.0


def test_too_few_normal_rows_are_refused():
    with pytest.raises(TocsinError, match="5 normal rows are too few"):
        event_aupimo([0, 0, 0, 0, 0, 1], [0, 1, 2, 3, 4, 5])


@pytest.mark.parametrize("bounds", [(0.0, 0.1), (0.2, 0.1), (0.1, 1.1), (np.nan, 0.5)])
def test_impossible_bounds_are_refused(bounds):
    with pytest.raises(TocsinError, match="wanted 0 < low < high <= 1"):
        event_aupimo([0, 1], [0.0, 1.0], *bounds)
