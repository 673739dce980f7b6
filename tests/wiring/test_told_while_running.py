"""What a running pipeline is told from the command line: labels, silences, other settings."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tocsin.cli import app
from tocsin.pipeline.incidents import Incident
from tocsin.pipeline.notes import Notes
from tocsin.pipeline.store import Store

CONFIG = """
version: 1
sources: {{plant: {{type: plant, assets: 1, ticks: 200000, speed: 400}}}}
detectors: {{distance: {{type: mahalanobis, half_life: 100}}}}
thresholds: {{default: {{tail: {tail}}}}}
state: {{dir: state, checkpoint_every: 200ms}}
"""


def invoke(*arguments: str) -> str:
    return CliRunner().invoke(app, arguments, catch_exceptions=False).output


def until(holds: Callable[[], object], seconds: float = 60) -> None:
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not holds():
        assert time.monotonic() < deadline, "it did not come in time"
        pause.wait(0.05)


class Running:
    """A pipeline in a process of its own, and what it has said so far."""

    def __init__(self, config: Path, *options: str) -> None:
        self.config, self.said = config, list[str]()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tocsin", "run", str(config), *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line)

    def says(self, words: str) -> bool:
        return any(words in line for line in self.said)

    def incidents(self) -> list[Incident]:
        store = self.config.parent / "state" / "tocsin.db"
        if not store.exists():
            return []
        with Store(store) as opened:
            return opened.incidents()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=30) == 0, "".join(self.said)
        self.close()

    def close(self) -> None:
        """Kill it if it still runs, and hear it out."""
        self.process.kill()
        self._listener.join()
        with self.process:
            """Closes the pipe."""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "pipeline.yaml"
    path.write_text(CONFIG.format(tail=0.01), encoding="utf-8")
    return path


@pytest.fixture
def start(config: Path) -> Iterator[Callable[..., Running]]:
    made: list[Running] = []

    def run(*options: str) -> Running:
        made.append(Running(config, *options))
        return made[-1]

    yield run
    for each in made:
        each.close()


def test_a_label_takes_its_effect_without_a_stop(
    config: Path, start: Callable[..., Running]
) -> None:
    running = start()
    until(running.incidents)
    incident = running.incidents()[0]
    told = invoke("label", str(config), "--verdict", "false_alarm", "--incident", incident.id)
    assert "is held for normal" in told
    assert running.process.poll() is None
    running.stop()
    assert running.says("is false_alarm")
    assert not running.says("another worker has taken")
    with Store(config.parent / "state" / "tocsin.db") as store:
        assert Notes(store).pending() == []


def test_a_silence_is_taken_in_and_lifted_without_a_stop(
    config: Path, start: Callable[..., Running]
) -> None:
    running = start()
    until(running.incidents)
    day = ("--series", "*", "--from", "2000-01-01", "--until", "2100-01-01")
    assert invoke("silence", str(config), *day).startswith("silence 1")
    until(lambda: running.says("other settings from position"))
    invoke("silence", str(config), "--end", "1")
    until(lambda: sum("other settings" in line for line in running.said) == 2)
    running.stop()


def test_the_file_is_read_again_on_sighup_and_a_broken_one_is_not_taken(
    config: Path, start: Callable[..., Running]
) -> None:
    running = start()
    until(running.incidents)
    config.write_text(CONFIG.format(tail="much"), encoding="utf-8")
    running.process.send_signal(signal.SIGHUP)
    until(lambda: running.says("the settings stay as they were"))
    assert not running.says("other settings from")
    config.write_text(CONFIG.format(tail=0.002), encoding="utf-8")
    running.process.send_signal(signal.SIGHUP)
    until(lambda: running.says("other settings from position"))
    running.stop()


IN_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "tocsin", "run", sys.argv[1]])
"""


def test_a_run_ends_with_the_terminal_it_was_started_in(config: Path) -> None:
    ours, theirs = os.openpty()
    said = config.parent / "said.txt"
    with (
        said.open("w", encoding="utf-8") as out,
        subprocess.Popen(
            [sys.executable, "-c", IN_TERMINAL, str(config)],
            stdin=theirs,
            stdout=subprocess.DEVNULL,
            stderr=out,
            start_new_session=True,
        ) as process,
    ):
        os.close(theirs)
        until(lambda: "Running" in said.read_text(encoding="utf-8"))
        process.send_signal(signal.SIGHUP)  # while the terminal is there, the file is read again
        until(lambda: "was read again" in said.read_text(encoding="utf-8"))
        os.close(ours)
        assert process.wait(timeout=30) == 0


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("half_life: 100", "half_life: 50", "what is learned"),
        ("speed: 400", "speed: 300", "sources"),
        ("dir: state", "dir: other", "state"),
    ],
)
def test_what_cannot_change_in_a_run_is_named_and_the_run_goes_on(
    config: Path, start: Callable[..., Running], old: str, new: str, named: str
) -> None:
    running = start("--watch-config")
    until(running.incidents)
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace(old, new).replace("0.01", "0.002"), encoding="utf-8")
    until(lambda: running.says("cannot change while it runs"))
    assert running.says(named)
    config.write_text(text.replace("0.01", "0.002"), encoding="utf-8")
    until(lambda: running.says("other settings from position"))
    running.stop()


def test_a_store_in_use_is_neither_reset_nor_replaced(
    config: Path, start: Callable[..., Running], tmp_path: Path
) -> None:
    running = start()
    until(running.incidents)
    assert "copied to" in invoke("state", "export", str(config), str(tmp_path / "copy.db"))
    for command in (
        ("state", "reset", str(config), "--yes"),
        ("state", "import", str(config), str(tmp_path / "copy.db"), "--force"),
        ("state", "accept", str(config), "pump-1"),
    ):
        done = CliRunner().invoke(app, command)
        assert done.exit_code != 0
        assert "a pipeline runs on it" in str(done.exception) + done.output
    running.stop()
    assert "1 partition reset" in invoke("state", "reset", str(config), "--yes")
    (part,) = json.loads(invoke("state", "ls", str(config), "--json"))["parts"]
    assert part["position"] is None
