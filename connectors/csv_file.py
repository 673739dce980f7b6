"""CSV files, whole or followed: the delimiter, the header and the columns are guessed or declared.

A block without quotes whose every cell fits goes through Arrow; any other block is read line by
line, to the same rows.
"""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv

from tocsin.connectors.clocks import Clock, SystemClock
from tocsin.connectors.columns import ROW_NUMBER, Columns, check_columns, to_reading
from tocsin.connectors.guessing import Guess, Sample, guess_columns
from tocsin.connectors.lines import Lines, count_lines, first_lines, read_lines
from tocsin.connectors.records import FieldMap
from tocsin.connectors.times import parse_times
from tocsin.pipeline.errors import SourceError
from tocsin.pipeline.ports import Desk, Reading
from tocsin.pipeline.types import FloatArray, Spec

MISSING = ("", "nan", "NaN", "NAN", "NA", "N/A", "n/a", "null", "NULL", "None", "none", "-nan")

_DELIMITERS = ",;\t|"
_SAMPLE_ROWS = 2000
_FEWEST_FOR_ARROW = 64  # below, setting Arrow up costs more than reading line by line
_MOST_FOR_ARROW = 1 << 27
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class CsvSource:
    """The rows of a CSV file; positions are the byte that the next line starts at.

    `fields` names the columns to read, as they are in the header (`c0`, `c1`, … where there is
    none); left out, they are guessed from the first rows, see `guess_csv`. A channel's cell is a
    number in the C manner; empty cells and the words of `MISSING` are NaN. A line with too few or
    too many cells, a cell that is no number, a bad time or an empty key is a dead letter with the
    line's bytes and its offset; blank lines are passed over. A quoted cell may not go on into the
    next line. Text is UTF-8.

    `follow` goes on as the file grows, with complete lines only. `rows` is the most lines a
    reading has; the rows do not depend on it. `part` is the file's name unless given.

    Raises SourceError for a file that is missing, empty, binary, without the declared columns,
    shorter than the position, or cut or replaced while it is followed.
    """

    path: Path
    fields: FieldMap | None = None
    delimiter: str = ""
    header: bool | None = None
    follow: bool = False
    rows: int = 8192
    part: str = ""
    clock: Clock = field(default=SystemClock(), compare=False)

    def spec(self) -> Spec:
        return self._layout().fields.spec()

    def read(self, desk: Desk) -> Iterator[Reading | None]:
        layout = self._layout()
        part = self.part or self.path.name
        start = max(desk.claim(part) or 0, layout.start)
        row = count_lines(self.path, layout.start, start) if layout.row_numbers else 0
        for lines in read_lines(self.path, start, self.rows, clock=self.clock, follow=self.follow):
            if lines is None:
                yield None
            elif len(lines):
                columns = _fast(lines, layout, row) or _careful(lines, layout, row)
                row += len(lines)
                yield to_reading(columns, part, lines.next, layout.fields)

    def commit(self, positions: Mapping[str, int]) -> None:
        pass

    def close(self) -> None:
        pass

    def _layout(self) -> "_Layout":
        shape = _find_shape(self.path, self.delimiter, header=self.header)
        fields = self.fields
        if fields is None:
            fields = _guess_from(self.path, shape).fields
        check_columns(shape.names, fields, self.path)
        return _Layout(shape.delimiter, shape.names, shape.start, fields)


def guess_csv(path: Path, delimiter: str = "", *, header: bool | None = None) -> Guess:
    """What a CSV file holds, from at most its first 2000 rows and 256 KiB.

    The delimiter is the one of comma, semicolon, tab and bar that cuts most lines into the same
    number of cells, two or more. The first line is a header unless a cell of it is a number or a
    time. Without a header a last column of zeros and ones is taken for labels.
    """
    return _guess_from(path, _find_shape(path, delimiter, header=header))


@dataclass(frozen=True, slots=True)
class _Shape:
    """How a file is cut into cells, and cells of its first rows."""

    delimiter: str
    names: tuple[str, ...]
    start: int  # byte of the first row
    header: bool
    sample: Sequence[Sequence[str]]
    lines: int  # that were looked at for rows


