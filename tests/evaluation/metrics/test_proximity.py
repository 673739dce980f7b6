"""PATE equals the slow walk over thresholds and rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import metrics_proximity as oracle
from oracles.metrics_samples import alarmed, labelled

from tocsin.evaluation.metrics import pate, pate_f1, pate_step
from tocsin.pipeline.errors import TocsinError

BUFFERS = st.tuples(st.integers(0, 9), st.integers(0, 9))


def pairs(early, late, splits=1):
    steps = range(splits + 1)
    return [(early * i // splits, late * j // splits) for i in steps for j in steps]


@settings(max_examples=60)
@given(labelled(), BUFFERS)
def test_pate_equals_the_walk(series, buffers):
    truth, scores = series
    wanted = oracle.pate(truth.tolist(), scores.tolist(), pairs(*buffers))
    found = pate(truth, scores, early=buffers[0], late=buffers[1])
    assert found == pytest.approx(wanted, abs=1e-9)


@settings(max_examples=60)
@given(labelled(), BUFFERS)
def test_pate_in_steps_equals_the_walk(series, buffers):
    truth, scores = series
    wanted = oracle.pate_step(truth.tolist(), scores.tolist(), pairs(*buffers))
    found = pate_step(truth, scores, early=buffers[0], late=buffers[1])
    assert found == pytest.approx(wanted, abs=1e-9)


@given(alarmed(), BUFFERS)
def test_pate_f1_equals_the_walk(series, buffers):
    truth, alarms = series
    wanted = oracle.pate_f1(truth.tolist(), alarms.tolist(), pairs(*buffers, splits=1))
    found = pate_f1(truth, alarms, early=buffers[0], late=buffers[1])
    assert found == pytest.approx(wanted, abs=1e-9)


def test_splits_are_parts_of_the_buffers():
    rng = np.random.default_rng(3)
    truth = np.repeat([0, 1, 0, 1, 0], [9, 4, 11, 6, 5])
    scores = rng.random(len(truth))
    found = pate(truth, scores, early=6, late=9, splits=3)
    assert found == pytest.approx(oracle.pate(truth, scores, pairs(6, 9, splits=3)))


def test_a_coarse_score_gains_by_trapezoids_and_not_in_steps():
    truth = np.repeat([0, 1, 0], [95, 10, 95])
    assert pate(truth, np.zeros(200), early=5, late=5) > 0.5
    assert pate_step(truth, np.zeros(200), early=5, late=5) < 0.1


def test_an_early_alarm_earns_more_the_nearer_it_is():
    truth = np.repeat([0, 1, 0], [20, 3, 20])
    found = []
    for row in (12, 16, 19):
        alarms = np.zeros(43)
        alarms[[row, 22]] = 1
        found.append(pate_f1(truth, alarms, early=10, late=10))
    assert found == sorted(found)
    assert len(set(found)) == 3


def test_without_an_alarm_pate_f1_is_nothing():
    assert pate_f1([0, 1, 0], [0, 0, 0]) == 0.0


@pytest.mark.parametrize(
    "wrong", [{"early": -1}, {"late": -1}, {"splits": 0}], ids=lambda wrong: next(iter(wrong))
)
def test_impossible_buffers_are_refused(wrong):
    with pytest.raises(TocsinError, match="wanted buffers"):
        pate([0, 1], [0.0, 1.0], **wrong)
