"""Any csv file with a label column, or with its labels as intervals in a second file."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tocsin.evaluation.datasets.clocks import in_order, made_up, times_of
from tocsin.evaluation.datasets.columns import Columns, distinct, header_of, read_columns
from tocsin.evaluation.datasets.labelled import Labelled, Stream, Truth
from tocsin.evaluation.datasets.reader import Found, Reader, files_in, first_line
from tocsin.evaluation.datasets.spans import Span, clean_prefix, truth_of
from tocsin.pipeline.errors import ConfigError, SourceError
from tocsin.pipeline.types import IntArray

LABELS = ("label", "anomaly", "is_anomaly")
TIMES = ("timestamp", "time", "datetime", "date", "time_stamp", "t")
INTERVALS = "intervals.csv"


@dataclass(frozen=True, slots=True)
class Named:
    """Which columns of csv files hold what, where they do not have the usual names.

    `time`, `label` and `channels` are as in `read_labelled_csv`, `label` also by its usual names.
    `key` is the column that tells which series a row is of, where a file holds several.
    """

    time: str | None = None
    label: str | None = None
    channels: tuple[str, ...] = ()
    key: str | None = None

    @property
    def looks_for(self) -> str:
        """The files that are meant, in a few words."""
        return READER.looks_for if self.label is None else f"*.csv with a column {self.label!r}"


def read_labelled_csv(
    file: Path,
    *,
    label: str | None = None,
    intervals: Path | None = None,
    train: int | None = None,
    time: str | None = None,
    channels: tuple[str, ...] = (),
) -> Labelled:
    """A csv file with a header as a labelled series; file and folder name it and its data set.

    Give `label`, the name of a column of 0 and 1, or `intervals`, a csv file with `start` and `end`
    (both inside), and perhaps `series`, `kind` and `channels` (names set apart by blanks). With
    `series`, only the rows of this file's name without `.csv` count, and there must be one; a row
    with an empty start and end says that the series has no event. `time` names the time column;
    without it, the first of `timestamp`, `time`, `datetime`, `date`, `time_stamp`, `t` is taken,
    and where there is none the clock is a made up one of a minute a row and intervals are row
    numbers from 0. Times are ISO 8601, UTC unless they say otherwise, or numbers since 1970.
    `channels` names the columns to use: without it, all others. `train` is the number of clean rows
    at the start, an error if one of them is labelled; without it, 15 %, cut before the first label.
    """
    if (label is None) == (intervals is None):
        raise ConfigError("give either `label` or `intervals`: where are the labels?")
    return _labelled(file, Named(time, label, channels), intervals, train)


def find_named(place: Path, named: Named) -> Iterator[Found]:
    """The labelled series of a folder's csv files, by their columns; with a key, several a file."""
    told = named.label is None and (place / INTERVALS).is_file()
    for path in files_in(place, "*.csv"):
        if path.name == INTERVALS or not (told or _label_of(path, named)):
            continue
        dataset = path.resolve().parent.name or "csv"
        for key in _keys(path, named.key):
            yield Found(dataset, f"{path.stem}/{key}" if key else path.stem, path)


def one_named(path: Path, series: str, named: Named) -> Labelled:
    """One of the series that `find_named` finds."""
    label = _label_of(path, named)
    intervals = path.parent / INTERVALS
    told = intervals if named.label is None and intervals.is_file() else None
    if told is None and label is None:
        raise SourceError(f"{path}, line 1: no label; looked for {named.looks_for}")
    wanted = replace(named, label=None if told else label)
    return _labelled(path, wanted, told, None, series.removeprefix(path.stem).removeprefix("/"))


def read_csv_folder(place: Path) -> Iterator[Labelled]:
    """Every csv file of a folder with a column `label`, `anomaly` or `is_anomaly`.

    Where the folder has `intervals.csv` with `series`, `start` and `end`, every other csv file in
    it takes its labels from there.
    """
    return READER.read(place)


