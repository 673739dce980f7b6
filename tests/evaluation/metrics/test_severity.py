"""Agreement with severity equals a count of all pairs."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from oracles import metrics_corpora, metrics_ranking
from scipy.stats import kendalltau

from tocsin.evaluation.metrics import concordance, level_auc_roc, tau_b
from tocsin.pipeline.errors import TocsinError


@st.composite
def graded(draw):
    rows = draw(st.integers(2, 30))
    severity = draw(st.lists(st.integers(0, 3), min_size=rows, max_size=rows))
    scores = draw(st.lists(st.integers(0, 6), min_size=rows, max_size=rows))
    assume(len(set(severity)) > 1)
    return severity, scores


@given(graded())
def test_concordance_counts_all_pairs(series):
    assert concordance(*series) == pytest.approx(metrics_corpora.concordance(*series))


@given(graded())
def test_tau_b_is_that_of_scipy(series):
    severity, scores = series
    assume(len(set(scores)) > 1)
    wanted, _ = kendalltau(severity, scores)
    assert tau_b(severity, scores) == pytest.approx(wanted)


def test_tau_b_of_a_constant_score_is_nothing():
    assert tau_b([0, 1, 2], [5, 5, 5]) == 0.0


@given(graded())
def test_among_anomalous_rows_normal_ones_do_not_count(series):
    severity, scores = np.array(series[0]), np.array(series[1])
    above = severity > 0
    assume(len(set(severity[above].tolist())) > 1)
    assert concordance(severity, scores, anomalous_only=True) == concordance(
        severity[above], scores[above]
    )
    assert tau_b(severity, scores, anomalous_only=True) == tau_b(severity[above], scores[above])


@given(graded())
def test_each_level_is_compared_with_the_normal_rows(series):
    severity, scores = np.array(series[0]), np.array(series[1])
    assume(0 in severity)
    for level, found in level_auc_roc(severity, scores).items():
        rows = (severity == 0) | (severity == level)
        wanted = metrics_ranking.auc_roc(severity[rows] == level, scores[rows])
        assert found == pytest.approx(wanted)


def test_severity_without_normal_rows_has_no_level_to_compare_with():
    with pytest.raises(TocsinError, match="no row is 0"):
        level_auc_roc([1, 2], [0.0, 1.0])


@pytest.mark.parametrize(
    ("severity", "scores", "named"),
    [
        ([0, 1, np.nan], [0, 1, 2], "severity: row 2 is nan"),
        ([0, 1, -1], [0, 1, 2], "severity: row 2 is -1"),
        ([0, 1, 2], [0, np.nan, 2], "scores: row 1 is NaN"),
        ([0, 1, 2], [0, 1], "severity has 3 rows, scores 2"),
        ([1, 1, 1], [0, 1, 2], "two are wanted"),
    ],
)
def test_what_cannot_be_compared_is_named(severity, scores, named):
    with pytest.raises(TocsinError, match=named):
        concordance(severity, scores)


def test_one_level_alone_is_not_graded():
    with pytest.raises(TocsinError, match="among anomalous rows"):
        tau_b([0, 1, 1], [0, 1, 2], anomalous_only=True)
