"""TSB-AD csv files: any number of channels, the training prefix told by the file's name."""

import re
from collections.abc import Iterator
from pathlib import Path

from tocsin.evaluation.datasets.clocks import made_up
from tocsin.evaluation.datasets.columns import header_of, read_columns
from tocsin.evaluation.datasets.labelled import Labelled, Stream, Truth
from tocsin.evaluation.datasets.reader import Found, Reader, files_in
from tocsin.evaluation.datasets.spans import clean_prefix
from tocsin.pipeline.errors import SourceError

SOURCE = "Liu, Paparrizos (2024), NeurIPS Datasets and Benchmarks; github.com/TheDatumOrg/TSB-AD"
LICENCE = "that of each collected data set; TSB-AD itself is Apache-2.0"
_NAME = re.compile(r"\d+_(?P<dataset>.+?)_id_\d+_.*tr_(?P<train>\d+)_1st_(?P<first>\d+)")


def read_tsb_ad(place: Path) -> Iterator[Labelled]:
    """Every series of a folder, or of a file.

    A file `001_NAB_id_1_Facility_tr_1007_1st_2014.csv` has a header; its last column is `Label`,
    the others are channels. `tr` is the number of rows of the training prefix, `1st` where the
    first anomaly begins. The data set is named after the collected one, `TSB-AD-NAB`. A prefix that
    holds a labelled row is cut before it. The data has no times: the clock is a made up one of a
    minute a row.
    """
    return READER.read(place)


def _find(place: Path) -> Iterator[Found]:
    for path in files_in(place, "*_tr_*_1st_*.csv"):
        told = _NAME.fullmatch(path.stem)
        yield Found(f"TSB-AD-{told['dataset']}" if told else "TSB-AD", path.stem, path)


def _one(path: Path, series: str) -> Labelled:
    told = _NAME.fullmatch(path.stem)
    if told is None:
        raise SourceError(f"{path}: wanted a name NUMBER_DATASET_id_N_..._tr_N_1st_N.csv")
    *channels, last = header_of(path)
    if last != "Label":
        raise SourceError(f"{path}, line 1: the last column must be 'Label'; found {last!r}")
    rows = read_columns(path, channels, ("Label",))
    wanted = int(told["train"])
    if wanted > len(rows):
        raise SourceError(f"{path}: the name says {wanted} rows of training; found {len(rows)}")
    truth = Truth.of(rows.flags("Label"))
    train, cut = clean_prefix(truth.label, wanted)
    stream = Stream(series, tuple(channels), made_up(len(rows)), rows.numbers, clocked=False)
    dataset = f"TSB-AD-{told['dataset']}"
    return Labelled(dataset, stream, truth, train, SOURCE, LICENCE, cut)


READER = Reader("tsb_ad", "*_tr_N_1st_N.csv with Label as last column", _find, _one)
