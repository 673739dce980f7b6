"""OpenSearch anomaly detection's end-to-end data: JSON records, labels as intervals."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tocsin.evaluation.datasets.clocks import from_1970, iso_times, later_rows
from tocsin.evaluation.datasets.labelled import Labelled, Stream
from tocsin.evaluation.datasets.nab import spans_of
from tocsin.evaluation.datasets.reader import Found, Reader, files_in
from tocsin.evaluation.datasets.spans import clean_prefix, truth_of
from tocsin.evaluation.datasets.text_file import read_json
from tocsin.pipeline.errors import SourceError
from tocsin.pipeline.types import FloatArray, IntArray

SOURCE = "github.com/opensearch-project/anomaly-detection, end-to-end test data"
LICENCE = "Apache-2.0"
TIME = "timestamp"


def read_opensearch(place: Path) -> Iterator[Labelled]:
    """Every series of a folder of `*.data` with `*.label` beside them, or of one `.data` file.

    A `.data` file is a list of records: `timestamp` (ISO 8601 or milliseconds since 1970), numbers,
    and perhaps one text, the key that tells series apart. A `.label` file is a list of `[start,
    end]` in ISO 8601, both ends inside, or such a list for each key. Numbers become channels in the
    order of the first record; one that is null or left out is missing. The training prefix is the
    first 15 %, cut before the first label.
    """
    return READER.read(place)


def _find(place: Path) -> Iterator[Found]:
    for path in files_in(place, "*.data"):
        if not path.with_suffix(".label").is_file() and place.is_dir():
            continue
        labels = read_json(path.with_suffix(".label"))
        keys = [f"{path.stem}/{key}" for key in labels] if isinstance(labels, dict) else [path.stem]
        yield from (Found("OpenSearch", series, path) for series in keys)


def _one(path: Path, series: str) -> Labelled:
    records = _records(path)
    fields = [name for name in records[0] if name != TIME]
    texts = [name for name in fields if isinstance(records[0][name], str)]
    channels = tuple(name for name in fields if name not in texts)
    if len(texts) > 1:
        raise SourceError(f"{path}, record 0: several text fields {texts}; wanted one key at most")
    key = series.removeprefix(f"{path.stem}/") if texts else None
    mine = [i for i, one in enumerate(records) if key is None or one.get(texts[0]) == key]
    if not mine or not channels:
        raise SourceError(f"{path}: no records of {series!r} with numbers")
    time = _times(path, records, mine)
    keep, notes = later_rows(str(path), time, lambda row: f"record {mine[row]}")
    values = _values(path, records, mine, channels)[keep]
    truth = truth_of(time[keep], spans_of(*_labels(path, key)), channels)
    train, cut = clean_prefix(truth.label, len(values) * 15 // 100)
    stream = Stream(series, channels, time[keep], values)
    return Labelled("OpenSearch", stream, truth, train, SOURCE, LICENCE, notes + cut)


def _records(path: Path) -> list[dict[str, Any]]:
    records = read_json(path)
    if not isinstance(records, list) or not records:
        raise SourceError(f"{path}: wanted a list of records; found {records!r:.60}")
    for index, record in enumerate(records):
        if not isinstance(record, dict) or TIME not in record:
            raise SourceError(f"{path}, record {index}: no {TIME!r} in {record!r:.60}")
    return records


def _times(path: Path, records: list[dict[str, Any]], mine: list[int]) -> IntArray:
    given = [records[index][TIME] for index in mine]
    if type(given[0]) is int:
        lost = [i for i, time in enumerate(given) if type(time) is not int or abs(time) >= 2**63]
        time = np.array([] if lost else [from_1970(time) for time in given], dtype=np.int64)
    else:
        time = iso_times([text if isinstance(text, str) else "" for text in given])
        lost = np.flatnonzero(time == np.iinfo(np.int64).min).tolist()
    if lost:
        raise SourceError(
            f"{path}, record {mine[lost[0]]}: {TIME} is {given[lost[0]]!r:.60}, wanted a time"
        )
    return time


def _values(
    path: Path, records: list[dict[str, Any]], mine: list[int], channels: tuple[str, ...]
) -> FloatArray:
    values = np.empty((len(mine), len(channels)))  # (N, C)
    for row, index in enumerate(mine):
        for column, name in enumerate(channels):
            held = records[index].get(name)
            if held is not None and type(held) not in (int, float):
                raise SourceError(
                    f"{path}, record {index}: {name} is {held!r:.60}, wanted a number"
                )
            values[row, column] = np.nan if held is None else held
    endless = np.isinf(values).any(axis=1)
    if endless.any():
        raise SourceError(f"{path}, record {mine[int(endless.argmax())]}: an infinity")
    return values


def _labels(path: Path, key: str | None) -> tuple[object, str]:
    """The list of intervals of a series, and where it stands."""
    labels = path.with_suffix(".label")
    known = read_json(labels)
    if key is None:
        return known, str(labels)
    if not isinstance(known, dict) or key not in known:
        raise SourceError(f"{labels}: no labels for {key!r}")
    return known[key], f"{labels}, entry {key!r}"


READER = Reader("opensearch", "*.data and *.label, JSON", _find, _one)
