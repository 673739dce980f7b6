import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from brokers import Broker

from tocsin.commands.running import stopped_by_signals

CONFIG = """
version: 1
sources:
  plant:
    type: plant
    assets: 2
    ticks: 3000
    speed: {speed}
    faults:
      - {{kind: level_shift, asset: 1, channel: pressure, start_tick: 1500, ticks: 60, size: 6}}
detectors: {{distance: {{type: mahalanobis, half_life: 100}}}}
thresholds: {{default: {{budget: 5/day}}}}
sinks: {{file: {{type: jsonl, path: incidents.jsonl}}}}
state: {{dir: state, checkpoint_every: 200ms}}
"""


def configured(folder: Path, speed: float) -> Path:
    folder.mkdir()
    path = folder / "pipeline.yaml"
    path.write_text(CONFIG.format(speed=speed), encoding="utf-8")
    return path


def started(config: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tocsin", "run", str(config)], stderr=subprocess.PIPE, text=True
    )


def run_to_its_end(config: Path) -> None:
    command = [sys.executable, "-m", "tocsin", "run", str(config)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


def position(folder: Path) -> int:
    """The saved position, 0 while there is none."""
    try:
        with closing(sqlite3.connect(f"file:{folder}/state/tocsin.db?mode=ro", uri=True)) as store:
            return max((p or 0 for (p,) in store.execute("SELECT position FROM parts")), default=0)
    except sqlite3.OperationalError:
        return 0


def until(holds: Callable[[], bool], seconds: float = 60) -> None:
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not holds():
        assert time.monotonic() < deadline, "it did not come in time"
        pause.wait(0.05)


def incidents(folder: Path) -> dict[tuple[str, int], object]:
    lines = (folder / "incidents.jsonl").read_text(encoding="utf-8").splitlines()
    return {(found["id"], found["revision"]): found for found in map(json.loads, lines)}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_told_to_stop_goes_on_later_to_the_same_incidents(
    tmp_path: Path, number: signal.Signals
) -> None:
    whole = configured(tmp_path / "whole", speed=0)
    run_to_its_end(whole)

    config = configured(tmp_path / "stopped", speed=300)
    process = started(config)
    until(lambda: position(config.parent) > 300)
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 0, said
    assert 0 < position(config.parent) < 3000

    config.write_text(CONFIG.format(speed=0), encoding="utf-8")
    run_to_its_end(config)
    assert position(config.parent) == 3000
    assert incidents(config.parent) == incidents(whole.parent) != {}


def test_the_second_signal_is_not_held_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stopped_by_signals() as stop:
        assert not stop()
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop()
        assert signal.getsignal(signal.SIGTERM) == before
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.kafka
def test_the_plant_is_produced_as_messages_a_pipeline_can_read(broker: Broker) -> None:
    topic = broker.topic()
    command = ["produce", "--brokers", broker.address, "--topic", topic, "--speed", "20"]
    done = subprocess.run(
        [sys.executable, "-m", "tocsin", *command, "--seconds", "1"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    records = broker.records(topic, 20 * 6)
    first = json.loads(records[0].value)
    assert records[0].key == first["asset"].encode() == b"pump-1"
    assert {"time", "load", "vibration"} <= set(first)
    times = sorted({json.loads(record.value)["time"] for record in records})
    assert times == list(range(times[0], times[0] + 20_000, 1000))
