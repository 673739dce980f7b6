"""CARE equals a walk over rows, and its switches do what they say."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import metrics_corpora as oracle

from tocsin.evaluation.metrics.care import (
    PACKAGE,
    PAPER,
    CareEvent,
    CareRules,
    EventCare,
    care,
    combined,
    judged,
    window_weights,
)
from tocsin.pipeline.errors import TocsinError

SMALL = CareRules(criticality=3)


@st.composite
def events(draw, anomalous):
    rows = draw(st.integers(1, 25))
    columns = st.lists(st.booleans(), min_size=rows, max_size=rows)
    alarms, normal = np.array(draw(columns)), np.array(draw(columns))
    normal[draw(st.integers(0, rows - 1))] = True
    first = draw(st.integers(0, rows - 1))
    last = draw(st.integers(first, rows - 1))
    return CareEvent("event", alarms, normal, first, last, anomalous)


FLEETS = st.tuples(
    events(anomalous=True),
    events(anomalous=False),
    events(anomalous=True),
    events(anomalous=False),
)


def plain(anomalous, alarms, rows=40):
    """An event of rows in normal operation, with its window over the second half."""
    raised = np.zeros(rows, dtype=bool)
    raised[alarms] = True
    return CareEvent("pump", raised, np.ones(rows, dtype=bool), rows // 2, rows - 1, anomalous)


@settings(max_examples=200)
@given(FLEETS, st.sampled_from([(1, 4), (1, 2)]))
def test_care_equals_a_walk_over_rows(fleet, knee):
    rules = replace(SMALL, knee=knee)
    assert care(fleet, rules).score == pytest.approx(oracle.care(fleet, knee, 3))


@given(events(anomalous=True))
def test_an_event_equals_a_walk_over_its_rows(event):
    found = judged(event, SMALL)
    wanted = oracle.care_event(event, (1, 4), 3)
    assert (found.detected, found.accuracy, found.coverage, found.earliness) == pytest.approx(
        wanted
    )


def test_a_perfect_detector_gets_one():
    fleet = [plain(True, slice(20, 40)), plain(False, [])]
    found = care(fleet, SMALL)
    assert found.score == found.coverage == found.accuracy == found.reliability == 1.0
    assert found.earliness == 1.0


def test_without_a_detection_the_score_is_nothing():
    fleet = [plain(True, [20, 22, 24]), plain(False, [])]
    assert care(fleet, SMALL).score == 0.0


def test_the_counter_rests_while_the_asset_is_not_in_normal_operation():
    event = plain(True, slice(20, 40))
    resting = replace(event, normal=np.arange(40) < 22)
    assert judged(resting, SMALL).criticality == 2


def test_alarms_after_the_window_do_not_detect():
    event = replace(plain(True, slice(30, 40)), last=29)
    assert judged(event, SMALL).criticality == 0


def test_the_paper_wants_the_counter_to_exceed():
    event = plain(True, slice(20, 23))
    assert judged(event, SMALL).detected
    assert not judged(event, replace(SMALL, must_exceed=True)).detected


def test_a_share_of_alarms_can_detect_instead():
    event = plain(True, [20, 24, 28, 32])
    assert judged(event, replace(SMALL, alarm_share=0.1)).detected
    assert not judged(event, replace(SMALL, alarm_share=0.11)).detected


def test_rows_after_the_window_can_be_left_out():
    event = replace(plain(True, [20, 21, 35]), last=29)
    whole, cut = judged(event), judged(event, CareRules(until_event_end=True))
    assert whole.coverage is not None
    assert cut.coverage is not None
    assert whole.coverage < cut.coverage


def test_an_accuracy_of_one_half_is_weighed_only_by_the_paper():
    fleet = [
        EventCare("fault", True, True, 99, 1.0, coverage=1.0, earliness=1.0),
        EventCare("calm", False, False, 0, 0.5),
    ]
    assert combined(fleet, PACKAGE).score == 0.5
    assert combined(fleet, PAPER).score == pytest.approx(0.8)


def test_weights_fall_from_the_knee_to_the_end():
    weights = window_weights(100, knee=(1, 2))
    assert (weights[:50] == 1).all()
    assert (np.diff(weights[50:]) < 0).all()
    assert 0 < weights[-1] < 0.05


def test_both_kinds_of_event_are_wanted():
    with pytest.raises(TocsinError, match="0 anomaly events and 1 normal"):
        care([plain(False, [])])


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"normal": np.zeros(40, dtype=bool)}, "no row is of normal status"),
        ({"normal": np.ones(39, dtype=bool)}, "columns of one length"),
        ({"last": 40}, "hold the window"),
        ({"first": 39, "last": 38}, "hold the window"),
        ({"alarms": np.full(40, np.nan)}, "alarms of event 'pump': row 0 is nan"),
    ],
)
def test_an_event_that_cannot_be_judged_is_named(changes, named):
    with pytest.raises(TocsinError, match=named) as raised:
        judged(replace(plain(True, []), **changes))
    assert "'pump'" in str(raised.value)


@pytest.mark.parametrize(
    "wrong", [{"knee": (1, 1)}, {"knee": (0, 4)}, {"beta": 0.0}, {"criticality": -1}], ids=str
)
def test_impossible_rules_are_refused(wrong):
    with pytest.raises(TocsinError, match="wanted"):
        CareRules(**wrong)
