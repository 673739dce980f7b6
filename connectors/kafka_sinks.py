"""Incidents and dead letters into Kafka topics, each call acknowledged by the brokers."""

# pyright: reportMissingModuleSource=false, reportAttributeAccessIssue=false
# The stubs that pyright brings are of kafka-python 2; this is written for 3.

import hashlib
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal, NamedTuple

import orjson
from kafka import KafkaProducer
from kafka.errors import KafkaError

from tocsin.connectors.kafka_client import check_options, open_client
from tocsin.pipeline.errors import ConfigError, SinkError
from tocsin.pipeline.incidents import DeadLetter, Incident, iso

Headers = list[tuple[str, bytes]]

_DELIVERY_MS = 10_000
_ROOM = 64 * 1024  # what a request adds to the message it carries


class _Outgoing(NamedTuple):
    key: bytes | None
    value: bytes | None
    headers: Headers


class KafkaSink:
    """Sends incidents to a topic as CloudEvents 1.0 in Kafka's binary mode.

    The value is the incident's JSON, the key its series (so that one partition keeps a series in
    order) or, with `key` "id", its id (for a compacted topic that keeps the last revision). The
    header `ce_id` is "id:revision", the name by which a receiver drops repeats; `ce_source` is
    `source`, `ce_type` "tocsin.incident." and the state, `ce_time` when the incident ended or, if
    it has not, when it was opened. `config` is handed to kafka-python as it is.

    `send` returns once every incident is acknowledged, and otherwise raises a SinkError within
    about half a minute.
    """

    def __init__(
        self,
        brokers: str,
        topic: str,
        *,
        key: Literal["series", "id"] = "series",
        source: str = "tocsin",
        config: Mapping[str, Any] | None = None,
    ) -> None:
        if key not in ("series", "id"):
            raise ConfigError(f"the key of a Kafka sink is 'series' or 'id', not {key!r}")
        self._key = key
        self._source = source
        self._outlet = _Outlet(brokers, topic, config or {}, 1024 * 1024)

    def send(self, incidents: Sequence[Incident]) -> None:
        self._outlet.send([self._event(incident) for incident in incidents])

    def close(self) -> None:
        self._outlet.close()

    def _event(self, incident: Incident) -> _Outgoing:
        headers = {
            "ce_specversion": "1.0",
            "ce_id": f"{incident.id}:{incident.revision}",
            "ce_source": self._source,
            "ce_type": f"tocsin.incident.{incident.state}",
            "ce_time": iso(incident.ended_at or incident.opened_at),
            "content-type": "application/json",
        }
        key = incident.series if self._key == "series" else incident.id
        return _Outgoing(key.encode(), orjson.dumps(incident.to_json()), _encoded(headers))


class KafkaDeadLetters:
    """Sends unusable records to a topic: key, value and headers as they came, and why.

    Added headers, as text: `tocsin.part`, `tocsin.topic` and `tocsin.partition` (for a part such
    as "telemetry/0"), `tocsin.offset`, `tocsin.index`, `tocsin.stage`, `tocsin.reason`,
    `tocsin.timestamp` where there is one, and `tocsin.version`. (part, offset, index) is the name
    by which a receiver drops repeats. A record without value has an empty one and `tocsin.null`.

    A record that is larger than `max_bytes`, which the topic must take, is cut: its value to what
    fits, with `tocsin.bytes` and `tocsin.sha256` of the whole, and, where they alone are over an
    eighth of `max_bytes`, its key to that size and its headers left out.
    """

    def __init__(
        self,
        brokers: str,
        topic: str,
        *,
        max_bytes: int = 900_000,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        if max_bytes < 1:
            raise ConfigError(f"max_bytes is {max_bytes}; it must be at least 1")
        self._max_bytes = max_bytes
        self._outlet = _Outlet(brokers, topic, config or {}, max_bytes)

    def send(self, letters: Sequence[DeadLetter]) -> None:
        self._outlet.send([_record(letter, self._max_bytes) for letter in letters])

    def close(self) -> None:
        self._outlet.close()


class _Outlet:
    """A producer that is opened when it is first needed and anew after a failure."""

    def __init__(self, brokers: str, topic: str, config: Mapping[str, Any], largest: int) -> None:
        if not (brokers and topic):
            raise ConfigError("a Kafka sink needs brokers and a topic")
        check_options(config, KafkaProducer.DEFAULT_CONFIG)
        self._place = f"topic {topic!r} at {brokers}"
        self._topic = topic
        self._options = {
            "metrics_enabled": False,
            "request_timeout_ms": _DELIVERY_MS // 2,
            "delivery_timeout_ms": _DELIVERY_MS,
            **config,
            "acks": "all",
            "bootstrap_servers": brokers.split(","),
            "max_block_ms": _DELIVERY_MS,
            "max_request_size": largest + _ROOM,
        }
        self._producer: Any = None

    def send(self, messages: Sequence[_Outgoing]) -> None:
        """Send in order and wait until all are acknowledged."""
        if not messages:
            return
        try:
            if self._producer is None:
                self._producer, _ = open_client(KafkaProducer, self._options)
            sent = [
                self._producer.send(self._topic, value=m.value, key=m.key, headers=m.headers)
                for m in messages
            ]
            self._producer.flush(timeout=2 * _DELIVERY_MS / 1000)
            for receipt in sent:
                receipt.get(timeout=0)
        except (KafkaError, OSError, ValueError) as error:
            self.close()
            raise SinkError(f"{self._place}: {type(error).__name__}: {error}") from error

    def close(self) -> None:
        """Close the producer; what it still holds has been given back by a SinkError."""
        producer, self._producer = self._producer, None
        if producer is not None:
            try:
                producer.close(timeout=1.0)
            except KafkaError as error:
                raise SinkError(f"{self._place}: closing: {error}") from error


def _record(letter: DeadLetter, limit: int) -> _Outgoing:
    topic, _, partition = letter.part.rpartition("/")
    notes = {
        "tocsin.part": letter.part,
        "tocsin.topic": topic if partition.isdigit() else letter.part,
        "tocsin.partition": partition if partition.isdigit() else "",
        "tocsin.offset": str(letter.position),
        "tocsin.index": str(letter.index),
        "tocsin.stage": letter.stage,
        "tocsin.reason": letter.reason[:1000],
        "tocsin.version": _version(),
    }
    if letter.timestamp is not None:
        notes["tocsin.timestamp"] = str(letter.timestamp)
    key, value, headers = letter.key, letter.value or b"", list(letter.headers)
    if letter.value is None:
        notes["tocsin.null"] = "true"
    share = limit // 8
    if len(key or b"") + _size(headers) > share:
        key, headers = key and key[:share], []
    room = limit - len(key or b"") - _size(headers)
    if len(value) > room:
        notes["tocsin.bytes"] = str(len(value))
        notes["tocsin.sha256"] = hashlib.sha256(value).hexdigest()
        value = value[:room]
    return _Outgoing(key, value, headers + _encoded(notes))


def _size(headers: Headers) -> int:
    return sum(len(name.encode()) + len(value) for name, value in headers)


def _encoded(headers: Mapping[str, str]) -> Headers:
    return [(name, value.encode(errors="replace")) for name, value in headers.items()]


def _version() -> str:
    try:
        return version("tocsin")
    except PackageNotFoundError:
        return "unknown"
