"""`tocsin doctor` on a file: what it says, and how it ends."""

import json
from pathlib import Path

import numpy as np
import pytest

from tocsin.commands.doctor import BLIND, HEALTHY, Wanted, diagnose


def table(folder: Path, rows: int = 900, *, flat: bool = False) -> Path:
    """Two channels, a row a minute."""
    values = np.random.default_rng(0).normal(size=(rows, 2))
    if flat:
        values[:] = 3.0
    start = np.datetime64("2026-01-01T00:00:00", "m")
    lines = [f"{start + i}:00Z,{a:.6f},{b:.6f}" for i, (a, b) in enumerate(values.tolist())]
    path = folder / "rows.csv"
    path.write_text("\n".join(["time,flow,power", *lines]) + "\n", encoding="utf-8")
    return path


def test_doctor_tells_that_the_detector_sees(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert diagnose(table(tmp_path), Wanted("ewma", rounds=2)) == HEALTHY
    said = capsys.readouterr().out
    assert "Detector: ewma" in said
    assert "healthy" in said
    assert "noise burst" in said
    assert "sees gross faults in all series" in said


def test_doctor_prints_one_json_document(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert diagnose(table(tmp_path), Wanted("ewma", rounds=2, as_json=True)) == HEALTHY
    document = json.loads(capsys.readouterr().out)
    assert document["verdict"] == "healthy"
    assert document["series"][0]["rounds"][0]["gross"]["tested"] == 40
    assert {fault["kind"] for fault in document["faults"]} >= {"spike", "drift"}


def test_doctor_says_when_nothing_can_be_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert diagnose(table(tmp_path, flat=True), Wanted("ewma", rounds=1)) == HEALTHY
    assert "Nothing can be told" in capsys.readouterr().out


def test_doctor_ends_with_one_where_the_detector_is_blind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # The control `constant` gives every row the same score.
    assert diagnose(table(tmp_path), Wanted("constant", rounds=1)) == BLIND
    assert "The detector is blind to" in capsys.readouterr().out
