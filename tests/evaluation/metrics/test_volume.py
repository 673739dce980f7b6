"""VUS equals the slow sums, and only ranks and places count."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import metrics_volume as oracle
from oracles.metrics_samples import labelled

from tocsin.evaluation.metrics import range_auc, volumes, vus_pr, vus_roc
from tocsin.pipeline.errors import TocsinError


@settings(max_examples=40)
@given(labelled(rows=24), st.integers(0, 7))
def test_volumes_equal_the_sums_over_all_rows(series, window):
    truth, scores = series
    found = volumes(truth, scores, window)
    wanted = oracle.volumes(truth.tolist(), scores.tolist(), window)
    assert (found.roc, found.pr) == pytest.approx(wanted, abs=1e-9)


@settings(max_examples=40)
@given(labelled(rows=24), st.integers(0, 30))
def test_one_width_equals_its_slice(series, window):
    truth, scores = series
    found = range_auc(truth, scores, window)
    wanted = oracle.areas(truth.tolist(), scores.tolist(), window)
    assert (found.roc, found.pr) == pytest.approx(wanted, abs=1e-9)


@given(labelled())
def test_the_volume_is_the_mean_of_its_slices(series):
    truth, scores = series
    slices = [range_auc(truth, scores, window) for window in range(6)]
    found = volumes(truth, scores, 5)
    assert found.roc == pytest.approx(np.mean([one.roc for one in slices]))
    assert found.pr == pytest.approx(np.mean([one.pr for one in slices]))


@given(labelled())
def test_both_names_tell_the_volumes(series):
    truth, scores = series
    both = volumes(truth, scores, 9)
    assert (vus_roc(truth, scores, 9), vus_pr(truth, scores, 9)) == (both.roc, both.pr)


def test_a_buffer_wider_than_the_series_is_clipped():
    found = volumes([0, 1, 0, 0], [0.0, 1.0, 0.5, 0.2], 100)
    assert 0 <= found.pr <= 1
    assert 0 <= found.roc <= 1


def test_a_negative_window_is_refused():
    with pytest.raises(TocsinError, match="window: -1"):
        vus_pr([0, 1], [0.0, 1.0], window=-1)
