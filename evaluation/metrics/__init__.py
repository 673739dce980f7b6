"""Metrics of scores, alarms and severities against labels: plain functions over arrays.

Labels are 0 or 1, one a row; scores are higher where stranger; alarms are 0 or 1. `docs/metrics.md`
says which metric answers which question, and what worthless scores get.
"""

from tocsin.evaluation.metrics.adjusted import pa_f1, pa_k_f1
from tocsin.evaluation.metrics.affiliation import affiliation_f1, affiliation_parts
from tocsin.evaluation.metrics.aupimo import event_aupimo, event_shares
from tocsin.evaluation.metrics.budget import at_budget, incidents
from tocsin.evaluation.metrics.care import CareEvent, care
from tocsin.evaluation.metrics.delay import detection_delay, earliness
from tocsin.evaluation.metrics.events import event_f1, event_parts
from tocsin.evaluation.metrics.nab import NabFile, nab_score
from tocsin.evaluation.metrics.proximity import pate, pate_f1, pate_step
from tocsin.evaluation.metrics.ranges import RangeRule, range_f1, range_precision, range_recall
from tocsin.evaluation.metrics.ranking import (
    auc_pr,
    auc_roc,
    best_f1,
    best_gmean,
    distinct_scores,
    row_parts,
)
from tocsin.evaluation.metrics.severity import concordance, level_auc_roc, tau_b
from tocsin.evaluation.metrics.volume import range_auc, volumes, vus_pr, vus_roc
from tocsin.evaluation.metrics.window import vus_window

__all__ = [
    "CareEvent",
    "NabFile",
    "RangeRule",
    "affiliation_f1",
    "affiliation_parts",
    "at_budget",
    "auc_pr",
    "auc_roc",
    "best_f1",
    "best_gmean",
    "care",
    "concordance",
    "detection_delay",
    "distinct_scores",
    "earliness",
    "event_aupimo",
    "event_f1",
    "event_parts",
    "event_shares",
    "incidents",
    "level_auc_roc",
    "nab_score",
    "pa_f1",
    "pa_k_f1",
    "pate",
    "pate_f1",
    "pate_step",
    "range_auc",
    "range_f1",
    "range_precision",
    "range_recall",
    "row_parts",
    "tau_b",
    "volumes",
    "vus_pr",
    "vus_roc",
    "vus_window",
]
