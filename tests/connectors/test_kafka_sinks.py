"""What the Kafka sinks put into their topics."""

import hashlib

import orjson
import pytest

from tocsin.connectors.kafka_sinks import KafkaDeadLetters, KafkaSink
from tocsin.pipeline.errors import ConfigError, SinkError
from tocsin.pipeline.incidents import DeadLetter, Incident, State

pytestmark = pytest.mark.kafka

NOON = 1_700_000_000 * 10**9


def incident(revision=0, state: State = "open", ended_at=None, series="pump-1"):
    return Incident(
        id="2edc5d3548b48d1b",
        revision=revision,
        state=state,
        kind="anomaly",
        series=series,
        started_at=NOON,
        opened_at=NOON,
        ended_at=ended_at,
        peak_at=NOON,
        score=4.0,
        tail=1e-4,
        alpha=1e-3,
        severity=4.0,
        level="error",
        rows=3,
        channels=(("temp", 1.0),),
        reason="too hot",
    )


def sent(broker, sink, things):
    try:
        sink.send(things)
    finally:
        sink.close()
    return broker.records(sink._outlet._topic, len(things))


def test_incidents_arrive_as_cloud_events_in_order(broker):
    sink = KafkaSink(broker.address, broker.topic(), source="plant-7")
    both = [incident(), incident(1, "resolved", ended_at=NOON + 10**9)]

    records = sent(broker, sink, both)

    assert [orjson.loads(record.value) for record in records] == [one.to_json() for one in both]
    assert [record.key for record in records] == [b"pump-1", b"pump-1"]
    assert dict(records[1].headers) == {
        "ce_specversion": b"1.0",
        "ce_id": b"2edc5d3548b48d1b:1",
        "ce_source": b"plant-7",
        "ce_type": b"tocsin.incident.resolved",
        "ce_time": b"2023-11-14T22:13:21Z",
        "content-type": b"application/json",
    }


def test_the_key_may_be_the_incidents_id(broker):
    sink = KafkaSink(broker.address, broker.topic(), key="id")

    (record,) = sent(broker, sink, [incident()])

    assert record.key == b"2edc5d3548b48d1b"


def test_dead_letters_keep_the_record_and_say_where_it_stood_and_why(broker):
    letter = DeadLetter(
        "telemetry/3", 41, 2, "not JSON", "decode", b"\x00{", b"k", 1234, (("trace", b"\xff"),)
    )

    (record,) = sent(broker, KafkaDeadLetters(broker.address, broker.topic()), [letter])

    headers = dict(record.headers)
    assert (record.key, record.value, headers.pop("trace")) == (b"k", b"\x00{", b"\xff")
    assert headers.pop("tocsin.version")
    assert headers == {
        "tocsin.part": b"telemetry/3",
        "tocsin.topic": b"telemetry",
        "tocsin.partition": b"3",
        "tocsin.offset": b"41",
        "tocsin.index": b"2",
        "tocsin.stage": b"decode",
        "tocsin.reason": b"not JSON",
        "tocsin.timestamp": b"1234",
    }


def test_a_record_without_key_and_value_is_kept_too(broker):
    letter = DeadLetter("pump.csv", 0, 0, "no value", "decode", None)

    (record,) = sent(broker, KafkaDeadLetters(broker.address, broker.topic()), [letter])

    headers = dict(record.headers)
    assert (record.key, record.value, headers["tocsin.null"]) == (None, b"", b"true")
    assert (headers["tocsin.topic"], headers["tocsin.partition"]) == (b"pump.csv", b"")


def test_a_record_too_large_for_the_topic_is_cut_and_says_so(broker):
    big = b"x" * 50_000
    letter = DeadLetter("t/0", 0, 0, "too large", "decode", big, b"k" * 9000, None, (("h", b"v"),))
    sink = KafkaDeadLetters(broker.address, broker.topic(), max_bytes=8000)

    (record,) = sent(broker, sink, [letter])

    headers = dict(record.headers)
    assert (len(record.key), len(record.value), "h" in headers) == (1000, 7000, False)
    assert headers["tocsin.bytes"] == b"50000"
    assert headers["tocsin.sha256"].decode() == hashlib.sha256(big).hexdigest()


def test_a_broker_that_does_not_answer_is_a_sink_error_and_the_sink_recovers(start_broker):
    broker = start_broker()
    port = int(broker.address.rpartition(":")[2])
    broker.stop()
    sink = KafkaSink(broker.address, "late")
    with pytest.raises(SinkError, match="'late' at"):
        sink.send([incident()])

    again = start_broker(port)
    again.topic(name="late")

    (record,) = sent(again, sink, [incident()])
    assert record.key == b"pump-1"


def test_nothing_to_send_opens_nothing():
    sink = KafkaSink("127.0.0.1:1", "t")

    sink.send([])
    sink.close()
    sink.close()


def test_settings_that_cannot_work_are_config_errors():
    with pytest.raises(ConfigError, match="'series' or 'id'"):
        KafkaSink("h:1", "t", key="kind")  # pyright: ignore[reportArgumentType] - the case
    with pytest.raises(ConfigError, match="needs brokers and a topic"):
        KafkaSink("", "t")
    with pytest.raises(ConfigError, match="max_bytes is 0"):
        KafkaDeadLetters("h:1", "t", max_bytes=0)
    with pytest.raises(ConfigError, match="did you mean 'compression_type'"):
        KafkaDeadLetters("h:1", "t", config={"compresion_type": "gzip"})
