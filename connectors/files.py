"""Files of rows, whatever their format: what one holds, and a source that reads it."""

from pathlib import Path

from tocsin.connectors.csv_file import CsvSource, guess_csv
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
    "csv": guess_csv,
    "jsonl": guess_json_lines,
    "json": guess_json_array,
    "parquet": guess_parquet,
}


def guess(path: Path | str) -> Guess:
    """What a file holds: its format by content, not by name, and what each column is.

    Raises SourceError for a file that is missing, empty, binary or without a column of numbers.
    """
    path = Path(path)
    return _GUESSES[sniff(path)](path)


def open_file(
    path: Path | str, fields: FieldMap | None = None, *, follow: bool = False, rows: int = 8192
) -> Source:
    """The source that reads a file; without `fields` its columns are guessed.

    Raises SourceError as `guess` does, and ConfigError when a file that cannot grow line by line (a
    JSON array, Parquet) is to be followed.
    """
    path = Path(path)
    form = sniff(path)
    if follow and form in ("json", "parquet"):
        raise ConfigError(f"{path} is {form} and cannot be followed; CSV and JSON lines can")
    if form == "csv":
        return CsvSource(path, fields, follow=follow, rows=rows)
    if form == "jsonl":
        return JsonLinesSource(path, fields, follow=follow, rows=rows)
    if form == "json":
        return JsonArraySource(path, fields, rows=rows)
    return ParquetSource(path, fields, rows=rows)
