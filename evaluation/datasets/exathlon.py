"""Exathlon: traces of Spark applications, some disturbed on purpose."""

import math
from collections.abc import Iterator
from pathlib import Path

from tocsin.evaluation.datasets.clocks import from_1970, in_order, times_of
from tocsin.evaluation.datasets.columns import header_of, read_columns
from tocsin.evaluation.datasets.labelled import Labelled, Stream
from tocsin.evaluation.datasets.reader import Found, Reader, files_in
from tocsin.evaluation.datasets.spans import Span, clean_prefix, truth_of
from tocsin.pipeline.errors import SourceError

SOURCE = "Jacob et al. (2021), 10.14778/3476249.3476307; github.com/exathlonbenchmark/exathlon"
LICENCE = "Apache-2.0"
ANSWERS = "ground_truth.csv"
_COLUMNS = (
    "trace_name",
    "anomaly_type",
    "root_cause_start",
    "root_cause_end",
    "extended_effect_end",
)


def read_exathlon(place: Path) -> Iterator[Labelled]:
    """Every trace of a folder, or of one trace's file.

    Layout: `ground_truth.csv` with `trace_name`, `anomaly_type`, `root_cause_start`,
    `root_cause_end`, `extended_effect_end` (may be empty), in seconds since 1970; traces
    `1_2_100000_68.csv`, unpacked, beside it or in folders such as `app1/`, with `t` in seconds and
    any other columns as channels. An anomaly lasts from the start of its root cause to the end of
    its extended effect, or of the root cause where no effect is told. The second number of a
    trace's name is its kind of disturbance: a trace of kind 0 needs no entry. The training prefix
    is the first 15 %, cut before the first label.
    """
    return READER.read(place)


def _find(place: Path) -> Iterator[Found]:
    if place.is_dir() and not (place / ANSWERS).is_file():
        return
    for path in files_in(place, "*_*_*_*.csv", "*/*_*_*_*.csv"):
        yield Found("Exathlon", path.stem, path)


def _one(path: Path, series: str) -> Labelled:
    channels = tuple(name for name in header_of(path) if name != "t")
    rows = read_columns(path, channels, ("t",))
    time = times_of(rows, "t")
    keep, notes = in_order(rows, time)
    time = time[keep]
    truth = truth_of(time, _spans(path), channels)
    train, cut = clean_prefix(truth.label, len(time) * 15 // 100)
    stream = Stream(series, channels, time, rows.numbers[keep])
    return Labelled("Exathlon", stream, truth, train, SOURCE, LICENCE, notes + cut)


def _spans(path: Path) -> list[Span]:
    folder = path.resolve().parent
    answers = folder / ANSWERS if (folder / ANSWERS).is_file() else folder.parent / ANSWERS
    rows = read_columns(answers, _COLUMNS[2:], _COLUMNS[:2])
    names, kinds = (rows.texts[name].to_pylist() for name in _COLUMNS[:2])
    mine = [row for row, name in enumerate(names) if name == path.stem]
    undisturbed = path.stem.split("_")[1:2] == ["0"]
    if not mine and not undisturbed:
        raise SourceError(f"{answers}: no entry for the disturbed trace {path.stem!r}")
    spans = []
    for row in mine:
        start, end, effect = rows.numbers[row].tolist()
        last = end if math.isnan(effect) else effect
        if math.isnan(start) or math.isnan(last):
            raise rows.wrong(row, "root_cause_start and root_cause_end must be numbers")
        where = f"{answers}, line {rows.line(row)}"
        spans.append(Span(from_1970(int(start)), from_1970(int(last)), where, kinds[row]))
    return spans


READER = Reader("exathlon", f"{ANSWERS} with [app1/]1_2_100000_68.csv and so on", _find, _one)
