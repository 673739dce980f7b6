"""NAB, the Numenta Anomaly Benchmark: one value a series, wide windows as labels."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tocsin.evaluation.datasets.clocks import in_order, iso_times, times_of
from tocsin.evaluation.datasets.columns import read_columns
from tocsin.evaluation.datasets.labelled import Labelled, Stream
from tocsin.evaluation.datasets.reader import Found, Reader, above, files_in
from tocsin.evaluation.datasets.spans import Span, clean_prefix, truth_of
from tocsin.evaluation.datasets.text_file import read_json
from tocsin.pipeline.errors import SourceError

SOURCE = "Ahmad, Lavin, Purdy, Agha (2017), 10.1016/j.neucom.2017.04.070; github.com/numenta/NAB"
LICENCE = "MIT (earlier releases AGPL-3.0)"
WINDOWS = "labels/combined_windows.json"


def read_nab(place: Path) -> Iterator[Labelled]:
    """Every series of a folder, or of a file.

    A folder has `data/*/*.csv` and `labels/combined_windows.json`. Each csv file has
    `timestamp,value`. The windows are `{"folder/file.csv": [[start, end], ...]}`, both ends inside;
    a file without anomalies has an empty list. The training prefix is the first 15 %, at most 750
    rows, cut before the first label. Repeated and late times, 49 rows of the published files, are
    left out with a note.
    """
    return READER.read(place)


def _find(place: Path) -> Iterator[Found]:
    if place.is_dir() and not (place / WINDOWS).is_file():
        return
    for path in files_in(place, "data/*/*.csv"):
        yield Found("NAB", f"{path.parent.name}/{path.stem}", path)


def _one(path: Path, series: str) -> Labelled:
    rows = read_columns(path, ("value",), ("timestamp",))
    time = times_of(rows, "timestamp")
    keep, notes = in_order(rows, time)
    time = time[keep]
    truth = truth_of(time, _windows(path), ("value",))
    # NAB's probation: 15 % of the series, counted on at most 5,000 rows.
    train, cut = clean_prefix(truth.label, min(len(time) * 15 // 100, 750))
    stream = Stream(series, ("value",), time, rows.numbers[keep])
    return Labelled("NAB", stream, truth, train, SOURCE, LICENCE, notes + cut)


def _windows(path: Path) -> list[Span]:
    labels = above(path, 2) / WINDOWS
    name = f"{path.resolve().parent.name}/{path.name}"
    known = read_json(labels)
    if not isinstance(known, dict) or name not in known:
        raise SourceError(f"{labels}: no labels for {name!r}")
    return spans_of(known[name], f"{labels}, entry {name!r}")


def spans_of(pairs: object, where: str) -> list[Span]:
    """Spans of a list of `[start, end]` in ISO 8601."""
    if not isinstance(pairs, list):
        raise SourceError(f"{where}: wanted a list of [start, end]; found {pairs!r:.60}")
    spans = []
    for index, pair in enumerate(pairs):
        here = f"{where}, window {index}"
        if (
            not isinstance(pair, list)
            or len(pair) != 2
            or not all(isinstance(t, str) for t in pair)
        ):
            raise SourceError(f"{here}: wanted [start, end]; found {pair!r:.60}")
        start, end = iso_times(pair).tolist()
        if np.iinfo(np.int64).min in (start, end):
            raise SourceError(f"{here}: wanted two times; found {pair!r:.60}")
        spans.append(Span(start, end, here))
    return spans


READER = Reader("nab", f"data/*/*.csv beside {WINDOWS}", _find, _one)
