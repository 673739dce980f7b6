"""What was replayed is what runs: a broker and the file it was filled from, id for id."""

import json
import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
from brokers import Broker
from workers import Worker

DATA = Path(os.environ.get("TOCSIN_DATA", Path(__file__).parents[2] / "shared" / "data"))
RULE = DATA / "opensearch_e2e" / "rule.data"

SOURCE = {"key": ["cityName"], "time": "timestamp", "channels": ["visitCount"]}
CONFIG = {
    "detectors": {"level": {"type": "ewma"}},
    "thresholds": {"default": {"budget": "2/week/series"}},
}


@pytest.mark.kafka
@pytest.mark.skipif(not RULE.exists(), reason=f"the real data are not at {DATA}")
def test_a_live_run_over_two_cities_gives_the_incidents_of_a_replay(
    broker: Broker, tmp_path: Path
) -> None:
    records = orjson.loads(RULE.read_bytes())
    topic = broker.topic()
    broker.send(topic, map(orjson.dumps, records))
    worker = Worker(tmp_path / "live", broker, topic, SOURCE, CONFIG)
    worker.run_up_to(f"{topic}/0", len(records))

    command = [sys.executable, "-m", "tocsin", "replay", str(worker.folder / "tocsin.yaml")]
    out = subprocess.run(
        [*command, "--input", str(RULE), "--json"], capture_output=True, check=True
    )
    replayed = {incident["id"]: incident for incident in json.loads(out.stdout)["incidents"]}

    live = worker.incidents()
    assert {incident["series"] for incident in live.values()} == {"Phoenix", "Scottsdale"}
    assert live == replayed
