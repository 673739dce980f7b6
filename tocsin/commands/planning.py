"""`tocsin plan`: what a configuration will cost and how often it will alarm, before it is run."""

import math
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from tocsin.commands.file_rows import read_all
from tocsin.commands.left_out import counts_of, refusals, tell_left_out
from tocsin.commands.scoring import train_option
from tocsin.commands.screen import counted, print_json, stdout, tell_table
from tocsin.config import Stages, load
from tocsin.connectors.files import open_file
from tocsin.evaluation.table import Table
from tocsin.evaluation.wording import number, plural
from tocsin.history.batch import in_history
from tocsin.history.judging import Progress, Rows, Trained, begin, judge, steps
from tocsin.history.learning import learn
from tocsin.pipeline.chain import ChainState, Verdicts, join_verdicts
from tocsin.pipeline.durations import parse_budget, parse_duration
from tocsin.pipeline.errors import ConfigError, TocsinError
from tocsin.pipeline.gate import Gate
from tocsin.pipeline.keyed import keyed_fields, read_field
from tocsin.pipeline.reasons import Reasons
from tocsin.pipeline.rules.verdicts import UNSURE
from tocsin.pipeline.state import flatten
from tocsin.pipeline.threshold import AlertBudget, FixedTail, Threshold
from tocsin.pipeline.thresholds.forecast import Forecast, History, expected_incidents, settled

OTHERS = (0.5, 2.0, 7.0)  # budgets a week a series, told beside the configured rule
_WEEK = parse_duration("1w")
_NO_ALARM = FixedTail(1e-300)  # under the smallest tail there is
_SETTLED = 200  # opinions of a series before its tails can be small
_WARM = 200  # rows that compile a detector's inner loops before the clock runs


@dataclass(frozen=True, slots=True)
class Expected:
    """An alarm rule in words, and its forecast a series; None where there is too little history.

    `history` is how many calibration scores a series should keep for the rule: two over its level,
    None where the rule has no level of its own.
    """

    rule: str
    forecast: Forecast | None
    history: int | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What rows like these will take and give.

    `bytes_a_series` and `bytes_in_all` are the state's arrays after these rows. `unsure` is the
    share of opinions that are "can't say", None where abstention is off. `history` is how many
    scores of a series the configured calibrator keeps, None where it does not say. `refused` are
    rows that were read and took no part, by the reason's name.
    """

    series: int
    rows: int
    trained_on: int
    bytes_a_series: int
    bytes_in_all: int
    rows_a_second: float
    expected: tuple[Expected, ...]
    unsure: float | None
    history: int | None
    refused: Mapping[str, int] = field(default_factory=dict)


def plan_config(
    path: Path, file: Path, train: float | None = None, *, as_json: bool = False
) -> None:
    """Tell the plan of a configuration for rows like those of a file.

    With `train` the first so many times, or such a share of them, are clean history, learned and
    not judged. Otherwise the first 200 opinions of each series, at most the half of them, are left
    out of the forecast.
    """
    config = load(path)
    source = open_file(file, config.fields, config.dialect)
    rows, rejected = read_all(source, file)
    if config.fields is None and config.source.spec().item != rows.spec().item:
        raise ConfigError(
            f"{file} has {plural(len(rows.channels), 'channel')}, the source {config.name!r} gives "
            f"{config.source.spec().item[0]}"
        )
    with counted(2 * len(rows), "planning") as progress:
        found = plan(config.stages, rows, train_option(train), progress)
    reasons = Reasons().joined(rejected).joined(refusals(found.refused))
    if as_json:
        print_json(_document(found) | {"left_out": counts_of(reasons)})
    else:
        tell_left_out(reasons)
        _tell(found)


def plan(
    stages: Stages, rows: Rows, train: float | None = None, progress: Progress | None = None
) -> Plan:
    """What the stages will take and give on rows like these; every row should be normal.

    The rows are judged twice: under the stages, for state and time; and with every row learned and
    none alarming, for the tails that the forecast goes by.
    """
    ordered = rows.take(rows.in_time())
    stages = replace(stages, retention=None)  # room is planned for all series of the file
    history, rest = _cut(ordered, train)
    trained = None if history is None else learn(stages, history, follows=True)
    state, verdicts, seconds, refused = _play(stages, rest, trained, progress)
    calm = replace(stages, gate=Gate("always"), threshold=_NO_ALARM)
    _, quiet, *_ = _play(calm, rest, trained, progress)
    tails = History(quiet.key, quiet.time, quiet.tail)
    tails = tails if train else settled(tails, _SETTLED)
    each, shared = _sizes(state)
    count = state.keys.live
    opinions = ~np.isnan(verdicts.tail + verdicts.alpha)
    unsure = float((verdicts.verdict[opinions] == UNSURE).mean()) if opinions.any() else 0.0
    return Plan(
        series=count,
        rows=len(rows),
        trained_on=0 if history is None else len(history),
        bytes_a_series=each,
        bytes_in_all=each * count + shared,
        rows_a_second=len(rest) / seconds,
        expected=tuple(
            _expected(rule, tails, stages, rows.step_ns()) for rule in _rules(stages.threshold)
        ),
        unsure=None if stages.abstention is None else unsure,
        history=getattr(stages.calibrator, "history", None),
        refused=refused,
    )


def _cut(rows: Rows, train: float | None) -> tuple[Rows | None, Rows]:
    """Clean history and the rows after it."""
    if train is None:
        return None, rows
    history = in_history(rows, train)
    return rows.take(np.flatnonzero(history)), rows.take(np.flatnonzero(~history))


def _play(
    stages: Stages, rows: Rows, trained: Trained | None, progress: Progress | None
) -> tuple[ChainState, Verdicts, float, Counter[str]]:
    """State and verdicts after rows, the seconds it took, and counts of refused rows."""
    judge(stages, rows.take(np.arange(min(_WARM, len(rows)))), trained)
    state = begin(stages.chain(rows.spec()), trained)
    begun = time.perf_counter()
    parts: list[Verdicts] = []
    refused: Counter[str] = Counter()
    for _, outcome in steps(stages, state, rows, progress):
        parts.append(outcome.verdicts)
        refused.update(why for _, why in outcome.refused)
    seconds = max(time.perf_counter() - begun, 1e-9)
    return state, join_verdicts(parts), seconds, refused


def _sizes(state: ChainState) -> tuple[int, int]:
    """Bytes of a series' rows in the state's arrays, and of the arrays that all series share."""
    keyed = {path: read_field(state, path) for path in keyed_fields(state)}
    each = sum(array[:1].nbytes for array in keyed.values())
    every = flatten(state).items()
    shared = sum(a.nbytes for path, a in every if path not in keyed and isinstance(a, np.ndarray))
    return each, shared


def _rules(configured: Threshold[Any]) -> list[tuple[str, Threshold[Any]]]:
    """The configured rule, and some budgets beside it."""
    budget, level = getattr(configured, "budget", None), getattr(configured, "level", None)
    words = type(configured).__name__ if budget is None else f"budget {budget}"
    words = words if level is None else f"tail {level:g}"
    others = [AlertBudget(f"{count:g}/week/series") for count in OTHERS]
    beside = [(f"budget {each.budget}", each) for each in others if each.budget != budget]
    return [(f"{words} (configured)", configured), *beside]


def _expected(
    rule: tuple[str, Threshold[Any]], tails: History, stages: Stages, step_ns: int
) -> Expected:
    words, threshold = rule
    wanted = _scores_wanted(threshold, step_ns)
    try:
        found = expected_incidents(tails, threshold, stages.episodes)
    except TocsinError:
        return Expected(words, None, wanted)
    budget = getattr(threshold, "budget", None)
    if budget is None:
        return Expected(words, found, wanted)
    count, period, _ = parse_budget(budget)
    return Expected(words, found.under(count / period * _WEEK), wanted)


def _scores_wanted(threshold: Threshold[Any], step_ns: int) -> int | None:
    """Scores of a series that make a rule's level more than a guess: two over the level."""
    level = getattr(threshold, "level", None)
    if isinstance(threshold, AlertBudget):
        level = float(threshold.undivided(np.array(step_ns)))
    return None if level is None else math.ceil(2 / level)


