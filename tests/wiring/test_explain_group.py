"""`tocsin explain` tells what else belongs to an incident, and sinks carry its group."""

import json
from pathlib import Path

import numpy as np
import pytest
from oracles.command_line import say
from oracles.run_of_rows import run, write_rows

from tocsin.pipeline.grouping import group_id

CONFIG = """
version: 1
sources:
  rows: {type: csv, path: rows.csv, time: time, key: pump, channels: [flow]}
detectors: {distance: {type: ewma, half_life: 50}}
thresholds: {default: {tail: 1.0e-5}}
events: {close_rows: 3, group: {within: 1m}}
sinks: {file: {type: jsonl, path: incidents.jsonl}}
state: {dir: state}
"""
FAULTS = {"a": 1000, "b": 1010, "c": 1400}  # two pumps fail together, one long after


@pytest.fixture
def ran(tmp_path: Path) -> Path:
    """A pipeline that has met three faults."""
    rng = np.random.default_rng(3)
    rows = [
        (tick, pump, rng.normal() + 30.0 * (first <= tick < first + 6))
        for tick in range(1500)
        for pump, first in FAULTS.items()
    ]
    write_rows(tmp_path, "pump,flow", rows)
    return run(tmp_path, CONFIG)


def told(config: Path) -> dict[str, dict[str, str]]:
    """The last revision that the sink has of each pump."""
    lines = (config.parent / "incidents.jsonl").read_text(encoding="utf-8").splitlines()
    return {one["series"]: one for one in map(json.loads, lines)}


def test_sinks_are_told_which_incidents_belong_together(ran: Path) -> None:
    of = told(ran)
    assert of["a"]["group"] == of["b"]["group"] == group_id(of["a"]["id"])
    assert of["c"]["group"] == group_id(of["c"]["id"])


def test_the_other_incidents_of_the_group_are_shown(ran: Path) -> None:
    of = told(ran)
    shown = " ".join(say("explain", str(ran), of["b"]["id"]).split())
    assert f"1 other incident in group {of['a']['group']}:" in shown
    assert f"{of['a']['id']}: anomaly of a" in shown
    (other,) = json.loads(say("explain", str(ran), of["b"]["id"], "--json"))["group"]
    assert other == of["a"]


def test_an_incident_alone_in_its_group_tells_of_none(ran: Path) -> None:
    name = told(ran)["c"]["id"]
    assert "group" not in say("explain", str(ran), name)
    assert json.loads(say("explain", str(ran), name, "--json"))["group"] == []
