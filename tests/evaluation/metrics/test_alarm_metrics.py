"""Metrics of alarms equal their definitions, row by row, and their best cut is the best one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import metrics_events, metrics_ranking
from oracles.metrics_runs import runs
from oracles.metrics_samples import alarmed, labelled

from tocsin.evaluation.metrics import (
    affiliation_f1,
    affiliation_parts,
    event_f1,
    event_parts,
    pa_f1,
    pa_k_f1,
    range_f1,
    range_precision,
    range_recall,
)
from tocsin.evaluation.metrics.adjusted import WARNING, adjusted
from tocsin.evaluation.metrics.cuts import best_cut
from tocsin.evaluation.metrics.ranges import RangeRule
from tocsin.pipeline.errors import TocsinError

RULES = st.builds(
    RangeRule,
    existence=st.sampled_from([0.0, 0.2, 1.0]),
    bias=st.sampled_from(["flat", "front", "middle", "back"]),
    pieces=st.sampled_from(["one", "reciprocal"]),
)
F1_OF_ALARMS = [event_f1, range_f1, affiliation_f1, lambda t, s: pa_f1(t, s).value]


@given(alarmed())
def test_event_f1_counts_events_and_rows(series):
    truth, alarms = series
    assert event_parts(truth, alarms).f1 == pytest.approx(metrics_ranking.event_f1(truth, alarms))


@given(alarmed(), st.sampled_from([0.0, 20.0, 50.0, 100.0]))
def test_adjusted_f1_fills_events_that_are_hit_enough(series, percent):
    truth, alarms = series
    filled = adjusted(truth, alarms, percent)
    wanted = metrics_ranking.point_adjusted_f1(truth, alarms, percent)
    assert metrics_ranking.f1(truth, filled) == pytest.approx(wanted)


@settings(max_examples=50)
@given(labelled(), st.sampled_from([0.0, 30.0]))
def test_adjusted_f1_of_a_score_is_that_of_its_best_cut(series, percent):
    truth, scores = series

    def judge(labels, alarms):
        return metrics_ranking.point_adjusted_f1(labels, alarms, percent)

    wanted = metrics_ranking.best_over_cuts(truth.tolist(), scores.tolist(), judge)
    assert pa_k_f1(truth, scores, percent=percent).value == pytest.approx(wanted)


def test_adjusted_results_carry_a_warning():
    found = pa_f1([0, 1, 0], [0.0, 1.0, 0.0])
    assert found.warning == WARNING
    assert float(found) == found.value == 1.0


def test_a_percentage_out_of_range_is_refused():
    with pytest.raises(TocsinError, match="percent: 101"):
        pa_k_f1([0, 1], [0, 1], percent=101)


@given(alarmed(), RULES)
def test_range_recall_sums_the_weights_of_overlaps(series, rule):
    truth, alarms = series
    wanted = metrics_events.range_reward(
        runs(truth), runs(alarms), rule.existence, rule.bias, rule.pieces
    )
    assert range_recall(truth, alarms, rule) == pytest.approx(wanted)


@given(alarmed(), RULES)
def test_range_precision_sums_the_weights_of_overlaps(series, rule):
    truth, alarms = series
    wanted = metrics_events.range_reward(
        runs(alarms), runs(truth), rule.existence, rule.bias, rule.pieces
    )
    assert range_precision(truth, alarms, rule) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [({"existence": 1.5}, "existence"), ({"bias": "up"}, "bias"), ({"pieces": "two"}, "pieces")],
)
def test_an_unknown_range_rule_is_refused(wrong, named):
    with pytest.raises(TocsinError, match=named):
        RangeRule(**wrong)


@given(alarmed())
def test_affiliation_equals_sums_over_quarter_rows(series):
    truth, alarms = series
    found = affiliation_parts(truth, alarms)
    wanted = metrics_events.affiliation(truth.tolist(), alarms.tolist())
    assert (found.precision, found.recall) == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("metric", F1_OF_ALARMS)
@given(series=alarmed())
def test_alarms_given_as_scores_are_judged_as_they_are(metric, series):
    truth, alarms = series
    if alarms.all():
        alarms[0] = False  # a constant score never alarms
    assert metric(truth, alarms) == metric(truth, np.where(alarms, 7.0, -1.0))


@settings(max_examples=30)
@given(labelled())
def test_the_best_cut_is_the_best_of_evenly_spaced_ones(series):
    truth, scores = series

    def judge(labels, alarms):
        return metrics_ranking.f1(labels, alarms)

    wanted = metrics_ranking.best_over_cuts(truth.tolist(), scores.tolist(), judge, cuts=7)
    assert best_cut(truth, scores, judge, cuts=7) == pytest.approx(wanted)


def test_a_single_cut_is_refused():
    with pytest.raises(TocsinError, match="cuts: 1"):
        event_f1([0, 1], [0.0, 1.0], cuts=1)


@pytest.mark.parametrize("metric", F1_OF_ALARMS)
def test_alarms_on_every_event_and_nowhere_else_are_perfect(metric):
    truth = np.repeat([1, 0, 1, 0, 1], [3, 8, 1, 9, 2])
    assert metric(truth, truth) == pytest.approx(1.0)


@pytest.mark.parametrize("metric", F1_OF_ALARMS)
def test_no_alarm_is_worth_nothing(metric):
    assert metric([0, 1, 0], [0, 0, 0]) == 0.0
