"""Scores in a CSV file, and what the truth of their rows is: labels by row, or intervals."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tocsin.evaluation.wording import plural
from tocsin.pipeline.errors import SourceError
from tocsin.pipeline.types import BoolArray, FloatArray

_SCORE = ("score",)
_LABEL = ("label", "is_anomaly", "anomaly", "event")
_TIME = ("time", "timestamp", "datetime", "date")
_SERIES = ("series",)
_BOUNDS = ("start", "end")


@dataclass(frozen=True, slots=True)
class ScoredRows:
    """Rows of a file of scores: `score` (N,), NaN where there is none, and what else it has.

    `time` and `series` are None where the file has no such column.
    """

    path: Path
    score: FloatArray
    time: "pd.Series[pd.Timestamp] | None"
    series: "pd.Series[str] | None"

    def names(self) -> list[str]:
        """The series, in the order they first stand there; one without a name where none has."""
        return [""] if self.series is None else [str(name) for name in self.series.unique()]

    def of(self, name: str) -> BoolArray:
        """Which rows (N,) are of a series."""
        if self.series is None:
            return np.ones(len(self.score), dtype=np.bool_)
        return np.asarray(self.series == name, dtype=np.bool_)


@dataclass(frozen=True, slots=True)
class Events:
    """Which rows (N,) lie in an interval, and in words which intervals hold no row."""

    label: BoolArray
    left_out: tuple[str, ...]


def read_scores(path: Path) -> ScoredRows:
    """The rows of a CSV file with a column `score`; a SourceError where it cannot be had."""
    file = _Csv.read(path)
    return ScoredRows(path, file.numbers(file.wanted(_SCORE)), file.times(), file.series())


def read_labels(rows: ScoredRows, path: Path) -> tuple[ScoredRows, BoolArray]:
    """The labels (N,) of the rows, which a CSV file has in the same order; a SourceError if not.

    Where the labels alone have a column `series`, it is that of the rows too.
    """
    file = _Csv.read(path)
    column = file.wanted(_LABEL)
    label, time, series = file.numbers(column), file.times(), file.series()
    if len(rows.score) != len(label):
        raise SourceError(f"{rows.path} has {len(rows.score)} rows and {path} has {len(label)}")
    for what, mine, other in (("time", rows.time, time), ("series", rows.series, series)):
        if mine is not None and other is not None:
            apart = np.flatnonzero(mine != other)
            if len(apart):
                raise SourceError(
                    f"row {apart[0] + 1}: the {what} is {mine.iloc[apart[0]]} in {rows.path} and "
                    f"{other.iloc[apart[0]]} in {path}"
                )
    odd = np.flatnonzero(~np.isin(label, (0.0, 1.0)))
    if len(odd):
        raise SourceError(
            f"{path}, row {odd[0] + 1}: column {column!r} holds {label[odd[0]]:g}; "
            "a label is 0 or 1"
        )
    return replace(rows, series=series if rows.series is None else rows.series), label == 1.0


def mark_events(rows: ScoredRows, path: Path) -> Events | None:
    """Which rows lie in the intervals of a CSV file; None where it has labels by row.

    An interval of a series that has no scores, or in a time that has none, is told and left out.
    """
    file = _Csv.read(path)
    if not set(_BOUNDS) <= file.names.keys() or set(_LABEL) & file.names.keys():
        return None
    if rows.time is None:
        raise SourceError(
            f"{rows.path} has no column {', '.join(_TIME[:-1])} or {_TIME[-1]}, which the "
            f"intervals of {path} need"
        )
    start, end = (file.stamps(file.names[name]) for name in _BOUNDS)
    series = file.series()
    if series is not None and rows.series is None and series.nunique() > 1:
        raise SourceError(
            f"{path} has intervals of {series.nunique()} series and {rows.path} has no column "
            "series to tell them apart by"
        )
    time = rows.time
    label = np.zeros(len(rows.score), dtype=np.bool_)
    empty: list[str] = []
    for row in range(len(start)):
        if start.iloc[row] > end.iloc[row]:
            raise SourceError(f"{path}, row {row + 1}: the end is before the start")
        held = np.asarray((time >= start.iloc[row]) & (time <= end.iloc[row]), dtype=np.bool_)
        if series is not None and rows.series is not None:
            held = held & rows.of(series.iloc[row])
        label |= held
        if not held.any():
            name = "" if series is None else f" of {series.iloc[row]!r}"
            empty.append(f"row {row + 1}{name}")
    return Events(label, _told(empty, rows.path, path))


def _told(empty: list[str], scores: Path, path: Path) -> tuple[str, ...]:
    if not empty:
        return ()
    named = ", ".join(empty[:3]) + (f" and {len(empty) - 3} more" if len(empty) > 3 else "")
    count = plural(len(empty), "interval")
    return (f"Left out: {count} of {path} in which {scores} has no row: {named}",)


@dataclass(frozen=True, slots=True)
class _Csv:
    """A CSV file, and its columns by their names in small letters."""

    path: Path
    frame: pd.DataFrame
    names: dict[str, str]

    @classmethod
    def read(cls, path: Path) -> "_Csv":
        try:
            columns = pd.read_csv(path, nrows=0).columns
            names = {str(column).lower(): str(column) for column in columns}
            # Names of series are texts, "007" and "NA" too.
            texts: Any = {names[name]: str for name in _SERIES if name in names}
            frame = pd.read_csv(path, converters=texts)
        except (OSError, ValueError) as error:
            raise SourceError(f"{path} cannot be read as CSV: {error}") from error
        return cls(path, frame, names)

    def wanted(self, names: tuple[str, ...]) -> str:
        """The column of one of the names, or the only one there is."""
        found = next((self.names[name] for name in names if name in self.names), None)
        if found is None and len(self.frame.columns) == 1:
            found = str(self.frame.columns[0])
        if found is None:
            have = ", ".join(map(str, self.frame.columns))
            raise SourceError(f"{self.path} has columns {have}; wanted one of {', '.join(names)}")
        return found

    def numbers(self, column: str) -> FloatArray:
        try:
            return self.frame[column].to_numpy(dtype=np.float64)
        except ValueError as error:
            raise SourceError(
                f"{self.path}: column {column!r} is not all numbers: {error}"
            ) from error

    def series(self) -> "pd.Series[str] | None":
        name = next((self.names[name] for name in _SERIES if name in self.names), None)
        return None if name is None else self.frame[name]

    def times(self) -> "pd.Series[pd.Timestamp] | None":
        name = next((self.names[name] for name in _TIME if name in self.names), None)
        return None if name is None else self.stamps(name)

    def stamps(self, column: str) -> "pd.Series[pd.Timestamp]":
        found = pd.to_datetime(self.frame[column], utc=True, format="ISO8601", errors="coerce")
        odd = np.flatnonzero(found.isna())
        if len(odd):
            raise SourceError(
                f"{self.path}, row {odd[0] + 1}: column {column!r} holds "
                f"{str(self.frame[column].iloc[odd[0]])!r}, wanted an ISO 8601 time"
            )
        return found
