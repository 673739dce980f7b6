"""Calibrators, alarm rules and the rules between, from a configuration."""

from pathlib import Path

import pytest

from tocsin.config import load, load_experiment
from tocsin.configuration.stages import CALIBRATORS, THRESHOLDS
from tocsin.configuration.stages import load as load_class
from tocsin.pipeline.calibration.drift import DriftWatch
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.grouping import Grouping
from tocsin.pipeline.types import Spec

LEAST = """
version: 1
sources: {rows: {type: csv, path: rows.csv}}
detectors: {mean: {type: ewma}}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "pipeline.yaml"
    path.write_text(LEAST + text, encoding="utf-8")
    return path


@pytest.mark.parametrize("method", CALIBRATORS)
def test_every_calibrator_can_be_configured(tmp_path: Path, method: str) -> None:
    given = f"scoring: {{calibrate: {{method: {method}}}}}"
    made = load(written(tmp_path, given)).stages.calibrator
    assert type(made) is load_class(CALIBRATORS[method])


@pytest.mark.parametrize("method", THRESHOLDS)
def test_every_alarm_rule_can_be_configured(tmp_path: Path, method: str) -> None:
    needed = {"tail": "tail: 0.01, ", "budget": "budget: 1/day, ", "paced": "budget: 1/day, "}.get(
        method, ""
    )
    given = f"thresholds: {{default: {{{needed}method: {method}}}}}"
    made = load(written(tmp_path, given)).stages.threshold
    assert type(made) is load_class(THRESHOLDS[method])


def test_rules_and_abstention_come_from_their_sections(tmp_path: Path) -> None:
    given = """
rules:
  sizes: [{channel: flow, direction: up, least: 2}]
  calendars: [{hours: "mon-fri 06:00-22:00", timezone: Europe/Berlin}]
  silences: [{from: 2026-01-01T00:00:00Z, until: 2026-01-02T00:00:00Z, series: "pump-*"}]
scoring: {abstain: {certainty: 0.8}}
"""
    stages = load(written(tmp_path, given)).stages
    assert stages.rules.silences[0].until_ns - stages.rules.silences[0].from_ns == 86_400 * 10**9
    assert (stages.rules.sizes[0].direction, stages.rules.calendars[0].timezone) == (
        "up",
        "Europe/Berlin",
    )
    assert stages.abstention is not None
    assert stages.abstention.certainty == 0.8


def test_incidents_are_grouped_where_it_is_asked_for(tmp_path: Path) -> None:
    given = "events: {close_rows: 3, group: {within: 2m, open: 30m, shared: 0.5}}"
    stages = load(written(tmp_path, given)).stages
    assert stages.grouping == Grouping(120 * 10**9, 1800 * 10**9, 0.5)
    assert stages.chain(Spec((1,))).grouping == stages.grouping
    assert stages.episodes.close_rows == 3


@pytest.mark.parametrize(
    ("given", "wanted"),
    [("", None), ("events: {merge_gap: 1m}", None), ("events: {group: {}}", Grouping())],
)
def test_without_a_group_there_is_none(tmp_path: Path, given: str, wanted: Grouping | None) -> None:
    assert load(written(tmp_path, given)).stages.grouping == wanted


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("{withn: 5m}", r"\$.events.group.withn: unknown key; did you mean 'within'\?"),
        ("{shared: 2}", r"\$.events.group: a grouping needs .* shared from 0 to 1"),
        ("true", r"\$.events.group: found true, wanted a map"),
    ],
)
def test_a_group_that_cannot_be_is_told_with_its_path(
    tmp_path: Path, given: str, told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        load(written(tmp_path, f"events: {{group: {given}}}"))


def test_a_backtest_groups_as_a_run_does(tmp_path: Path) -> None:
    with_it = load_experiment(written(tmp_path, "events: {group: {shared: 0}}")).stages
    assert with_it["grouping"] == Grouping(shared=0.0)
    assert "grouping" not in load_experiment(written(tmp_path, "events: {close_rows: 3}")).stages


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("", None),
        ("scoring: {abstain: {}}", None),
        ("scoring: {drift: {}}", DriftWatch()),
        ("scoring: {drift: {patience: 5000, every_rows: 3, quiet: 90}}", DriftWatch(5000, 3, 90)),
    ],
)
def test_drift_is_watched_for_where_it_is_asked_for(
    tmp_path: Path, given: str, wanted: DriftWatch | None
) -> None:
    stages = load(written(tmp_path, given)).stages
    assert stages.drift == wanted
    assert stages.chain(Spec((1,))).drift == wanted


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("{patients: 5}", r"\$.scoring.drift.patients: unknown key; did you mean 'patience'\?"),
        ("{quiet: 0}", r"\$.scoring.drift: a drift watch needs .* quiet of 1 or more"),
    ],
)
def test_a_watch_that_cannot_be_is_told_with_its_path(
    tmp_path: Path, given: str, told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        load(written(tmp_path, f"scoring: {{drift: {given}}}"))


def test_a_watch_on_tails_that_are_higher_on_purpose_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\$.scoring.drift: a drift watch needs even tails"):
        load(written(tmp_path, "scoring: {calibrate: {method: conditional}, drift: {}}"))