@dataclass(frozen=True, slots=True)
class _Layout:
    """All that reading a line takes."""

    delimiter: str
    names: tuple[str, ...]
    start: int
    fields: FieldMap

    @property
    def row_numbers(self) -> bool:
        return self.fields.time == ROW_NUMBER


def _guess_from(path: Path, shape: _Shape) -> Guess:
    sample = {name: [_cell(row[c]) for row in shape.sample] for c, name in enumerate(shape.names)}
    last = shape.names[-1]
    labelled = not shape.header and len(sample) > 1 and set(sample[last]) <= {0.0, 1.0}
    kept: Sample = {name: sample[name] for name in shape.names if not (labelled and name == last)}
    if 2 * len(shape.sample) < shape.lines:
        raise SourceError(
            f"{path} is no table: most of its first {shape.lines} lines do not have the "
            f"{len(shape.names)} cells of the first"
        )
    if not shape.sample:
        raise SourceError(f"{path} has a header and no rows; its columns cannot be guessed")
    found = guess_columns(kept, path, "csv", path.stem)
    return Guess(
        path,
        "csv",
        found.fields,
        labels=(*found.labels, last) if labelled else found.labels,
        left_out=found.left_out,
        every=found.every,
        rows_seen=found.rows_seen,
        delimiter=shape.delimiter if len(shape.names) > 1 else "",
        header=shape.header,
    )


def _find_shape(path: Path, delimiter: str, *, header: bool | None) -> _Shape:
    lines = first_lines(path)
    texts = [line.decode(errors="replace") for line in lines[: _SAMPLE_ROWS + 1]]
    delimiter = delimiter or _find_delimiter(texts)
    rows = [_cells(text, delimiter) or [""] for text in texts]
    first = rows[0]
    if header is None:
        header = not any(_is_value(cell) for cell in first)
    names = _unique(first) if header else tuple(f"c{i}" for i in range(len(first)))
    sample = [row for row in rows[header:] if len(row) == len(names)]
    body = int(lines.offset[1]) if header and len(lines) > 1 else lines.next
    return _Shape(
        delimiter, names, body if header else lines.origin, header, sample, len(rows) - header
    )


def _find_delimiter(texts: Sequence[str]) -> str:
    def agreement(delimiter: str) -> int:
        counts = [len(_cells(text, delimiter) or ()) for text in texts[:200]]
        most = max(set(counts), key=counts.count)
        return counts.count(most) * most if most > 1 else 0

    best = max(_DELIMITERS, key=agreement)
    return best if agreement(best) else ","


def _unique(cells: Sequence[str]) -> tuple[str, ...]:
    """Header cells as names: nameless ones by place, repeated ones numbered."""
    names: list[str] = []
    for i, cell in enumerate(cells):
        name = cell.strip() or f"c{i}"
        repeats = sum(1 for other in cells[:i] if other.strip() == name)
        names.append(f"{name}_{repeats + 1}" if repeats else name)
    return tuple(names)


def _is_value(cell: str) -> bool:
    return isinstance(_cell(cell), float) or not parse_times([cell.strip()])[1]


def _cell(text: str) -> object:
    text = text.strip()
    if text in MISSING:
        return None
    return float(text) if _NUMBER.fullmatch(text) else text


def _cells(text: str, delimiter: str) -> list[str] | None:
    """The cells of a line, or None when its quotes do not close."""
    if '"' not in text:
        return text.split(delimiter)
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True))
    except csv.Error:
        return None


def _careful(lines: Lines, layout: _Layout, first_row: int) -> Columns:
    """Line by line, with the reason of each that does not fit."""
    fields = layout.fields
    place = {name: i for i, name in enumerate(layout.names)}
    channels = [(c, name, place[name]) for c, name in enumerate(fields.channels)]
    values = np.full((len(lines), len(channels)), np.nan)  # (B, C)
    rows: list[list[str]] = []
    refused: dict[int, str] = {}
    blank = [""] * len(layout.names)
    for i, line in enumerate(lines):
        row = _read_line(line, layout)
        if isinstance(row, str):
            refused[i] = row
            rows.append(blank)
            continue
        rows.append(row)
        reason = _fill(values[i], row, channels)
        if reason:
            refused[i] = reason
    time = None if layout.row_numbers else [row[place[fields.time]].strip() for row in rows]
    keys = [[row[place[name]].strip() for row in rows] for name in fields.key]
    return Columns(time, keys, values, refused, lines.offset, lines, first_row)