def _tell(found: Plan) -> None:
    console = stdout()
    after = f", {found.trained_on} of them learned first" if found.trained_on else ""
    console.print(f"{plural(found.series, 'series')}, {plural(found.rows, 'row')}{after}.")
    console.print(
        f"State: {number(found.bytes_a_series / 1e3)} kB a series, "
        f"{number(found.bytes_in_all / 1e6)} MB in all."
    )
    console.print(f"Speed: {found.rows_a_second:.0f} rows a second on one core of this machine.")
    if found.unsure is not None:
        console.print(f'"Can\'t say": {found.unsure:.2%} of the rows with an opinion.')
    console.print("")
    rows = tuple(_line(each, found.series) for each in found.expected)
    head = ("alarm rule", "a series", "from", "to", "all series", "history", "counted")
    tell_table(console, Table("Incidents a week, if all is normal", head, rows, (1, 2, 3, 4, 5, 6)))
    console.print(
        "\nfrom, to: 90 % interval. history: scores of a series that the rule's level needs. "
        "counted: incidents the rows would have opened."
    )
    wanted = found.expected[0].history
    if found.history is not None and wanted is not None and found.history < wanted:
        console.print(
            f"The calibrator keeps {found.history} scores a series, and the configured rule needs "
            f"{wanted}: set scoring.calibrate.history, or the budget may not be kept."
        )


def _line(expected: Expected, series: int) -> tuple[str, ...]:
    found = expected.forecast
    wanted = "" if expected.history is None else str(expected.history)
    if found is None:
        return (expected.rule, "?", "", "", "?", wanted, "no row was judged")
    rates = (found.a_week, found.low, found.high, found.a_week * series)
    wider = "" if found.wider == 1 else f" at {found.wider:g} x the level"
    return (expected.rule, *map(number, rates), wanted, f"{found.incidents}{wider}")


def _document(found: Plan) -> dict[str, Any]:
    return {
        "series": found.series,
        "rows": found.rows,
        "trained_on": found.trained_on,
        "state_bytes": {"a_series": found.bytes_a_series, "in_all": found.bytes_in_all},
        "rows_a_second": found.rows_a_second,
        "cannot_say": found.unsure,
        "history": found.history,
        "incidents_a_week": [
            {"rule": each.rule, "a_series": None, "history_wanted": each.history}
            if each.forecast is None
            else {
                "rule": each.rule,
                "a_series": each.forecast.a_week,
                "interval": [each.forecast.low, each.forecast.high],
                "all_series": each.forecast.a_week * found.series,
                "counted": each.forecast.incidents,
                "at_times_the_level": each.forecast.wider,
                "history_wanted": each.history,
            }
            for each in found.expected
        ],
    }
