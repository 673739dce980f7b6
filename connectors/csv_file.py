"""CSV files, whole or followed: the delimiter, the header and the columns are guessed or declared.

A block without quotes whose every cell fits goes through Arrow; any other block is read line by
line, to the same rows.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv

from tocsin.connectors.clocks import Clock, SystemClock
from tocsin.connectors.columns import ROW_NUMBER, Columns, check_columns, to_reading
from tocsin.connectors.csv_guess import find_shape, guess_from, split_cells
from tocsin.connectors.dialect import MISSING, Dialect
from tocsin.connectors.dialect_guess import ASK_OF_COMMAS, looks_like_commas
from tocsin.connectors.lines import Lines, count_lines, read_lines
from tocsin.connectors.records import FieldMap
from tocsin.connectors.times import parse_times
from tocsin.pipeline.ports import Desk, Reading
from tocsin.pipeline.types import FloatArray, Spec

log = logging.getLogger("tocsin.csv")

_FEWEST_FOR_ARROW = 64  # below, setting Arrow up costs more than reading line by line
_MOST_FOR_ARROW = 1 << 27


@dataclass(frozen=True, slots=True)
class CsvSource:
    """The rows of a CSV file; positions are the byte that the next line starts at.

    `fields` names the columns to read, as they are in the header (`c0`, `c1`, … where there is
    none); left out, they are guessed from the first rows, see `guess_csv`. A channel's cell is a
    number in the C manner, or as `dialect` says; empty cells and the words of `MISSING` are NaN. A
    line with too few or too many cells, a cell that is no number, a bad time or an empty key is a
    dead letter with the line's bytes and its offset; blank lines are passed over. A quoted cell may
    not go on into the next line. Text is UTF-8.

    `follow` goes on as the file grows, with complete lines only. `rows` is the most lines a
    reading has; the rows do not depend on it. `part` is the file's name unless given.

    Raises SourceError for a file that is missing, empty, binary, without the declared columns,
    shorter than the position, or cut or replaced while it is followed.
    """

    path: Path
    fields: FieldMap | None = None
    dialect: Dialect = field(default=Dialect())
    follow: bool = False
    rows: int = 8192
    part: str = ""
    clock: Clock = field(default=SystemClock(), compare=False)

    def spec(self) -> Spec:
        return self._layout().fields.spec()

    def read(self, desk: Desk) -> Iterator[Reading | None]:
        layout = self._layout()
        for doubt in layout.doubts:
            log.warning("%s: %s", self.path, doubt)
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
        shape = find_shape(self.path, self.dialect)
        if self.fields is not None:
            check_columns(shape.names, self.fields, self.path)
            return _Layout(shape.dialect, shape.names, shape.start, self.fields)
        found = guess_from(self.path, shape)
        dialect = replace(found.dialect, delimiter=shape.dialect.delimiter)
        return _Layout(dialect, shape.names, shape.start, found.fields, found.doubts)


@dataclass(frozen=True, slots=True)
class _Layout:
    """All that reading a line takes."""

    dialect: Dialect
    names: tuple[str, ...]
    start: int
    fields: FieldMap
    doubts: tuple[str, ...] = ()

    @property
    def row_numbers(self) -> bool:
        return self.fields.time == ROW_NUMBER


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
        reason = _fill(values[i], row, channels, layout.dialect)
        if reason:
            refused[i] = reason
    time: Sequence[object] | None = None
    if not layout.row_numbers:
        texts = [row[place[fields.time]].strip() for row in rows]
        time, bad = layout.dialect.times(texts)
        refused = bad | refused
    keys = [[row[place[name]].strip() for row in rows] for name in fields.key]
    return Columns(time, keys, values, refused, lines.offset, lines, first_row)


def _read_line(line: bytes, layout: _Layout) -> list[str] | str:
    """A line's cells, or why it has none."""
    try:
        cells = split_cells(line.decode(), layout.dialect.delimiter)
    except UnicodeDecodeError:
        return "the line is not UTF-8"
    if cells is None:
        return "a quoted cell does not end in its line, or is too long"
    if len(cells) != len(layout.names):
        return f"{len(cells)} cells, wanted {len(layout.names)}"
    return cells


def _fill(
    values: FloatArray,
    row: Sequence[str],
    channels: Sequence[tuple[int, str, int]],
    dialect: Dialect,
) -> str:
    """Write a line's numbers into `values` (C,); why one of them is none, or ""."""
    for c, name, place in channels:
        text = row[place].strip()
        if text in MISSING:
            continue
        number = dialect.plain(text)
        if not number:
            ask = f"; {ASK_OF_COMMAS}" if looks_like_commas([text]) else ""
            return f"channel {name!r} holds {text[:40]!r}, not a number{ask}"
        values[c] = float(number)
    return ""


def _fast(lines: Lines, layout: _Layout, first_row: int) -> Columns | None:
    """The same by Arrow, or None for a block in which any line wants care."""
    if not _suits_arrow(lines, layout.dialect):
        return None
    fields = layout.fields
    text = [name for name in (fields.time, *fields.key) if name != ROW_NUMBER]
    try:
        table = _read_table(lines.data, layout, text)
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
    time, bad = (None, {}) if layout.row_numbers else _times(table.column(fields.time), layout)
    if bad:
        return None
    keys = [_stripped(table.column(name)) for name in fields.key]
    return Columns(time, keys, values, {}, lines.offset, lines, first_row)


def _suits_arrow(lines: Lines, dialect: Dialect) -> bool:
    """Whether Arrow cuts a block into cells as `split_cells` does, and soon enough."""
    data = lines.data
    if len(lines) < _FEWEST_FOR_ARROW or len(data) > _MOST_FOR_ARROW or dialect.thousands:
        return False
    return b'"' not in data and b"\0" not in data and data.count(b"\r") == data.count(b"\r\n")


def _times(column: Any, layout: _Layout) -> tuple[Sequence[object], dict[int, str]]:
    """What stands for the times of a block, and why some of it is none."""
    texts = _stripped(column)
    if layout.dialect.time_format:
        return layout.dialect.times(texts)
    return _whole_numbers(column, texts, layout.fields) or texts, {}


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
        parse_options=arrow_csv.ParseOptions(delimiter=layout.dialect.delimiter, quote_char=False),
        convert_options=arrow_csv.ConvertOptions(
            column_types={**types, **{name: pa.string() for name in text}},
            include_columns=wanted,
            null_values=list(MISSING),
            strings_can_be_null=False,
            decimal_point=layout.dialect.point,
        ),
    )
