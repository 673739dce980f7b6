"""The report of a backtest: one page, and its tables as CSV, Markdown and LaTeX."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tocsin.backtesting.judging import Finding
from tocsin.backtesting.plan import Plan, Task
from tocsin.backtesting.results import Results
from tocsin.backtesting.storing import recall
from tocsin.evaluation.comparing.averages import averages
from tocsin.evaluation.comparing.comparison import CONTROLS, MODES, Mode, compare
from tocsin.evaluation.comparing.critical_difference import svg, tell
from tocsin.evaluation.comparing.kinds import by_kind
from tocsin.evaluation.comparing.leaderboard import by_dataset, leaderboard, versus
from tocsin.evaluation.comparing.ranks import rank
from tocsin.evaluation.comparing.table_formats import to_csv, to_latex, to_markdown
from tocsin.evaluation.datasets.labelled import Labelled
from tocsin.evaluation.panel import Interval, Panel
from tocsin.evaluation.report.report import Judged, Report, write_report
from tocsin.evaluation.saving import save
from tocsin.evaluation.table import Table
from tocsin.evaluation.wording import plural

METRICS = ("vus_pr", "pate", "event_aupimo", "auc_pr", "auc_roc", "affiliation_f1", "range_f1")
FIRST = METRICS[0]
_SHOWN = ("vus_pr", "pate", "event_aupimo", "auc_pr")
_MOST_SERIES = 120  # that have plots on the page


def write_all(plan: Plan, results: Results, out: Path, *, command: str = "") -> list[Path]:
    """Write `report.html` and the tables beside it; gives what was written."""
    tables = _tables(plan, results)
    written = []
    for name, table in tables.items():
        for suffix, text in (
            ("csv", to_csv(table)),
            ("md", to_markdown(table)),
            ("tex", to_latex(table)),
        ):
            path = out / "tables" / f"{name}.{suffix}"
            save(path, text.encode())
            written.append(path)
    page = out / "report.html"
    write_report(_report(plan, results, out, tables, command), page)
    return [page, *written]


def _tables(plan: Plan, results: Results) -> dict[str, Table]:
    """Every table by the name of its file, each of one mode."""
    found: dict[str, Table] = {}
    frame = results.results
    for mode in _modes(results):
        found[f"leaderboard-{mode}"] = leaderboard(frame, _SHOWN, mode)
        for metric in _SHOWN[:2]:
            found[f"{metric}-{mode}"] = by_dataset(frame, metric, mode)
        compared = compare(frame, FIRST, mode)
        if compared.series and plan.baseline in compared.detectors:
            found[f"against-{plan.baseline}-{mode}"] = versus(frame, FIRST, mode, plan.baseline)
        if _have_all(results.events, mode):
            found[f"kinds-{mode}"] = by_kind(results.events, mode)
        blame = _blame(results.incidents, mode)
        if blame is not None:
            found[f"blame-{mode}"] = blame
    return found


def _have_all(events: pd.DataFrame, mode: Mode) -> bool:
    """Whether events of a series are there for all detectors that have any, controls among them."""
    if not len(events):
        return False
    rows = events[events["mode"] == mode]
    names = set(rows["detector"])
    having = rows.groupby(["dataset", "series"])["detector"].nunique()
    return set(CONTROLS) <= names and bool((having == len(names)).any())


def _blame(incidents: pd.DataFrame, mode: Mode) -> Table | None:
    """How often the three most blamed channels of an incident hold one that was at fault."""
    if not len(incidents):
        return None
    known = incidents[(incidents["mode"] == mode) & incidents["blame_hit"].notna()]
    if not len(known):
        return None
    groups = known.groupby("detector")[["blame_hit", "blame_chance"]].agg(["mean", "count"])
    rows = sorted(
        (
            (
                str(name),
                str(int(group["blame_hit"]["count"])),
                f"{group['blame_hit']['mean']:.2f}",
                f"{group['blame_chance']['mean']:.2f}",
            )
            for name, group in ((name, groups.loc[name]) for name in groups.index)
        ),
        key=lambda row: (-float(row[2]), row[0]),
    )
    note = "Of incidents on an event whose faulty channels are labelled; three of them at random."
    head = ("detector", "incidents", "top three hold one", "three at random")
    return Table(f"Channels blamed, {mode}", head, tuple(rows), numbers=(1, 2, 3), note=note)


def _report(
    plan: Plan, results: Results, out: Path, tables: Mapping[str, Table], command: str
) -> Report:
    frame = results.results
    compared = [compare(frame, FIRST, mode) for mode in _modes(results)]
    drawn = [(one.mode, rank(one)) for one in compared if min(one.values.shape) > 1]
    series = frame[["dataset", "series"]].drop_duplicates()
    failed = int((frame["error"] != "").sum())
    summary = (
        f"{plural(len(plan.detectors), 'detector')} on {plural(len(series), 'series')} of "
        f"{plural(series['dataset'].nunique(), 'data set')}; {plural(failed, 'failed job')}."
    )
    return Report(
        title="Backtest",
        summary=summary,
        tables=tuple(t for n, t in tables.items() if not n.startswith(("vus", "pate", "kinds"))),
        drawings=tuple((f"{mode}: {tell(ranking)}", svg(ranking)) for mode, ranking in drawn),
        scatter=frame[["detector", "mode", "dataset", "series", *_there(frame)]],
        budget=_budget(results.budgets),
        cost=_cost(results.costs),
        judged=_judged(plan, results, out),
        provenance=_provenance(frame, command),
        by_dataset=tuple(t for n, t in tables.items() if n.startswith(("vus", "pate"))),
        by_kind=tuple(t for n, t in tables.items() if n.startswith("kinds")),
    )


def _modes(results: Results) -> list[Mode]:
    """The modes in which anything was measured."""
    frame = results.results
    there = set(frame.loc[frame[FIRST].notna(), "mode"])
    return [mode for mode in MODES if mode in there]


def _there(frame: pd.DataFrame) -> list[str]:
    return [metric for metric in METRICS if metric in frame]


def _budget(budgets: pd.DataFrame) -> pd.DataFrame:
    """Macro means over data sets of the share of events caught, and the false incidents a week."""
    if not len(budgets):
        return budgets
    frame = budgets.assign(caught_share=budgets["caught"] / budgets["events"])
    names = ["detector", "mode", "per_week"]
    columns = ["caught_share", "false_per_week"]
    sets = frame.groupby([*names, "dataset"], as_index=False)[columns].mean()
    return sets.groupby(names, as_index=False)[columns].mean()


def _cost(costs: pd.DataFrame) -> pd.DataFrame:
    known = costs[costs["rows"] > 0]
    return pd.DataFrame(
        {
            "detector": known["detector"],
            "mode": known["mode"],
            "seconds": known["fit_s"] + known["score_s"],
            "rows": known["rows"],
            "megabytes": known["peak_mb"],
        }
    )


def _provenance(frame: pd.DataFrame, command: str) -> dict[str, str]:
    found = {"command": command} if command else {}
    for name in frame.columns:
        if str(name).startswith("version_"):
            values = sorted({str(value) for value in frame[name].dropna() if str(value)})
            found[str(name).removeprefix("version_")] = ", ".join(values) or "not known"
    return found


def _judged(plan: Plan, results: Results, out: Path) -> tuple[Judged, ...]:
    """For each series, the best detector of each mode and the best control, drawn."""
    wanted = _worth_drawing(results)
    found = []
    labelled: Labelled | None = None
    series = list(dict.fromkeys(task.reference for task in plan.tasks))
    shown = set(series[:: max(1, -(-len(series) // _MOST_SERIES))])
    for task in plan.tasks:
        if task.reference not in shown or (task.detector, task.mode) not in wanted:
            continue
        finding = recall(out, task.id).finding
        if not len(finding.time):
            continue  # it failed, perhaps as the series cannot be read
        if labelled is None or labelled.name != task.reference.name:
            labelled = task.reference.read()
        found.append(_one(task, labelled, finding))
    return tuple(found)


def _worth_drawing(results: Results) -> set[tuple[str, Mode]]:
    wanted: set[tuple[str, Mode]] = set()
    for mode in _modes(results):
        ranked = sorted(averages(compare(results.results, FIRST, mode)), key=lambda one: -one.macro)
        names = [one.detector for one in ranked]
        ours = [name for name in names if name not in CONTROLS][:1]
        controls = [name for name in names if name in CONTROLS][:1] if mode == "causal" else []
        wanted |= {(name, mode) for name in (*ours, *controls)}
    return wanted


def _one(task: Task, labelled: Labelled, finding: Finding) -> Judged:
    stream, judged = labelled.stream, finding.judged
    rows = slice(len(stream) - len(finding.time), len(stream))
    times = stream.time.tolist()
    panel = Panel(
        series=stream.series,
        channels=stream.channels,
        time=finding.time,
        values=stream.values[rows],
        score=judged.score,
        tail=judged.tail,
        alpha=judged.alpha,
        alarm=judged.alarm,
        incidents=judged.incidents,
        truth=tuple(
            Interval(times[event.first], times[event.last], event.kind)
            for event in labelled.truth.events
        ),
    )
    metrics: dict[str, Any] = finding.row
    numbers = {name: float(metrics[name]) for name in METRICS if name in metrics}
    return Judged(labelled.dataset, stream.series, task.detector, task.mode, panel, numbers)


def short(tables: Sequence[Table]) -> str:
    """Tables as text, one after the other."""
    return "\n\n".join("\n".join(table.lines()) for table in tables)


def leaderboards(results: Results) -> list[Table]:
    """The leaderboard of each mode."""
    return [leaderboard(results.results, _SHOWN, mode) for mode in _modes(results)]
