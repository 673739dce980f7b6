"""SMD, the Server Machine Dataset: 38 scaled metrics a machine, with the channels at fault."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tocsin.evaluation.datasets.columns import read_numbers
from tocsin.evaluation.datasets.labelled import Labelled, Truth
from tocsin.evaluation.datasets.parts import Parts, read_npz, zero_or_one
from tocsin.evaluation.datasets.reader import Found, Reader, above, files_in
from tocsin.evaluation.datasets.text_file import read_text
from tocsin.pipeline.errors import SourceError
from tocsin.pipeline.types import BoolArray

SOURCE = "Su et al. (2019), 10.1145/3292500.3330672; github.com/NetManAIOps/OmniAnomaly"
LICENCE = "MIT"
_LINE = re.compile(r"(\d+)-(\d+):(\d+(?:,\d+)*)")


def read_smd(place: Path) -> Iterator[Labelled]:
    """Every machine of a folder, or of one of its training or `.npz` files.

    Published layout: `train/`, `test/`, `test_label/` and `interpretation_label/`, each with
    `machine-1-1.txt` and so on; values and labels have no header, values are cut by commas. Also
    read: `machine-1-1.npz` with arrays `train`, `test`, `label`, and beside it
    `machine-1-1.interpretation.txt`. A line `start-end:dims` of an interpretation blames the
    channels `dims`, counted from 1, in the rows of the test part from `start` up to and without
    `end`, counted from 0: so it agrees with the labels. The channels are named `c1` to `c38` after
    it. The data has no times: the clock is a made up one of a minute a row, which is how it was
    sampled. The training part comes first.
    """
    return READER.read(place)


def _find(place: Path) -> list[Found]:
    files = files_in(place, "train/machine-*.txt", "machine-*.npz")
    return [Found("SMD", path.stem, path) for path in files]


def _one(path: Path, series: str) -> Labelled:
    if path.suffix == ".npz":
        parts = read_npz(path)
        reasons = path.with_suffix(".interpretation.txt")
    else:
        parts = _published(path)
        reasons = above(path, 1) / "interpretation_label" / path.name
    channels = tuple(f"c{i + 1}" for i in range(parts.test.shape[1]))
    blame = _blame(reasons, parts, len(parts.train)) if reasons.is_file() else None
    truth = Truth.of(parts.labels(), blame, channels)
    stream = parts.stream(series, channels)
    return Labelled("SMD", stream, truth, len(parts.train), SOURCE, LICENCE)


def _published(path: Path) -> Parts:
    folder = above(path, 1)
    train, test = read_numbers(path), read_numbers(folder / "test" / path.name)
    answers = read_numbers(folder / "test_label" / path.name)
    if answers.numbers.shape[1] != 1:
        raise SourceError(f"{answers.path}, line 1: wanted one label, found several fields")
    label = answers.numbers[:, 0]
    odd = (label != 0) & (label != 1)
    if odd.any():
        raise answers.wrong(int(odd.argmax()), f"{label[odd][0]} is no label; wanted 0 or 1")
    return Parts(path, train.numbers, test.numbers, zero_or_one(label, str(answers.path)))


def _blame(path: Path, parts: Parts, before: int) -> BoolArray:
    """The channels at fault (M + N, C): only in rows that are labelled."""
    blame = np.zeros((before + len(parts.test), parts.test.shape[1]), dtype=np.bool_)
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if line.strip():
            first, end, dims = _stretch(line.strip(), f"{path}, line {number}", parts)
            rows = before + first + np.flatnonzero(parts.label[first:end])
            blame[rows[:, None], dims] = True
    return blame


def _stretch(line: str, where: str, parts: Parts) -> tuple[int, int, list[int]]:
    found = _LINE.fullmatch(line.replace(" ", ""))
    if found is None:
        raise SourceError(f"{where}: wanted start-end:dims; found {line[:60]!r}")
    first, end = int(found[1]), int(found[2])
    dims = [int(dim) - 1 for dim in found[3].split(",")]
    if not 0 <= min(dims) <= max(dims) < parts.test.shape[1]:
        raise SourceError(f"{where}: dims run from 1 to {parts.test.shape[1]}; found {found[3]}")
    if not parts.label[first:end].any():
        raise SourceError(f"{where}: no row from {first} up to {end} is labelled")
    return first, end, dims


READER = Reader(
    "smd", "train/machine-*.txt with test/ and test_label/, or machine-*.npz", _find, _one
)
