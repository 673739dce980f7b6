"""Rows that took no part are told by every command, and a file of them alone is no success."""

import json
from pathlib import Path

import pytest

from tocsin.commands.checking import run_tests
from tocsin.commands.planning import plan_config
from tocsin.commands.replaying import replay_config
from tocsin.commands.running import run_config
from tocsin.pipeline.errors import SourceError

CONFIG = """
version: 1
sources: {pumps: {type: csv, path: rows.csv, time: time, key: pump, channels: [flow]}}
detectors: {mean: {type: ewma}}
sinks: {file: {type: jsonl, path: incidents.jsonl}}
state: {dir: state}
tests:
  - {name: nothing happens, input: {file: rows.csv}, expect: {events: 0}}
"""
GOOD = [f"2026-01-01T00:{minute:02}:00Z,p1,{minute % 7}" for minute in range(60)]
BAD = [f"2026-01-01T01:00:{second:02}Z,p1,x{second}" for second in range(5)]


def folder_with(folder: Path, *rows: str) -> tuple[Path, Path]:
    """A configuration, and its file of rows."""
    file, config = folder / "rows.csv", folder / "pipeline.yaml"
    file.write_text("\n".join(["time,pump,flow", *rows]) + "\n", encoding="utf-8")
    config.write_text(CONFIG, encoding="utf-8")
    return config, file


def test_a_run_of_unreadable_rows_alone_fails_and_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, _ = folder_with(tmp_path, *BAD)
    with pytest.raises(SourceError, match="not one row of the source 'pumps' could be read"):
        run_config(config)
    said = capsys.readouterr().err
    assert "5 unreadable" in said
    assert "Left out: 5 rows, the first: channel 'flow' holds 'x0', not a number" in said


def test_a_run_tells_reasons_and_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, _ = folder_with(tmp_path, *GOOD, *BAD, GOOD[-1])
    assert run_config(config) == 0
    said = capsys.readouterr().err
    assert "Left out: 5 rows, the first: channel 'flow' holds 'x0'" in said
    assert "Left out: 1 row: its series already has a row of this time" in said


def test_a_run_that_has_read_all_there_is_before_is_done(tmp_path: Path) -> None:
    config, _ = folder_with(tmp_path, *GOOD)
    assert run_config(config) == 0
    assert run_config(config) == 0


def test_a_replay_of_unreadable_rows_alone_fails_and_says_why(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no row that can be read: channel 'flow' .* \(5\)"):
        replay_config(*folder_with(tmp_path, *BAD), None, None, as_json=False)


def test_a_replay_has_the_reasons_in_its_document(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    replay_config(*folder_with(tmp_path, *GOOD, *BAD), None, None, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert (found["rejected"], list(found["left_out"].values())) == (5, [5])


def test_no_test_passes_over_unreadable_rows_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, _ = folder_with(tmp_path, *BAD)
    assert run_tests(config, as_json=True) == 1
    ((failure,),) = [each["failures"] for each in json.loads(capsys.readouterr().out)["tests"]]
    assert "no row that can be read: channel 'flow' holds 'x0', not a number (5)" in failure


def test_a_test_that_passes_tells_what_was_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, _ = folder_with(tmp_path, *GOOD, *BAD)
    assert run_tests(config, as_json=False) == 0
    assert "nothing happens: Left out: 5 rows, the first" in capsys.readouterr().err


def test_a_plan_tells_what_it_does_not_rest_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan_config(*folder_with(tmp_path, *GOOD, *BAD, GOOD[-1]))
    said = capsys.readouterr().err
    assert "Left out: 5 rows, the first: channel 'flow' holds 'x0'" in said
    assert "Left out: 1 row: its series already has a row of this time" in said


def test_a_plan_on_unreadable_rows_alone_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no row that can be read: channel 'flow' .* \(5\)"):
        plan_config(*folder_with(tmp_path, *BAD))
