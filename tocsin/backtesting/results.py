"""The results of a backtest as tables of columns, and as Parquet files.

`results` has a row a task with its metrics, and in `data` a fingerprint of the series; `events` has
one a labelled event and task, `budgets` one a budget and task, `incidents` one an incident and
task, `costs` one a task. All but `costs` depend on settings, data and versions alone, so that a
backtest that was killed and went on ends in the same bytes as one that was not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tocsin.backtesting.plan import Plan, Task
from tocsin.backtesting.storing import told_of
from tocsin.evaluation.wording import plural
from tocsin.pipeline.errors import SinkError, TocsinError

_NAMES = ("dataset", "series", "detector", "mode", "seed")
_TEXTS = ("fitted", "settings", "error")


@dataclass(frozen=True, slots=True, eq=False)
class Results:
    """The tables of a backtest; see the module."""

    results: pd.DataFrame
    events: pd.DataFrame
    budgets: pd.DataFrame
    incidents: pd.DataFrame
    costs: pd.DataFrame


def gather(plan: Plan, out: Path) -> Results:
    """What every task of a plan left behind, in the plan's order."""
    tables: dict[str, list[dict[str, Any]]] = {
        name: [] for name in ("results", "events", "budgets", "incidents", "costs")
    }
    told = told_of(out, [task.id for task in plan.tasks])
    for task, one in zip(plan.tasks, told, strict=True):
        names = {name: one["row"][name] for name in _NAMES}
        tables["results"].append(_row(task, one))
        tables["events"] += [names | event for event in one["events"]]
        tables["budgets"] += [names | budget for budget in one["budgets"]]
        tables["incidents"] += _incidents(names, one)
        tables["costs"].append(names | one["cost"])
    return Results(**{name: _frame(rows) for name, rows in tables.items()})


def write_results(results: Results, out: Path) -> list[Path]:
    """Write each table to `<out>/<name>.parquet`; a SinkError where that fails."""
    written = []
    for name in ("results", "events", "budgets", "incidents", "costs"):
        path = out / f"{name}.parquet"
        table = pa.Table.from_pandas(getattr(results, name), preserve_index=False)
        try:
            pq.write_table(table.replace_schema_metadata(None), path, compression="zstd")
        except OSError as error:
            raise SinkError(f"{path}: cannot be written: {error.strerror}") from error
        written.append(path)
    return written


def failures(results: Results) -> list[str]:
    """Each cause that stopped tasks once, with how many it stopped, the most frequent first."""
    frame = results.results
    causes = frame[frame["error"] != ""].groupby("error", sort=False)
    told = [(len(rows), f"{_told(rows)}: {cause}") for cause, rows in causes]
    return [line for _, line in sorted(told, key=lambda one: -one[0])]


def require_measured(results: Results, metric: str) -> None:
    """Raise a TocsinError that tells the causes where no task has this metric, so no table can."""
    frame, causes = results.results, failures(results)
    if metric in frame and frame[metric].notna().any():
        return
    why = "no task succeeded"
    if (frame["error"] == "").any():
        why = (
            "nothing to measure against: no series that was judged has both labelled and normal "
            "rows after its training prefix"
        )
    raise TocsinError("\n  ".join((why, *causes)))


def _told(rows: pd.DataFrame) -> str:
    """How many tasks these are, and of which detector or series where it is one."""
    detectors, series = rows["detector"].unique(), (rows["dataset"] + "/" + rows["series"]).unique()
    told = f"{plural(len(rows), 'task')} stopped"
    if len(detectors) == 1:
        told += f", {detectors[0]}"
    return f"{told} on {series[0]}" if len(series) == 1 else told


def _row(task: Task, told: dict[str, Any]) -> dict[str, Any]:
    named = {f"version_{name}": value for name, value in told["versions"].items()}
    return {"task": task.id, "data": told["data"], **told["row"], **named}


def _incidents(names: dict[str, Any], told: dict[str, Any]) -> list[dict[str, Any]]:
    blame = {one["incident"]: one for one in told["blame"]}
    rows = []
    for incident in told["incidents"]:
        judged = blame.get(incident["id"], {})
        channels = ", ".join(name for name, _ in incident["channels"][:3])
        rows.append(
            {
                **names,
                **{
                    key: incident[key] for key in ("id", "kind", "level", "started_at", "opened_at")
                },
                "ended_at": -1 if incident["ended_at"] is None else incident["ended_at"],
                "tail": incident["tail"],
                "rows": incident["rows"],
                "channels": channels,
                "blame_hit": float(judged["hit"]) if judged else np.nan,
                "blame_chance": judged.get("chance", np.nan),
            }
        )
    return rows


def _frame(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Rows as a table; numbers that are not there are NaN, texts are empty."""
    frame = pd.DataFrame.from_records(list(rows))
    for name in _TEXTS:
        if name in frame:
            frame[name] = frame[name].fillna("")
    return frame
