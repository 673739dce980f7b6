"""The NAB score equals a recount at every threshold."""

from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import metrics_corpora as oracle
from oracles.metrics_runs import runs
from oracles.metrics_samples import labelled

from tocsin.evaluation.metrics import NabFile, nab_score
from tocsin.evaluation.metrics.nab import (
    LOW_FALSE_NEGATIVES,
    LOW_FALSE_POSITIVES,
    STANDARD,
    nab_at,
    row_values,
)
from tocsin.pipeline.errors import TocsinError

PROFILES = pytest.mark.parametrize(
    "profile",
    [STANDARD, LOW_FALSE_POSITIVES, LOW_FALSE_NEGATIVES],
    ids=["plain", "low_fp", "low_fn"],
)


def corpus(*series):
    plain = [(scores.tolist(), runs(truth)) for truth, scores in series]
    return plain, [NabFile(np.array(scores), np.array(windows)) for scores, windows in plain]


@PROFILES
@given(one=labelled(), other=labelled())
def test_the_best_joint_threshold_equals_a_recount(profile, one, other):
    plain, files = corpus(one, other)
    found = nab_score(files, profile)
    assert found.score == pytest.approx(oracle.nab_score(plain, astuple(profile)))


@PROFILES
@given(one=labelled(), threshold=st.integers(-2, 4))
def test_a_given_threshold_equals_a_recount(profile, one, threshold):
    plain, files = corpus(one)
    found = nab_at(files, threshold / 8, profile)
    assert found.raw == pytest.approx(oracle.nab_raw(plain, threshold / 8, astuple(profile)))


@given(labelled(), labelled())
def test_the_best_threshold_gives_its_score_back(one, other):
    _, files = corpus(one, other)
    found = nab_score(files)
    again = nab_at(files, np.inf if found.threshold is None else found.threshold)
    assert again.score == pytest.approx(found.score)


def test_rows_in_probation_are_not_judged():
    scores = np.zeros(100)
    scores[14], scores[50] = 1.0, 1.0
    found = nab_at([NabFile(scores, np.array([[50, 59]]))], threshold=1.0)
    assert found.score == 100.0


def test_probation_ends_after_750_rows():
    scores = np.zeros(10_000)
    scores[[749, 5000]] = 1.0
    files = [NabFile(scores, np.array([[5000, 5999]]))]
    assert nab_at(files, threshold=1.0).score == 100.0
    scores[750] = 1.0
    assert nab_at(files, threshold=1.0).raw == pytest.approx(1.0 - STANDARD.false)


def test_a_file_without_windows_only_costs():
    with_window = NabFile(np.array([0.0, 0, 0, 1, 0]), np.array([[3, 3]]))
    without = NabFile(np.array([0.0, 0, 0, 1, 0]), np.empty((0, 2), dtype=np.int64))
    assert nab_at([with_window, without], 1.0).raw == pytest.approx(1.0 - STANDARD.false)


def test_any_row_after_a_window_of_one_row_is_far_from_it():
    assert row_values(3, np.array([[1, 1]])).tolist() == [-0.11, 1.0, -0.11]


def test_never_alarming_is_chosen_where_alarms_only_cost():
    found = nab_score([NabFile(np.zeros(100), np.array([[50, 51]]))])
    assert (found.score, found.threshold) == (0.0, None)


@pytest.mark.parametrize("windows", [[[5, 4]], [[3, 6], [6, 8]], [[-1, 2]], [[8, 10]], [1, 2]])
def test_windows_that_cannot_be_are_refused(windows):
    with pytest.raises(TocsinError, match="windows"):
        NabFile(np.zeros(10), np.array(windows))


def test_a_missing_score_is_refused():
    with pytest.raises(TocsinError, match="without NaN"):
        NabFile(np.array([0.0, np.nan]), np.array([[0, 1]]))


def test_a_corpus_without_a_window_is_refused():
    with pytest.raises(TocsinError, match="0 files hold no window"):
        nab_score([])
