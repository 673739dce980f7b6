"""`tocsin produce`: the simulated plant as a producer of Kafka messages."""

# pyright: reportMissingModuleSource=false, reportAttributeAccessIssue=false
# The stubs that pyright brings are of kafka-python 2; this is written for 3.

import time
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from tocsin.commands.running import Stop, stopped_by_signals
from tocsin.commands.screen import stderr
from tocsin.connectors.clocks import SystemClock
from tocsin.connectors.plant import Message, Plant
from tocsin.connectors.plant_faults import schedule
from tocsin.pipeline.errors import ConfigError, SinkError

try:
    from kafka import KafkaProducer
    from kafka.errors import KafkaError

    from tocsin.connectors.kafka_client import open_client
except ModuleNotFoundError as missing:
    raise ConfigError("produce needs kafka-python: pip install 'tocsin[kafka]'") from missing

_DAY_TICKS = 86_400
_CALM_TICKS = 1800  # before the first fault, so that a pipeline can learn
_RETRY_S = 2.0


@dataclass(frozen=True, slots=True)
class Target:
    """Where messages go."""

    brokers: str
    topic: str


def produce(target: Target, seconds: float | None, speed: float, seed: int) -> None:
    """Send the plant's rows, a tick a second of its own time, until stopped.

    Each day of the plant has a fault of each kind, the first half an hour apart. Brokers that are
    down are waited for.
    """
    start_ns = time.time_ns() // 1_000_000_000 * 1_000_000_000
    faults = schedule(_DAY_TICKS, 6, seed=seed, warmup=_CALM_TICKS)
    plant = Plant(assets=6, seed=seed, start_ns=start_ns, faults=faults)
    stderr().print(
        f"The plant's {plant.assets} assets go to topic {target.topic!r} at {target.brokers}, "
        f"at {speed:g} times real time. Ctrl-C stops."
    )
    with stopped_by_signals() as stop:
        producer = _connect(target, stop)
        if producer is None:
            return
        try:
            _send(producer, target, plant, _Pace(speed, seconds, stop))
        except KafkaError as error:
            raise SinkError(f"{target.brokers}: {type(error).__name__}: {error}") from error
        finally:
            producer.close(timeout=5)


@dataclass(frozen=True, slots=True)
class _Pace:
    """How fast messages go, how long, and whether to stop."""

    speed: float
    seconds: float | None
    stop: Stop


def _send(producer: Any, target: Target, plant: Plant, pace: _Pace) -> None:
    clock = SystemClock()
    begun = clock.elapsed()
    for number, tick in enumerate(_ticks(plant)):
        due = begun + number / pace.speed
        if pace.seconds is not None and due - begun >= pace.seconds:
            break
        while (left := due - clock.elapsed()) > 0 and not pace.stop():
            clock.wait(min(left, 0.25))
        if pace.stop():
            break
        for message in tick:
            producer.send(target.topic, value=message.value, key=message.key)
    producer.flush(timeout=10)


def _ticks(plant: Plant) -> Any:
    """The messages of each tick, in turn; a tick in which every asset is silent is passed over."""

    def tick_of(message: Message) -> int:
        return (message.time_ns - plant.start_ns) // plant.tick_ns

    return (list(part) for _, part in groupby(plant.as_messages(), key=tick_of))


def _connect(target: Target, stop: Stop) -> Any:
    """The producer, however long the brokers take to be there; None when told to stop."""
    clock = SystemClock()
    options = {"bootstrap_servers": target.brokers.split(","), "linger_ms": 50, "acks": "all"}
    while not stop():
        try:
            return open_client(KafkaProducer, options)[0]
        except KafkaError as error:
            stderr().print(f"{target.brokers} cannot be reached ({error}); trying again")
            clock.wait(_RETRY_S)
    return None
