"""One detector on one labelled series: judged as in a live run, then held against the labels."""

import resource
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tocsin.backtesting.plan import Task
from tocsin.config import AUTO, Stages
from tocsin.configuration.settings import shown
from tocsin.evaluation.datasets.labelled import Labelled
from tocsin.evaluation.matching import WEEK_NS, Planted, anomalies, match
from tocsin.evaluation.measures import budget_curve, complete, measure
from tocsin.evaluation.metrics import vus_window
from tocsin.history.choosing import choose
from tocsin.history.judging import Judged, Rows, judge
from tocsin.history.learning import learn
from tocsin.history.offline import judge_offline
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.incidents import Incident
from tocsin.pipeline.state import settings_of
from tocsin.pipeline.types import IntArray

_GAP = 12  # rows between two alarms of one incident, in the budget curve
_TOP = 3  # channels that a person looks at


@dataclass(frozen=True, slots=True)
class Cost:
    """What judging took, in seconds and in the largest memory of the process.

    Offline, fitting is a part of scoring.
    """

    fit_s: float
    score_s: float
    rows: int
    peak_mb: float


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of a task.

    `row` has the results by column name, `events` one entry a labelled event, `budgets` one a
    budget, `incidents` one an incident. `time`, `score`, `tail`, `alpha` and `alarm` (N,) are of
    the judged rows, those after the training prefix.
    """

    row: dict[str, Any]
    events: list[dict[str, Any]]
    budgets: list[dict[str, float]]
    incidents: list[Incident]
    blame: list[dict[str, Any]]
    time: IntArray
    judged: Judged


def find(task: Task, labelled: Labelled) -> tuple[Finding, Cost]:
    """Judge a series and hold what came of it against its labels.

    The rows are those of the pipeline's step, the training prefix learned first and never judged.
    """
    rows, train = _rows(labelled), _train(task, labelled)
    history, rest = rows.take(np.arange(train)), rows.take(np.arange(train, len(rows)))
    stages = stages_for(task, rows, train)
    judged, cost = _judge(task, stages, history if train else None, rest)
    truth = labelled.part(train, len(rows) - 1)
    row = {
        "dataset": labelled.dataset,
        "series": labelled.stream.series,
        "detector": task.detector,
        "mode": task.mode,
        "seed": int(getattr(stages.scorer, "seed", 0)),
        "fitted": _fitted(task, stages, train),
        "train_rows": train,
        "settings": settings_of(stages.scorer),
        "channels": len(rows.channels),
        "rows": len(rest),
        "unscored": int(np.isnan(judged.score).sum()),
        "labelled_rows": int(truth.truth.label.sum()),
        "error": "",
    }
    finding = Finding(row, [], [], list(judged.incidents), [], rest.time, judged)
    return _held_against(finding, truth, task), cost


def _judge(task: Task, stages: Stages, history: Rows | None, rest: Rows) -> tuple[Judged, Cost]:
    begun = fitted = time.perf_counter()
    if task.mode == "offline":
        judged = judge_offline(stages, rest, history)
    else:
        trained = None if history is None else learn(stages, history, follows=True)
        fitted = time.perf_counter()
        judged = judge(stages, rest, trained)
    done = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
    return judged, Cost(fitted - begun, done - fitted, len(rest), peak)


def stages_for(task: Task, rows: Rows, train: int) -> Stages:
    """The stages of a task for rows like these: those asked for, and `tocsin score`'s else.

    The first `train` of the rows are clean history.
    """
    choice = choose(task.scorer or AUTO, len(rows.channels), rows.step_ns(), {}, train)
    return replace(choice.stages, **task.stages)


def window_of(labelled: Labelled) -> int:
    """The width around an event that VUS allows for, from the first channel, as TSB-AD has it."""
    first = labelled.stream.values[:, 0]
    known = ~np.isnan(first)
    if not known.any():
        return vus_window(np.zeros(1))
    place = np.maximum.accumulate(np.where(known, np.arange(len(first)), -1))
    return vus_window(first[np.where(place < 0, int(known.argmax()), place)])


def _rows(labelled: Labelled) -> Rows:
    stream = labelled.stream
    return Rows([stream.series] * len(stream), stream.time, stream.values, stream.channels)


def _train(task: Task, labelled: Labelled) -> int:
    """How many rows are learned before any is judged; never one that is labelled."""
    rows = len(labelled.stream)
    if task.train == "none":
        return 0
    if task.train == "prefix" or isinstance(task.train, str):
        return labelled.train
    asked = round(task.train * rows) if task.train < 1 else int(task.train)
    if asked >= rows:
        raise ConfigError(f"{labelled.name}: train is {shown(task.train)} of {rows} rows")
    label = labelled.truth.label
    return min(asked, int(label.argmax()) if label.any() else rows)


def _fitted(task: Task, stages: Stages, train: int) -> str:
    """In words, on what the detector was fitted."""
    if not hasattr(stages.scorer, "fit"):
        return "as it goes" if task.mode == "causal" else "as it goes, both ways"
    if train:
        return "on the rows before"
    return "on its first rows" if task.mode == "causal" else "on the series itself"


def _held_against(finding: Finding, labelled: Labelled, task: Task) -> Finding:
    """The finding with metrics, events, budgets and blame."""
    label, judged = labelled.truth.label, finding.judged
    row = dict(finding.row)
    weeks = _weeks(finding.time)
    row["window"] = window_of(labelled)
    if label.any() and not label.all():
        row |= measure(
            label.astype(np.float64), complete(judged.score), int(row["window"]), task.buffer
        )
        budgets = budget_curve(label, judged.tail, weeks, _GAP)
    else:
        budgets = []
    planted = _planted(labelled)
    raised = anomalies(judged.incidents)
    matching = match(planted, raised, slack_ns=0)
    normal = ~label
    row |= {
        "events": len(planted),
        "caught": matching.found,
        "incidents": len(raised),
        "false_incidents": len(matching.false_alarms),
        "weeks": weeks,
        "false_share": float((judged.alarm & normal).sum() / max(1, normal.sum())),
    }
    steps = np.diff(finding.time)
    step = float(np.median(steps)) if steps.size else 1.0
    events = [
        {
            "kind": outcome.fault.kind or "unnamed",
            "first_ns": outcome.fault.start,
            "last_ns": outcome.fault.end,
            "caught": outcome.found,
            "delay_rows": np.nan if outcome.delay_ns is None else outcome.delay_ns / step,
        }
        for outcome in matching.outcomes
    ]
    blame = _blame(labelled, raised)
    return replace(finding, row=row, events=events, budgets=budgets, blame=blame)


def _planted(labelled: Labelled) -> list[Planted]:
    name, time_ns = labelled.stream.series, labelled.stream.time.tolist()
    return [
        Planted(name, event.kind, time_ns[event.first], time_ns[event.last])
        for event in labelled.truth.events
    ]


def _blame(labelled: Labelled, raised: list[Incident]) -> list[dict[str, Any]]:
    """For each incident on an event whose channels are known: whether the top three hit one.

    `chance` is how often three channels drawn at random would.
    """
    found = []
    count, events = len(labelled.stream.channels), labelled.truth.events
    for incident in raised:
        at_fault = {
            name
            for event, planted in zip(events, _planted(labelled), strict=True)
            if incident.started_at <= planted.end
            and (incident.ended_at is None or incident.ended_at >= planted.start)
            for name in event.channels
        }
        if not at_fault or not incident.channels or count <= _TOP:
            continue
        blamed = {name for name, _ in incident.channels[:_TOP]}
        missed = 1.0
        for drawn in range(_TOP):
            missed *= max(0, count - len(at_fault) - drawn) / (count - drawn)
        hit = bool(blamed & at_fault)
        found.append({"incident": incident.id, "hit": hit, "chance": 1 - missed})
    return found


def _weeks(time_ns: IntArray) -> float:
    return max(1.0, float(time_ns[-1] - time_ns[0])) / WEEK_NS if len(time_ns) else 1.0 / WEEK_NS
