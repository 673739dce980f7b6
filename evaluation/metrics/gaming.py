"""What worthless scores get under each metric, computed, so that numbers can be read against it."""

from collections.abc import Callable, Mapping

import numpy as np

from tocsin.evaluation.metrics.adjusted import pa_f1, pa_k_f1
from tocsin.evaluation.metrics.affiliation import affiliation_f1
from tocsin.evaluation.metrics.aupimo import event_aupimo
from tocsin.evaluation.metrics.budget import at_budget
from tocsin.evaluation.metrics.care import CareEvent, care
from tocsin.evaluation.metrics.checked import runs
from tocsin.evaluation.metrics.events import event_f1
from tocsin.evaluation.metrics.nab import NabFile, nab_score
from tocsin.evaluation.metrics.proximity import pate, pate_step
from tocsin.evaluation.metrics.ranges import range_f1
from tocsin.evaluation.metrics.ranking import (
    auc_pr,
    auc_roc,
    best_f1,
    best_gmean,
    distinct_scores,
)
from tocsin.evaluation.metrics.volume import vus_pr, vus_roc
from tocsin.evaluation.table import Table
from tocsin.pipeline.types import BoolArray, FloatArray

ROWS = 10_000
EVENT_ROWS = 50
FIRST_EVENT, EVENT_EVERY, EVENTS = 775, 925, 10  # after the rows that NAB leaves out
LATE_ROWS = 40
BUDGET = 10.0  # false incidents; the rows are taken to be one week

Metric = Callable[[BoolArray, FloatArray], float]  # of labels and scores


def plain_labels() -> BoolArray:
    """Ten events of 50 rows, evenly spread over 10,000 rows."""
    labels = np.zeros(ROWS, dtype=np.bool_)
    for first in range(FIRST_EVENT, FIRST_EVENT + EVENTS * EVENT_EVERY, EVENT_EVERY):
        labels[first : first + EVENT_ROWS] = True
    return labels


def worthless_scores() -> dict[str, FloatArray]:
    """Scores (N,) that know little or nothing, and the perfect one; drawn from a fixed seed."""
    labels = plain_labels()
    rng = np.random.default_rng(7)
    spike, hits = np.zeros(ROWS), np.zeros(ROWS)
    spike[FIRST_EVENT + EVENT_ROWS // 2] = 1.0
    hits[runs(labels)[:, 0] + EVENT_ROWS // 2] = 1.0
    return {
        "constant": np.zeros(ROWS),
        "random": rng.random(ROWS),
        "random, 3 levels": rng.integers(0, 3, ROWS).astype(np.float64),
        "one spike in one event": spike,
        "one row of each event": hits,
        "perfect, 40 rows late": np.roll(labels, LATE_ROWS).astype(np.float64),
        "perfect": labels.astype(np.float64),
    }


def plain_severity() -> FloatArray:
    """The events of `plain_labels` at severities 1, 2 and 3 in turn, 0 elsewhere."""
    labels = plain_labels()
    return np.where(labels, (np.cumsum(np.diff(labels, prepend=False) & labels) - 1) % 3 + 1.0, 0.0)


def worthless_alarms() -> dict[str, BoolArray]:
    """Alarms (N,) that know nothing: in every row, and in a random 1 % of them."""
    rng = np.random.default_rng(7)
    return {"always": np.ones(ROWS, dtype=np.bool_), "random": rng.random(ROWS) < 0.01}


def worthless_care() -> dict[str, float]:
    """CARE of ten anomaly events and ten normal ones, 4,000 rows each, under worthless alarms."""
    rng = np.random.default_rng(7)
    share = {"never": 0.0, "always": 1.0, "coin": 0.5}
    normal = np.ones(4000, dtype=np.bool_)
    return {
        name: care(
            [
                CareEvent(str(i), rng.random(4000) < chance, normal, 2000, 3499, i % 2 == 0)
                for i in range(20)
            ]
        ).score
        for name, chance in share.items()
    }


def _caught(labels: BoolArray, scores: FloatArray) -> float:
    return at_budget(labels, scores, weeks=1.0, budget=BUDGET).caught / len(runs(labels))


METRICS: Mapping[str, Metric] = {
    "vus_pr": vus_pr,
    "vus_roc": vus_roc,
    "event_aupimo": event_aupimo,
    "pate": pate,
    "pate_step": pate_step,
    "auc_pr": auc_pr,
    "auc_roc": auc_roc,
    "best_f1": best_f1,
    "best_gmean": lambda labels, scores: best_gmean(labels, scores).f1,
    "event_f1": event_f1,
    "range_f1": range_f1,
    "affiliation_f1": affiliation_f1,
    "pa_f1": lambda labels, scores: float(pa_f1(labels, scores)),
    "pa_k_f1": lambda labels, scores: float(pa_k_f1(labels, scores)),
    "nab_score": lambda labels, scores: nab_score([NabFile(scores, runs(labels))]).score,
    "at_budget": _caught,
    "distinct_scores": lambda _, scores: distinct_scores(scores),
}


def gameability() -> Table:
    """A row a metric, a column a score: what it gets for ten events of 50 rows in 10,000.

    `best_gmean` is the F1 at its threshold, `at_budget` the share of events caught at one false
    incident in 1,000 rows; `nab_score` is of 100, with the events as windows. A few seconds at the
    first call, while the metrics are compiled.
    """
    labels, scores = plain_labels(), worthless_scores()
    rows = tuple(
        (f"`{name}`", *(_shown(metric(labels, score)) for score in scores.values()))
        for name, metric in METRICS.items()
    )
    head = ("metric", *scores)
    return Table("What scores get", head, rows, numbers=tuple(range(1, len(head))))


def markdown(table: Table) -> str:
    """The table as Markdown, numbers to the right, with a newline at its end.

    >>> markdown(Table("", ("a", "b"), (("x", "1"),), numbers=(1,))).splitlines()
    ['| a | b |', '|---|---:|', '| x | 1 |']
    """
    rules = ("---:" if place in table.numbers else "---" for place in range(len(table.head)))
    lines = [_line(table.head), f"|{'|'.join(rules)}|", *map(_line, table.rows)]
    return "\n".join(lines) + "\n"


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def _shown(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.3f}"
