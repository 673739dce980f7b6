"""The Kafka quick start of the README, word for word, against a broker with the plant's rows."""

import os
import re
import signal
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

import pytest
from brokers import Broker
from workers import saved_positions

from tocsin.connectors.plant import Plant

README = Path(__file__).parents[1] / "README.md"
ROWS = 600


@pytest.mark.kafka
def test_the_configuration_of_the_readme_runs_until_it_is_told_to_stop(
    broker: Broker, tmp_path: Path
) -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    topic = broker.topic()
    (tmp_path / "pipeline.yaml").write_text(block.replace("topic: telemetry", f"topic: {topic}"))
    broker.send(topic, [message.value for message in islice(Plant().as_messages(), ROWS)])

    command = [sys.executable, "-m", "tocsin", "run", "pipeline.yaml"]
    environment = os.environ | {"KAFKA": broker.address}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 90  # a new group's first member waits half its session timeout
    store = tmp_path / "state" / "tocsin.db"
    while saved_positions(store).get(f"{topic}/0", 0) < ROWS and time.monotonic() < deadline:
        try:
            process.wait(timeout=0.2)
        except subprocess.TimeoutExpired:
            continue
        break
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 0, told.decode()
    assert saved_positions(store) == {f"{topic}/0": ROWS}
