"""Incidents and dead letters of a store, listed and found; and a store of another pipeline."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles.command_line import say
from oracles.run_of_rows import FLOW as CONFIG
from oracles.run_of_rows import run, write_rows
from typer.testing import CliRunner

from tocsin.cli import app
from tocsin.commands.incidents import find_incident, list_incidents
from tocsin.pipeline.errors import StateError
from tocsin.pipeline.incidents import Incident
from tocsin.pipeline.store import Store

BEGIN = 1_700_000_000_000_000_000
ONE = Incident(
    id="ab", revision=1, state="resolved", kind="stale", series="rows", started_at=BEGIN,
    opened_at=BEGIN, ended_at=BEGIN + 60, peak_at=0, score=float("nan"), tail=float("nan"),
    alpha=float("nan"), severity=0.0, level="warning", rows=1, channels=(), reason="silent",
)  # fmt: skip


@pytest.fixture
def ran(tmp_path: Path) -> Path:
    """A pipeline with a fault of six rows, two that cannot be read, and one that does not end."""
    flow: list[object] = list(np.random.default_rng(3).normal(size=1500))
    flow[1000:1006] = [12.0] * 6
    flow[1200:1202] = ["out of order", "gone"]
    flow[1495:] = [20.0] * 5
    write_rows(tmp_path, "flow", enumerate(flow))
    return run(tmp_path, CONFIG)


def incidents_of(config: Path) -> list[Incident]:
    with Store(config.parent / "state" / "tocsin.db") as store:
        return store.incidents()


def refused(*arguments: str) -> str:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code != 0
    return done.output + str(done.exception)


def test_open_incidents_are_listed_with_the_state(ran: Path) -> None:
    (still,) = (each for each in incidents_of(ran) if each.state != "resolved")
    told = say("state", "ls", str(ran))
    (line,) = (line for line in told.splitlines() if line.startswith(still.id))
    for what in (still.level, "anomaly", "rows", "open", "2023-11-14 22:38:15"):
        assert what in line


def test_open_incidents_are_whole_in_json(ran: Path) -> None:
    found = json.loads(say("state", "ls", str(ran), "--json"))
    (still,) = found["open_incidents"]
    assert (found["open"], still["state"]) == (1, "open")
    assert still["channels"]


def test_a_long_list_says_how_many_more_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    list_incidents([replace(ONE, id=f"{n:016x}", started_at=BEGIN - n) for n in range(1, 31)])
    told = capsys.readouterr().out
    assert re.findall(r"^[0-9a-f]{16}", told, re.MULTILINE) == [f"{n:016x}" for n in range(1, 21)]
    assert "and 10 more" in told


def test_explain_without_an_id_lists_the_newest_first(ran: Path) -> None:
    newest = [each.id for each in reversed(incidents_of(ran))]
    told = say("explain", str(ran))
    assert re.findall(r"^[0-9a-f]{16}", told, re.MULTILINE) == newest
    listed = json.loads(say("explain", str(ran), "--json"))["incidents"]
    assert [each["id"] for each in listed] == newest


@pytest.mark.parametrize(
    "command", [("explain", "CONFIG", "zzz"), ("label", "CONFIG", "--verdict", "confirmed",
                                                "--incident", "zzz")],
)  # fmt: skip
def test_an_unknown_id_is_answered_with_the_newest(ran: Path, command: tuple[str, ...]) -> None:
    told = refused(*(str(ran) if part == "CONFIG" else part for part in command))
    assert "no incident is called 'zzz'. The newest are:" in told
    assert incidents_of(ran)[-1].id in told


def test_a_label_takes_the_begin_of_an_id(ran: Path) -> None:
    fault = incidents_of(ran)[-1]
    say("label", str(ran), "--verdict", "confirmed", "--incident", fault.id[:8])
    (label,) = json.loads(say("label", str(ran), "--json"))
    assert label["incident"] == fault.id


def test_an_id_that_begins_several_is_refused() -> None:
    both = [replace(ONE, id="ab1"), replace(ONE, id="ab2")]
    with pytest.raises(StateError, match=r"2 incidents begin with 'ab', such as:\n  ab2  "):
        find_incident(both, "ab")
    assert find_incident(both, "ab1").id == "ab1"


@pytest.mark.parametrize("options", [("--incident", "ab"), ("--series", "rows"), ("--cause", "x")])
def test_a_label_without_a_verdict_is_no_listing(ran: Path, options: tuple[str, ...]) -> None:
    told = refused("label", str(ran), *options)
    assert "say what it was: --verdict confirmed, expected, false_alarm" in told


def test_a_label_that_ends_before_it_starts_is_told_in_times(ran: Path) -> None:
    ran.write_text("defaults: {timezone: Europe/Berlin}\n" + CONFIG, encoding="utf-8")
    stretch = ("--series", "rows", "--start", "2023-11-14T08:00", "--end", "2023-11-14T07:00")
    told = refused("label", str(ran), "--verdict", "missed", *stretch)
    assert "found 2023-11-14T07:00:00Z to 2023-11-14T06:00:00Z" in told


def test_labels_of_a_file_are_of_the_configured_zone(ran: Path, tmp_path: Path) -> None:
    ran.write_text("defaults: {timezone: Europe/Berlin}\n" + CONFIG, encoding="utf-8")
    file = tmp_path / "labels.csv"
    row = "rows,2023-11-14T08:00,2023-11-14T08:10,expected"
    file.write_text(f"series,start,end,verdict\n{row}\n", encoding="utf-8")
    assert "at 2023-11-14 07:00:00 UTC" in say("label", str(ran), "--file", str(file))


def test_dead_letters_are_counted_by_reason_and_shown(ran: Path) -> None:
    told = say("state", "letters", str(ran))
    assert told.startswith("2 dead letters\n")
    assert "2  such as: channel 'flow' holds 'out of order', not a number" in told
    newest = next(line for line in told.splitlines() if line.startswith("rows.csv"))
    assert newest.rstrip().endswith("2023-11-14T22:33:21Z,gone")


def test_dead_letters_are_whole_in_json(ran: Path) -> None:
    letters: list[dict[str, Any]] = json.loads(say("state", "letters", str(ran), "--json"))
    values = [each["value"]["text"] for each in letters]
    assert values == ["2023-11-14T22:33:20Z,out of order", "2023-11-14T22:33:21Z,gone"]


def test_without_dead_letters_there_are_none(ran: Path) -> None:
    with Store(ran.parent / "state" / "tocsin.db") as store:
        store.write("DELETE FROM dead_letters", ())
    assert say("state", "letters", str(ran)) == "No dead letters.\n"


def test_the_state_of_another_pipeline_is_not_taken_over(ran: Path, tmp_path: Path) -> None:
    say("state", "export", str(ran), str(tmp_path / "kept.db"))
    other = tmp_path / "other.yaml"
    other.write_text(CONFIG.replace("rows.csv", "others.csv"), encoding="utf-8")
    told = refused("state", "import", str(other), str(tmp_path / "kept.db"), "--force")
    assert "is of another pipeline: it has the state of rows.csv" in told


def test_what_is_taken_over_is_told(ran: Path, tmp_path: Path) -> None:
    say("state", "export", str(ran), str(tmp_path / "kept.db"))
    told = say("state", "import", str(ran), str(tmp_path / "kept.db"), "--force")
    assert told.endswith("taken over: 1 partition: rows.csv\n")
