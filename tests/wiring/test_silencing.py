"""`tocsin silence`: what it takes, when it begins, and what looks like a mistake."""

import json
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles.command_line import say
from oracles.run_of_rows import run, write_rows
from typer.testing import CliRunner

from tocsin.cli import app
from tocsin.connectors.times import parse_times
from tocsin.pipeline.incidents import iso

CONFIG = """
version: 1
defaults: {timezone: Europe/Berlin}
sources:
  plant: {type: csv, path: rows.csv, time: time, key: pump, channels: [flow]}
detectors: {distance: {type: ewma, half_life: 50}}
state: {dir: state}
"""
HOUR = 3_600_000_000_000


@pytest.fixture
def ran(tmp_path: Path) -> Path:
    """A pipeline that has judged five minutes of two pumps, in 2023."""
    flow = np.random.default_rng(3).normal(size=600).tolist()
    write_rows(tmp_path, "pump,flow", ((i // 2, f"pump-{i % 2}", x) for i, x in enumerate(flow)))
    return run(tmp_path, CONFIG)


def silence(config: Path, *options: str) -> Any:
    return CliRunner().invoke(app, ["silence", str(config), *options])


def kept(config: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(say("silence", str(config), "--json"))
    return found


@pytest.mark.parametrize("options", [("--for", "2h"), ("--series", "pump-*", "--for", "2h")])
def test_a_silence_without_a_begin_begins_now(ran: Path, options: tuple[str, ...]) -> None:
    before = time.time_ns()
    assert silence(ran, *options).exit_code == 0
    (made,) = kept(ran)
    (begin, until), _ = parse_times([made["from"], made["until"]])
    assert before - 1000 <= begin <= time.time_ns()
    assert until - begin == 2 * HOUR


def test_until_alone_silences_from_now(ran: Path) -> None:
    assert silence(ran, "--until", iso(time.time_ns() + HOUR)).exit_code == 0
    assert len(kept(ran)) == 1


def test_a_series_alone_is_no_listing(ran: Path) -> None:
    done = silence(ran, "--series", "pump-1")
    assert done.exit_code == 2
    assert "needs either --until or --for" in done.output
    assert kept(ran) == []


def test_a_silence_can_be_answered_as_json(ran: Path) -> None:
    told = json.loads(silence(ran, "--for", "2h", "--json").stdout)
    assert told == kept(ran)[0]


@pytest.mark.parametrize(
    "options",
    [
        ("--from", "2023-11-14T08:00", "--until", "2023-11-14T07:00"),
        ("--from", "2023-11-14T08:00", "--for", "0s"),
        ("--until", "2023-11-14T07:00"),
    ],
)
def test_a_silence_that_ends_before_it_begins_is_refused(
    ran: Path, options: tuple[str, ...]
) -> None:
    done = silence(ran, *options)
    assert done.exit_code == 2
    assert "a silence begins before it ends" in done.output
    assert kept(ran) == []


def test_times_without_a_zone_are_of_the_configured_one(ran: Path) -> None:
    told = silence(ran, "--from", "2023-11-15T08:00", "--until", "2023-11-15T09:30").stdout
    assert "from 2023-11-15 07:00:00 UTC to 2023-11-15 08:30:00 UTC" in told
    assert "2023-11-15 07:00:00 UTC" in say("silence", str(ran))


def test_a_time_with_a_zone_keeps_it(ran: Path) -> None:
    silence(ran, "--from", "2023-11-15T08:00Z", "--for", "1h")
    assert kept(ran)[0]["from"] == "2023-11-15T08:00:00Z"


def test_a_pattern_that_matches_no_series_is_taken_with_a_warning(ran: Path) -> None:
    done = silence(ran, "--series", "pmup-*", "--for", "2h")
    assert done.exit_code == 0
    assert "no series known so far matches pmup-*; known are pump-0, pump-1" in done.stderr
    assert len(kept(ran)) == 1


def test_a_silence_of_rows_that_are_judged_is_taken_with_a_warning(ran: Path) -> None:
    done = silence(ran, "--from", "2023-11-14T08:00", "--for", "1h")
    assert "lies in the past: rows up to 2023-11-14 22:18:19 UTC have been judged" in done.stderr
    assert len(kept(ran)) == 1


def test_a_silence_that_is_over_by_the_clock_counts_for_rows_to_come(ran: Path) -> None:
    told = silence(ran, "--from", "2023-11-15T08:00", "--for", "1h").stderr
    assert "silences only rows of that time that are yet to come" in told


def test_now_is_doubted_where_the_rows_are_of_another_time(ran: Path) -> None:
    told = silence(ran, "--for", "1h").stderr
    assert re.search(r"rows up to 2023-11-14 .* unless --from names it", told)
    assert silence(ran, "--from", iso(time.time_ns()), "--for", "1h").stderr == ""
