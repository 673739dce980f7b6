"""SKAB, the Skoltech Anomaly Benchmark: eight sensors of a water rig, one second apart."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tocsin.evaluation.datasets.clocks import in_order, times_of
from tocsin.evaluation.datasets.columns import Layout, header_of, read_columns
from tocsin.evaluation.datasets.labelled import Labelled, Stream, Truth
from tocsin.evaluation.datasets.reader import Found, Reader, files_in, some_have
from tocsin.evaluation.datasets.spans import clean_prefix
from tocsin.pipeline.errors import SourceError

SOURCE = "Katser, Kozitsin (2020), 10.34740/kaggle/dsv/1693952; github.com/waico/SKAB"
LICENCE = "GPL-3.0"
TRAIN = 400
LAYOUT = Layout(";")
ANSWERS = ("anomaly", "changepoint")
CLEAN = "anomaly-free"
_FOLDERS = ("valve1", "valve2", "other", CLEAN)
_KINDS = {"valve1": "inlet valve closed", "valve2": "outlet valve closed"}
_OTHER = (
    *["fluid leak or addition"] * 4,
    *["rotor imbalance"] * 5,
    *["water added"] * 2,
    *["cavitation"] * 2,
    "hot water",
)


def read_skab(place: Path) -> Iterator[Labelled]:
    """Every run below `data/` or in a folder such as `valve1`, or of a file.

    Files are cut by `;`: `datetime`, the sensors, `anomaly` and `changepoint`; the last is not
    read. The run `anomaly-free` has neither and no labelled row. The training prefix is the first
    400 rows, cut before the first label (run `other/2`, at row 104). Kinds come from the folder and
    from the list of experiments in the data's README.
    """
    return READER.read(place)


def _find(place: Path) -> list[Found]:
    below = [f"{up}{name}/*.csv" for up in ("data/", "") for name in _FOLDERS]
    files = files_in(place, *below, *(["*.csv"] if place.name in _FOLDERS else []))
    if place.is_dir() and not some_have(files, ("datetime",), LAYOUT.separator):
        return []
    return [Found("SKAB", f"{path.parent.name}/{path.stem}", path) for path in files]


def _one(path: Path, series: str) -> Labelled:
    names = header_of(path, LAYOUT.separator)
    labelled = "anomaly" in names
    if not labelled and not series.startswith(CLEAN):
        raise SourceError(f"{path}, line 1: no column 'anomaly'; found {', '.join(names)}")
    channels = tuple(name for name in names if name not in ("datetime", *ANSWERS))
    rows = read_columns(path, channels, ("datetime", *(["anomaly"] * labelled)), LAYOUT)
    time = times_of(rows, "datetime")
    keep, notes = in_order(rows, time)
    label = rows.flags("anomaly") if labelled else np.zeros(len(rows), dtype=np.bool_)
    truth = Truth.of(label[keep], kind=_kind(path))
    train, cut = clean_prefix(truth.label, TRAIN)
    stream = Stream(series, channels, time[keep], rows.numbers[keep])
    return Labelled("SKAB", stream, truth, train, SOURCE, LICENCE, notes + cut)


def _kind(path: Path) -> str:
    folder = path.resolve().parent.name
    if folder == "other" and path.stem.isdecimal() and 1 <= int(path.stem) <= len(_OTHER):
        return _OTHER[int(path.stem) - 1]
    return _KINDS.get(folder, "")


READER = Reader("skab", "[data/]{valve1,valve2,other,anomaly-free}/*.csv cut by ;", _find, _one)