def _labelled(
    file: Path, named: Named, intervals: Path | None, train: int | None, key: str = ""
) -> Labelled:
    """The rows of a file, with a `key` those that have it, as a labelled series."""
    names = header_of(file)
    clock = named.time or next((name for name in TIMES if name in names), None)
    others = [name for name in (clock, named.label, named.key) if name is not None]
    used = named.channels or tuple(name for name in names if name not in others)
    rows = read_columns(file, used, others)
    at, keep, notes = _clock(rows, clock, _mine(rows, named.key, key))
    if named.label is not None:
        truth = Truth.of(rows.flags(named.label)[keep])
    else:
        spans = _spans(intervals or file, key or file.stem, clocked=clock is not None)
        truth = truth_of(at if clock else np.arange(len(at), dtype=np.int64), spans, used)
    prefix, cut = clean_prefix(truth.label, len(at) * 15 // 100) if train is None else (train, ())
    name = f"{file.stem}/{key}" if key else file.stem
    stream = Stream(name, used, at, rows.numbers[keep], clocked=clock is not None)
    dataset = file.resolve().parent.name or "csv"
    return Labelled(dataset, stream, truth, prefix, str(file), "unknown", notes + cut)


def _keys(path: Path, key: str | None) -> list[str]:
    """The series that a file holds, in the order they first stand there; one "" without a key."""
    if key is None:
        return [""]
    rows = read_columns(path, (), (key,))
    found = distinct(rows.texts[key])
    if "" in found:
        row = rows.texts[key].to_pylist().index("")
        raise rows.wrong(row, f"column {key!r} is empty, wanted the name of a series")
    return found


def _mine(rows: Columns, column: str | None, key: str) -> IntArray:
    """Which rows (N,) of a file are of the series `key`; all of them without a column for it."""
    if column is None:
        return np.arange(len(rows), dtype=np.int64)
    return np.flatnonzero(np.array(rows.texts[column].to_pylist(), dtype=object) == key)


def _find(place: Path) -> Iterator[Found]:
    told = (place / INTERVALS).is_file()
    for path in files_in(place, "*.csv"):
        if path.name == INTERVALS or not (told or place.is_file() or _label_of(path)):
            continue
        yield Found(path.resolve().parent.name or "csv", path.stem, path)


def _one(path: Path, series: str) -> Labelled:  # noqa: ARG001 - one file, one series
    intervals = path.parent / INTERVALS
    if intervals.is_file():
        return read_labelled_csv(path, intervals=intervals)
    label = _label_of(path)
    if label is None:
        raise SourceError(f"{path}, line 1: no column {', '.join(LABELS[:-1])} or {LABELS[-1]}")
    return read_labelled_csv(path, label=label)


def _label_of(path: Path, named: Named | None = None) -> str | None:
    """The label column by its name, without one by its usual names, or None."""
    names = next(csv.reader([first_line(path)]), [])
    usual = LABELS if named is None or named.label is None else (named.label,)
    return next((name for name in usual if name in names), None)


def _clock(
    rows: Columns, clock: str | None, mine: IntArray
) -> tuple[IntArray, IntArray, tuple[str, ...]]:
    """Times (N,) of the rows kept of `mine`, which rows of the file those are, and notes."""
    if clock is None:
        return made_up(len(mine)), mine, ()
    at = times_of(rows, clock)[mine]
    keep, notes = in_order(rows, at, mine)
    return at[keep], mine[keep], notes


def _spans(path: Path, series: str, *, clocked: bool) -> list[Span]:
    names = header_of(path)
    extra = [name for name in ("series", "kind", "channels") if name in names]
    rows = read_columns(path, (), ("start", "end", *extra))
    words = {name: [text.strip() for text in rows.texts[name].to_pylist()] for name in rows.texts}
    given = words.get("series", [series] * len(rows))
    mine = [row for row, name in enumerate(given) if name == series]
    if not mine:
        raise SourceError(f"{path}: no row for the series {series!r}")
    empty = [row for row in mine if not words["start"][row] and not words["end"][row]]
    marked = np.array([row for row in mine if row not in empty], dtype=np.int64)
    if not marked.size:
        return []
    starts, ends = (_bounds(rows, name, marked, clocked=clocked) for name in ("start", "end"))
    return [
        Span(
            start,
            end,
            f"{path}, line {rows.line(row)}",
            words["kind"][row] if "kind" in words else "",
            tuple(words["channels"][row].split()) if "channels" in words else (),
        )
        for row, start, end in zip(marked.tolist(), starts, ends, strict=True)
    ]


def _bounds(rows: Columns, name: str, marked: IntArray, *, clocked: bool) -> list[int]:
    """The times, or row numbers, in the marked rows of a column."""
    if clocked:
        return [int(time) for time in times_of(rows.filled(name), name)[marked]]
    texts = [rows.texts[name][row].as_py() for row in marked.tolist()]
    for row, text in zip(marked.tolist(), texts, strict=True):
        if not text.strip().isdecimal():
            raise rows.wrong(row, f"column {name!r} holds {text!r}, wanted a row number")
    return [int(text) for text in texts]


READER = Reader(
    "csv", f"*.csv with a column {', '.join(LABELS)}, or beside {INTERVALS}", _find, _one
)
