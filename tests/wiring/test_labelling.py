"""What people say of incidents, from the command line to what the pipeline does with it."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from oracles.command_line import say
from oracles.run_of_rows import FLOW as CONFIG
from oracles.run_of_rows import run, write_rows
from typer.testing import CliRunner

from tocsin.cli import app
from tocsin.config import load
from tocsin.pipeline.incidents import Incident
from tocsin.pipeline.store import Store


def rows_of(folder: Path, lasting: int) -> None:
    flow = np.random.default_rng(3).normal(size=1500)
    flow[1000 : 1000 + lasting] += 12.0
    write_rows(folder, "flow", enumerate(flow.tolist()))


@pytest.fixture
def ran(tmp_path: Path) -> Path:
    """A pipeline that has met a fault of six rows."""
    rows_of(tmp_path, lasting=6)
    return run(tmp_path, CONFIG)


def the_fault(config: Path) -> Incident:
    with Store(config.parent / "state" / "tocsin.db") as store:
        return max(store.incidents(), key=lambda incident: incident.score)


def test_a_label_is_kept_and_listed(ran: Path) -> None:
    fault = the_fault(ran)
    say("label", str(ran), "--verdict", "confirmed", "--incident", fault.id, "--author", "ada")
    (kept,) = json.loads(say("label", str(ran), "--json"))
    assert (kept["verdict"], kept["incident"], kept["author"]) == ("confirmed", fault.id, "ada")


def test_a_false_alarm_is_taught_to_the_calibrator(ran: Path) -> None:
    fault = the_fault(ran)
    told = say("label", str(ran), "--verdict", "false_alarm", "--incident", fault.id)
    assert "is held for normal" in told
    config = load(ran)
    chain = config.stages.chain(config.source.spec())
    with Store(ran.parent / "state" / "tocsin.db") as store:
        (part,) = store.parts()
        state = store.claim(chain, part).state
    assert state is not None
    key, when = np.array([0]), np.array([fault.peak_at])
    tail = chain.calibrator.tail(state.calibrator, key, when, np.array([fault.score]))
    assert tail[0] >= fault.alpha


def test_faults_are_exported_as_intervals(ran: Path, tmp_path: Path) -> None:
    fault = the_fault(ran)
    say("label", str(ran), "--verdict", "confirmed", "--incident", fault.id)
    stretch = ["--series", fault.series, "--start", "2023-11-14T22:20:00Z"]
    say("label", str(ran), "--verdict", "missed", *stretch, "--end", "2023-11-14T22:21:00Z")
    say("label", str(ran), "--export", str(tmp_path / "intervals.csv"))
    lines = (tmp_path / "intervals.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "series,start,end"
    assert len(lines) == 3


def test_labels_of_a_file_are_taken_all_or_none(ran: Path, tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    whole = "series,start,end,verdict\nrows,2023-11-14T22:20:00Z,2023-11-14T22:21:00Z,expected\n"
    file.write_text(whole + "rows,soon,later,expected\n", encoding="utf-8")
    done = CliRunner().invoke(app, ["label", str(ran), "--file", str(file)])
    assert done.exit_code != 0
    assert json.loads(say("label", str(ran), "--json")) == []
    file.write_text(whole, encoding="utf-8")
    say("label", str(ran), "--file", str(file))
    assert len(json.loads(say("label", str(ran), "--json"))) == 1


def test_what_to_ask_next_leaves_out_what_was_answered(ran: Path) -> None:
    fault = the_fault(ran)
    assert fault.id in say("label", str(ran), "--ask", "50")
    say("label", str(ran), "--verdict", "confirmed", "--incident", fault.id)
    assert fault.id not in say("label", str(ran), "--ask", "50")


def test_an_incident_is_explained_from_its_first_alarm_to_its_end(ran: Path) -> None:
    fault = the_fault(ran)
    say("label", str(ran), "--verdict", "confirmed", "--incident", fault.id, "--author", "ada")
    told = say("explain", str(ran), fault.id[:8])
    steps = re.findall(r"calm → pending|pending → open|peak|open → calm", told)
    assert steps == ["calm → pending", "pending → open", "peak", "open → calm"]
    assert "flow" in told
    assert "ada says: confirmed" in told


def test_an_unknown_incident_is_told(ran: Path) -> None:
    done = CliRunner().invoke(app, ["explain", str(ran), "zzz"])
    assert "no incident is called 'zzz'" in str(done.exception)


def test_a_silence_is_kept_listed_and_ended(ran: Path) -> None:
    told = say("silence", str(ran), "--series", "rows", "--from", "2023-11-14", "--for", "1d")
    assert "silence 1: rows from" in told
    (kept,) = json.loads(say("silence", str(ran), "--json"))
    assert (kept["number"], kept["until"]) == (1, "2023-11-15T00:00:00Z")
    say("silence", str(ran), "--end", "1")
    assert "No silences" in say("silence", str(ran))


def test_a_silenced_series_opens_nothing_in_the_next_run(tmp_path: Path) -> None:
    config = tmp_path / "pipeline.yaml"
    config.write_text(CONFIG, encoding="utf-8")
    rows_of(tmp_path, lasting=6)
    rows = (tmp_path / "rows.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "rows.csv").write_text("".join(rows[:2]), encoding="utf-8")
    say("run", str(config))
    say("silence", str(config), "--from", "2023-11-14", "--for", "30d")
    (tmp_path / "rows.csv").write_text("".join(rows), encoding="utf-8")
    say("run", str(config))
    with Store(tmp_path / "state" / "tocsin.db") as store:
        assert [each for each in store.incidents() if each.kind == "anomaly"] == []
