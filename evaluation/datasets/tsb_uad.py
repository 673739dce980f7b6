"""TSB-UAD `.out` files: one value and its label a line."""

from collections.abc import Iterator
from pathlib import Path

from tocsin.evaluation.datasets.clocks import made_up
from tocsin.evaluation.datasets.columns import Layout, read_columns
from tocsin.evaluation.datasets.labelled import Labelled, Stream, Truth
from tocsin.evaluation.datasets.reader import Found, Reader, files_in
from tocsin.evaluation.datasets.spans import clean_prefix

SOURCE = "Paparrizos et al. (2022), 10.14778/3529337.3529354; github.com/TheDatumOrg/TSB-UAD"
LICENCE = "that of each collected data set; ECG (MIT-BIH) is ODC-BY"
LAYOUT = Layout(names=("value", "label"))


def read_tsb_uad(place: Path) -> Iterator[Labelled]:
    """Every `.out` file of a folder, or one of them: `value,label`, without a header.

    The folder names the data set, as in TSB-UAD-Public (`ECG/MBA_ECG805_data.out`). There is no
    published training part: the prefix is the first 15 %, cut before the first label. The data has
    no times: the clock is a made up one of a minute a row.
    """
    return READER.read(place)


def _find(place: Path) -> list[Found]:
    files = files_in(place, "*.out")
    return [Found(path.resolve().parent.name or "TSB-UAD", path.stem, path) for path in files]


def _one(path: Path, series: str) -> Labelled:
    rows = read_columns(path, ("value",), ("label",), LAYOUT)
    truth = Truth.of(rows.flags("label"))
    train, cut = clean_prefix(truth.label, len(rows) * 15 // 100)
    stream = Stream(series, ("value",), made_up(len(rows)), rows.numbers, clocked=False)
    dataset = path.resolve().parent.name or "TSB-UAD"
    return Labelled(dataset, stream, truth, train, SOURCE, LICENCE, cut)


READER = Reader("tsb_uad", "*.out with value,label and no header", _find, _one)
