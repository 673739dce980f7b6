"""GECCO 2018 industrial challenge: quality of drinking water, nine channels, one minute apart."""

from collections.abc import Iterator
from pathlib import Path

from tocsin.evaluation.datasets.clocks import in_order, times_of
from tocsin.evaluation.datasets.columns import header_of, read_columns
from tocsin.evaluation.datasets.labelled import Labelled, Stream, Truth
from tocsin.evaluation.datasets.reader import Found, Reader, files_in, some_have
from tocsin.evaluation.datasets.spans import clean_prefix

SOURCE = "Rehbach, Moritz, Chandrasekaran, Rebolledo, Friese, Bartz-Beielstein (2018), GECCO"
LICENCE = "CC-BY-4.0; in the R package EventDetectR, GPL-3"
TRAIN = 20_000


def read_gecco(place: Path) -> Iterator[Labelled]:
    """The series of a folder of csv files with `Time`, the channels and `EVENT`, or of a file.

    Values may be missing; `EVENT` is 0 and 1 or FALSE and TRUE; a column without a name (row
    numbers of the first release) is passed over. The training prefix is the first 20,000 rows, cut
    before the first event: at row 16,265 of the training file of the challenge.
    """
    return READER.read(place)


def _find(place: Path) -> list[Found]:
    files = files_in(place, "*.csv")
    if place.is_dir():
        files = [path for path in files if some_have([path], ("Time", "EVENT", "pH", "Redox"))]
    return [Found("GECCO", path.stem, path) for path in files]


def _one(path: Path, series: str) -> Labelled:
    channels = tuple(name for name in header_of(path) if name not in ("", "Time", "EVENT"))
    rows = read_columns(path, channels, ("Time", "EVENT"))
    time = times_of(rows, "Time")
    keep, notes = in_order(rows, time)
    truth = Truth.of(rows.flags("EVENT")[keep])
    train, cut = clean_prefix(truth.label, TRAIN)
    stream = Stream(series, channels, time[keep], rows.numbers[keep])
    return Labelled("GECCO", stream, truth, train, SOURCE, LICENCE, notes + cut)


READER = Reader("gecco", "*.csv with Time, pH, Redox, ... and EVENT", _find, _one)
