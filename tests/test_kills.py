"""The promise people switch for: kill -9 at any instant loses nothing and invents nothing."""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from brokers import Broker
from kafka import KafkaProducer
from workers import Worker, kill_after

KILLS = 30
ASSETS = 10
POISON = 0.01
CHANNELS = ("temperature", "vibration")
SECOND_MS = 1000

SOURCE = {"key": ["asset"], "time": "time", "channels": list(CHANNELS), "batch": 100}
CONFIG = {
    "detectors": {"ewma": {"type": "ewma"}},
    "scoring": {"calibrate": {"history": 200, "alone": 100}},
    "thresholds": {"default": {"tail": 0.001}},
}


def telemetry(records: int) -> Iterator[bytes]:
    """Ten assets with planted spikes, shifts and poison: bad JSON, no time, text for a number."""
    rng = np.random.default_rng(7)
    poison = (b"{not json", b'{"asset": "a1", "temperature": 1.0}', b'{"asset": "a2", "time": "?"}')
    for number in range(records):
        tick, asset = divmod(number, ASSETS)
        if rng.random() < POISON:
            yield poison[int(rng.integers(len(poison)))]
            continue
        values = rng.normal(size=2) + (
            12.0 if (tick // 7 + asset) % 90 == 0 and tick > 200 else 0.0
        )
        row = {"asset": f"a{asset}", "time": 1_760_000_000_000 + SECOND_MS * tick}
        yield json.dumps(row | dict(zip(CHANNELS, values.tolist(), strict=True))).encode()


def feed(address: str, topic: str, over: threading.Event, sent: list[int]) -> None:
    """About 400 records a second until it is over, and at least 20,000 in all."""
    producer = KafkaProducer(bootstrap_servers=address, linger_ms=5)
    for number, value in enumerate(telemetry(100_000)):
        if number % 40 == 0:
            over.wait(0.1)
        if over.is_set() and number >= 20_000:
            break
        producer.send(topic, value, partition=0)
        sent[0] = number + 1
    producer.flush(timeout=30)
    producer.close(timeout=5)


@pytest.mark.kafka
@pytest.mark.slow
def test_killed_thirty_times_it_tells_what_an_undisturbed_run_tells(
    broker: Broker, tmp_path: Path
) -> None:
    topic, sent, over = broker.topic(), [0], threading.Event()
    part = f"{topic}/0"
    feeder = threading.Thread(target=feed, args=(broker.address, topic, over, sent))
    feeder.start()
    rng = np.random.default_rng(int(os.environ.get("TOCSIN_KILL_SEED", "11")))
    disturbed = Worker(tmp_path / "disturbed", broker, topic, SOURCE, CONFIG)
    saved: set[int] = set()
    try:
        begun = time.monotonic()
        disturbed.run_up_to(part, 1)
        usual = time.monotonic() - begun  # from a start to the first rows that are saved
        for _ in range(KILLS):
            delay = usual * float(rng.uniform(0.2, 2.0))
            assert kill_after(disturbed.start(), delay) == -signal.SIGKILL
            position = disturbed.positions().get(part, 0)
            saved.add(position)
            assert (broker.committed(topic, disturbed.group) or 0) <= position
    finally:
        over.set()
        feeder.join()
    assert len(saved) > KILLS // 4, "the kills must hit a run that is getting somewhere"

    undisturbed = Worker(tmp_path / "undisturbed", broker, topic, SOURCE, CONFIG)
    for worker in (disturbed, undisturbed):
        worker.run_up_to(part, sent[0])
    assert len(undisturbed.incidents()) > 20
    assert disturbed.incidents() == undisturbed.incidents()
    assert disturbed.dead() == undisturbed.dead()
    assert set(disturbed.dead().values()) == {1}
    assert len(disturbed.dead()) > 100
