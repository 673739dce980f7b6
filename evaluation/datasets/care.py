"""CARE to Compare: sensors of wind turbines around one fault, or one calm stretch, a file."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from tocsin.evaluation.datasets.clocks import in_order, times_of
from tocsin.evaluation.datasets.columns import Columns, Layout, header_of, read_columns
from tocsin.evaluation.datasets.labelled import Labelled, Stream, Truth
from tocsin.evaluation.datasets.reader import Found, Reader, above, files_in
from tocsin.evaluation.datasets.spans import Span, truth_of
from tocsin.pipeline.errors import SourceError
from tocsin.pipeline.types import IntArray

SOURCE = "Gück, Roelofs, Faulstich (2024), 10.3390/data9120138; data: 10.5281/zenodo.10958774"
LICENCE = "CC-BY-SA-4.0"
EVENTS, FEATURES = "event_info.csv", "feature_description.csv"
LAYOUT = Layout(";")
NORMAL_STATUS = (0, 2)  # operation and idling; derated, service, downtime and other are not
_OWN = ("time_stamp", "asset_id", "id", "train_test", "status_type_id")
_EVENT = ("event_id", "event_label", "event_start_id", "event_end_id")


def read_care(place: Path) -> Iterator[Labelled]:
    """Every event of a wind farm's folder or of the folder of all farms, or of one event's file.

    Layout, all cut by `;`: `event_info.csv` with `event_id`, `event_label` (`anomaly` or `normal`),
    `event_start_id`, `event_end_id` and perhaps `event_description`, which becomes the kind;
    `feature_description.csv` with `sensor_name`, `is_angle`, `is_counter`; `datasets/10.csv` with
    `time_stamp`, `asset_id`, `id`, `train_test`, `status_type_id` and the sensors. The rows of
    `train_test` `train` come first and are the training prefix. Rows whose `id` is in the stretch
    of an anomaly event are labelled; `Truth.window` is that stretch, of a normal event too, and
    `Truth.normal` is a status of 0 or 2. Notes name the sensors that are angles and counters.
    """
    return READER.read(place)


def _find(place: Path) -> Iterator[Found]:
    for path in files_in(place, "datasets/*.csv", "*/datasets/*.csv"):
        farm = above(path, 1)
        if place.is_file() or (farm / EVENTS).is_file():
            yield Found("CARE", f"{farm.name}/{path.stem}", path)


def _one(path: Path, series: str) -> Labelled:
    farm = above(path, 1)
    channels = tuple(name for name in header_of(path, ";") if name not in _OWN)
    rows = read_columns(
        path, ("id", "status_type_id", *channels), ("time_stamp", "train_test"), LAYOUT
    )
    time = times_of(rows, "time_stamp")
    train = _training_rows(rows)
    keep, notes = in_order(rows, time)
    ids = _ids(rows)[keep]
    truth = replace(
        _truth(farm / EVENTS, path.stem, ids, channels),
        normal=np.isin(rows.numbers[keep, 1], NORMAL_STATUS),
    )
    stream = Stream(series, channels, time[keep], rows.numbers[keep, 2:])
    notes += _features(farm / FEATURES, channels)
    return Labelled("CARE", stream, truth, int(keep[:train].sum()), SOURCE, LICENCE, notes)


def _ids(rows: Columns) -> IntArray:
    """The column `id` (N,); it must rise from row to row."""
    ids = rows.numbers[:, 0]
    wrong = np.concatenate([[not ids[0] >= 0], ~(np.diff(ids) > 0)])
    if wrong.any():
        raise rows.wrong(int(wrong.argmax()), "column 'id' must be a number that rises row by row")
    return ids.astype(np.int64)


def _training_rows(rows: Columns) -> int:
    """Rows before the first that is to be predicted; all of them must be of the training part."""
    parts = rows.texts["train_test"].to_pylist()
    odd = [row for row, part in enumerate(parts) if part not in ("train", "prediction")]
    if odd:
        raise rows.wrong(odd[0], f"train_test is {parts[odd[0]]!r}; wanted train or prediction")
    train = parts.index("prediction") if "prediction" in parts else len(parts)
    if "train" in parts[train:]:
        raise rows.wrong(parts.index("train", train), "a row of training after one of prediction")
    return train


def _truth(events: Path, name: str, ids: IntArray, channels: tuple[str, ...]) -> Truth:
    described = "event_description" in header_of(events, ";")
    texts = (*_EVENT, *(["event_description"] * described))
    rows = read_columns(events, (), texts, LAYOUT)
    names = rows.texts["event_id"].to_pylist()
    if name not in names:
        raise SourceError(f"{events}: no event {name!r}")
    row = names.index(name)
    told = {column: (rows.texts[column][row].as_py() or "").strip() for column in texts}
    if told["event_label"] not in ("anomaly", "normal"):
        raise rows.wrong(row, f"event_label is {told['event_label']!r}; wanted anomaly or normal")
    try:
        start, end = int(told["event_start_id"]), int(told["event_end_id"])
    except ValueError as error:
        raise rows.wrong(row, "event_start_id and event_end_id must be whole numbers") from error
    span = Span(start, end, f"{events}, line {rows.line(row)}", told.get("event_description", ""))
    marked = truth_of(ids, [span], channels)
    window = (marked.events[0].first, marked.events[0].last)
    if told["event_label"] == "anomaly":
        return replace(marked, window=window)
    return Truth(np.zeros(len(ids), dtype=np.bool_), window=window)


def _features(path: Path, channels: tuple[str, ...]) -> tuple[str, ...]:
    """Which channels are angles and which counters; a sensor's channels begin with its name."""
    if not path.is_file():
        return ()
    rows = read_columns(path, (), ("sensor_name", "is_angle", "is_counter"), LAYOUT)
    sensors = rows.texts["sensor_name"].to_pylist()
    notes = []
    for column, what in (("is_angle", "angles"), ("is_counter", "counters")):
        chosen = {
            sensor for sensor, is_so in zip(sensors, rows.flags(column), strict=True) if is_so
        }
        named = [c for c in channels if any(c == s or c.startswith(f"{s}_") for s in chosen)]
        notes += [f"{what}: {', '.join(named)}"] * bool(named)
    return tuple(notes)


READER = Reader("care", f"[*/]{EVENTS} with datasets/*.csv cut by ;", _find, _one)
