"""Parquet files, read row group by row group."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from tocsin.connectors.columns import ROW_NUMBER, Columns, check_columns, to_reading
from tocsin.connectors.guessing import Guess, guess_columns
from tocsin.connectors.records import FieldMap
from tocsin.connectors.sniff import check_file
from tocsin.pipeline.errors import SourceError
from tocsin.pipeline.ports import Desk, Reading
from tocsin.pipeline.types import FloatArray, Spec

_SAMPLE_ROWS = 2000


@dataclass(frozen=True, slots=True)
class ParquetSource:
    """The rows of a Parquet file; positions count rows.

    `fields` names the columns; without it they are guessed. A time column holds timestamps, dates,
    numbers or text; a channel integers or floats, null is NaN; a key text or integers. A row with a
    bad time, an empty key or an infinite channel is a dead letter with the row as JSON. `rows` is
    the most rows a reading has, `part` the file's name unless given.

    Raises SourceError for a file that is missing, empty, not Parquet, damaged, without the declared
    columns, with a column of another type, or shorter than the position.
    """

    path: Path
    fields: FieldMap | None = None
    rows: int = 8192
    part: str = ""

    def spec(self) -> Spec:
        return self._fields().spec()

    def read(self, desk: Desk) -> Iterator[Reading | None]:
        fields = self._fields()
        part = self.part or self.path.name
        with _open(self.path) as file:
            row = desk.claim(part) or 0
            total = file.metadata.num_rows
            if row > total:
                raise SourceError(
                    f"{self.path} has {total} rows and reading was to go on after {row}: it was "
                    f"replaced; reset the saved state to read it afresh"
                )
            for batch in _batches(file, row, self.rows, _wanted(fields), self.path):
                columns = _columns(batch, row, fields, self.path)
                row += batch.num_rows
                yield to_reading(columns, part, row, fields)

    def commit(self, positions: Mapping[str, int]) -> None:
        pass

    def close(self) -> None:
        pass

    def _fields(self) -> FieldMap:
        if self.fields is None:
            return guess_parquet(self.path).fields
        with _open(self.path) as file:
            schema = file.schema_arrow
        check_columns(schema.names, self.fields, self.path)
        for name in self.fields.channels:
            if not _is_number(schema.field(name).type):
                raise SourceError(
                    f"{self.path}: channel {name!r} is {schema.field(name).type}, wanted numbers"
                )
        return self.fields


def guess_parquet(path: Path) -> Guess:
    """What a Parquet file holds, from its first 2000 rows; nested columns are not looked into."""
    with _open(path) as file:
        flat = [field.name for field in file.schema_arrow if not pa.types.is_nested(field.type)]
        batch = next(_batches(file, 0, _SAMPLE_ROWS, flat, path), None)
    if batch is None or not flat:
        raise SourceError(f"{path} has no rows and columns to guess from")
    sample = {name: _cells(batch.column(name)) for name in flat}
    return guess_columns(sample, path, "parquet", path.stem)


def _open(path: Path) -> Any:
    if not check_file(path).st_size:
        raise SourceError(f"{path} is empty; wanted Parquet")
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise SourceError(f"{path} is not Parquet, or damaged: {error}") from error


def _wanted(fields: FieldMap) -> list[str]:
    time = [] if fields.time == ROW_NUMBER else [fields.time]
    return list(dict.fromkeys((*time, *fields.key, *fields.channels)))


def _batches(file: Any, start: int, rows: int, names: Sequence[str], path: Path) -> Iterator[Any]:
    """Record batches of at most `rows` rows from row `start` on."""
    group = 0
    while group < file.num_row_groups and start >= file.metadata.row_group(group).num_rows:
        start -= file.metadata.row_group(group).num_rows
        group += 1
    groups = list(range(group, file.num_row_groups))
    try:
        for batch in file.iter_batches(batch_size=rows, row_groups=groups, columns=list(names)):
            if start >= batch.num_rows:
                start -= batch.num_rows
                continue
            yield batch.slice(start) if start else batch
            start = 0
    except (pa.ArrowInvalid, OSError) as error:
        raise SourceError(f"{path} is damaged: {error}") from error


def _columns(batch: Any, row: int, fields: FieldMap, path: Path) -> Columns:
    values = np.empty((batch.num_rows, len(fields.channels)))  # (B, C)
    for c, name in enumerate(fields.channels):
        values[:, c] = _numbers(batch.column(name))
    keys = [_texts(batch.column(name), name, path) for name in fields.key]
    time = None if fields.time == ROW_NUMBER else _cells(batch.column(fields.time))
    offset = np.arange(row, row + batch.num_rows, dtype=np.int64)
    return Columns(time, keys, values, {}, offset, _Raw(batch), row)


@dataclass(frozen=True, slots=True)
class _Raw(Sequence[bytes]):
    """The rows of a batch as JSON, made when asked for."""

    batch: Any

    def __len__(self) -> int:
        rows: int = self.batch.num_rows
        return rows

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return orjson.dumps(self.batch.slice(index, 1).to_pylist()[0], default=str)


def _is_number(kind: Any) -> bool:
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    )


def _numbers(column: Any) -> FloatArray:
    """A column of numbers (B,); null is NaN, as NaN is."""
    numbers: FloatArray = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return numbers


def _texts(column: Any, name: str, path: Path) -> list[str]:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if not (
        pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)
    ):
        raise SourceError(f"{path}: key {name!r} is {kind}, wanted text or whole numbers")
    return ["" if cell is None else str(cell) for cell in column.to_pylist()]


def _cells(column: Any) -> list[object]:
    """A column as Python values: timestamps as ISO text with all their digits, null as None."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_timestamp(column.type):
        return _iso(column)
    if pa.types.is_decimal(column.type):
        column = column.cast(pa.float64(), safe=False)
    cells: list[object] = column.to_pylist()
    if pa.types.is_floating(column.type):
        return [None if cell is None or cell != cell else cell for cell in cells]  # noqa: PLR0124
    return cells


def _iso(column: Any) -> list[object]:
    """Timestamps as text: with a `Z` where the column has a zone, for Arrow keeps those in UTC."""
    zone = "Z" if column.type.tz is not None else ""
    unit = column.type.unit
    counts = column.cast(pa.timestamp(unit)).cast(pa.int64()).fill_null(0)
    moments = counts.to_numpy(zero_copy_only=False).astype(f"datetime64[{unit}]")
    texts = np.datetime_as_string(moments).tolist()
    missing = column.is_null().to_pylist()
    return [None if gone else text + zone for text, gone in zip(texts, missing, strict=True)]
