"""Any csv file with a label column, or with its labels as intervals in a second file."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tocsin.evaluation.datasets.clocks import in_order, made_up, times_of
from tocsin.evaluation.datasets.columns import Columns, header_of, read_columns
from tocsin.evaluation.datasets.labelled import Labelled, Stream, Truth
from tocsin.evaluation.datasets.reader import Found, Reader, files_in, first_line
from tocsin.evaluation.datasets.spans import Span, clean_prefix, truth_of
from tocsin.pipeline.errors import ConfigError, SourceError
from tocsin.pipeline.types import BoolArray, IntArray

LABELS = ("label", "anomaly", "is_anomaly")
TIMES = ("timestamp", "time", "datetime", "date", "time_stamp", "t")
INTERVALS = "intervals.csv"


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
    names = header_of(file)
    clock = time or next((name for name in TIMES if name in names), None)
    used = channels or tuple(name for name in names if name not in (clock, label))
    rows = read_columns(file, used, [name for name in (clock, label) if name is not None])
    at, keep, notes = _clock(rows, clock)
    if label is not None:
        truth = Truth.of(rows.flags(label)[keep])
    else:
        spans = _spans(intervals or file, file.stem, clocked=clock is not None)
        truth = truth_of(at if clock else np.arange(len(at), dtype=np.int64), spans, used)
    prefix, cut = clean_prefix(truth.label, len(at) * 15 // 100) if train is None else (train, ())
    stream = Stream(file.stem, used, at, rows.numbers[keep], clocked=clock is not None)
    dataset = file.resolve().parent.name or "csv"
    return Labelled(dataset, stream, truth, prefix, str(file), "unknown", notes + cut)


def read_csv_folder(place: Path) -> Iterator[Labelled]:
    """Every csv file of a folder with a column `label`, `anomaly` or `is_anomaly`.

    Where the folder has `intervals.csv` with `series`, `start` and `end`, every other csv file in
    it takes its labels from there.
    """
    return READER.read(place)


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


def _label_of(path: Path) -> str | None:
    """The label column by its usual names, or None."""
    names = first_line(path).split(",")
    return next((name for name in LABELS if name in names), None)


def _clock(rows: Columns, clock: str | None) -> tuple[IntArray, BoolArray, tuple[str, ...]]:
    """Times (N,) of the rows kept, which of them those are, and notes."""
    if clock is None:
        return made_up(len(rows)), np.ones(len(rows), dtype=np.bool_), ()
    at = times_of(rows, clock)
    keep, notes = in_order(rows, at)
    return at[keep], keep, notes


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
