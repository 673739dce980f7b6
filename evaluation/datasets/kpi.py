"""AIOps KPI: one web or machine indicator a series, rare short anomalies."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tocsin.evaluation.datasets.clocks import in_order, times_of
from tocsin.evaluation.datasets.columns import distinct, header_of, read_columns
from tocsin.evaluation.datasets.labelled import Labelled, Stream, Truth
from tocsin.evaluation.datasets.reader import Found, Reader, files_in, first_line
from tocsin.evaluation.datasets.spans import clean_prefix
from tocsin.pipeline.errors import SourceError
from tocsin.pipeline.types import IntArray

SOURCE = "AIOps challenge (2018), github.com/NetManAIOps; Xu et al. (2018), 10.1145/3178876.3185996"
LICENCE = "MIT (github.com/NetManAIOps/donut)"
TRAIN = 4_000
KEY = "KPI ID"
_HEADERS = ("timestamp,value,label", f"timestamp,value,label,{KEY}")


def read_kpi(place: Path) -> Iterator[Labelled]:
    """Every indicator of a folder of csv files, or of a file.

    Files have `timestamp,value,label`, seconds since 1970, and may have `KPI ID` with several
    indicators in one file (the competition's training file; its test file is HDF5, not read). The
    training prefix is the first 4,000 rows, cut before the first label.
    """
    return READER.read(place)


def _find(place: Path) -> Iterator[Found]:
    files = files_in(place, "*.csv")
    if place.is_dir():
        files = [path for path in files if first_line(path).strip() in _HEADERS]
    for path in files:
        if KEY in header_of(path):
            names = distinct(read_columns(path, (), (KEY,)).texts[KEY])
            yield from (Found("KPI", f"{path.stem}/{name}", path) for name in names)
        else:
            yield Found("KPI", path.stem, path)


def _one(path: Path, series: str) -> Labelled:
    keyed = KEY in header_of(path)
    rows = read_columns(path, ("value",), ("timestamp", "label", *([KEY] * keyed)))
    time, label = times_of(rows, "timestamp"), rows.flags("label")
    names = np.array(rows.texts[KEY].to_pylist()) if keyed else None
    mine = _rows_of(path, series, names) if names is not None else np.arange(len(rows))
    keep, notes = in_order(rows, time[mine], mine)
    mine = mine[keep]
    truth = Truth.of(label[mine])
    train, cut = clean_prefix(truth.label, TRAIN)
    stream = Stream(series, ("value",), time[mine], rows.numbers[mine])
    return Labelled("KPI", stream, truth, train, SOURCE, LICENCE, notes + cut)


def _rows_of(path: Path, series: str, names: NDArray[np.str_]) -> IntArray:
    """The rows of one indicator; `names` (N,) is the column that tells them apart."""
    mine = np.flatnonzero(names == series.removeprefix(f"{path.stem}/"))
    if not mine.size:
        raise SourceError(f"{path}: no rows of {series!r} in column {KEY!r}")
    return mine


READER = Reader("kpi", "*.csv with timestamp,value,label", _find, _one)
