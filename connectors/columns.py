"""Columns of a file into a reading, with a dead letter for each row that cannot be used."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tocsin.connectors.records import FieldMap
from tocsin.connectors.times import parse_times
from tocsin.pipeline.errors import SourceError
from tocsin.pipeline.incidents import DeadLetter
from tocsin.pipeline.ports import Reading
from tocsin.pipeline.types import FloatArray, IntArray

ROW_NUMBER = "#row"  # a time field of this name stands for the row's own number

_SCALE = {"auto": 10**9, "s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_NAME_LIMIT = 1024


@dataclass(frozen=True, slots=True)
class Columns:
    """Rows of a file, as read: nothing is judged yet but what `refused` says, by row.

    `time` (B) are raw times, or None where row numbers stand for them, from `first_row` on. `keys`
    are the key columns (B) as text. `values` (B, C) has NaN where a cell is empty. `offset` (B,)
    says where each row stood, `raw` (B) its bytes.
    """

    time: Sequence[object] | None
    keys: Sequence[Sequence[str]]
    values: FloatArray
    refused: Mapping[int, str]
    offset: IntArray
    raw: Sequence[bytes]
    first_row: int = 0


def to_reading(columns: Columns, part: str, position: int, fields: FieldMap) -> Reading:
    """The rows that have a time, a name and finite values; the others are rejected.

    Names and times are made as `records.decode` makes them, so that a file gives the series that
    its rows give as messages. NaN is missing and stays; an infinity is a reason to reject.
    """
    time, reasons = _times(columns, fields)
    for i in np.flatnonzero(np.isinf(columns.values).any(axis=1)).tolist():
        reasons[i] = "a channel is infinite or past the range of float64"
    series, unnamed = _names(columns.keys, len(time), fields, part)
    reasons = {**reasons, **unnamed, **columns.refused}
    if not reasons:
        return Reading(
            part, position, series, time, columns.values, columns.offset, raw=columns.raw
        )
    bad = sorted(reasons)
    kept = np.delete(np.arange(len(time)), bad)
    letters = [
        DeadLetter(part, int(columns.offset[i]), 0, reasons[i], "decode", columns.raw[i])
        for i in bad
    ]
    return Reading(
        part=part,
        position=position,
        series=[series[i] for i in kept.tolist()],
        time=time[kept],
        values=columns.values[kept],
        offset=columns.offset[kept],
        raw=[columns.raw[i] for i in kept.tolist()],
        rejected=letters,
    )


def row_times(first_row: int, rows: int, fields: FieldMap) -> IntArray:
    """Row numbers as times (B,): in the declared unit, seconds where that is `auto`."""
    return np.arange(first_row, first_row + rows, dtype=np.int64) * _SCALE[fields.time_unit]


def check_columns(have: Sequence[str], fields: FieldMap, where: object) -> None:
    """A SourceError naming the declared columns that a file does not have."""
    time = () if fields.time == ROW_NUMBER else (fields.time,)
    missing = [name for name in (*time, *fields.key, *fields.channels) if name not in have]
    if missing:
        raise SourceError(
            f"{where} has no column {', '.join(map(repr, missing))}; it has "
            f"{', '.join(map(repr, have))}"
        )


def _times(columns: Columns, fields: FieldMap) -> tuple[IntArray, dict[int, str]]:
    if columns.time is None:
        return row_times(columns.first_row, len(columns.values), fields), {}
    return parse_times(columns.time, fields.time_unit, fields.zone)


def _names(
    keys: Sequence[Sequence[str]], rows: int, fields: FieldMap, part: str
) -> tuple[list[str], dict[int, str]]:
    """Series names (B), and by row why there is none."""
    if not keys:
        return [fields.unkeyed or part] * rows, {}
    reasons = {
        i: f"key {name!r} is empty"
        for name, column in zip(fields.key, keys, strict=True)
        for i, text in enumerate(column)
        if not text
    }
    if len(keys) == 1:
        names = list(keys[0])
    else:
        escaped = [[text.replace("%", "%25").replace("/", "%2F") for text in c] for c in keys]
        names = ["/".join(texts) for texts in zip(*escaped, strict=True)]
    for i, name in enumerate(names):
        if len(name) > _NAME_LIMIT:
            reasons[i] = (
                f"the series name has {len(name)} characters, at most {_NAME_LIMIT} are taken"
            )
    return names, reasons
