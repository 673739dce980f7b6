"""Weekly hours in a time zone, and holidays, outside of which alarms open nothing."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.rules.series import of_series
from tocsin.pipeline.types import BoolArray, IntArray

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS = re.compile(r"(?P<days>[a-z,\-]+) (?P<start>\d\d:\d\d)-(?P<stop>\d\d:\d\d)")
_HOUR_S, _DAY_S = 3600, 86_400
_NANOSECONDS = 1_000_000_000
_THURSDAY = 3  # 1970-01-01
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Calendar:
    """The hours in which alarms of the series that match `series` may open incidents.

    `hours` are weekly stretches such as "mon-fri 08:00-18:00" or "sat,sun 22:00-06:00" (on into
    the next day), by the wall clocks of `timezone`, an IANA name; the end is not part of it.
    `holidays` are local dates such as "2026-12-25", wholly outside the hours. An hour that the
    clocks skip has no rows, and one that they repeat counts both times. Of several calendars that
    match a series, each must allow the alarm.

    With `learn` "keep", rows outside the hours are learned, those that would have alarmed too; with
    "freeze" none of them is. A shell pattern, as everywhere, is `series`.
    """

    hours: tuple[str, ...] = ("mon-sun 00:00-24:00",)
    timezone: str = "UTC"
    holidays: tuple[str, ...] = ()
    series: str = "*"
    learn: Literal["keep", "freeze"] = "keep"

    def __post_init__(self) -> None:
        for text in self.hours:
            _parse_hours(text)
        for text in self.holidays:
            _parse_day(text)
        _zone(self.timezone)

    def covers(self, series: Sequence[str], key: IntArray, time: IntArray) -> BoolArray:
        """Rows (N,) outside the hours; `series` are the names of the keys."""
        outside = ~self.allows(time)
        if not outside.any():
            return outside
        return np.asarray(outside & of_series(self.series, series, key))

    def allows(self, time: IntArray) -> BoolArray:
        """Times (N,), in nanoseconds, within the hours.

        >>> work = Calendar(("mon-fri 08:00-18:00",), "Europe/Berlin")
        >>> monday = 1_767_596_400_000_000_000  # 2026-01-05 07:00 in UTC, 08:00 in Berlin
        >>> work.allows(np.array([monday - 1, monday])).tolist()
        [False, True]
        """
        second = time // _NANOSECONDS
        local = second + _offsets(self.timezone, second)
        day, within = local // _DAY_S, local % _DAY_S
        weekday = (day + _THURSDAY) % 7
        inside = np.zeros(len(time), dtype=bool)
        for text in self.hours:
            on, start, stop = _parse_hours(text)
            today, yesterday = np.array(on)[weekday], np.array(on)[weekday - 1]
            if start < stop:
                inside |= today & (start <= within) & (within < stop)
            else:
                inside |= (today & (start <= within)) | (yesterday & (within < stop))
        if self.holidays:
            inside &= ~np.isin(day, [_parse_day(text) for text in self.holidays])
        return inside


@lru_cache(maxsize=1024)
def _parse_hours(text: str) -> tuple[tuple[bool, ...], int, int]:
    """On which weekdays, Monday first, and from which second of the day to which."""
    found = _HOURS.fullmatch(text)
    if found is None:
        raise ConfigError(f'hours look like "mon-fri 08:00-18:00"; found {text!r}')
    start, stop = (_second_of_day(found[name], text) for name in ("start", "stop"))
    if start in {stop, _DAY_S}:
        raise ConfigError(f"hours end at another time than they begin; found {text!r}")
    on = set[int]()
    for part in found["days"].split(","):
        first, _, last = part.partition("-")
        if first not in _DAYS or (last or first) not in _DAYS:
            raise ConfigError(f"days are {', '.join(_DAYS)}; found {text!r}")
        one, other = _DAYS.index(first), _DAYS.index(last or first)
        on |= {(one + step) % 7 for step in range((other - one) % 7 + 1)}
    return tuple(day in on for day in range(7)), start, stop


def _second_of_day(text: str, where: str) -> int:
    hours, minutes = int(text[:2]), int(text[3:])
    second = hours * _HOUR_S + minutes * 60
    if minutes > 59 or second > _DAY_S:
        raise ConfigError(f"a time of day lies between 00:00 and 24:00; found {where!r}")
    return second


def _parse_day(text: str) -> int:
    """Days since 1970-01-01."""
    try:
        return date.fromisoformat(text).toordinal() - _EPOCH.toordinal()
    except ValueError as error:
        raise ConfigError(f'a holiday looks like "2026-12-25"; found {text!r}') from error


@lru_cache(maxsize=256)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(f"no time zone is called {name!r}; IANA names are wanted") from error


def _offsets(zone: str, second: IntArray) -> IntArray:
    """Seconds that local time is ahead of UTC at each time (N,); clocks move within few hours."""
    hours, place = np.unique(second // _HOUR_S, return_inverse=True)
    begins = np.array([_offset(zone, hour * _HOUR_S) for hour in hours.tolist()], dtype=np.int64)
    ends = np.array([_offset(zone, (hour + 1) * _HOUR_S) for hour in hours.tolist()])
    offsets = np.asarray(begins[place])
    for row in np.flatnonzero((begins != ends)[place]).tolist():
        offsets[row] = _offset(zone, int(second[row]))
    return offsets


@lru_cache(maxsize=65_536)
def _offset(zone: str, second: int) -> int:
    ahead = (_EPOCH + timedelta(seconds=second)).astimezone(_zone(zone)).utcoffset()
    return 0 if ahead is None else int(ahead.total_seconds())
