"""A live run tells which covariates go with an incident, in its sinks and by `tocsin explain`."""

import json
from pathlib import Path

import pytest
from oracles.command_line import say
from oracles.heated_plant import CHANNELS, heated
from oracles.run_of_rows import moment, run, write_rows

CONFIG = """
version: 1
sources:
  rows: {type: csv, path: rows.csv, time: time, key: plant,
         channels: [flow, power, wind, sun, rain]}
detectors:
  trees: {type: tree_forecast, train: 400, memory: 420, lags: [1, 2], widths: [], horizons: [1],
          folds: 2, rounds: 15, depth: 2, rate: 0.3, covariates: [2, 3, 4], given: false}
thresholds: {default: {tail: 0.01}}
events: {close_rows: 3}
sinks: {file: {type: jsonl, path: incidents.jsonl}}
state: {dir: state}
"""
FAULT = 560


@pytest.fixture
def ran(tmp_path: Path) -> Path:
    """A pipeline that has met one fault."""
    rows = enumerate(heated(600, (FAULT,)).tolist())
    write_rows(tmp_path, ",".join(("plant", *CHANNELS)), ((row, "a", *each) for row, each in rows))
    return run(tmp_path, CONFIG)


def test_sinks_and_explain_name_the_covariate_that_goes_with_the_fault(ran: Path) -> None:
    lines = (ran.parent / "incidents.jsonl").read_text(encoding="utf-8").splitlines()
    one = [one for one in map(json.loads, lines) if one["started_at"] == moment(FAULT)][-1]
    assert one["covariates"][0]["name"] == "sun"
    assert sum(each["share"] for each in one["covariates"]) == pytest.approx(1.0, abs=1e-3)
    shown = " ".join(say("explain", str(ran), one["id"]).split())
    assert f"goes with: sun {one['covariates'][0]['share']:.0%}" in shown
    again = json.loads(say("explain", str(ran), one["id"], "--json"))["incident"]
    assert again["covariates"][0]["name"] == "sun"
