"""Row-wise metrics equal their definitions, pair by pair and threshold by threshold."""

import math

import numpy as np
import pytest
from hypothesis import given
from oracles import metrics_ranking as oracle
from oracles.metrics_samples import alarmed, labelled

from tocsin.evaluation.metrics import (
    auc_pr,
    auc_roc,
    best_f1,
    best_gmean,
    distinct_scores,
    row_parts,
)


@given(labelled())
def test_auc_roc_is_the_share_of_pairs_in_order(series):
    truth, scores = series
    assert auc_roc(truth, scores) == pytest.approx(oracle.auc_roc(truth, scores))


@given(labelled())
def test_auc_pr_is_the_sum_of_steps(series):
    truth, scores = series
    assert auc_pr(truth, scores) == pytest.approx(oracle.average_precision(truth, scores))


@pytest.mark.parametrize("softening", [0.0, 1e-5])
@given(series=labelled())
def test_best_f1_is_the_best_of_all_thresholds(softening, series):
    truth, scores = series
    found = best_f1(truth, scores, softening=softening)
    assert found == pytest.approx(oracle.best_f1(truth, scores, softening))


@given(labelled())
def test_best_gmean_is_the_best_of_all_thresholds(series):
    truth, scores = series
    found = best_gmean(truth, scores)
    assert found.gmean == pytest.approx(oracle.best_gmean(truth, scores), abs=1e-12)


@given(labelled())
def test_the_threshold_of_best_gmean_gives_its_parts(series):
    truth, scores = series
    found = best_gmean(truth, scores)
    alarms = scores >= found.threshold
    tp, fp, fn, tn = oracle.counts(truth, alarms)
    assert found.parts.recall == pytest.approx(tp / (tp + fn))
    assert found.parts.precision == pytest.approx(tp / (tp + fp))
    assert found.gmean == pytest.approx(math.sqrt(tp / (tp + fn) * tn / (tn + fp)))
    assert found.f1 == pytest.approx(oracle.f1(truth, alarms))


@given(alarmed())
def test_row_parts_count_rows(series):
    truth, alarms = series
    assert row_parts(truth, alarms).f1 == pytest.approx(oracle.f1(truth, alarms))


def test_distinct_scores_leaves_missing_ones_out():
    assert distinct_scores(np.array([np.nan, 1.0, 1.0, np.inf, -np.inf])) == 3
