"""The rows of a file, all of them, and scores written beside them."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tocsin.connectors.files import guess, open_file
from tocsin.connectors.guessing import Guess
from tocsin.evaluation.saving import save
from tocsin.history.judging import Judged, Rows
from tocsin.pipeline.errors import SourceError
from tocsin.pipeline.incidents import iso

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


def read_rows(path: Path) -> FileRows:
    """All rows of a file whose columns are guessed; a SourceError where it has none."""
    found = guess(path)
    source = open_file(path, found.fields)
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
        why = "; ".join(f"{reason} ({n})" for reason, n in rejected.most_common(3))
        raise SourceError(f"{path} has no row that can be read{f': {why}' if why else ''}")
    rows = Rows(series, np.concatenate(times), np.concatenate(values), found.fields.channels)
    return FileRows(rows, found, rejected)


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
