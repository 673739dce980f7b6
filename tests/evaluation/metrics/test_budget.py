"""Incidents and budgets equal a recount at every threshold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import metrics_events as oracle
from oracles.metrics_samples import alarmed, labelled

from tocsin.evaluation.metrics import at_budget, incidents
from tocsin.pipeline.errors import TocsinError


@given(alarmed())
def test_incidents_equal_a_recount(series):
    truth, alarms = series
    found = incidents(truth, alarms, weeks=2.0)
    assert (found.caught, found.false_incidents) == oracle.incidents(truth, alarms)


@given(labelled(), st.integers(0, 5))
def test_the_best_threshold_within_the_budget_is_found(series, allowed):
    truth, scores = series
    found = at_budget(truth, scores, weeks=0.5, budget=2.0 * allowed)
    assert (found.caught, found.threshold) == oracle.at_budget(truth, scores, allowed)


@given(labelled(), st.integers(0, 5))
def test_the_budget_is_kept(series, budget):
    truth, scores = series
    assert at_budget(truth, scores, weeks=1.0, budget=budget).false_a_week <= budget


@given(labelled())
def test_the_threshold_gives_back_the_incidents(series):
    truth, scores = series
    found = at_budget(truth, scores, weeks=1.0, budget=1.0)
    alarms = scores >= (np.inf if found.threshold is None else found.threshold)
    again = incidents(truth, alarms, weeks=1.0)
    assert (found.caught, found.false_incidents) == (again.caught, again.false_incidents)
    assert found.alarmed == again.alarmed


def test_an_endless_alarm_catches_one_event_and_shows_as_alarmed():
    found = incidents([0, 1, 0, 1, 0, 1], [1, 1, 1, 1, 1, 1], weeks=1)
    assert (found.caught, found.events, found.false_incidents, found.alarmed) == (1, 3, 0, 1.0)


def test_false_incidents_are_told_a_week():
    found = incidents([0, 1, 0, 0, 0], [1, 0, 0, 1, 1], weeks=0.5)
    assert (found.false_incidents, found.false_a_week) == (2, 4.0)


@pytest.mark.parametrize("weeks", [0.0, -1.0, np.inf, np.nan])
def test_weeks_that_are_no_time_are_refused(weeks):
    with pytest.raises(TocsinError, match="weeks"):
        incidents([0, 1], [0, 1], weeks)


@pytest.mark.parametrize("budget", [-1.0, np.nan])
def test_a_budget_that_is_no_number_is_refused(budget):
    with pytest.raises(TocsinError, match="budget"):
        at_budget([0, 1], [0.0, 1.0], weeks=1.0, budget=budget)
