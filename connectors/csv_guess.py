"""What a CSV file holds: its delimiter and header, how it is written, and what its columns are."""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tocsin.connectors.columns import ROW_NUMBER
from tocsin.connectors.dialect import MISSING, Dialect, read_moments
from tocsin.connectors.dialect_guess import (
    compact_format,
    decimal_commas,
    looks_like_dates,
    usual_formats,
)
from tocsin.connectors.guessing import Guess, Sample, find_time, guess_columns, named_times
from tocsin.connectors.lines import first_lines
from tocsin.connectors.times import parse_times
from tocsin.pipeline.errors import SourceError

Texts = Mapping[str, Sequence[str]]  # column -> its first cells, as they are written

_DELIMITERS = ",;\t|"
_SAMPLE_ROWS = 2000
_COMMA_NUMBER = re.compile(r"[+-]?\d[\d.]*,\d+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Shape:
    """How a file is cut into cells, and cells of its first rows.

    `start` is the byte of the first row, `lines` how many lines were looked at for rows.
    """

    dialect: Dialect
    names: tuple[str, ...]
    start: int
    sample: Sequence[Sequence[str]]
    lines: int


def guess_csv(path: Path, dialect: Dialect | None = None) -> Guess:
    """What a CSV file holds, from at most its first 2000 rows and 256 KiB.

    What `dialect` leaves out is guessed. The delimiter is the one of comma, semicolon, tab and bar
    that cuts most lines into the same number of cells, two or more. The first line is a header
    unless a cell of it is a number or a time. Without a header a last column of zeros and ones is
    taken for labels. Where commas do not part the cells, they are decimal if the numbers leave no
    other reading. Times that are neither numbers nor ISO 8601 are of the one usual format that
    reads them; where it may be two, SourceError says which.
    """
    return guess_from(path, find_shape(path, dialect or Dialect()))


def guess_from(path: Path, shape: Shape) -> Guess:
    """What the columns of a file of a known shape are."""
    if 2 * len(shape.sample) < shape.lines:
        raise SourceError(
            f"{path} is no table: most of its first {shape.lines} lines do not have the "
            f"{len(shape.names)} cells of the first"
        )
    if not shape.sample:
        raise SourceError(f"{path} has a header and no rows; its columns cannot be guessed")
    texts = {name: [row[c].strip() for row in shape.sample] for c, name in enumerate(shape.names)}
    dialect = _with_signs(shape.dialect, texts)
    sample = {name: [dialect.cell(text) for text in column] for name, column in texts.items()}
    last = shape.names[-1]
    labelled = dialect.header is False and len(sample) > 1 and set(sample[last]) <= {0.0, 1.0}
    kept: Sample = {name: sample[name] for name in shape.names if not (labelled and name == last)}
    time, form = _find_format(path, dialect.time_format, kept, texts)
    if form:
        kept = {**kept, time: read_moments(texts[time], form)}
    found = guess_columns(kept, path, "csv", path.stem, time)
    return replace(
        found,
        labels=(*found.labels, last) if labelled else found.labels,
        dialect=replace(
            dialect,
            delimiter=dialect.delimiter if len(shape.names) > 1 else "",
            time_format=form,
        ),
    )


def find_shape(path: Path, dialect: Dialect) -> Shape:
    """How a file is cut into cells; what the dialect leaves out of that is guessed."""
    lines = first_lines(path)
    texts = [line.decode(errors="replace") for line in lines[: _SAMPLE_ROWS + 1]]
    delimiter = dialect.delimiter or _find_delimiter(texts)
    rows = [split_cells(text, delimiter) or [""] for text in texts]
    first, header = rows[0], dialect.header
    if header is None:
        header = not any(_is_value(cell.strip(), dialect) for cell in first)
    names = _unique(first) if header else tuple(f"c{i}" for i in range(len(first)))
    sample = [row for row in rows[header:] if len(row) == len(names)]
    body = int(lines.offset[1]) if header and len(lines) > 1 else lines.next
    known = replace(dialect, delimiter=delimiter, header=header)
    return Shape(known, names, body if header else lines.origin, sample, len(rows) - header)


def split_cells(text: str, delimiter: str) -> list[str] | None:
    """The cells of a line, or None when its quotes do not close."""
    if '"' not in text:
        return text.split(delimiter)
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True))
    except csv.Error:
        return None


