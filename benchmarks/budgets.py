"""Whether alert budgets are kept on real data, and whether the rate was told beforehand.

NAB, SMD and GECCO, through the pipeline: the training prefix is learned, the rest judged as live.
For budgets of 0.5, 2 and 7 incidents a week a series: the rate predicted from the prefix alone, the
incidents outside labelled events that came a week of unlabelled time, and the share of labelled
events caught; and what came with the labelled rows cut out, for the prediction knows no faults.
Beside them a score 3 standard deviations above the prefix's mean, and one above its 99th
percentile. `python benchmarks/budgets.py DATA [DATASET ...]`; DATA is a folder of data sets.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tocsin.config import Stages
from tocsin.evaluation.datasets.catalogue import list_series
from tocsin.evaluation.datasets.labelled import Labelled, runs_of
from tocsin.evaluation.matching import WEEK_NS, Planted, match
from tocsin.evaluation.measures import bridged
from tocsin.evaluation.table import Table
from tocsin.history.choosing import choose
from tocsin.history.judging import Rows, judge
from tocsin.history.learning import learn
from tocsin.pipeline.calibrate import Conformal
from tocsin.pipeline.gate import Gate
from tocsin.pipeline.threshold import AlertBudget, FixedTail
from tocsin.pipeline.thresholds.forecast import Forecast, History, expected_incidents, settled
from tocsin.pipeline.thresholds.paced_budget import PacedBudget
from tocsin.pipeline.types import FloatArray

BUDGETS = (0.5, 2.0, 7.0)  # incidents a week a series
DETECTORS = {"NAB": "moving_std", "SMD": "mahalanobis", "GECCO": "mahalanobis"}
USUAL = 1_000  # scores of the calibrator's history, if nothing is said
CUT = "history by the budget, faults cut out"  # the labelled rows are not judged at all
RULES: dict[str, tuple[int | None, type[AlertBudget] | type[PacedBudget]]] = {
    "usual, history 1000": (USUAL, AlertBudget),
    "history by the budget": (None, AlertBudget),
    "paced, history by the budget": (None, PacedBudget),
    CUT: (None, AlertBudget),
}
_GAP = 12  # rows, as for `tocsin score`
_NO_ALARM = FixedTail(1e-300)


@dataclass(frozen=True, slots=True)
class Came:
    """False incidents, calm weeks, and events caught of all."""

    false: int = 0
    weeks: float = 0.0
    caught: int = 0
    events: int = 0

    def __add__(self, other: "Came") -> "Came":
        return Came(
            self.false + other.false,
            self.weeks + other.weeks,
            self.caught + other.caught,
            self.events + other.events,
        )

    @property
    def a_week(self) -> float:
        return self.false / self.weeks


def rows_of(labelled: Labelled) -> Rows:
    stream = labelled.stream
    return Rows([stream.series] * len(stream), stream.time, stream.values, stream.channels)


def stages_of(labelled: Labelled, rule: str, budget: float) -> Stages:
    """The stages of `tocsin score`, with a rule's history and threshold."""
    rows, (history, threshold) = rows_of(labelled), RULES[rule]
    if history is None:  # two scores over the level, as `tocsin plan` advises
        history = max(USUAL, round(2 * WEEK_NS / (budget * rows.step_ns())))
    chosen = choose(DETECTORS[labelled.dataset], len(rows.channels), rows.step_ns(), {})
    return replace(
        chosen.stages,
        calibrator=Conformal(history=history),
        threshold=threshold(f"{budget}/week"),
    )


def judged(labelled: Labelled, stages: Stages, *, cut: bool = False) -> Came:
    """What came of the rows after the prefix, with `cut` of those without a label."""
    rows, train = rows_of(labelled), labelled.train
    trained = learn(stages, rows.take(np.arange(train)), follows=True) if train else None
    later = np.arange(train, len(rows))
    found = judge(stages, rows.take(later[~(cut & labelled.truth.label[train:])]), trained)
    name, time = labelled.stream.series, labelled.stream.time.tolist()
    events = labelled.truth.events
    faults = [Planted(name, event.kind, time[event.first], time[event.last]) for event in events]
    opened = [incident for incident in found.incidents if incident.kind == "anomaly"]
    matching = match(faults, opened, slack_ns=0)
    return Came(len(matching.false_alarms), calm_weeks(labelled), matching.found, len(faults))


