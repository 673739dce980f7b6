"""What makes a series impossible to judge, in numbers and words: the value, the limit, the time."""

import math
from dataclasses import dataclass, fields

import numpy as np

from tocsin.pipeline.durations import describe_duration
from tocsin.pipeline.incidents import Kind, iso
from tocsin.pipeline.order import NEVER
from tocsin.pipeline.types import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Trouble:
    """What a row shows of a trouble of its series.

    A channel out of range: its `value`, and the limit it has passed as `measure`. A stuck one: its
    `value`, NaN where it is missing, how many rows it has gone without a change as `measure`, and
    `since` when. A silent series: its usual interval as `value`, NaN where that is not known, the
    silence after which it is told as `measure`, both in nanoseconds, and its last row as `since`.
    `measure` is NaN where nothing was looked up, `since` NEVER where a channel had no value yet.
    """

    value: float = math.nan
    measure: float = math.nan
    since: int = NEVER


@dataclass(frozen=True, slots=True)
class Troubles:
    """The trouble of rows, and the channel that has it, counted through the item; all (N,).

    Of rows without a trouble the channel is 0 and the rest is not known.
    """

    channel: IntArray
    value: FloatArray
    measure: FloatArray
    since: IntArray

    @classmethod
    def none(cls, rows: int) -> "Troubles":
        """Rows of which none has a trouble."""
        nan = np.full(rows, np.nan)
        return cls(np.zeros(rows, dtype=np.int64), nan, nan.copy(), np.full(rows, NEVER))

    def put(self, rows: IntArray, channel: IntArray, *columns: FloatArray | IntArray) -> None:
        """Fill in some rows: the channel, value, measure and, if told, since when."""
        for column, part in zip(fields(self), (channel, *columns), strict=False):
            getattr(self, column.name)[rows] = part

    def take(self, rows: IntArray | slice) -> "Troubles":
        """The chosen rows."""
        return Troubles(*(getattr(self, column.name)[rows] for column in fields(self)))

    def at(self, row: int) -> Trouble:
        """The trouble of one row."""
        return Trouble(float(self.value[row]), float(self.measure[row]), int(self.since[row]))


@dataclass(frozen=True, slots=True)
class Course:
    """How long a trouble has gone on: alarming rows, the first and last of them, the end if over.

    >>> str(Course(1, 0, 0)), str(Course(3, 0, 90_000_000_000))
    ('1 row', '3 rows over 1m30s')
    """

    rows: int
    first: int
    last: int
    ended: int | None = None

    def __str__(self) -> str:
        if self.rows == 1:
            return "1 row"
        return f"{self.rows} rows over {describe_duration(self.last - self.first)}"


def in_words(kind: Kind, name: str, course: Course, why: Trouble | None = None) -> str:
    """What is wrong with a series, or with the channel of that name.

    >>> from tocsin.pipeline.durations import parse_duration
    >>> minute = parse_duration("1m")
    >>> why = Trouble(10.0 * minute, 300.0 * minute, 0)
    >>> in_words("stale", "", Course(1, 300 * minute, 300 * minute), why)
    'the last row came 1970-01-01T00:00:00Z; usually every 10m, silent after 5h'
    >>> in_words("stuck", "flow", Course(571, 30 * minute, 600 * minute), Trouble(10.73, 601.0, 0))
    'flow has been 10.73 since 1970-01-01T00:00:00Z, 601 rows over 10h'
    >>> in_words("out_of_range", "heat", Course(1, 0, 0), Trouble(61.3, 59.0))
    'heat was 61.3, above 59, 1 row'
    """
    if why is not None and kind in _IN_NUMBERS and not math.isnan(why.measure):
        return _IN_NUMBERS[kind](name, course, why)
    text = {
        "stale": "no rows have come for longer than this series is ever silent",
        "stuck": f"{name} has not changed",
        "out_of_range": f"{name} was outside its valid range",
        "blind": "the detector gave no score",
        "detector_failed": "the detector raised an error",
        "uncalibrated": "its tails are no longer even: its alarm level cannot be trusted",
    }[kind]
    return text if kind == "stale" else f"{text}, {course}"


def _silence(_: str, course: Course, why: Trouble) -> str:
    came = f"the last row came {iso(why.since)}"
    if course.ended is not None:
        lasted = describe_duration(course.ended - why.since)
        came = f"no row came for {lasted} after {iso(why.since)}"
    usual = "" if math.isnan(why.value) else f"usually every {_lasting(why.value)}, "
    return f"{came}; {usual}silent after {_lasting(why.measure)}"


def _stuck(name: str, course: Course, why: Trouble) -> str:
    count = f"{int(why.measure)} rows"
    if why.since == NEVER:
        return f"{name} has never had a value, {count}"
    lasted, over = describe_duration(course.last - why.since), course.ended is not None
    if math.isnan(why.value):
        which = "had no value after" if over else "has had no value since"
        return f"{name} {which} {iso(why.since)}, for {lasted}"
    which = f"was {why.value:.6g} from" if over else f"has been {why.value:.6g} since"
    return f"{name} {which} {iso(why.since)}, {count} over {lasted}"


def _outside(name: str, course: Course, why: Trouble) -> str:
    side, way = ("above", "up to ") if why.value > why.measure else ("below", "down to ")
    reached = f"{way if course.rows > 1 else ''}{why.value:.6g}"
    return f"{name} was {reached}, {side} {why.measure:.6g}, {course}"


_IN_NUMBERS = {"stale": _silence, "stuck": _stuck, "out_of_range": _outside}


def _lasting(nanoseconds: float) -> str:
    return describe_duration(round(nanoseconds))
