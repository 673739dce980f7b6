"""Times in every dress people give them."""

from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.connectors.times import TimeUnit, parse_times
from tocsin.pipeline.errors import ConfigError

NOON = 1_700_000_000
NS = 10**9
BERLIN = "Europe/Berlin"


def read(*raw: object, unit: TimeUnit = "auto", zone: str = "UTC"):
    times, bad = parse_times(raw, unit, zone)
    assert not bad, bad
    return times.tolist()


def refused(value: object, unit: TimeUnit = "auto"):
    times, bad = parse_times([value], unit)
    assert times.tolist() == [0]
    return bad[0]


def test_magnitude_names_the_unit_of_each_number():
    mixed = (NOON, NOON * 10**3, NOON * 10**6, NOON * NS)

    assert read(*mixed) == [NOON * NS] * 4


def test_numbers_dates_and_texts_may_mix():
    moment = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)

    mixed = (NOON, float(NOON), str(NOON), np.int64(NOON), moment, "2023-11-14T22:13:20Z")

    assert read(*mixed) == [NOON * NS] * 6


@pytest.mark.parametrize(
    "text",
    [
        "2023-11-14T22:13:20Z",
        "2023-11-14 22:13:20",
        "2023-11-14T22:13:20.000Z",
        "2023-11-14T22:13:20,0Z",
        "2023-11-14T22:13:20 +00:00",
        "2023-11-15T00:13:20+02:00",
        "2023-11-15T00:13:20+0200",
        "2023-11-14T17:13:20-05",
    ],
)
def test_iso_texts_of_one_moment_agree_alone_and_in_a_column(text):
    assert read(text) == [NOON * NS]
    assert read(text, NOON) == [NOON * NS] * 2


def test_fractions_keep_their_nanoseconds():
    assert read("2023-11-14T22:13:20.123456789Z") == [NOON * NS + 123456789]
    assert read("2023-11-14T22:13:20.1234567899Z") == [NOON * NS + 123456789]


def test_a_fraction_of_a_float_second_is_kept_to_the_floats_own_precision():
    assert read(NOON + 0.5, NOON + 0.25) == [NOON * NS + 500_000_000, NOON * NS + 250_000_000]


def test_a_text_without_an_offset_is_local_to_the_zone():
    summer, winter = read("2023-07-01T12:00:00", "2023-12-01T12:00:00", zone="Europe/Berlin")

    assert summer == read("2023-07-01T10:00:00Z")[0]
    assert winter == read("2023-12-01T11:00:00Z")[0]


@pytest.mark.parametrize("text", ["2023-10-29T02:00:00", "2023-10-29 02:59:59.5"])
def test_an_hour_that_occurs_twice_is_refused_by_its_name(text):
    times, bad = parse_times([text, "2023-10-29T01:59:59", "2023-10-29T03:00:00"], "auto", BERLIN)

    assert bad == {
        0: f"time {text!r} occurs twice in Europe/Berlin, where clocks are put back; "
        "it needs an offset"
    }
    assert times.tolist() == [0, *read("2023-10-28T23:59:59Z", "2023-10-29T02:00:00Z")]


@pytest.mark.parametrize("text", ["2023-03-26T02:00:00", "2023-03-26 02:59:59,5"])
def test_an_hour_that_does_not_exist_is_refused_by_its_name(text):
    times, bad = parse_times([text, "2023-03-26T01:59:59", "2023-03-26T03:00:00"], "auto", BERLIN)

    assert list(bad) == [0]
    assert f"{text!r} does not exist in Europe/Berlin" in bad[0]
    assert times.tolist() == [0, *read("2023-03-26T00:59:59Z", "2023-03-26T01:00:00Z")]


def test_a_datetime_in_an_hour_that_occurs_twice_is_refused_unless_it_has_an_offset():
    naive = datetime(2023, 10, 29, 2, 30)  # noqa: DTZ001 - naive is the case
    zoned = naive.replace(tzinfo=timezone(timedelta(hours=1)))

    times, bad = parse_times([naive, zoned], "auto", BERLIN)

    assert "'2023-10-29 02:30:00' occurs twice" in bad[0]
    assert times.tolist() == [0, *read("2023-10-29T01:30:00Z")]


def test_a_day_whose_midnight_is_left_out_begins_an_hour_later():
    dates = read("2018-11-04", date(2018, 11, 4), zone="America/Sao_Paulo")

    assert dates == read("2018-11-04T03:00:00Z") * 2


def test_naive_datetimes_and_dates_are_local_to_the_zone():
    moment, day = read(datetime(2023, 12, 1), date(2023, 12, 1), zone="Europe/Berlin")  # noqa: DTZ001 - naive is the case

    assert moment == day == read("2023-11-30T23:00:00Z")[0]


