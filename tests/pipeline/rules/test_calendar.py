"""Weekly hours go by the wall clocks of their zone, through both changes of the clocks."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.rules.calendar import Calendar
from tocsin.pipeline.types import IntArray

HOUR = 3_600_000_000_000


def at(*texts: str) -> IntArray:
    """Times in UTC, in nanoseconds."""
    whens = [datetime.fromisoformat(text).replace(tzinfo=UTC) for text in texts]
    return np.array([int(when.timestamp()) * 1_000_000_000 for when in whens])


def allowed(calendar: Calendar, *texts: str) -> list[bool]:
    return calendar.allows(at(*texts)).tolist()


WORK = Calendar(("mon-fri 08:00-18:00",), "Europe/Berlin")


def test_without_hours_of_its_own_everything_is_allowed() -> None:
    assert Calendar().allows(np.arange(0, 400) * 7 * HOUR).all()


def test_the_hours_begin_and_end_to_the_nanosecond() -> None:
    (begin,), (end,) = at("2026-01-05 07:00"), at("2026-01-05 17:00")
    times = np.array([begin - 1, begin, end - 1, end])
    assert WORK.allows(times).tolist() == [False, True, True, False]


def test_the_weekend_is_outside() -> None:
    assert allowed(WORK, "2026-01-09 12:00", "2026-01-10 12:00", "2026-01-11 12:00") == [
        True,
        False,
        False,
    ]


def test_summer_time_begins_the_day_an_hour_earlier_in_utc() -> None:
    assert allowed(WORK, "2026-03-27 06:30", "2026-03-30 06:30") == [False, True]


NIGHT = Calendar(("sun 02:00-03:00",), "Europe/Berlin")


def test_an_hour_that_the_clocks_skip_has_no_rows() -> None:
    minutes = at("2026-03-29 00:00")[0] + np.arange(180) * HOUR // 60
    assert not NIGHT.allows(minutes).any()


def test_an_hour_that_the_clocks_repeat_counts_both_times() -> None:
    minutes = at("2026-10-25 00:00")[0] + np.arange(180) * HOUR // 60
    assert NIGHT.allows(minutes).tolist() == [True] * 120 + [False] * 60


def test_a_stretch_over_midnight_belongs_to_the_day_it_begins_on() -> None:
    shift = Calendar(("fri 22:00-06:00",))
    times = ("2026-01-09 05:00", "2026-01-09 22:00", "2026-01-10 05:59", "2026-01-10 06:00")
    assert allowed(shift, *times) == [False, True, True, False]


def test_days_may_run_over_the_end_of_the_week_and_stand_apart() -> None:
    calendar = Calendar(("sat-mon,wed 00:00-24:00",))
    days = [f"2026-01-{day:02} 12:00" for day in range(5, 12)]  # Monday to Sunday
    assert allowed(calendar, *days) == [True, False, True, False, False, True, True]


def test_a_holiday_is_a_whole_local_day() -> None:
    calendar = Calendar(timezone="Asia/Tokyo", holidays=("2026-01-01",))
    times = ("2025-12-31 14:59", "2025-12-31 15:00", "2026-01-01 14:59", "2026-01-01 15:00")
    assert allowed(calendar, *times) == [True, False, False, True]


@pytest.mark.parametrize(
    "zone", ["Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "America/St_Johns"]
)
def test_local_times_are_those_of_the_standard_library(zone: str) -> None:
    calendar = Calendar(("mon-sun 07:10-19:40",), zone)
    times = np.random.default_rng(0).integers(-2_000_000_000, 4_000_000_000, 400) * 1_000_000_000
    for time, inside in zip(times.tolist(), calendar.allows(times).tolist(), strict=True):
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=time // 1_000_000_000)
        local = moment.astimezone(ZoneInfo(zone)).strftime("%H:%M")
        assert inside == ("07:10" <= local < "19:40")


def test_only_matching_series_keep_the_hours() -> None:
    calendar = Calendar(("mon-fri 08:00-18:00",), series="pump-*")
    sunday = at("2026-01-11 12:00").repeat(2)
    assert calendar.covers(["pump-1", "fan"], np.array([0, 1]), sunday).tolist() == [True, False]


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"hours": ("mon-fri",)}, "hours look like"),
        ({"hours": ("mon-fry 08:00-18:00",)}, "days are mon"),
        ({"hours": ("mon 08:00-08:00",)}, "hours end at another time"),
        ({"hours": ("mon 24:00-08:00",)}, "hours end at another time"),
        ({"hours": ("mon 08:61-09:00",)}, "a time of day lies between"),
        ({"hours": ("mon 08:00-24:01",)}, "a time of day lies between"),
        ({"timezone": "Europe/Nowhere"}, "no time zone is called 'Europe/Nowhere'"),
        ({"timezone": "../etc"}, "no time zone is called"),
        ({"holidays": ("25.12.2026",)}, "a holiday looks like"),
    ],
)
def test_what_is_no_calendar_is_refused(settings: dict[str, object], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        Calendar(**settings)  # type: ignore[arg-type]  # settings of several types
