"""SMAP and MSL: telemetry of two spacecraft with their commands (telemanom)."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tocsin.evaluation.datasets.columns import read_columns
from tocsin.evaluation.datasets.labelled import Labelled, Truth
from tocsin.evaluation.datasets.parts import Parts, load_arrays, matrix, read_npz
from tocsin.evaluation.datasets.reader import Found, Reader, above, files_in, some_have
from tocsin.evaluation.datasets.spans import Span, truth_of
from tocsin.pipeline.errors import SourceError

SOURCE = "Hundman et al. (2018), 10.1145/3219819.3219845; github.com/khundman/telemanom"
LICENCE = "Caltech (BSD-like); telemanom is Apache-2.0"
ANSWERS = "labeled_anomalies.csv"
_NAME = re.compile(r"[A-Z]-\d+")
_COLUMNS = ("chan_id", "spacecraft", "anomaly_sequences", "class")


def read_smap_msl(place: Path) -> Iterator[Labelled]:
    """Every channel of a folder, or of one of its training or `.npz` files.

    Published layout: `train/A-1.npy`, `test/A-1.npy`, each (rows, channels), and
    `labeled_anomalies.csv` with `chan_id`, `spacecraft`, `anomaly_sequences` such as
    `[[5, 9], [20, 30]]`, rows of the test part counted from 0, both ends inside, and `class` such
    as `[point, contextual]`. Channels of a folder that the labels do not name are left out, as T-10
    of the published files; one asked for alone is a SourceError. Also read: `C-1.npz` with arrays
    `train`, `test`, `label`; the data set is then named by the folder. The first channel is the
    telemetry, the others are commands. Kinds are the classes. The data has no times: the clock is a
    made up one of a minute a row. The training part comes first.
    """
    return READER.read(place)


def _find(place: Path) -> Iterator[Found]:
    files = files_in(place, "train/*.npy", "*.npz")
    npz = [path for path in files if path.suffix == ".npz" and _NAME.fullmatch(path.stem)]
    for path in npz:
        folder = path.resolve().parent.name.upper()
        yield Found(folder if folder in {"SMAP", "MSL"} else "SMAP-MSL", path.stem, path)
    numpy = [path for path in files if path.suffix == ".npy"]
    if numpy:
        answers = _answers(numpy[0])
        if answers.is_file() and (place.is_file() or some_have([answers], _COLUMNS)):
            crafts = {name: craft for name, craft, *_ in _entries(answers)}
            named = [path for path in numpy if path.stem in crafts]
            for path in named or numpy:
                yield Found(crafts.get(path.stem, "SMAP-MSL"), path.stem, path)


def _answers(path: Path) -> Path:
    """The label file, in the folder above `train/` or, as telemanom ships it, one further up."""
    near = above(path, 1) / ANSWERS
    return near if near.is_file() else above(path, 2) / ANSWERS


def _one(path: Path, series: str) -> Labelled:
    if path.suffix == ".npz":
        parts = read_npz(path)
        dataset = next(iter(_find(path))).dataset
        channels = _channels(parts)
        truth = Truth.of(parts.labels())
    else:
        dataset, parts, truth = _published(path, series)
        channels = _channels(parts)
    stream = parts.stream(series, channels)
    return Labelled(dataset, stream, truth, len(parts.train), SOURCE, LICENCE)


def _channels(parts: Parts) -> tuple[str, ...]:
    return ("telemetry", *(f"command{i}" for i in range(1, parts.test.shape[1])))


def _published(path: Path, series: str) -> tuple[str, Parts, Truth]:
    test_file = above(path, 1) / "test" / path.name
    train, test = _array(path), _array(test_file)
    parts = Parts(path, train, test, np.zeros(len(test), dtype=np.bool_))
    answers = _answers(path)
    mine = [entry for entry in _entries(answers) if entry[0] == series]
    if not mine:
        raise SourceError(f"{answers}: no labels for {series!r}")
    before = len(train)
    spans = [span for *_, where, text, kinds in mine for span in _spans(text, kinds, where, before)]
    late = [span for span in spans if span.end >= before + len(test)]
    if late:
        raise SourceError(f"{late[0].where}: a sequence ends past row {len(test) - 1} of the test")
    rows = np.arange(before + len(test), dtype=np.int64)
    return mine[0][1], parts, truth_of(rows, spans, _channels(parts))


def _array(path: Path) -> Any:
    arrays = load_arrays(path)
    if "array" not in arrays:
        raise SourceError(f"{path}: wanted one array in a .npy file")
    return matrix(arrays["array"], str(path))


def _entries(answers: Path) -> list[tuple[str, str, str, str, str]]:
    """Name, spacecraft, where it stands, sequences and classes of each entry."""
    rows = read_columns(answers, (), _COLUMNS)
    names, crafts, texts, kinds = (rows.texts[name].to_pylist() for name in _COLUMNS)
    return [
        (name, craft, f"{answers}, line {row + 2}", text, kind)
        for row, (name, craft, text, kind) in enumerate(
            zip(names, crafts, texts, kinds, strict=True)
        )
    ]


def _spans(text: str, classes: str, where: str, before: int) -> list[Span]:
    try:
        pairs = ast.literal_eval(text)
    except (ValueError, SyntaxError) as error:
        raise SourceError(f"{where}: wanted [[first, last], ...]; found {text[:60]!r}") from error
    kinds = [word.strip() for word in classes.strip(" []").split(",")]
    spans = []
    for index, pair in enumerate(pairs if isinstance(pairs, list) else [pairs]):
        if not _is_pair(pair):
            raise SourceError(f"{where}: wanted [first, last]; found {pair!r:.60}")
        kind = kinds[index] if len(kinds) == len(pairs) else ""
        spans.append(Span(before + pair[0], before + pair[1], where, kind))
    return spans


def _is_pair(pair: object) -> bool:
    return (
        isinstance(pair, list)
        and len(pair) == 2
        and all(type(row) is int and row >= 0 for row in pair)
    )


READER = Reader(
    "smap_msl", f"train/*.npy and test/*.npy with {ANSWERS}, or C-1.npz and so on", _find, _one
)
