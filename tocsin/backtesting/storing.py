"""What a task leaves behind: one file, whole or not there, so that a backtest can go on."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from tocsin.backtesting.judging import Cost, Finding
from tocsin.history.judging import Judged
from tocsin.pipeline.errors import SinkError, SourceError
from tocsin.pipeline.incidents import Incident

_FOLDER = "tasks"
_KEY = b"tocsin"
_DAMAGED = (OSError, pa.ArrowInvalid, KeyError, TypeError, orjson.JSONDecodeError)
_NUMBERS = tuple(field.name for field in fields(Incident) if field.type is float)


@dataclass(frozen=True, slots=True)
class Kept:
    """A finding as it was kept, with what it cost, from which data and under which versions.

    `data` is the fingerprint of the series, "" where that could not be read.
    """

    finding: Finding
    cost: Cost
    versions: Mapping[str, str]
    data: str


def data_of(out: Path, task: str, tocsin: str) -> str:
    """The fingerprint of the data that a task's result is of; "" where there is none to be used.

    A result is used that went well under this version of `tocsin`, and whose file is whole.
    """
    try:
        told = _told(_path(out, task))
    except _DAMAGED:
        return ""
    if told["row"]["error"] or told["versions"].get("tocsin", "") != tocsin:
        return ""
    return str(told.get("data", ""))  # those of before it was kept have none


def keep(out: Path, task: str, kept: Kept) -> None:
    """Write a task's file beside its place and move it there; a SinkError where that fails."""
    finding, judged = kept.finding, kept.finding.judged
    told = {
        "row": finding.row,
        "events": finding.events,
        "budgets": finding.budgets,
        "blame": finding.blame,
        "incidents": [asdict(incident) for incident in finding.incidents],
        "cost": asdict(kept.cost),
        "versions": dict(kept.versions),
        "data": kept.data,
    }
    columns: dict[str, Any] = {"time": finding.time, "score": judged.score, "tail": judged.tail}
    columns |= {"alpha": judged.alpha, "alarm": judged.alarm, "refused": judged.refused}
    table = pa.table(columns).replace_schema_metadata({_KEY: orjson.dumps(told)})
    path = _path(out, task)
    beside = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, beside, compression="zstd")
        beside.replace(path)
    except OSError as error:
        raise SinkError(f"{path}: cannot be written: {error.strerror}") from error


def recall(out: Path, task: str) -> Kept:
    """A task's finding; a SourceError where its file is not there or is none of ours."""
    path = _path(out, task)
    try:
        table = pq.read_table(path)
        told = orjson.loads(table.schema.metadata[_KEY])
    except _DAMAGED as error:
        raise SourceError(f"{path}: is no result of a backtest: {error}") from error
    column = {name: table[name].to_numpy() for name in table.column_names}
    incidents = tuple(_incident(one) for one in told["incidents"])
    judged = Judged(
        column["score"],
        column["tail"],
        column["alpha"],
        column["alarm"].astype(bool),
        incidents,
        column["refused"].astype(bool),
    )
    finding = Finding(
        _with_nan(told["row"]),
        [_with_nan(event) for event in told["events"]],
        [_with_nan(budget) for budget in told["budgets"]],
        list(incidents),
        told["blame"],
        column["time"].astype(np.int64),
        judged,
    )
    return Kept(finding, Cost(**told["cost"]), told["versions"], told["data"])


def told_of(out: Path, tasks: list[str]) -> Iterator[dict[str, Any]]:
    """What was told of each task, without its columns."""
    for task in tasks:
        yield _told(_path(out, task))


def _told(path: Path) -> dict[str, Any]:
    told: dict[str, Any] = orjson.loads(pq.read_schema(path).metadata[_KEY])
    return told


def _path(out: Path, task: str) -> Path:
    return out / _FOLDER / f"{task}.parquet"


def _incident(told: dict[str, Any]) -> Incident:
    numbers = {name: np.nan for name in _NUMBERS if told[name] is None}
    channels = tuple((name, share) for name, share in told["channels"])
    return Incident(**{**told, **numbers, "channels": channels})


def _with_nan(told: dict[str, Any]) -> dict[str, Any]:
    """JSON knows no NaN; what was one comes back as one."""
    return {name: np.nan if value is None else value for name, value in told.items()}
