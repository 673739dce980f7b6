"""`tocsin explain` of what makes a series impossible to judge."""

import json
from pathlib import Path

import numpy as np
import pytest
from oracles.command_line import say
from oracles.run_of_rows import run, write_rows

CONFIG = """
version: 1
sources:
  rows: {type: csv, path: rows.csv, time: time, channels: [flow]}
detectors: {distance: {type: ewma, half_life: 50}}
health: {stuck_rows: 20}
sinks: {file: {type: jsonl, path: incidents.jsonl}}
state: {dir: state}
"""


@pytest.mark.parametrize(("until", "end"), [(200, "open → calm"), (300, "now open, in revision")])
def test_a_stuck_channel_opens_at_once_and_has_no_alarms(
    tmp_path: Path, until: int, end: str
) -> None:
    flow = np.random.default_rng(5).normal(size=300)
    flow[100:until] = 4.5
    write_rows(tmp_path, "flow", enumerate(flow.tolist()))
    config = run(tmp_path, CONFIG)
    revisions = map(json.loads, (tmp_path / "incidents.jsonl").read_text("utf-8").splitlines())
    stuck = next(each for each in revisions if each["kind"] == "stuck")
    shown = " ".join(say("explain", str(config), stuck["id"]).split())
    assert "calm → open: " in shown
    assert end in shown
    assert "alarm" not in shown
