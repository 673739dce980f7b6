"""Labels from a Kafka topic, read up to its present end."""

# pyright: reportMissingModuleSource=false, reportAttributeAccessIssue=false
# The stubs that pyright brings are of kafka-python 2; this is written for 3.

import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError, OffsetOutOfRangeError

from tocsin.connectors.kafka import KafkaSettings
from tocsin.connectors.kafka_client import open_client
from tocsin.connectors.records import Message
from tocsin.connectors.times import parse_time
from tocsin.pipeline.errors import ConfigError, SourceError
from tocsin.pipeline.labels import Label, label_of

_MOST = 500  # records of one reading, which are taken in at once
_POLL_MS = 250
_ASK_MS = 10_000
_CLOSE_MS = 2000
_TEXTS = ("series", "verdict")
_MAYBE = ("incident", "cause", "author")


@dataclass(frozen=True, slots=True)
class LabelReading:
    """What was read of one partition: its labels, and the offset and fault of other records.

    `position` is the offset to read on from once this reading is kept.
    """

    partition: int
    position: int
    labels: tuple[Label, ...] = ()
    refused: tuple[tuple[int, str], ...] = ()


def read_label_topic(
    settings: KafkaSettings,
    topic: str,
    begin: Mapping[int, int],
    *,
    zone: str = "UTC",
    patience_s: float = 30.0,
) -> Generator[LabelReading, None, None]:
    """What stands in a topic now, from the offsets of `begin` by partition, else from its start.

    `settings` name the brokers and the options of the client; their topic, group and fields are
    not used. Times that name no zone are local to `zone`. No group is joined and nothing is
    committed: the caller keeps the positions. Each partition is read in order; readings of several
    come as the brokers send them. Records that retention has removed are told among the refused.
    The consumer is closed with the iterator.

    Raises SourceError where the brokers cannot be reached, refuse, or send nothing for
    `patience_s` seconds; where the topic is not there; and where a position is past its end.
    """
    place = f"topic {topic!r} at {settings.brokers}"
    try:
        consumer = _open(settings)
    except (KafkaError, OSError, ValueError) as error:
        raise SourceError(f"{place}: {error}") from error
    try:
        yield from _read(consumer, topic, begin, zone, patience_s)
    except (KafkaError, SourceError) as error:
        raise SourceError(f"{place}: {error}") from error
    finally:
        consumer.close(autocommit=False, timeout_ms=_CLOSE_MS)


def label_of_message(message: Message, zone: str = "UTC") -> Label:
    """The label that a message holds; a ConfigError says why it is none.

    A JSON object with `series` and `verdict` as text and `start` and `end` as times; `incident`,
    `cause`, `author` and `said_at` may be there, null is as good as missing, other fields are not
    looked at. Times that name no zone are local to `zone`. Without `said_at` it was said at the
    message's own time.

    >>> from tocsin.connectors.records import Stored
    >>> said = b'{"series": "p1", "start": 1700000000, "end": 1700000060, "verdict": "missed"}'
    >>> label = label_of_message(Stored(said, 0, timestamp=1_700_000_100_000))
    >>> label.verdict, label.said_at - label.start
    ('missed', 100000000000)
    """
    record = _record(message.value)
    given = {name: _text(record, name) for name in (*_TEXTS, *_MAYBE)}
    when = {name: parse_time(record.get(name), name, zone) for name in ("start", "end")}
    if record.get("said_at") is None:
        said_at = parse_time(message.timestamp, "the message's time", zone, "ms")
    else:
        said_at = parse_time(record["said_at"], "said_at", zone)
    return label_of({**given, **when, "said_at": said_at})


def _record(value: bytes | None) -> Mapping[str, Any]:
    if value is None:
        raise ConfigError("it has no value")
    try:
        record = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise ConfigError(f"not JSON: {error}") from error
    if not isinstance(record, dict):
        raise ConfigError("not a JSON object")
    missing = [name for name in ("series", "start", "end", "verdict") if record.get(name) is None]
    if missing:
        raise ConfigError(f"no {', '.join(missing)}")
    return record


