"""Times of rows: read from text or numbers, put in order, or made up where there are none."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from tocsin.evaluation.datasets.columns import Columns, is_number
from tocsin.pipeline.errors import SourceError
from tocsin.pipeline.types import BoolArray, IntArray

MINUTE_NS = 60_000_000_000
# The live pipeline refuses rows that come late or twice. A few of them are life, many are damage.
MOST_OUT_OF_ORDER = 0.01
_UNIT_BELOW = ((9 * 10**9, 10**9), (9 * 10**12, 10**6), (9 * 10**15, 10**3))


def made_up(rows: int) -> IntArray:
    """A clock (N,) of one row a minute from the start of 1970, for data that has no times.

    >>> made_up(2).tolist()
    [0, 60000000000]
    """
    return MINUTE_NS * np.arange(rows, dtype=np.int64)


def times_of(columns: Columns, name: str) -> IntArray:
    """A text column as times (N,) in ns: ISO 8601, or numbers since 1970.

    A time without a zone is in UTC. Numbers are seconds, milliseconds, microseconds or
    nanoseconds, told by their size. Raises a SourceError that names the line of the first that is
    no time.
    """
    texts = columns.texts[name]
    numbers = _numbers(texts)
    if numbers is not None:
        return numbers
    words = [str(word) for word in texts.to_pylist()]
    time = iso_times(words)
    lost = np.asarray(time == np.iinfo(np.int64).min)
    if lost.any():
        row = int(lost.argmax())
        if is_number(words[row]):  # in a column of numbers, the first that is none is to blame
            row = next((i for i, word in enumerate(words) if not is_number(word)), row)
        raise columns.wrong(row, f"column {name!r} holds {texts[row].as_py()!r}, wanted a time")
    return time


def iso_times(texts: list[str]) -> IntArray:
    """ISO 8601 texts as ns since 1970 (N,); the lowest int64 where a text is no time."""
    index = pd.to_datetime(pd.Index(texts), utc=True, format="ISO8601", errors="coerce")
    time = np.full(len(texts), np.iinfo(np.int64).min)
    # Years that nanoseconds since 1970 cannot hold are no times either.
    near = np.asarray((index.year > 1677) & (index.year < 2262), dtype=np.bool_)
    time[near] = index[near].as_unit("ns").asi8
    return time


def in_order(
    columns: Columns, time: IntArray, rows: IntArray | None = None
) -> tuple[BoolArray, tuple[str, ...]]:
    """`later_rows` of a file; `rows` (N,) says which of its rows these are, if not all."""

    def line(row: int) -> str:
        return f"line {columns.line(row if rows is None else int(rows[row]))}"

    return later_rows(str(columns.path), time, line)


def later_rows(
    path: str, time: IntArray, place: Callable[[int], str]
) -> tuple[BoolArray, tuple[str, ...]]:
    """Which of `time` (N,) are later than all before them, and a note where some are not.

    Rows that come late or repeat a time are left out, as the pipeline refuses them. Where they are
    more than one in a hundred, a SourceError names the first by its `place`.
    """
    newest = np.maximum.accumulate(time)
    keep = np.concatenate([[True], time[1:] > newest[:-1]])
    left_out = int((~keep).sum())
    if not left_out:
        return keep, ()
    first = place(int((~keep).argmax()))
    if left_out > MOST_OUT_OF_ORDER * len(time):
        raise SourceError(
            f"{path}, {first}: its time is not later than the newest before it, and {left_out} of "
            f"{len(time)} rows are so"
        )
    return keep, (f"{left_out} rows left out, late or repeating a time; the first in {first}",)


def from_1970(number: int) -> int:
    """A number of s, ms, µs or ns since 1970, told apart by its size, in ns.

    >>> from_1970(1_400_000_000), from_1970(1_400_000_000_000)
    (1400000000000000000, 1400000000000000000)
    """
    for below, factor in _UNIT_BELOW:
        if abs(number) < below:
            return number * factor
    return number


def _numbers(texts: Any) -> IntArray | None:
    """The column as numbers since 1970 in ns, or None where it is not of numbers."""
    try:
        whole = pc.cast(texts, pa.int64()).to_numpy()
    except pa.ArrowInvalid:
        try:
            seconds = pc.cast(texts, pa.float64()).to_numpy()
        except pa.ArrowInvalid:
            return None
        if not np.isfinite(seconds).all() or np.abs(seconds).max() >= _UNIT_BELOW[0][0]:
            return None
        return np.asarray(np.round(seconds * 1e9), dtype=np.int64)
    # One unit for the column: the size of its largest number decides.
    largest = int(np.abs(whole).max())
    factor = from_1970(largest) // largest if largest else 1
    return np.asarray(whole * factor, dtype=np.int64)