def calm_weeks(labelled: Labelled) -> float:
    """The judged time that is not labelled."""
    time, label = labelled.stream.time[labelled.train :], labelled.truth.label[labelled.train :]
    return float((time[-1] - time[0]) / WEEK_NS * (1 - label.mean()))


def told(labelled: Labelled, stages: Stages) -> Forecast | None:
    """The forecast from the prefix alone, None where nothing of it could be judged."""
    calm = replace(stages, gate=Gate("always"), threshold=_NO_ALARM)
    rows = rows_of(labelled).take(np.arange(labelled.train))
    tail = judge(calm, rows).tail
    history = settled(History(np.zeros(len(rows), dtype=np.int64), rows.time, tail), 200)
    if np.isnan(history.tail).all():
        return None
    return expected_incidents(history, stages.threshold, stages.episodes)


def fixed(labelled: Labelled, score: FloatArray, limit: Callable[[FloatArray], float]) -> Came:
    """What comes of a limit on the scores (N,) that is set from those of the prefix."""
    train, label = labelled.train, labelled.truth.label
    known = score[:train][np.isfinite(score[:train])]
    alarms = bridged(score > (limit(known) if known.size else np.inf), _GAP)
    alarms[:train] = False
    false = sum(not label[a : b + 1].any() for a, b in runs_of(alarms))
    caught = sum(bool(alarms[each.first : each.last + 1].any()) for each in labelled.truth.events)
    return Came(false, calm_weeks(labelled), caught, len(labelled.truth.events))


def three_sigma(score: FloatArray) -> float:
    return float(score.mean() + 3 * score.std())


def one_in_a_hundred(score: FloatArray) -> float:
    return float(np.quantile(score, 0.99))


def lines(dataset: str, series: list[Labelled]) -> Iterator[tuple[str, ...]]:
    """The rows of the table for one data set."""
    for rule in RULES:
        for budget in BUDGETS:
            forecasts, came = [], Came()
            for labelled in series:
                stages = stages_of(labelled, rule, budget)
                forecasts.append(told(labelled, stages))
                came += judged(labelled, stages, cut=rule == CUT)
            rates = [budget if one is None else one.under(budget).a_week for one in forecasts]
            yield line(dataset, rule, budget, float(np.mean(rates)), came)
    scores = [scores_of(labelled) for labelled in series]
    for name, limit in (("3 sigma", three_sigma), ("contamination 0.01", one_in_a_hundred)):
        came = sum((fixed(*each, limit) for each in zip(series, scores, strict=True)), Came())
        yield line(dataset, name, np.nan, np.nan, came)


def scores_of(labelled: Labelled) -> FloatArray:
    """Scores of all rows, every row learned."""
    stages = replace(
        stages_of(labelled, "usual, history 1000", 2), gate=Gate("always"), threshold=_NO_ALARM
    )
    return judge(stages, rows_of(labelled)).score


def line(dataset: str, rule: str, budget: float, rate: float, came: Came) -> tuple[str, ...]:
    ratio = came.a_week / budget
    return (
        dataset,
        rule,
        *("" if np.isnan(number) else f"{number:.2f}" for number in (budget, rate)),
        f"{came.a_week:.2f}",
        "" if np.isnan(ratio) else f"{ratio:.2f}",
        "" if rule == CUT else f"{came.caught}/{came.events}",
    )


def main(data: Path, names: list[str]) -> None:
    """Print the table, a data set at a time."""
    head = ("data", "rule", "budget", "predicted", "seen", "seen/budget", "caught")
    for dataset in names or list(DETECTORS):
        series = [reference.read() for reference in list_series(data, [dataset])]
        found = []
        for each in lines(dataset, series):
            print(*each, sep="  ", file=sys.stderr, flush=True)
            found.append(each)
        title = f"Incidents a week a series, {DETECTORS[dataset]}"
        print("\n".join(Table(title, head, tuple(found), (2, 3, 4, 5, 6)).lines()), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