@pytest.mark.parametrize(
    "value",
    [True, None, float("nan"), float("inf"), "", "  ", "soon", b"1700000000", [1], {}, pd.NaT],
)
def test_what_is_no_time_is_refused_with_a_reason(value):
    assert refused(value)


@pytest.mark.parametrize(
    "value",
    [
        0,
        -1,
        5,
        10**12 * 9,
        10**40,
        -(10**40),
        1e30,
        "1e400",
        "1969-12-31",
        "3000-01-01T00:00:00Z",
    ],
)
def test_an_implausible_time_is_refused_and_says_so(value):
    reason = refused(value)

    assert "implausible" in reason or "not finite" in reason
    assert len(reason) < 200


def test_a_number_too_long_to_print_is_refused():
    assert "implausible" in refused(10**5000)


@pytest.mark.parametrize("text", ["2023-02-30", "2023-13-01T00:00:00Z", "2023-11-14T25:00:00"])
def test_a_date_that_does_not_exist_is_refused_alone(text):
    times, bad = parse_times([text, "2023-11-14T22:13:20Z"])

    assert times.tolist() == [0, NOON * NS]
    assert list(bad) == [0]


def test_an_explicit_unit_takes_small_times():
    assert read(0, 1, 2, unit="s") == [0, NS, 2 * NS]
    assert read(0, 1500, unit="ms") == [0, 1_500_000_000]
    assert "1970 to 2200 in s" in refused(-1, unit="s")
    assert "implausible" in refused(NOON * 1000, unit="s")


def test_one_odd_text_leaves_a_uniform_column_alone():
    column = ["2023-11-14T22:13:20Z"] * 5
    column[2] = "2023-11-14T22:13:20.5Z"
    column[3] = "2023-11-14T22:13:2xZ"

    times, bad = parse_times(column)

    expected = NOON * NS
    assert times.tolist() == [expected, expected, expected + 500_000_000, 0, expected]
    assert list(bad) == [3]


def test_an_unknown_zone_or_unit_is_a_config_error():
    with pytest.raises(ConfigError, match="Mars"):
        parse_times([], zone="Mars/Olympus")
    with pytest.raises(ConfigError, match="minutes"):
        parse_times([], unit="minutes")  # pyright: ignore[reportArgumentType] - the case


def test_nothing_gives_nothing():
    times, bad = parse_times([])

    assert (times.tolist(), times.dtype, bad) == ([], np.dtype(np.int64), {})


moments = st.datetimes(
    min_value=datetime(1990, 1, 2),  # noqa: DTZ001 - hypothesis wants naive bounds
    max_value=datetime(2199, 12, 30),  # noqa: DTZ001 - hypothesis wants naive bounds
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))]),
)


@given(st.lists(moments, min_size=1), st.sampled_from(["seconds", "milliseconds", "microseconds"]))
def test_iso_columns_are_read_as_datetime_reads_them(found, precision):
    texts = [moment.isoformat(timespec=precision) for moment in found]

    times, bad = parse_times(texts)

    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    whole = [datetime.fromisoformat(text) - epoch for text in texts]
    assert times.tolist() == [gap // timedelta(microseconds=1) * 1000 for gap in whole]
    assert not bad


anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(NOON - 10**6, NOON + 10**6),
    st.floats(),
    st.floats(NOON - 1e6, NOON + 1e6),
    st.text(max_size=12),
    moments.map(datetime.isoformat),
    moments.map(lambda moment: moment.strftime("%Y-%m-%d %H:%M")),
    moments,
)
zones = st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe"])


@given(st.lists(anything), zones, st.sampled_from(["auto", "s", "ms", "us", "ns"]))
def test_a_column_is_read_as_its_entries_are_alone(column, zone, unit):
    times, bad = parse_times(column, unit, zone)

    alone = [parse_times([entry, None], unit, zone) for entry in column]
    assert times.tolist() == [int(one[0]) for one, _ in alone]
    assert bad == {i: why[0] for i, (_, why) in enumerate(alone) if 0 in why}


@given(st.lists(st.sampled_from([NOON, NOON * 10**3, -3, 2**70, 7]), min_size=1))
def test_whole_numbers_are_read_alike_in_company_and_alone(column):
    times, bad = parse_times(column)

    good = [number in (NOON, NOON * 10**3) for number in column]
    assert times.tolist() == [NOON * NS if fine else 0 for fine in good]
    assert sorted(bad) == [i for i, fine in enumerate(good) if not fine]
