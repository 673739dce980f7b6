"""Labels given as intervals of time, turned into the truth of a stream's rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tocsin.evaluation.datasets.labelled import Event, Truth, runs_of
from tocsin.pipeline.errors import SourceError
from tocsin.pipeline.types import BoolArray, IntArray


@dataclass(frozen=True, slots=True)
class Span:
    """A labelled interval, `start` to `end` both inside, on the same scale as the rows it marks.

    `where` is the file and line or entry that says so, for errors.
    """

    start: int
    end: int
    where: str
    kind: str = ""
    channels: tuple[str, ...] = ()


def truth_of(at: IntArray, spans: Sequence[Span], channels: tuple[str, ...]) -> Truth:
    """The truth of rows that stand `at` (N,) increasing times or numbers.

    Spans that touch or overlap are one event, whose kind is theirs joined by `+`. Raises a
    SourceError for a span that ends before it starts, holds no row, or blames an unknown channel.
    """
    label = np.zeros(len(at), dtype=np.bool_)
    by_channel = np.zeros((len(at), len(channels)), dtype=np.bool_)
    rows = [_rows_of(at, span) for span in spans]  # first and last row, both inside
    for span, (first, last) in zip(spans, rows, strict=True):
        label[first : last + 1] = True
        for name in span.channels:
            if name not in channels:
                raise SourceError(f"{span.where}: no channel {name!r} in {', '.join(channels)}")
            by_channel[first : last + 1, channels.index(name)] = True
    marked = list(zip(spans, rows, strict=True))
    events = tuple(_event(first, last, marked, channels) for first, last in runs_of(label))
    return Truth(label, by_channel if by_channel.any() else None, events)


def clean_prefix(label: BoolArray, wanted: int) -> tuple[int, tuple[str, ...]]:
    """Rows of a training prefix of `wanted`, cut before the first labelled row, and a note of that.

    >>> clean_prefix(np.array([False, False, True, False]), 3)
    (2, ('training prefix of 3 rows cut to 2, before the first labelled row',))
    """
    rows = min(wanted, len(label))
    if not label[:rows].any():
        return rows, ()
    first = int(label.argmax())
    note = f"training prefix of {rows} rows cut to {first}, before the first labelled row"
    return first, (note,)


def _rows_of(at: IntArray, span: Span) -> tuple[int, int]:
    if span.end < span.start:
        raise SourceError(f"{span.where}: the interval ends before it starts")
    first = int(np.searchsorted(at, span.start, side="left"))
    last = int(np.searchsorted(at, span.end, side="right")) - 1
    if last < first:
        raise SourceError(f"{span.where}: the interval holds no row of the series")
    return first, last


def _event(
    first: int,
    last: int,
    marked: Sequence[tuple[Span, tuple[int, int]]],
    channels: tuple[str, ...],
) -> Event:
    inside = [span for span, (start, end) in marked if start <= last and end >= first]
    kinds = dict.fromkeys(span.kind for span in inside if span.kind)
    blamed = {name for span in inside for name in span.channels}
    return Event(first, last, "+".join(kinds), tuple(c for c in channels if c in blamed))
