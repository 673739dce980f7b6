"""A pandas DataFrame as rows: which column is the time, which names the series, what is left."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tocsin.configuration.settings import nearest
from tocsin.connectors.dialect_guess import usual_formats
from tocsin.connectors.times import parse_times
from tocsin.history.judging import Rows
from tocsin.pipeline.errors import ConfigError, TocsinError
from tocsin.pipeline.types import BoolArray, FloatArray, IntArray

_TIMES = ("timestamp", "time", "datetime", "date", "ts", "date_time", "@timestamp")
_ALONE = "series"  # what a frame's one series is called
_SECOND = 1_000_000_000
_TELLING = 2000  # cells that say how times are written


@dataclass(frozen=True, slots=True)
class Table:
    """A frame's rows, those of them (N,) that have a time and a name, and where the time was."""

    rows: Rows
    usable: BoolArray
    time_from: str


def table_of(frame: pd.DataFrame, time: str | None = None, key: str | None = None) -> Table:
    """The rows of a frame; times without a zone are UTC, infinities are missing values.

    The time is the column `time`, or else the index if it is of times, a column of times, or one
    called `timestamp`, `time`, …; without any, row numbers stand for seconds, but a column of text
    that is called so and cannot be read is a ConfigError. `key` is the column that names the
    series. All other columns must be numbers: a ConfigError names those that are not.
    """
    if not isinstance(frame, pd.DataFrame):
        raise ConfigError(f"found a {type(frame).__name__}, wanted a pandas DataFrame")
    doubled = frame.columns[frame.columns.duplicated()].unique().tolist()
    if doubled:
        raise ConfigError(f"the frame has more than one column {_listed(doubled)}")
    _check_there(frame, time, "time")
    _check_there(frame, key, "key")
    used, times, known = _times(frame, time, key)
    rest = frame.drop(columns=[name for name in (used, key) if name is not None])
    values = _numbers(rest)
    names, named = _names(frame, key)
    channels = tuple(str(name) for name in rest.columns)
    where = "the index" if used is None and known is not None else used or "row numbers"
    usable = named if known is None else named & known
    return Table(Rows(names, times, values, channels), usable, str(where))


def _check_there(frame: pd.DataFrame, column: str | None, what: str) -> None:
    if column is not None and column not in frame.columns:
        hint = nearest(str(column), map(str, frame.columns))
        raise ConfigError(f"{what}={column!r}: the frame has no such column; {hint}")


def _times(
    frame: pd.DataFrame, asked: str | None, key: str | None
) -> tuple[str | None, IntArray, BoolArray | None]:
    """The column the times are from (None: index or row numbers), the times, and which are."""
    if asked is not None:
        times, known = _read(frame[asked])
        if len(frame) and not known.any():
            raise ConfigError(f"no value of {_unreadable(frame[asked])}")
        return asked, times, known
    if isinstance(frame.index, pd.DatetimeIndex):
        times, known = _nanoseconds(frame.index)
        return None, times, known
    unread = []
    for name in _may_be_time(frame, key):
        times, known = _read(frame[name])
        if known.mean() >= 0.9:
            return name, times, known
        if not pd.api.types.is_numeric_dtype(frame[name]):
            unread.append(name)
    if unread:
        raise ConfigError(f"not enough of {_unreadable(frame[unread[0]])}")
    return None, np.arange(len(frame), dtype=np.int64) * _SECOND, None


def _unreadable(column: "pd.Series[Any]") -> str:
    """A column of which too little can be read as times: why, and what to do about it."""
    name, cells = str(column.name), column.dropna().tolist()
    bad = parse_times(cells)[1]
    why = f": {bad[min(bad)]}" if bad else ""
    usual = usual_formats([cell for cell in cells[:_TELLING] if isinstance(cell, str)])
    such = usual[0] if usual else "%d.%m.%Y %H:%M"
    return (
        f"column {name!r} can be read as a time{why}; turn it into times first, such as by "
        f"pandas.to_datetime(frame[{name!r}], format={such!r})"
    )


def _may_be_time(frame: pd.DataFrame, key: str | None) -> list[str]:
    """Columns of times, then those that are called so, the likeliest first."""
    rest = [name for name in frame.columns if name != key]
    dated = [name for name in rest if pd.api.types.is_datetime64_any_dtype(frame[name])]
    called = [name for name in rest if _rank(str(name)) < len(_TIMES) and name not in dated]
    return dated + sorted(called, key=lambda name: _rank(str(name)))


def _rank(name: str) -> int:
    low = name.strip().casefold()
    return _TIMES.index(low) if low in _TIMES else len(_TIMES)


def _read(column: "pd.Series[Any]") -> tuple[IntArray, BoolArray]:
    if pd.api.types.is_datetime64_any_dtype(column):
        return _nanoseconds(pd.DatetimeIndex(column))
    times, bad = parse_times(column.tolist())
    known = np.ones(len(times), dtype=bool)
    known[list(bad)] = False
    return times, known


def _nanoseconds(index: pd.DatetimeIndex) -> tuple[IntArray, BoolArray]:
    known = ~np.asarray(index.isna())
    zoned = index if index.tz is None else index.tz_convert("UTC")
    try:
        times = zoned.as_unit("ns").asi8.astype(np.int64)
    except (OverflowError, pd.errors.OutOfBoundsDatetime) as error:
        raise TocsinError(f"times must lie between 1677 and 2262: {error}") from error
    return np.where(known, times, 0), known


def _numbers(rest: pd.DataFrame) -> FloatArray:
    """The channels (N, C); NaN is missing."""
    wrong = [
        str(name)
        for name in rest.columns
        if not (pd.api.types.is_numeric_dtype(rest[name]))
        or pd.api.types.is_complex_dtype(rest[name])
    ]
    if wrong:
        raise ConfigError(
            f"column {_listed(wrong)} is not of numbers: drop it, or say key={wrong[0]!r} "
            "if it names the series"
        )
    if not len(rest.columns):
        raise ConfigError("the frame has no column of numbers")
    columns = [rest[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in rest.columns]
    values = np.stack(columns, axis=1)
    values[np.isinf(values)] = np.nan
    return values


def _names(frame: pd.DataFrame, key: str | None) -> tuple[list[str], BoolArray]:
    if key is None:
        return [_ALONE] * len(frame), np.ones(len(frame), dtype=bool)
    missing = np.asarray(frame[key].isna())
    return [str(name) for name in frame[key].tolist()], ~missing


def _listed(names: list[str]) -> str:
    return ", ".join(map(repr, names))
