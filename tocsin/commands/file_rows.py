"""The rows of a file, all of them, and scores written beside them."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tocsin.commands.left_out import briefly
from tocsin.commands.screen import stderr
from tocsin.connectors.dialect import Dialect
from tocsin.connectors.files import guess, open_file
from tocsin.connectors.guessing import Guess
from tocsin.evaluation.saving import save
from tocsin.evaluation.wording import plain
from tocsin.history.judging import Judged, Rows
from tocsin.pipeline.errors import SourceError
from tocsin.pipeline.incidents import iso
from tocsin.pipeline.ports import Source
from tocsin.pipeline.reasons import Reasons

SCORE_HEAD = ("time", "series", "score", "tail", "alarm")


@dataclass(frozen=True, slots=True)
class FileRows:
    """A file's rows, what it was taken for, and why lines were left out, with their number."""

    rows: Rows
    guess: Guess
    rejected: Counter[str]


class _FromTheStart:
    """A desk for reading a file once and whole."""

    def claim(self, part: str, committed: int | None = None) -> int | None:
        return None

    def release(self, parts: Sequence[str]) -> None:
        pass

    def drop(self, parts: Sequence[str]) -> None:
        pass


def read_rows(path: Path, dialect: Dialect | None = None) -> FileRows:
    """All rows of a file whose columns are guessed; a SourceError where it has none.

    Columns that are left out and hardly ought to be are told on standard error.
    """
    found = guess(path, dialect)
    for doubt in found.doubts:
        stderr().print(f"Warning: {plain(doubt, 1000)}. It is left out.")
    rows, rejected = read_all(open_file(path, found.fields, found.dialect), path)
    return FileRows(rows, found, rejected)


def read_all(source: Source, path: Path) -> tuple[Rows, Counter[str]]:
    """All rows of a file's source, and why others were left out; a SourceError where it has none.

    The source is closed.
    """
    rejected: Counter[str] = Counter()
    series: list[str] = []
    times, values = [], []
    for reading in source.read(_FromTheStart()):
        if reading is not None:
            series += reading.series
            times.append(reading.time)
            values.append(reading.values)
            rejected.update(letter.reason for letter in reading.rejected)
    source.close()
    if not series:
        why = briefly(Reasons().joined(rejected))
        raise SourceError(f"{path} has no row that can be read{why}")
    channels = source.spec().channels
    return Rows(series, np.concatenate(times), np.concatenate(values), channels), rejected


def write_scores(path: Path, lines: Iterable[tuple[str, str, float, float, bool]]) -> None:
    """Scores as CSV: time, series, score, tail, alarm; no opinion is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(SCORE_HEAD)
    for when, series, score, tail, alarm in lines:
        writer.writerow((when, series, _cell(score), _cell(tail), int(alarm)))
    save(path, text.getvalue().encode())


def score_lines(rows: Rows, judged: Judged) -> Iterable[tuple[str, str, float, float, bool]]:
    """What `write_scores` takes, a line a row in the order of the file."""
    times = map(iso, rows.time.tolist())
    columns = (judged.score.tolist(), judged.tail.tolist(), judged.alarm.tolist())
    return zip(times, rows.series, *columns, strict=True)


def _cell(value: float) -> str:
    return "" if np.isnan(value) else repr(value)
