"""Times as people and machines write them, read into nanoseconds since 1970 in UTC."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.types import BoolArray, FloatArray, IntArray

TimeUnit = Literal["auto", "s", "ms", "us", "ns"]

_SCALE = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_MINUTE = 60 * 10**9
_DAY = len("2025-03-10")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = 631_152_000 * 10**9  # 1990-01-01
_LAST = 7_258_118_400 * 10**9  # 2200-01-01
# Where the plausible range begins and ends in each unit; the four ranges do not overlap, so a
# number's magnitude names its unit.
_EDGES = np.array([edge // s for s in _SCALE.values() for edge in (_FIRST, _LAST)], dtype=np.int64)
_EDGE_SCALE = np.repeat(np.array(list(_SCALE.values()), dtype=np.int64), 2)
_UTC_NAMES = ("UTC", "Z", "GMT", "Etc/UTC")

_NUMBER = re.compile(r"[+-]?(\d+)(\.\d*)?([eE][+-]?\d{1,3})?", re.ASCII)
_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?)?)(?:(?<=:\d\d:\d\d)[.,](\d+))?"
    r" ?(Z|[+-]\d\d(?::?\d\d)?)?",
    re.ASCII,
)


def parse_time(entry: object, name: str, zone: str = "UTC", unit: TimeUnit = "auto") -> int:
    """Nanoseconds in UTC of one entry, see `parse_times`; a ConfigError says why `name` has none.

    >>> parse_time("2025-03-10T12:00", "start", "Europe/Berlin") // 10**9
    1741604400
    """
    times, bad = parse_times([entry], unit, zone)
    if bad:
        raise ConfigError(f"{name}: {bad[0]}")
    return int(times[0])


def parse_times(
    raw: Sequence[object], unit: TimeUnit = "auto", zone: str = "UTC"
) -> tuple[IntArray, dict[int, str]]:
    """Nanoseconds in UTC (B,) of each entry, and by index the reason of each that has none.

    An entry is a number or numeric text, an ISO 8601 text with `Z`, an offset or neither, a
    `datetime` or a `date`. What names no offset is local to `zone`. A local time that occurs twice,
    or never, is refused: which is meant would hang on the rows before, and a reader may begin
    anywhere. `auto` takes each number's unit (s, ms, us or ns) from its own magnitude,
    so that units may mix; it accepts 1990 to 2200. An explicit unit accepts 1970 to 2200, which
    is the way to read small integer times such as 0, 1, 2. The time of a refused entry is 0.
    Digits past the nanosecond are cut. NaN, infinities, bools, None and other text are refused.

    Numbers and texts of one shape are read column-wise; what differs costs more, one by one.

    Raises ConfigError for a unit or zone that does not exist.

    >>> times, bad = parse_times([1_700_000_000, "2023-11-14T22:13:20Z", "soon"])
    >>> times.tolist(), bad
    ([1700000000000000000, 1700000000000000000, 0], {2: "time 'soon' is not a number or ISO 8601"})
    """
    clock = _Clock(unit, zone)
    times = np.zeros(len(raw), dtype=np.int64)
    bad: dict[int, str] = {}
    kinds = set(map(type, raw))
    everything = np.arange(len(raw))
    if kinds == {int}:
        clock.put_integers(times, everything, raw, bad)
    elif kinds == {float}:
        clock.put_floats(times, everything, raw, bad)
    elif kinds == {str}:
        rest = clock.put_uniform(times, raw, bad)
        clock.put_any(times, rest, raw, bad)
    else:
        clock.put_any(times, everything, raw, bad)
    return times, bad


class _Clock:
    """Reads entries of one kind at a time into `times`, with the reasons of the refused."""

    def __init__(self, unit: TimeUnit, zone: str) -> None:
        if unit not in get_args(TimeUnit):
            raise ConfigError(f"time unit {unit!r} is none of {', '.join(get_args(TimeUnit))}")
        self.unit = unit
        self.first = _FIRST if unit == "auto" else 0
        self.zone = None if zone in _UTC_NAMES else _find_zone(zone)

    def put_integers(
        self, times: IntArray, at: IntArray, raw: Sequence[object], bad: dict[int, str]
    ) -> None:
        """Read `raw`, all int, into `times[at]`."""
        try:
            number = np.array(raw, dtype=np.int64)
        except OverflowError:
            # Past int64 is past 2200 in every unit; the cut value is refused, its reason is not.
            top = 2**63 - 1
            number = np.array([min(max(int(v), -top), top) for v in raw if isinstance(v, int)])
        scale, good = self._scale(number)
        times[at] = np.where(good, number, 0) * scale
        for i in np.flatnonzero(~good).tolist():
            bad[int(at[i])] = self._implausible(raw[i])

    def put_floats(
        self, times: IntArray, at: IntArray, raw: Sequence[object], bad: dict[int, str]
    ) -> None:
        """Read `raw`, all float, into `times[at]`."""
        number: FloatArray = np.array(raw, dtype=np.float64)
        finite = np.isfinite(number) & (np.abs(number) < 2.0**62)
        number = np.where(finite, number, 0.0)
        whole = np.floor(number)
        scale, good = self._scale(whole.astype(np.int64))
        good &= finite
        # Split first: the product of a whole float time and its scale would round to 256 ns.
        part = np.floor((number - whole) * scale + 0.5).astype(np.int64)
        times[at] = np.where(good, whole.astype(np.int64) * scale + part, 0)
        for i in np.flatnonzero(~good).tolist():
            bad[int(at[i])] = self._implausible(raw[i])

    def put_uniform(self, times: IntArray, raw: Sequence[object], bad: dict[int, str]) -> IntArray:
        """Read the ISO texts that have the shape of the first; the indices of the others."""
        texts = [text for text in raw if isinstance(text, str)]
        shape = _ISO.fullmatch(texts[0])
        if shape is None or len(shape[1]) < 16 or len(shape[2] or "") > 9 or "," in texts[0]:
            return np.arange(len(texts))
        width, stem = len(texts[0]), shape.end(2) if shape[2] else shape.end(1)
        same = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts)) == width
        column = np.array(texts, dtype=f"U{width}")
        same &= _same_shape(column, texts[0], stem)
        try:
            local = column[same].astype(f"U{stem}").astype("datetime64[ns]").astype(np.int64)
        except ValueError:  # a 30th of February somewhere; the others still have their times
            return np.arange(len(texts))
        self._put_local(times, np.flatnonzero(same), local, shape[3], raw, bad)
        return np.flatnonzero(~same)

    def put_any(
        self, times: IntArray, at: IntArray, raw: Sequence[object], bad: dict[int, str]
    ) -> None:
        """Read `raw[i]` of whatever kind into `times[i]` for each `i` of `at`."""
        numbers: dict[type, tuple[list[int], list[object]]] = {int: ([], []), float: ([], [])}
        for i in at.tolist():
            value = _plain(raw[i])
            if type(value) in numbers:
                numbers[type(value)][0].append(i)
                numbers[type(value)][1].append(value)
                continue
            found = self._one(value)
            if isinstance(found, str):
                bad[i] = found
            elif self.first <= found <= _LAST:
                times[i] = found
            else:
                bad[i] = self._implausible(raw[i])
        for kind, put in ((int, self.put_integers), (float, self.put_floats)):
            where, values = numbers[kind]
            if where:
                put(times, np.array(where), values, bad)

    def _put_local(
        self,
        times: IntArray,
        at: IntArray,
        local: IntArray,
        offset: str | None,
        raw: Sequence[object],
        bad: dict[int, str],
    ) -> None:
        if offset is None and self.zone is not None:
            minutes, inverse = np.unique(local // _MINUTE, return_inverse=True)
            found = [_zone_shift(minute, self.zone) for minute in minutes.tolist()]
            shifts = [0 if isinstance(shift, str) else shift for shift in found]
            local = local - np.array(shifts, dtype=np.int64)[inverse]
            unsure = np.array([isinstance(shift, str) for shift in found])[inverse]
            for i, minute in zip(at[unsure].tolist(), inverse[unsure].tolist(), strict=True):
                bad[i] = f"time {_short(raw[i])} {found[minute]}"
            at, local = at[~unsure], local[~unsure]
        else:
            local = local - _offset(offset)
        good = (local >= self.first) & (local <= _LAST)
        times[at] = np.where(good, local, 0)
        for i in at[~good].tolist():
            bad[i] = self._implausible(raw[i])

    def _one(self, value: object) -> int | str:
        """The nanoseconds of a text, datetime or date, or why it has none."""
        if value is None or value != value:  # noqa: PLR0124 - pandas' NaT is a datetime
            return "no time"
        if isinstance(value, datetime):
            return self._datetime(value)
        if isinstance(value, date):
            return self._day(_since_epoch(datetime.combine(value, time())))
        if isinstance(value, str):
            return self._text(value)
        return f"time {_short(value)} is not a number or text"

    def _text(self, value: str) -> int | str:
        match = _ISO.fullmatch(value)
        if match is None:
            return f"time {_short(value)} is not a number or ISO 8601" if value else "empty time"
        try:
            moment = datetime.fromisoformat(match[1])
        except ValueError as error:
            return f"time {_short(value)}: {error}"
        local = _since_epoch(moment) + int((match[2] or "0")[:9].ljust(9, "0"))
        if match[3] is not None or self.zone is None:
            return local - _offset(match[3])
        return self._day(local) if len(match[1]) == _DAY else self._local(local, value)

    def _day(self, local: int) -> int:
        """The first moment of a day; its midnight may occur twice, or not at all."""
        return local if self.zone is None else local - _first_shift(local // _MINUTE, self.zone)

    def _local(self, local: int, value: object) -> int | str:
        """A time of the zone's own clock, or why it is none."""
        shift = 0 if self.zone is None else _zone_shift(local // _MINUTE, self.zone)
        return f"time {_short(value)} {shift}" if isinstance(shift, str) else local - shift

    def _datetime(self, value: datetime) -> int | str:
        shift = value.utcoffset()
        local = _since_epoch(value.replace(tzinfo=None))
        if shift is not None:
            return local - shift // timedelta(microseconds=1) * 1000
        return self._local(local, str(value))

    def _scale(self, number: IntArray) -> tuple[IntArray, BoolArray]:
        """Nanoseconds in each number's unit, and whether the number is plausible in it."""
        if self.unit != "auto":
            scale = _SCALE[self.unit]
            good = (number >= self.first // scale) & (number <= _LAST // scale)
            return np.full(len(number), scale, dtype=np.int64), good
        edge = np.searchsorted(_EDGES, number, side="right")
        return _EDGE_SCALE[np.maximum(edge - 1, 0)], edge % 2 == 1

    def _implausible(self, value: object) -> str:
        if isinstance(value, float) and not np.isfinite(value):
            return f"time {value} is not finite"
        if self.unit == "auto":
            return (
                f"time {_short(value)} is implausible: not within 1990 to 2200 in s, ms, us or ns"
            )
        return f"time {_short(value)} is implausible: not within 1970 to 2200 in {self.unit}"


def _same_shape(column: NDArray[np.str_], first: str, stem: int) -> BoolArray:
    """Whether each text has digits where the first has them and is else equal to it."""
    codes = column.view(np.uint32).reshape(len(column), len(first))  # (B, characters)
    same = np.ones(len(column), dtype=np.bool_)
    for place, letter in enumerate(first):
        if place < stem and letter.isdigit():
            same &= codes[:, place] - np.uint32(48) < 10
        else:
            same &= codes[:, place] == ord(letter)
    # Years far outside overflow numpy's nanoseconds; the slow way refuses them with a reason.
    return same & (column.astype("U4") >= "1970") & (column.astype("U4") <= "2200")


def _plain(value: object) -> object:
    """A number as int or float, whatever wrote it; other values as they are."""
    if isinstance(value, np.bool_ | np.integer | np.floating):
        return value.item()
    if isinstance(value, str):
        value = value.strip()
        match = _NUMBER.fullmatch(value) if len(value) <= 64 else None
        if match is not None:
            return float(value) if match[2] or match[3] else int(value)
    return value


def _since_epoch(naive: datetime) -> int:
    """Nanoseconds from 1970 to a time without a zone, on its own clock."""
    return (naive.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1) * 1000


def _offset(text: str | None) -> int:
    """Nanoseconds of an ISO offset; `Z` and none are 0."""
    if text is None or text == "Z":
        return 0
    digits = text[1:].replace(":", "").ljust(4, "0")
    size = (int(digits[:2]) * 60 + int(digits[2:])) * _MINUTE
    return -size if text[0] == "-" else size


def _zone_shift(minute: int, zone: ZoneInfo) -> int | str:
    """Nanoseconds that a zone's clock is ahead of UTC, by local minutes since 1970.

    Text says why there is no one answer: the clock shows that minute twice, or never.
    """
    first, second = _first_shift(minute, zone), _first_shift(minute, zone, fold=1)
    if first == second:
        return first
    if first > second:
        return f"occurs twice in {zone.key}, where clocks are put back; it needs an offset"
    return f"does not exist in {zone.key}, where clocks are put forward over it"


def _first_shift(minute: int, zone: ZoneInfo, fold: int = 0) -> int:
    """The shift of the first time, or with `fold` 1 the second, that a clock shows a minute."""
    try:
        local = (_EPOCH + timedelta(minutes=minute)).replace(tzinfo=zone, fold=fold)
        shift = local.utcoffset()
    except OverflowError:  # the year 1 or 9999; its time is refused as implausible
        shift = None
    return 0 if shift is None else shift // timedelta(microseconds=1) * 1000


def _find_zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(
            f"time zone {name!r} is not known; write one like Europe/Berlin"
        ) from error


def _short(value: object) -> str:
    text = repr(value) if not isinstance(value, int) or abs(value) < 10**30 else "of that size"
    return text if len(text) <= 60 else f"{text[:57]}..."
