"""The zone of times that name none, and that every mistake of a file is told at once."""

from pathlib import Path

import pytest

from tocsin.config import load
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.incidents import iso

LEAST = """
version: 1
defaults: {timezone: Europe/Berlin}
sources: {rows: {type: csv, path: rows.csv}}
detectors: {mean: {type: ewma}}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "pipeline.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def mistakes(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as told:
        load(written(folder, text))
    return [line.strip() for line in str(told.value).splitlines()[1:]]


@pytest.mark.parametrize("begin", ["2025-07-01T08:00:00", '"2025-07-01T08:00"', "2025-07-01 08:00"])
def test_a_silence_of_the_rules_is_of_the_configured_zone(tmp_path: Path, begin: str) -> None:
    given = f"rules: {{silences: [{{from: {begin}, until: 2025-07-01T12:00:00Z}}]}}"
    (silence,) = load(written(tmp_path, LEAST + given)).stages.rules.silences
    assert iso(silence.from_ns) == "2025-07-01T06:00:00Z"
    assert iso(silence.until_ns) == "2025-07-01T12:00:00Z"


def test_what_a_test_expects_is_of_the_configured_zone(tmp_path: Path) -> None:
    expect = "{within: 1h, after: 2025-01-01T08:00:00}"
    given = f"tests: [{{name: one, input: {{file: rows.csv}}, expect: {expect}}}]"
    (case,) = load(written(tmp_path, LEAST + given)).tests
    assert case.expect.after is not None
    assert iso(case.expect.after) == "2025-01-01T07:00:00Z"


def test_a_calendar_has_its_own_zone_or_the_configured_one(tmp_path: Path) -> None:
    hours = 'hours: "mon-fri 06:00-22:00"'
    given = f"rules: {{calendars: [{{{hours}}}, {{{hours}, timezone: UTC}}]}}"
    rules = load(written(tmp_path, LEAST + given)).stages.rules
    assert [each.timezone for each in rules.calendars] == ["Europe/Berlin", "UTC"]


def test_a_zone_that_is_none_is_told_with_its_path(tmp_path: Path) -> None:
    given = LEAST.replace("Berlin", "Berln").replace(
        "path: rows.csv", "path: rows.csv, time: t, channels: [x]"
    )
    assert mistakes(tmp_path, given) == [
        "$.defaults.timezone: time zone 'Europe/Berln' is not known; write one like Europe/Berlin"
    ]


def test_a_rule_that_cannot_be_is_told_with_its_number(tmp_path: Path) -> None:
    given = """
rules:
  calendars: [{hours: "mon-fri 06:00-22:00"}, {hours: "mn 06:00-22:00"}, {holidays: [x]}]
  silences: [{from: 2025-07-01T08:00:00, until: 2025-07-01T07:00:00}]
"""
    assert mistakes(tmp_path, LEAST + given) == [
        "$.rules.calendars[1]: days are mon, tue, wed, thu, fri, sat, sun; found 'mn 06:00-22:00'",
        "$.rules.calendars[2]: a holiday looks like \"2026-12-25\"; found 'x'",
        "$.rules.silences[0]: a silence begins before it ends; "
        "found 2025-07-01T06:00:00Z to 2025-07-01T05:00:00Z",
    ]


def test_a_mistake_in_one_section_hides_none_in_another(tmp_path: Path) -> None:
    given = """
nonsense: 3
series: [{range: [3, 1]}]
windows: {length: 0}
scoring: {drift: {patience: 0}}
events: {close_rows: 0}
health: {stuck: many}
state: {dir: state, checkpoint_every: -1}
thresholds: {default: {budget: 1/day, tail: 0.1}}
"""
    text = LEAST.replace("ewma", "ewmaa") + given
    paths = {line.partition(": ")[0] for line in mistakes(tmp_path, text)}
    assert paths == {
        "$.nonsense",
        "$.series[0]",
        "$.windows",
        "$.scoring.drift",
        "$.events",
        "$.health.stuck",
        "$.state.checkpoint_every",
        "$.thresholds.default",
        "$.detectors.mean.type",
    }


def test_what_is_missing_hides_no_mistake(tmp_path: Path) -> None:
    paths = {line.partition(": ")[0] for line in mistakes(tmp_path, "windows: {length: 0}")}
    assert paths == {"$.version", "$.sources", "$.detectors", "$.windows"}
