"""The numbers of the reference implementations, to a millionth."""

import json
from pathlib import Path

import numpy as np
import pytest
from oracles.metrics_samples import tiny

from tocsin.evaluation.metrics import (
    affiliation_f1,
    affiliation_parts,
    auc_pr,
    best_f1,
    event_f1,
    event_shares,
    nab_score,
    pa_f1,
    pate,
    pate_f1,
    range_f1,
    range_precision,
    range_recall,
    volumes,
)
from tocsin.evaluation.metrics.care import (
    CareEvent,
    CareRules,
    EventCare,
    combined,
    judged,
    window_weights,
)
from tocsin.evaluation.metrics.nab import NabFile, row_values
from tocsin.evaluation.metrics.ranges import RangeRule

PATH = Path(__file__).parents[2] / "golden" / "metrics" / "tiny.json"
GOLDEN = json.loads(PATH.read_text(encoding="utf-8"))
LABELS, SCORES, ALARMS = tiny()
WINDOWS = np.array([[40, 59], [120, 124], [180, 199]])


def near(value):
    return pytest.approx(value, rel=0, abs=1e-6)


def test_the_series_is_the_one_the_numbers_were_made_from():
    assert np.flatnonzero(ALARMS).tolist() == GOLDEN["pred_idx"]


@pytest.mark.parametrize("window", [0, 10, 50])
def test_vus(window):
    found = volumes(LABELS, SCORES, window)
    assert found.roc == near(GOLDEN[f"VUS_ROC_W{window}"])
    assert found.pr == near(GOLDEN[f"VUS_PR_W{window}"])


@pytest.mark.parametrize(("early", "late"), [(10, 10), (20, 5), (100, 100)])
def test_pate(early, late):
    name = f"e{early}_d{late}"
    assert pate(LABELS, SCORES, early=early, late=late) == near(GOLDEN[f"PATE_{name}"])
    found = pate_f1(LABELS, ALARMS, early=early, late=late)
    assert found == near(GOLDEN[f"PATE_F1_{name}_pred"])


def test_pate_over_four_splits_without_zero():
    found = pate(LABELS, SCORES, early=20, late=20, splits=4, with_zero=False)
    assert found == near(GOLDEN["PATE_e20_d20_splits4_nozero"])


def test_rows_ranked():
    assert auc_pr(LABELS, SCORES) == near(GOLDEN["AP"])
    assert best_f1(LABELS, SCORES) == near(GOLDEN["best_F1"])


def test_point_adjusted():
    assert pa_f1(LABELS, ALARMS).value == near(GOLDEN["PA_F1_pred"])
    assert pa_f1(LABELS, SCORES).value == near(GOLDEN["PA_F1_oracle100"])


def test_event_f1():
    assert event_f1(LABELS, ALARMS) == near(GOLDEN["EventF1_pred"])


def test_range_f1():
    assert range_f1(LABELS, ALARMS) == near(GOLDEN["RF1_tsb_pred"])


@pytest.mark.parametrize("bias", ["flat", "front", "middle", "back"])
@pytest.mark.parametrize("pieces", ["one", "reciprocal"])
def test_range_precision_and_recall(bias, pieces):
    rule = RangeRule(bias=bias, pieces=pieces)
    assert range_precision(LABELS, ALARMS, rule) == near(GOLDEN[f"prts_P_{bias}_{pieces}"])
    assert range_recall(LABELS, ALARMS, rule) == near(GOLDEN[f"prts_R_a0_{bias}_{pieces}"])


def test_range_recall_with_existence():
    rule = RangeRule(existence=0.5, pieces="reciprocal")
    assert range_recall(LABELS, ALARMS, rule) == near(GOLDEN["prts_R_a0.5_flat_reciprocal"])


def test_affiliation():
    parts = affiliation_parts(LABELS, ALARMS)
    assert parts.precision == near(GOLDEN["Affil_P_pred"])
    assert parts.recall == near(GOLDEN["Affil_R_pred"])
    assert affiliation_f1(LABELS, ALARMS) == near(GOLDEN["Affil_F1_pred"])


def test_event_aupimo():
    found = event_shares(LABELS, SCORES, low=1e-2, high=2e-1)
    assert found.each.tolist() == near(GOLDEN["AUPIMO_events_1e-2_2e-1"])


def test_nab_row_values():
    values = row_values(200, WINDOWS)
    wanted = GOLDEN["NAB_sweep_at"]
    assert {row: float(values[int(row)]) for row in wanted} == near(wanted)


def test_nab_score():
    found = nab_score([NabFile(SCORES, WINDOWS)])
    assert found.score == near(GOLDEN["NAB_standard_best"]["norm"])
    assert found.raw == near(GOLDEN["NAB_standard_best"]["raw"])
    assert found.threshold == near(GOLDEN["NAB_standard_best"]["threshold"])


def events():
    """The events of the golden CARE run, as the package judged them at a criticality of 20."""
    for event in GOLDEN["CARE_events"]:
        anomalous = event["event_label"] == "anomaly"
        yield EventCare(
            str(event["event_id"]),
            anomalous,
            event["max_criticality"] >= 20,
            int(event["max_criticality"]),
            event["accuracy"],
            event["f_beta_score"] if anomalous else None,
            event["weighted_score"] if anomalous else None,
        )


def test_care_of_judged_events():
    found = combined(list(events()))
    assert found.score == near(GOLDEN["CARE"])
    assert found.coverage == near(GOLDEN["CARE_cov"])
    assert found.accuracy == near(GOLDEN["CARE_acc"])
    assert found.reliability == near(GOLDEN["CARE_rel"])
    assert found.earliness == near(GOLDEN["CARE_early"])


@pytest.mark.parametrize("number", range(4))
def test_care_coverage_and_accuracy_of_the_counted_rows(number):
    event = GOLDEN["CARE_events"][number]
    tn, fp, fn, tp = (int(event[name]) for name in ("tn", "fp", "fn", "tp"))
    alarms = np.repeat([False, True, False, True, True], [tn, fp, fn, tp, 58])
    normal = np.repeat([True, False], [tn + fp + fn + tp, 58])
    anomalous = event["event_label"] == "anomaly"
    first = tn + fp if anomalous else 0
    last = len(alarms) - 59 if anomalous else len(alarms) - 1
    found = judged(CareEvent("one", alarms, normal, first, last, anomalous), CareRules())
    assert found.accuracy == near(event["accuracy"])
    assert found.coverage == (near(event["f_beta_score"]) if anomalous else None)


def test_care_weights_of_short_windows():
    assert window_weights(5).tolist() == pytest.approx([1, 1, 0.7719, 0.4912, 0.2105], abs=1e-4)
    assert window_weights(2).tolist() == pytest.approx([1, 0.5714], abs=1e-4)
