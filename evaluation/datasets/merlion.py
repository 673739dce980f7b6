"""Merlion's synthetic series: one kind of anomaly each."""

from collections.abc import Iterator
from pathlib import Path

from tocsin.evaluation.datasets.clocks import in_order, times_of
from tocsin.evaluation.datasets.columns import header_of, read_columns
from tocsin.evaluation.datasets.labelled import Labelled, Stream, Truth
from tocsin.evaluation.datasets.reader import Found, Reader, files_in, some_have
from tocsin.evaluation.datasets.spans import clean_prefix

SOURCE = "Bhatnagar et al. (2021), arXiv:2109.09265; github.com/salesforce/Merlion"
LICENCE = "BSD-3-Clause"


def read_merlion(place: Path) -> Iterator[Labelled]:
    """Every series of a folder of `*_anomaly.csv`, or of a file.

    Files have `timestamp`, in seconds, the value under any name, and `anomaly`, 0 or 1. The kind is
    the word before `_anomaly` in the file's name. The training prefix is the first 15 %, cut before
    the first label, which in some of these series comes within the first rows.
    """
    return READER.read(place)


def _find(place: Path) -> list[Found]:
    files = files_in(place, "*_anomaly.csv")
    if place.is_dir() and not some_have(files, ("timestamp", "anomaly")):
        return []
    return [Found("Merlion", path.stem, path) for path in files]


def _one(path: Path, series: str) -> Labelled:
    channels = tuple(name for name in header_of(path) if name not in ("timestamp", "anomaly"))
    rows = read_columns(path, channels, ("timestamp", "anomaly"))
    time = times_of(rows, "timestamp")
    keep, notes = in_order(rows, time)
    kind = path.stem.removesuffix("_anomaly").rpartition("_")[2]
    truth = Truth.of(rows.flags("anomaly")[keep], kind=kind)
    train, cut = clean_prefix(truth.label, len(truth.label) * 15 // 100)
    stream = Stream(series, channels, time[keep], rows.numbers[keep])
    return Labelled("Merlion", stream, truth, train, SOURCE, LICENCE, notes + cut)


READER = Reader("merlion", "*_anomaly.csv with timestamp, a value and anomaly", _find, _one)
