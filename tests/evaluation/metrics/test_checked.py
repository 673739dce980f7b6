"""Columns that a metric could not judge are refused by name and row."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.evaluation.metrics.checked import alarmed, flags, labelled, reined
from tocsin.pipeline.errors import TocsinError


@pytest.mark.parametrize(
    ("labels", "scores", "named"),
    [
        ([0, 1], [0.0, np.nan], "scores: row 1 is NaN, and 0 more"),
        ([0, 1, 0], [0.0, 1.0], "labels have 3 rows, scores 2"),
        ([0, 0], [0.0, 1.0], "0 of 2 rows are anomalous"),
        ([1, 1], [0.0, 1.0], "2 of 2 rows are anomalous"),
        ([0, 2], [0.0, 1.0], r"labels: row 1 is 2\.0, wanted 0 or 1"),
        ([0, np.nan], [0.0, 1.0], "labels: row 1 is nan"),
        ([], [], r"labels: shape \(0,\)"),
        ([0, 1], [[0.0], [1.0]], r"scores: shape \(2, 1\)"),
        (["a", "b"], [0.0, 1.0], "labels: shape"),
        ([0, 1], [None, 1.0], "scores: shape"),
    ],
)
def test_what_is_wrong_with_labels_and_scores_is_named(labels, scores, named):
    with pytest.raises(TocsinError, match=named):
        labelled(labels, scores)


def test_alarms_must_be_as_many_as_labels():
    with pytest.raises(TocsinError, match="labels have 2 rows, alarms 1"):
        alarmed([0, 1], [1])


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint16, np.float32, ">f8"])
def test_flags_of_any_number_type_are_taken(dtype):
    assert flags("labels", np.array([0, 1, 1], dtype=dtype)).tolist() == [False, True, True]


@given(st.lists(st.floats(allow_nan=False, allow_subnormal=False, min_value=-1.8e308), min_size=1))
def test_reined_scores_are_finite_and_in_the_same_order(values):
    scores = np.array(values)
    found = reined(scores)
    assert np.isfinite(found).all()
    assert (np.diff(found[np.argsort(scores)]) >= 0).all()


def test_infinite_scores_stay_beyond_the_finite_ones():
    found = reined(np.array([np.inf, 1.0, -np.inf, 0.0]))
    assert np.argsort(found).tolist() == [2, 3, 1, 0]
    assert len(set(found.tolist())) == 4


def test_ordinary_scores_are_left_alone():
    scores = np.array([0.1, -3.0, 1e200])
    assert reined(scores) is scores