def _text(record: Mapping[str, Any], name: str) -> str:
    text = "" if record.get(name) is None else record[name]
    if not isinstance(text, str):
        raise ConfigError(f"{name}: found {text!r}, wanted text")
    return text


def _open(settings: KafkaSettings) -> Any:
    options = dict(settings.config)
    options.pop("group_instance_id", None)  # there is no group
    options |= {
        "bootstrap_servers": settings.brokers.split(","),
        "group_id": None,
        "enable_auto_commit": False,
        "auto_offset_reset": "none",
        "allow_auto_create_topics": False,
    }
    options.setdefault("metrics_enabled", False)
    return open_client(KafkaConsumer, options)[0]


def _read(
    consumer: Any, topic: str, begin: Mapping[int, int], zone: str, patience_s: float
) -> Iterator[LabelReading]:
    tps = [TopicPartition(topic, n) for n in sorted(consumer.partitions_for_topic(topic))]
    if not tps:
        raise SourceError("it is not there, or not for this user")
    consumer.assign(tps)
    oldest = consumer.beginning_offsets(tps, timeout_ms=_ASK_MS)
    at: dict[TopicPartition, int] = {}
    for tp in tps:
        first = int(oldest[tp])
        wanted = begin.get(tp.partition, first)
        at[tp] = max(wanted, first)
        consumer.seek(tp, at[tp])
        if wanted < first:
            why = f"records {wanted} to {first - 1} were removed by retention before they were read"
            yield LabelReading(tp.partition, first, refused=((wanted, why),))
    try:
        yield from _up_to_the_end(consumer, at, zone, patience_s)
    except OffsetOutOfRangeError as error:
        (lost,) = error.args[0].items()
        raise _past_end(*lost) from error


def _up_to_the_end(
    consumer: Any, at: dict[TopicPartition, int], zone: str, patience_s: float
) -> Iterator[LabelReading]:
    """Poll until the position of every partition, which passes marks too, is at its end.

    An end is what the first fetch names, so that a busy topic comes to one too.
    """
    ends, starts = _stable_ends(consumer, at), dict(at)
    moved_at = time.monotonic()
    while at:
        polled = consumer.poll(timeout_ms=_POLL_MS, max_records=_MOST)
        for tp in list(at):
            messages = polled.get(tp, ())
            position = _position(consumer, tp, messages, at[tp])
            if position != at[tp]:
                yield _reading(tp.partition, position, messages, zone)
                at[tp], moved_at = position, time.monotonic()
            end = consumer.highwater(tp)
            if end is None:  # the first fetch is under way
                continue
            if starts[tp] > end:
                raise _past_end(tp, starts[tp])
            if at[tp] >= ends.setdefault(tp, end):
                consumer.pause(tp)
                del at[tp]
        if at and time.monotonic() - moved_at > patience_s:
            raise SourceError(f"nothing came for {patience_s:g} s; what came before is taken")


def _position(consumer: Any, tp: TopicPartition, messages: Sequence[Message], before: int) -> int:
    """Where to read on; the client knows of marks too, but not while it asks a new leader."""
    position = consumer.position(tp, timeout_ms=_ASK_MS)
    if position is not None:
        return int(position)
    return messages[-1].offset + 1 if messages else before


def _stable_ends(consumer: Any, tps: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
    """Where the first open transaction begins, if what is not committed is not to be read."""
    if consumer.config["isolation_level"] == "read_uncommitted":
        return {}
    ends = consumer.end_offsets(list(tps), timeout_ms=_ASK_MS)
    return {tp: int(end) for tp, end in ends.items()}


def _past_end(tp: TopicPartition, position: int) -> SourceError:
    return SourceError(
        f"partition {tp.partition} has no offset {position}, where reading stood; it was made anew "
        "or cut: `tocsin state reset` with its --part reads it from its start"
    )


def _reading(partition: int, position: int, messages: Sequence[Message], zone: str) -> LabelReading:
    labels: list[Label] = []
    refused: list[tuple[int, str]] = []
    for message in messages:
        try:
            labels.append(label_of_message(message, zone))
        except ConfigError as error:
            refused.append((message.offset, str(error)))
    return LabelReading(partition, position, tuple(labels), tuple(refused))