def _with_signs(dialect: Dialect, texts: Texts) -> Dialect:
    """The dialect with its decimal sign, where that is left out and the cells tell it."""
    if dialect.decimal or dialect.thousands or dialect.delimiter == ",":
        return dialect
    decimal, thousands = decimal_commas(
        [text for text in column if text not in MISSING] for column in texts.values()
    )
    return replace(dialect, decimal=decimal, thousands=thousands)


def _find_format(path: Path, told: str, sample: Sample, texts: Texts) -> tuple[str, str]:
    """The time column and its format; ("", "") where numbers or ISO 8601 are to be read.

    What can be read as it is goes before formats, and columns called so before others.
    """
    present = {name: [text for text in texts[name] if text not in MISSING] for name in sample}
    named = named_times(sample)
    dated = [name for name in sample if name not in named and looks_like_dates(present[name])]
    if told:
        return _told_format(path, told, {name: present[name] for name in (*named, *dated, *sample)})
    for name in named:
        if form := compact_format(present[name]):
            return name, form
    readable = find_time(sample)[0]
    likely = [] if readable in named else named
    if readable == ROW_NUMBER:
        likely = likely + dated
    for name in likely:
        formats = usual_formats(present[name])
        if len(formats) == 1:
            return name, formats[0]
    return "", ""


def _told_format(path: Path, told: str, likely: Texts) -> tuple[str, str]:
    """The first column that is written in a format, and the format."""
    for name, texts in likely.items():
        if texts and read_moments(texts, told).count(None) <= len(texts) // 10:
            return name, told
    have = ", ".join(f"{name!r} {texts[0][:40]!r}" for name, texts in likely.items() if texts)
    raise SourceError(f"{path} has no column of times that are written {told!r}; it has {have}")


def _find_delimiter(texts: Sequence[str]) -> str:
    def agreement(delimiter: str) -> int:
        counts = [len(split_cells(text, delimiter) or ()) for text in texts[:200]]
        most = max(set(counts), key=counts.count)
        return counts.count(most) * most if most > 1 else 0

    best = max(_DELIMITERS, key=agreement)
    others = [sign for sign in _DELIMITERS if sign != "," and agreement(sign)]
    if best == ",":
        # Decimal commas may cut lines as evenly as what parts the cells.
        return next((sign for sign in others if _leaves_commas(texts, sign)), ",")
    return best if agreement(best) else ","


def _leaves_commas(texts: Sequence[str], delimiter: str) -> bool:
    """Whether a delimiter leaves cells whose commas are decimal."""
    rows = [split_cells(text, delimiter) or [] for text in texts[1:200] or texts]
    even = [row for row in rows if len(row) == len(rows[-1])]
    columns = zip(*even, strict=True)
    return bool(decimal_commas([cell.strip() for cell in column] for column in columns)[0])


def _unique(cells: Sequence[str]) -> tuple[str, ...]:
    """Header cells as names: nameless ones by place, repeated ones numbered."""
    names: list[str] = []
    for i, cell in enumerate(cells):
        name = cell.strip() or f"c{i}"
        repeats = sum(1 for other in cells[:i] if other.strip() == name)
        names.append(f"{name}_{repeats + 1}" if repeats else name)
    return tuple(names)


def _is_value(cell: str, dialect: Dialect) -> bool:
    return (
        isinstance(dialect.cell(cell), float)
        or not parse_times([cell])[1]
        or _COMMA_NUMBER.fullmatch(cell) is not None
        or looks_like_dates([cell])
        or (bool(dialect.time_format) and not dialect.times([cell])[1])
    )
