"""A running pipeline, looked at over HTTP."""

import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

pytest.importorskip("prometheus_client", reason="part of tocsin[metrics]")

CONFIG = """
version: 1
sources: {{plant: {{type: plant, assets: 2, speed: 200}}}}
detectors: {{distance: {{type: mahalanobis, half_life: 100}}}}
sinks: {{file: {{type: jsonl, path: incidents.jsonl}}}}
server: {{listen: "{listen}"}}
"""


def command(folder: Path, listen: str) -> list[str]:
    path = folder / "pipeline.yaml"
    path.write_text(CONFIG.format(listen=listen), encoding="utf-8")
    return [sys.executable, "-m", "tocsin", "run", str(path)]


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """A run that goes on, and the address it tells."""
    process = subprocess.Popen(
        command(folder, "127.0.0.1:0"), stderr=subprocess.PIPE, text=True, cwd=folder
    )
    assert process.stderr is not None
    try:
        told = (re.search(r"metrics at (http://\S+)/metrics", line) for line in process.stderr)
        yield next(found[1] for found in told if found)
    finally:
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=60)[1]
    assert process.returncode == 0, said


def rows(metrics: str) -> float:
    found = re.search(r"^tocsin_rows_received_total\{.*\} (\S+)$", metrics, re.MULTILINE)
    return float(found[1]) if found else 0.0


def test_a_run_tells_its_metrics_and_its_health_while_it_runs(tmp_path: Path) -> None:
    with running(tmp_path) as address, httpx.Client(trust_env=False, base_url=address) as client:
        deadline, pause = time.monotonic() + 60, threading.Event()
        while rows(client.get("/metrics").text) < 10:
            assert time.monotonic() < deadline, "no rows came in time"
            pause.wait(0.1)
        before = rows(client.get("/metrics").text)
        assert client.get("/livez").status_code == client.get("/readyz").status_code == 200
        while rows(client.get("/metrics").text) <= before:
            assert time.monotonic() < deadline, "the numbers stand still"
            pause.wait(0.1)


def test_a_run_does_not_start_where_the_port_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = subprocess.run(
            command(tmp_path, address), check=False, capture_output=True, text=True, timeout=60
        )
    assert done.returncode == 78
    assert f"cannot listen at {address}" in done.stderr