def _read_line(line: bytes, layout: _Layout) -> list[str] | str:
    """A line's cells, or why it has none."""
    try:
        cells = _cells(line.decode(), layout.delimiter)
    except UnicodeDecodeError:
        return "the line is not UTF-8"
    if cells is None:
        return "a quoted cell does not end in its line, or is too long"
    if len(cells) != len(layout.names):
        return f"{len(cells)} cells, wanted {len(layout.names)}"
    return cells


def _fill(values: FloatArray, row: Sequence[str], channels: Sequence[tuple[int, str, int]]) -> str:
    """Write a line's numbers into `values` (C,); why one of them is none, or ""."""
    for c, name, place in channels:
        text = row[place].strip()
        if text in MISSING:
            continue
        if not _NUMBER.fullmatch(text):
            return f"channel {name!r} holds {text[:40]!r}, not a number"
        values[c] = float(text)
    return ""


def _fast(lines: Lines, layout: _Layout, first_row: int) -> Columns | None:
    """The same by Arrow, or None for a block in which any line wants care."""
    data = lines.data
    if len(lines) < _FEWEST_FOR_ARROW or len(data) > _MOST_FOR_ARROW:
        return None
    if b'"' in data or b"\0" in data or data.count(b"\r") != data.count(b"\r\n"):
        return None
    fields = layout.fields
    text = [name for name in (fields.time, *fields.key) if name != ROW_NUMBER]
    try:
        table = _read_table(data, layout, text)
    except pa.ArrowInvalid:
        return None
    if table.num_rows != len(lines):
        return None
    values = np.empty((len(lines), len(fields.channels)))  # (B, C)
    for c, name in enumerate(fields.channels):
        column = table.column(name)
        values[:, c] = column.to_numpy(zero_copy_only=False)
        # Arrow reads infinities, and more spellings of NaN than MISSING has: those want care.
        if np.count_nonzero(~np.isfinite(values[:, c])) != column.null_count:
            return None
    time: Sequence[object] | None = None
    if not layout.row_numbers:
        column = table.column(fields.time)
        texts = _stripped(column)
        time = _whole_numbers(column, texts, fields) or texts
    keys = [_stripped(table.column(name)) for name in fields.key]
    return Columns(time, keys, values, {}, lines.offset, lines, first_row)


def _stripped(column: Any) -> list[str]:
    return [cell.strip() for cell in column.to_pylist()]


def _whole_numbers(column: Any, texts: Sequence[str], fields: FieldMap) -> Sequence[object] | None:
    """Times as integers when all are written as such and good, or None; text is read slower."""
    # Arrow also reads hexadecimal numbers, which are no times.
    if "x" in "".join(texts).lower():
        return None
    try:
        numbers: list[object] = column.cast(pa.int64()).to_pylist()
    except pa.ArrowInvalid:
        return None
    return None if parse_times(numbers, fields.time_unit, fields.zone)[1] else numbers


def _read_table(data: bytes, layout: _Layout, text: Sequence[str]) -> pa.Table:
    wanted = [*text, *(name for name in layout.fields.channels if name not in text)]
    types = {name: pa.float64() for name in layout.fields.channels}
    return arrow_csv.read_csv(
        pa.BufferReader(data),
        read_options=arrow_csv.ReadOptions(
            column_names=list(layout.names), use_threads=False, block_size=len(data) + 1
        ),
        parse_options=arrow_csv.ParseOptions(delimiter=layout.delimiter, quote_char=False),
        convert_options=arrow_csv.ConvertOptions(
            column_types={**types, **{name: pa.string() for name in text}},
            include_columns=wanted,
            null_values=list(MISSING),
            strings_can_be_null=False,
        ),
    )
