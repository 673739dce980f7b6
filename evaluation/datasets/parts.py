"""Series published as a clean training part and a labelled test part."""

import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tocsin.evaluation.datasets.clocks import made_up
from tocsin.evaluation.datasets.labelled import Stream
from tocsin.pipeline.errors import SourceError
from tocsin.pipeline.types import BoolArray, FloatArray

# What numpy and zipfile raise over damaged bytes, each seen in a fuzzed file.
_DAMAGED = (
    EOFError,
    KeyError,
    MemoryError,
    RuntimeError,
    SyntaxError,
    ValueError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """Values `train` (M, C) and `test` (N, C), and the `label` (N,) of the test part."""

    path: Path
    train: FloatArray
    test: FloatArray
    label: BoolArray

    def __post_init__(self) -> None:
        if self.train.shape[1] != self.test.shape[1]:
            raise SourceError(
                f"{self.path}: {self.train.shape[1]} channels in the training part, "
                f"{self.test.shape[1]} in the test part"
            )
        if len(self.label) != len(self.test):
            raise SourceError(
                f"{self.path}: {len(self.label)} labels for {len(self.test)} rows of the test part"
            )

    def stream(self, series: str, channels: tuple[str, ...]) -> Stream:
        """Training part, then test part (M + N, C), on a clock of a minute a row."""
        values = np.concatenate([self.train, self.test])
        return Stream(series, channels, made_up(len(values)), values, clocked=False)

    def labels(self) -> BoolArray:
        """Labels of both parts (M + N,): none in the training part."""
        return np.concatenate([np.zeros(len(self.train), dtype=np.bool_), self.label])


def read_npz(path: Path) -> Parts:
    """A `.npz` file with `train` (M, C), `test` (N, C) and `label` (N,) of 0 and 1."""
    arrays = load_arrays(path)
    lost = [name for name in ("train", "test", "label") if name not in arrays]
    if lost:
        raise SourceError(f"{path}: no array {lost[0]!r}; found {', '.join(arrays) or 'none'}")
    return Parts(
        path,
        matrix(arrays["train"], f"{path}, array 'train'"),
        matrix(arrays["test"], f"{path}, array 'test'"),
        zero_or_one(arrays["label"], f"{path}, array 'label'"),
    )


def load_arrays(path: Path) -> Mapping[str, Any]:
    """The arrays of a `.npz` file by name, or the one of a `.npy` file under the name `array`."""
    try:
        with path.open("rb") as file:  # numpy leaves a file it opened itself open on damage
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return {"array": loaded}
            with loaded:
                return {name: loaded[name] for name in loaded.files}
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror or error}") from error
    except _DAMAGED as error:
        raise SourceError(f"{path}: no arrays of numpy: {error}") from error


def matrix(array: Any, where: str) -> FloatArray:
    """Values (N, C) as float64; a SourceError for another shape, no rows, or infinities."""
    if array.ndim != 2 or not array.size or array.dtype.kind not in "fiub":
        raise SourceError(
            f"{where}: wanted numbers (rows, channels), found {array.shape} of {array.dtype}"
        )
    values = np.asarray(array, dtype=np.float64)
    if np.isinf(values).any():
        row = int(np.isinf(values).any(axis=1).argmax())
        raise SourceError(f"{where}, row {row}: an infinity")
    return values


def zero_or_one(array: Any, where: str) -> BoolArray:
    """Labels (N,) as bool; a SourceError names the first row that is neither 0 nor 1."""
    if array.ndim != 1 or array.dtype.kind not in "fiub":
        raise SourceError(f"{where}: wanted labels (rows,), found {array.shape} of {array.dtype}")
    odd = (array != 0) & (array != 1)
    if odd.any():
        row = int(odd.argmax())
        raise SourceError(f"{where}, row {row}: {array[row]} is no label; wanted 0 or 1")
    return np.asarray(array == 1, dtype=np.bool_)
