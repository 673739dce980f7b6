"""Files of rows, whatever their format: what one holds, and a source that reads it."""

from pathlib import Path

from tocsin.connectors.csv_file import CsvSource
from tocsin.connectors.csv_guess import guess_csv
from tocsin.connectors.dialect import Dialect
from tocsin.connectors.guessing import Guess
from tocsin.connectors.jsonl_file import (
    JsonArraySource,
    JsonLinesSource,
    guess_json_array,
    guess_json_lines,
)
from tocsin.connectors.parquet_file import ParquetSource, guess_parquet
from tocsin.connectors.records import FieldMap
from tocsin.connectors.sniff import sniff
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.ports import Source

_GUESSES = {
    "jsonl": guess_json_lines,
    "json": guess_json_array,
    "parquet": guess_parquet,
}


def guess(path: Path | str, dialect: Dialect | None = None) -> Guess:
    """What a file holds: its format by content, not by name, and what each column is.

    `dialect` says how a CSV file is written; other formats have no use for it.

    Raises SourceError for a file that is missing, empty, binary, without a column of numbers, or
    with a time that cannot be read.
    """
    path = Path(path)
    form = sniff(path)
    return guess_csv(path, dialect) if form == "csv" else _GUESSES[form](path)


def open_file(
    path: Path | str,
    fields: FieldMap | None = None,
    dialect: Dialect | None = None,
    *,
    follow: bool = False,
    rows: int = 8192,
) -> Source:
    """The source that reads a file; without `fields` its columns are guessed.

    `dialect` says how a CSV file is written; other formats have no use for it.

    Raises SourceError as `guess` does, and ConfigError when a file that cannot grow line by line (a
    JSON array, Parquet) is to be followed.
    """
    path = Path(path)
    form = sniff(path)
    if follow and form in ("json", "parquet"):
        raise ConfigError(f"{path} is {form} and cannot be followed; CSV and JSON lines can")
    if form == "csv":
        return CsvSource(path, fields, dialect or Dialect(), follow=follow, rows=rows)
    if form == "jsonl":
        return JsonLinesSource(path, fields, follow=follow, rows=rows)
    if form == "json":
        return JsonArraySource(path, fields, rows=rows)
    return ParquetSource(path, fields, rows=rows)
