"""Delimited text read fast; the line of a fault is looked for only when there is one."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv

from tocsin.evaluation.datasets.text_file import read_text
from tocsin.pipeline.errors import SourceError
from tocsin.pipeline.types import BoolArray, FloatArray

# pyarrow's own null words, as they stand in its documentation: what a missing number looks like.
_MISSING = frozenset(arrow_csv.ConvertOptions().null_values)
_LONGEST_LINE = 10_000_000
_FLAGS = {"0": False, "1": True, "false": False, "true": True}


@dataclass(frozen=True, slots=True)
class Layout:
    """How the text is cut: the separator, and the names where the file has no header line."""

    separator: str = ","
    names: tuple[str, ...] = ()


COMMAS = Layout()


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """The columns asked for: `numbers` (N, C) float64 with NaN where missing, and `texts`."""

    path: Path
    layout: Layout
    numbers: FloatArray
    texts: dict[str, Any]  # of pyarrow string columns (N,)

    def __len__(self) -> int:
        return len(self.numbers)

    def line(self, row: int) -> int:
        """The line, from 1, that a row stands in; blank lines are no rows."""
        lines = self.path.read_bytes().splitlines()
        rows = (number for number, line in enumerate(lines, start=1) if line)
        return next(islice(rows, row + (not self.layout.names), None), 0)

    def filled(self, name: str) -> "Columns":
        """The same with the empty cells of a text column filled by the first that is not."""
        words = self.texts[name].to_pylist()
        word = next((word for word in words if word.strip()), "")
        full = pa.chunked_array([[held if held.strip() else word for held in words]])
        return replace(self, texts={**self.texts, name: full})

    def wrong(self, row: int, what: str) -> SourceError:
        """The error to raise for a row, with its file and line."""
        return SourceError(f"{self.path}, line {self.line(row)}: {what}")

    def flags(self, name: str) -> BoolArray:
        """A column (N,) of labels: 0 or 1, 0.0 or 1.0, false or true."""
        encoded = self.texts[name].combine_chunks().dictionary_encode()
        meaning = [_flag(text) for text in encoded.dictionary.to_pylist()]
        index = encoded.indices.to_numpy(zero_copy_only=False)  # (N,)
        odd: BoolArray = np.array([flag is None for flag in meaning], dtype=np.bool_)[index]
        if odd.any():
            row = int(odd.argmax())
            held = self.texts[name][row].as_py()
            raise self.wrong(row, f"column {name!r} holds {held!r}; a label is 0 or 1")
        told: BoolArray = np.array([flag is True for flag in meaning], dtype=np.bool_)[index]
        return told


def header_of(path: Path, separator: str = ",") -> tuple[str, ...]:
    """The names in the first line; raises a SourceError where the file cannot be read as text."""
    try:
        with path.open("rb") as file:
            line = file.readline(_LONGEST_LINE)
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror or error}") from error
    try:
        first = line.decode("utf-8-sig").splitlines()[:1]
        names = next(csv.reader(first, delimiter=separator), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"{path}, line 1: not a text file: {error}") from error
    if not names:
        raise SourceError(f"{path}: the file is empty; wanted a first line of column names")
    return tuple(names)


def read_columns(
    path: Path, numbers: Sequence[str], texts: Sequence[str] = (), layout: Layout = COMMAS
) -> Columns:
    """Read the named columns of a file; any other column is passed over.

    Every row must have as many fields as the first line. Raises a SourceError that names the file
    and the line where a column, a field or a number is missing, and for a file without rows.
    """
    names = layout.names or header_of(path, layout.separator)
    lost = [name for name in (*numbers, *texts) if name not in names]
    if lost:
        raise SourceError(f"{path}, line 1: no column {lost[0]!r}; found {_listed(names)}")
    doubled = [name for name in (*numbers, *texts) if names.count(name) > 1]
    if doubled:
        raise SourceError(f"{path}, line 1: column {doubled[0]!r} stands there twice")
    table = _table(path, numbers, texts, layout)
    if not table.num_rows:
        raise SourceError(f"{path}: no rows")
    values = np.empty((table.num_rows, len(numbers)))  # (N, C)
    for i, name in enumerate(numbers):
        values[:, i] = table.column(name).to_numpy()
    read = Columns(path, layout, values, {name: table.column(name) for name in texts})
    endless = np.isinf(values).any(axis=1)
    if endless.any():
        row = int(endless.argmax())
        name = numbers[int(np.isinf(values[row]).argmax())]
        raise read.wrong(row, f"column {name!r} holds an infinity")
    return read


def read_numbers(path: Path, separator: str = ",") -> Columns:
    """A file of numbers alone, without a header, named `1`, `2`, … by their column."""
    width = len(header_of(path, separator))
    names = tuple(str(i + 1) for i in range(width))
    return read_columns(path, names, layout=Layout(separator, names))


def _table(path: Path, numbers: Sequence[str], texts: Sequence[str], layout: Layout) -> Any:
    kinds = {**dict.fromkeys(numbers, pa.float64()), **dict.fromkeys(texts, pa.string())}
    try:
        return arrow_csv.read_csv(
            path,
            # One block at a time, so that processes side by side do not fight over cores.
            arrow_csv.ReadOptions(use_threads=False, column_names=list(layout.names) or None),
            arrow_csv.ParseOptions(delimiter=layout.separator),
            arrow_csv.ConvertOptions(column_types=kinds, include_columns=list(kinds)),
        )
    except (pa.ArrowException, OSError) as error:
        _find_trouble(path, numbers, layout)
        short = str(error).partition("\n")[0]
        raise SourceError(f"{path}: cannot be read: {short}") from error


def _find_trouble(path: Path, numbers: Sequence[str], layout: Layout) -> None:
    """Raise for the first line that is cut wrongly or holds no number where one is wanted."""
    names = layout.names or header_of(path, layout.separator)
    at = [(names.index(name), name) for name in numbers]
    lines = enumerate(read_text(path).split("\n"), start=1)
    for number, text in islice(lines, int(not layout.names), None):
        fields = next(csv.reader([text], delimiter=layout.separator), [])
        if not fields:
            continue
        if len(fields) != len(names):
            raise SourceError(f"{path}, line {number}: {len(fields)} fields, wanted {len(names)}")
        for place, name in at:
            if not is_number(fields[place]):
                raise SourceError(
                    f"{path}, line {number}: column {name!r} holds {fields[place][:40]!r}, "
                    "wanted a number"
                )


def is_number(text: str) -> bool:
    """Whether a cell is a number, or one of the words for a missing one."""
    try:
        float(text)
    except ValueError:
        return text in _MISSING
    return "_" not in text


def _flag(text: str) -> bool | None:
    """What a label says, or None where it is none; numbers such as 1.0 count by their value."""
    word = text.strip().lower()
    if word in _FLAGS:
        return _FLAGS[word]
    try:
        number = float(word)
    except ValueError:
        return None
    return bool(number) if number in {0.0, 1.0} else None


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:12])
    return f"{shown} and {len(names) - 12} more" if len(names) > 12 else shown


def distinct(texts: Any) -> list[str]:
    """The distinct words of a text column, in the order they first stand there."""
    return [str(text) for text in texts.unique().to_pylist()]
