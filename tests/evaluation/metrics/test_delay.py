"""Delays are counted from an event's first row to its first alarm."""

import numpy as np
import pytest
from hypothesis import given
from oracles import metrics_events as oracle
from oracles.metrics_runs import runs
from oracles.metrics_samples import alarmed

from tocsin.evaluation.metrics import detection_delay, earliness
from tocsin.pipeline.errors import TocsinError


@given(alarmed())
def test_delays_equal_a_walk_over_rows(series):
    truth, alarms = series
    found = [None if np.isnan(row) else row for row in detection_delay(truth, alarms).rows]
    assert found == oracle.delays(truth, alarms)


@given(alarmed())
def test_earliness_is_the_mean_share_still_to_come(series):
    truth, alarms = series
    lengths = [last - first + 1 for first, last in runs(truth)]
    delays = oracle.delays(truth, alarms)
    left = [0 if d is None else 1 - d / n for d, n in zip(delays, lengths, strict=True)]
    assert earliness(truth, alarms) == pytest.approx(np.mean(left))


def test_missed_events_are_left_out_of_the_median():
    found = detection_delay([1, 1, 0, 1, 1, 0, 1], [0, 1, 0, 0, 1, 0, 0])
    assert (found.found, found.median) == (2, 1.0)


def test_there_is_no_median_where_nothing_was_found():
    found = detection_delay([0, 1], [1, 0])
    assert (found.found, found.median) == (0, None)


def test_labels_without_an_event_are_refused():
    with pytest.raises(TocsinError, match="no row is anomalous"):
        earliness([0, 0], [0, 1])
