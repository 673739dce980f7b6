"""UCR anomaly archive: one long value a series, exactly one anomaly, told by the file's name."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tocsin.evaluation.datasets.clocks import made_up
from tocsin.evaluation.datasets.labelled import Labelled, Stream
from tocsin.evaluation.datasets.reader import Found, Reader, files_in
from tocsin.evaluation.datasets.spans import Span, truth_of
from tocsin.evaluation.datasets.text_file import read_text
from tocsin.pipeline.errors import SourceError
from tocsin.pipeline.types import FloatArray

SOURCE = "Wu, Keogh (2021), 10.1109/TKDE.2021.3112126; UCR Time Series Anomaly Archive"
LICENCE = "free for research; no licence is stated"
_NAME = re.compile(r"\d+_UCR_Anomaly_.*_(\d+)_(\d+)_(\d+)")


def read_ucr(place: Path) -> Iterator[Labelled]:
    """Every series of a folder, or of a file.

    A file `001_UCR_Anomaly_NAME_TRAIN_BEGIN_END.txt` holds numbers set apart by blanks or line
    ends. TRAIN is the number of rows of the training prefix; BEGIN and END are the first and last
    anomalous row, counted from 1. The data has no times: the clock is a made up one of a minute a
    row.
    """
    return READER.read(place)


def _find(place: Path) -> list[Found]:
    files = files_in(place, "*_UCR_Anomaly_*.txt")
    return [Found("UCR", path.stem, path) for path in files]


def _one(path: Path, series: str) -> Labelled:
    told = _NAME.fullmatch(path.stem)
    if told is None:
        raise SourceError(f"{path}: the name must end in _TRAIN_BEGIN_END.txt, three numbers")
    train, begin, end = (int(number) for number in told.groups())
    values = _values(path)
    if not train < begin <= end <= len(values):
        raise SourceError(
            f"{path}: the name says {train} rows of training and an anomaly from {begin} to {end}; "
            f"wanted TRAIN < BEGIN <= END <= {len(values)}, the rows there are"
        )
    rows = np.arange(1, len(values) + 1, dtype=np.int64)
    truth = truth_of(rows, [Span(begin, end, str(path))], ("value",))
    stream = Stream(series, ("value",), made_up(len(values)), values[:, None], clocked=False)
    return Labelled("UCR", stream, truth, train, SOURCE, LICENCE)


def _values(path: Path) -> FloatArray:
    """The numbers (N,) of a file."""
    text = read_text(path)
    try:
        values = np.array(text.split(), dtype=np.float64)
    except ValueError as error:
        raise _trouble(path, text) from error
    if not values.size:
        raise SourceError(f"{path}: no rows")
    if np.isinf(values).any():
        raise SourceError(f"{path}: value {np.isinf(values).argmax() + 1} is an infinity")
    return values


def _trouble(path: Path, text: str) -> SourceError:
    for number, line in enumerate(text.split("\n"), start=1):
        for word in line.split():
            try:
                float(word)
            except ValueError:
                return SourceError(f"{path}, line {number}: {word[:40]!r} is not a number")
    return SourceError(f"{path}: not a file of numbers")


READER = Reader("ucr", "*_UCR_Anomaly_*_TRAIN_BEGIN_END.txt", _find, _one)
