"""Calibrators, alarm rules and the rules between, from a configuration."""

from pathlib import Path

import pytest

from tocsin.config import load
from tocsin.configuration.stages import CALIBRATORS, THRESHOLDS
from tocsin.configuration.stages import load as load_class

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
