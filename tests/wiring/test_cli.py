import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from oracles.command_line import call

ROWS = 900


def table(folder: Path, name: str = "rows.csv") -> Path:
    """Two channels, a row a minute, with a fault in the first at row 700."""
    values = np.random.default_rng(0).normal(size=(ROWS, 2))
    values[700:720, 0] += 9
    start = np.datetime64("2026-01-01T00:00:00", "m")
    lines = [f"{start + i}:00Z,{a:.6f},{b:.6f}" for i, (a, b) in enumerate(values.tolist())]
    path = folder / name
    path.write_text("\n".join(["time,flow,power", *lines]) + "\n", encoding="utf-8")
    return path


def pipeline(folder: Path, more: str = "") -> Path:
    table(folder)
    path = folder / "pipeline.yaml"
    path.write_text(
        f"""
version: 1
sources: {{pumps: {{type: csv, path: rows.csv, time: time, channels: [flow, power]}}}}
detectors: {{distance: {{type: mahalanobis, half_life: 100}}}}
thresholds: {{default: {{budget: 1/day}}}}
events: {{close_after: 5m, merge_gap: 5m}}
sinks: {{file: {{type: jsonl, path: incidents.jsonl}}}}
state: {{dir: state}}
{more}
""",
        encoding="utf-8",
    )
    return path


