"""`tocsin run` as a process of its own, for tests that stop, kill and compare it."""

import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from brokers import Broker


@dataclass
class Worker:
    """A pipeline from a topic to files, with its own state and consumer group.

    `source` adds to the Kafka source's keys, `config` to the configuration's sections.
    """

    folder: Path
    broker: Broker
    topic: str
    source: dict[str, Any]
    config: dict[str, Any]

    @property
    def group(self) -> str:
        return f"{self.topic}-{self.folder.name}"

    def write_config(self) -> Path:
        self.folder.mkdir(exist_ok=True)
        path = self.folder / "tocsin.yaml"
        prompt = {"session_timeout_ms": 1000, "heartbeat_interval_ms": 200}
        source = {"type": "kafka", "brokers": self.broker.address, "topic": self.topic}
        source |= {"group": self.group, "config": prompt} | self.source
        config = {
            "version": 1,
            "sources": {"live": source},
            "sinks": {"file": {"type": "jsonl", "path": "incidents.jsonl"}},
            "dead_letters": {"type": "jsonl", "path": "dead.jsonl"},
            "state": {"dir": "state", "checkpoint_every": "200ms"},
        }
        path.write_text(yaml.safe_dump(config | self.config))
        return path

    def start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tocsin", "run", str(self.write_config())]
        with (self.folder / "log.txt").open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)

    def run_up_to(self, part: str, position: int, seconds: float = 120) -> None:
        """Run until the store has reached a position, then stop as an operator would."""
        process = self.start()
        deadline = time.monotonic() + seconds
        while self.positions().get(part, 0) < position:
            assert process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            _wait(process, 0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0, self.log()

    def positions(self) -> dict[str, int]:
        """Where the store is; nothing where there is no store yet."""
        return saved_positions(self.folder / "state" / "tocsin.db")

    def incidents(self) -> dict[str, dict[str, Any]]:
        """The last revision of each incident that reached the sink."""
        latest: dict[str, dict[str, Any]] = {}
        for line in self._lines("incidents.jsonl"):
            if line["revision"] >= latest.get(line["id"], line)["revision"]:
                latest[line["id"]] = line
        return latest

    def dead(self) -> Counter[tuple[str, int, int]]:
        """How often each dead letter reached the sink."""
        lines = self._lines("dead.jsonl")
        return Counter((line["part"], line["position"], line["index"]) for line in lines)

    def log(self) -> str:
        return (self.folder / "log.txt").read_text()

    def _lines(self, name: str) -> list[dict[str, Any]]:
        path = self.folder / name
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def saved_positions(path: Path) -> dict[str, int]:
    """The positions in a store's file; nothing where there is no store yet."""
    if not path.exists():
        return {}
    store = sqlite3.connect(path, timeout=30)
    try:
        return dict(store.execute("SELECT part, COALESCE(position, 0) FROM parts"))
    except sqlite3.OperationalError:  # killed before it had made its tables
        return {}
    finally:
        store.close()


def _wait(process: subprocess.Popen[bytes], seconds: float) -> None:
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return


def kill_after(process: subprocess.Popen[bytes], seconds: float) -> int:
    """kill -9 after so many seconds of life; gives the exit code."""
    _wait(process, seconds)
    process.kill()
    return process.wait(timeout=10)
