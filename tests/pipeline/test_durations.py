"""Durations and budgets are read as people write them, and refused with an example."""

import pytest

from tocsin.pipeline.durations import describe_duration, parse_budget, parse_duration
from tocsin.pipeline.errors import ConfigError

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("90s", 90 * SECOND),
        ("1h30m", 5400 * SECOND),
        ("1h 30m", 5400 * SECOND),
        ("0.5s", SECOND // 2),
        ("250ms", SECOND // 4),
        ("3us", 3_000),
        ("7ns", 7),
        ("2w", 14 * 86_400 * SECOND),
        (1.5, 3 * SECOND // 2),
        (0, 0),
    ],
)
def test_a_duration_is_read_to_the_nanosecond(text: str | float, wanted: int) -> None:
    assert parse_duration(text) == wanted


@pytest.mark.parametrize("text", ["", "soon", "5", "5 parsecs", "-5s", "5s!", "s", True])
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a duration; wanted one such as 30s"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2/week/asset", (2.0, 7 * 86_400 * SECOND, "asset")),
        ("1/day", (1.0, 86_400 * SECOND, "series")),
        ("0.5/12h/pump", (0.5, 43_200 * SECOND, "pump")),
        ("3 / minute", (3.0, 60 * SECOND, "series")),
        ("5/m", (5.0, 60 * SECOND, "series")),
        ("1/month", (1.0, 30 * 86_400 * SECOND, "series")),
    ],
)
def test_a_budget_is_a_count_a_period_and_a_scope(text: str, wanted: tuple[object, ...]) -> None:
    assert parse_budget(text) == wanted


@pytest.mark.parametrize(
    "text", ["", "2", "two/week", "2/fortnight", "0/week", "-1/day", "inf/day", "nan/day", "1/0s"]
)
def test_what_is_no_budget_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a budget; wanted"):
        parse_budget(text)


def test_a_budget_with_too_many_parts_is_refused() -> None:
    with pytest.raises(ConfigError, match="is not a budget"):
        parse_budget("1/day/asset/more")


@pytest.mark.parametrize(
    ("nanoseconds", "wanted"),
    [
        (0, "0s"),
        (5400 * SECOND, "1h30m"),
        (SECOND // 4, "250ms"),
        (3 * 86_400 * SECOND + 5, "3d"),
        (-90 * SECOND, "-1m30s"),
        (1_000_001, "1ms"),
        (7, "7ns"),
    ],
)
def test_a_duration_is_told_in_its_two_largest_units(nanoseconds: int, wanted: str) -> None:
    assert describe_duration(nanoseconds) == wanted


@pytest.mark.parametrize("text", ["1d2h", "45s", "3m", "12ms", "1w1d"])
def test_what_is_told_is_read_back(text: str) -> None:
    assert parse_duration(describe_duration(parse_duration(text))) == parse_duration(text)