def cells(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def lines_of(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_score_tells_what_it_guessed_and_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("score", str(table(tmp_path))) == 0
    said = capsys.readouterr().out
    assert "Time is 'time'" in said
    assert "Channels (2): 'flow', 'power'." in said
    assert "Detector: mahalanobis" in said
    assert "2026-01-01 11:40:00" in said
    assert "Picture: rows.tocsin.png" in said
    assert (tmp_path / "rows.tocsin.png").read_bytes().startswith(b"\x89PNG")


def test_score_prints_one_json_document_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("score", str(table(tmp_path)), "--json", "--detector", "ewma") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["chosen"]["detector"] == "ewma"
    assert found["rows"] == ROWS
    assert [i["started_at"] for i in found["incidents"]].count("2026-01-01T11:40:00Z") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


def test_scores_are_written_a_line_a_row(tmp_path: Path) -> None:
    out = tmp_path / "scores.csv"
    words = ["--scores", str(out), "--picture", str(tmp_path / "a.png"), "--train", "300"]
    assert call("score", str(table(tmp_path)), *words) == 0
    rows = cells(out)
    assert len(rows) == ROWS
    assert {row["score"] for row in rows[:300]} == {""}
    assert all(float(row["score"]) >= 0 for row in rows[300:])
    assert any(row["alarm"] == "1" for row in rows[700:720])


def test_offline_is_marked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("score", str(table(tmp_path)), "--mode", "offline", "--json") == 0
    assert json.loads(capsys.readouterr().out)["mode"] == "offline"


def test_a_page_is_written_where_it_is_asked_for(tmp_path: Path) -> None:
    page = tmp_path / "a.html"
    words = ["--page", str(page), "--picture", str(tmp_path / "a.png")]
    assert call("score", str(table(tmp_path)), *words) == 0
    assert "rows.csv" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "code", "wanted"),
    [
        (["nope"], 2, "No such command"),
        (["score"], 2, "Missing argument"),
        (["score", "rows.csv", "--detector", "ewmaa"], 2, "did you mean 'ewma'"),
        (["score", "rows.csv", "--budget", "often"], 2, "not a budget"),
        (["score", "rows.csv", "--train", "0.5x"], 2, "--train"),
        (["score", "rows.csv", "--train", "9999"], 2, "train is 9999"),
        (["score", "none.csv"], 1, "none.csv cannot be read"),
        (["score", "empty.csv"], 1, "empty.csv"),
        (["score", "rows.csv", "--scores", "rows.csv/x"], 1, "cannot be written"),
        (["run", "none.yaml"], 78, "none.yaml cannot be read"),
        (["run", "bad.yaml"], 78, "$.sourcez: unknown key; did you mean 'sources'?"),
        (["validate", "bad.yaml"], 78, "$.sources: is missing"),
        (["validate", "rows.csv"], 78, "rows.csv"),
        (["validate", "."], 78, "is a folder"),
        (["validate"], 2, "give CONFIG or --schema"),
        (["replay", "bad.yaml", "--input", "rows.csv"], 78, "bad.yaml has"),
        (["replay", "pipeline.yaml"], 2, "--input"),
        (["replay", "pipeline.yaml", "--input", "none.csv"], 1, "none.csv"),
        (["test", "pipeline.yaml"], 78, "has no tests"),
        (["list", "things"], 2, "things"),
        (["state", "ls", "pipeline.yaml"], 1, "the pipeline has not run yet"),
        (["state", "import", "pipeline.yaml", "rows.csv"], 1, "rows.csv"),
    ],
)
def test_errors_are_one_clear_message_and_an_exit_code(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code: int,
    wanted: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    pipeline(tmp_path)
    (tmp_path / "empty.csv").touch()
    (tmp_path / "bad.yaml").write_text("version: 1\nsourcez: {}\n", encoding="utf-8")
    assert call(*words) == code
    said = capsys.readouterr()
    assert wanted in said.err
    assert "Traceback" not in said.err


def test_debug_shows_where_an_error_is_from(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tocsin", "--debug", "run", str(tmp_path / "none.yaml")]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--version") == 0
    assert capsys.readouterr().out == "0.1.0\n"


@pytest.mark.parametrize(("what", "name"), [("detectors", "ewma"), ("connectors", "csv")])
def test_lists_are_json_with_names(
    what: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("list", what, "--json") == 0
    entries = json.loads(capsys.readouterr().out)
    assert name in {entry["name"] for entry in entries}


def test_run_and_replay_give_the_same_revisions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, out = pipeline(tmp_path), tmp_path / "replayed.jsonl"
    assert call("run", str(config)) == 0
    words = ["--input", str(tmp_path / "rows.csv"), "--incidents", str(out), "--json"]
    capsys.readouterr()
    assert call("replay", str(config), *words) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["rows"] == ROWS
    assert len(told["incidents"]) >= 1
    assert lines_of(out) == lines_of(tmp_path / "incidents.jsonl")


def test_replay_leaves_state_and_sinks_alone(tmp_path: Path) -> None:
    config = pipeline(tmp_path)
    scores = tmp_path / "scores.csv"
    words = ["--input", str(tmp_path / "rows.csv"), "--scores", str(scores)]
    assert call("replay", str(config), *words) == 0
    assert not (tmp_path / "state").exists()
    assert not (tmp_path / "incidents.jsonl").exists()
    rows = cells(scores)
    assert len(rows) == ROWS
    assert {row["series"] for row in rows} == {"pumps"}


def test_without_sinks_incidents_are_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = pipeline(tmp_path)
    text = config.read_text(encoding="utf-8").replace("sinks:", "# ")
    config.write_text(text, encoding="utf-8")
    assert call("run", str(config)) == 0
    assert "anomaly, by flow" in capsys.readouterr().out


TESTS = """
tests:
  - name: the fault is found at once
    input: {file: rows.csv}
    expect: {kinds: [anomaly], series: pumps, after: 2026-01-01T11:40:00Z, within: 2m}
  - name: nothing happens
    input: {file: rows.csv}
    expect: {events: 0}
  - name: it is found in the first hour
    input: {file: rows.csv}
    expect: {within: 1h}
  - name: a stuck sensor is told
    input: {file: rows.csv}
    expect: {kinds: [stuck], series: [other]}
"""


def test_tests_of_a_configuration_pass_and_fail_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = pipeline(tmp_path, TESTS)
    assert call("test", str(config), "--json") == 1
    first, second, third, fourth = json.loads(capsys.readouterr().out)["tests"]
    assert first["failures"] == []
    assert "anomaly of pumps at 2026-01-01 11:40:00" in second["failures"][0]
    assert "wanted 1 h" in third["failures"][0]
    assert fourth["failures"] == [
        "kinds anomaly, wanted stuck",
        "series pumps, wanted other",
    ]
    assert call("test", str(config)) == 1
    assert "passed  the fault is found at once" in capsys.readouterr().out


def test_passing_tests_exit_0(tmp_path: Path) -> None:
    assert call("test", str(pipeline(tmp_path, TESTS.partition("  - name: nothing")[0]))) == 0


def test_state_is_shown_exported_reset_and_imported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, out = pipeline(tmp_path), tmp_path / "state.db"
    assert call("run", str(config)) == 0
    assert call("state", "export", str(config), str(out)) == 0
    assert call("state", "reset", str(config), "--yes") == 0
    capsys.readouterr()
    assert call("state", "ls", str(config), "--json") == 0
    assert json.loads(capsys.readouterr().out)["parts"][0]["position"] is None
    assert call("state", "import", str(config), str(out)) == 1
    assert call("state", "import", str(config), str(out), "--force") == 0
    capsys.readouterr()
    assert call("state", "ls", str(config), "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["parts"][0]["position"] == (tmp_path / "rows.csv").stat().st_size
    assert shown["open"] == 0 < shown["incidents"]


def test_state_of_another_detector_is_not_imported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, out = pipeline(tmp_path), tmp_path / "state.db"
    assert call("run", str(config)) == 0
    assert call("state", "export", str(config), str(out)) == 0
    text = config.read_text(encoding="utf-8").replace("half_life: 100", "half_life: 200")
    config.write_text(text, encoding="utf-8")
    assert call("state", "import", str(config), str(out), "--force") == 1
    assert "half_life" in capsys.readouterr().err


def test_a_second_run_goes_on_where_the_first_ended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = pipeline(tmp_path)
    assert call("run", str(config)) == 0
    with (tmp_path / "rows.csv").open("a", encoding="utf-8") as file:
        file.write("2026-01-01T15:00:00Z,0.1,0.2\n")
    capsys.readouterr()
    assert call("run", str(config)) == 0
    assert "1 row;" in capsys.readouterr().err


def test_accepting_a_series_that_is_not_there_or_is_calm_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = pipeline(tmp_path)
    assert call("run", str(config)) == 0
    capsys.readouterr()
    assert call("state", "accept", str(config), "fans") == 1
    assert "no partition" in capsys.readouterr().err
    assert call("state", "accept", str(config), "pumps") == 1
    assert "pumps has no open incident" in capsys.readouterr().err


def test_an_accepted_incident_is_resolved_and_told_by_the_next_run(tmp_path: Path) -> None:
    config, rows = pipeline(tmp_path), tmp_path / "rows.csv"
    lines = rows.read_text(encoding="utf-8").splitlines(keepends=True)
    rows.write_text("".join(lines[:710]), encoding="utf-8")  # ends within the fault
    assert call("run", str(config)) == 0
    assert lines_of(tmp_path / "incidents.jsonl")[-1]["state"] != "resolved"
    assert call("state", "accept", str(config), "pumps") == 0
    assert call("run", str(config)) == 0
    last = lines_of(tmp_path / "incidents.jsonl")[-1]
    assert last["state"] == "resolved"
    assert "accepted as the new normal" in str(last["reason"])


def test_watch_looks_at_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("watch", "--every", "50ms", "--seconds", "1") == 0
    said = capsys.readouterr().err
    assert "memory_percent" in said
    assert "incidents opened" in said
