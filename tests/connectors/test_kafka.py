"""The Kafka source against a real broker, with a desk that keeps positions in memory."""

# pyright: reportMissingModuleSource=false, reportAttributeAccessIssue=false
# The stubs that pyright brings are of kafka-python 2.

import itertools
import logging
import time

import orjson
import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaConfigurationError, KafkaTimeoutError, OffsetOutOfRangeError

from tocsin.connectors.kafka import KafkaSettings, KafkaSource
from tocsin.connectors.records import FieldMap
from tocsin.pipeline.errors import ConfigError, SourceError

pytestmark = pytest.mark.kafka

FIELDS = FieldMap(time="ts", channels=("temp",), key=("id",))
# A new group's first join takes the test broker half a session.
FAST = {"session_timeout_ms": 2000, "heartbeat_interval_ms": 300, "max_poll_interval_ms": 10_000}
NOON = 1_700_000_000


def rows(first, last):
    return [orjson.dumps({"id": "p", "ts": NOON + i, "temp": i}) for i in range(first, last)]


class Desk:
    """Keeps positions as a store would, and what it was asked."""

    def __init__(self, positions=None):
        self.positions = dict(positions or {})
        self.asked = []
        self.on_release = lambda _: None

    def claim(self, part, committed=None):
        self.asked.append(("claim", part))
        return self.positions.get(part, committed)

    def release(self, parts):
        self.asked += [("release", part) for part in parts]
        self.on_release(parts)

    def drop(self, parts):
        self.asked += [("drop", part) for part in parts]


class Reader:
    """A runner of a few lines: takes readings, remembers values, keeps positions at its desk."""

    def __init__(self, broker, topic, group="g", desk=None, **settings):
        config = {**FAST, **settings.pop("config", {})}
        self.source = KafkaSource(
            KafkaSettings(broker.address, topic, group, FIELDS, config=config, **settings)
        )
        self.desk = desk or Desk()
        self.desk.on_release = lambda _: self.commit()
        self.readings = self.source.read(self.desk)
        self.seen = []
        self.rejected = []
        self.beats = 0

    def step(self):
        reading = next(self.readings)
        if reading is None:
            self.beats += 1
            return
        self.desk.positions[reading.part] = reading.position
        self.seen += [int(value) for value in reading.values[:, 0]]
        self.rejected += reading.rejected

    def until(self, done, seconds=40.0):
        deadline = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < deadline, (self.seen[-5:], self.beats, self.desk.asked)
            self.step()
        return self

    def take(self, count):
        return self.until(lambda: len(self.seen) >= count)

    def commit(self):
        self.source.commit(self.desk.positions)

    def close(self):
        self.readings.close()
        self.source.close()


@pytest.fixture
def reader():
    """Makes readers, and closes them after the test."""
    made = []

    def make(*args, **settings):
        made.append(Reader(*args, **settings))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_everything_sent_is_read_once_and_in_order(broker, reader):
    topic = broker.topic()
    broker.send(topic, rows(0, 500))

    one = reader(broker, topic, batch=64).take(500)

    assert one.seen == list(range(500))
    assert one.desk.positions == {f"{topic}/0": 500}
    assert one.source.spec().channels == ("temp",)


def test_reading_resumes_after_the_desks_position(broker, reader):
    topic = broker.topic()
    broker.send(topic, rows(0, 20))

    one = reader(broker, topic, desk=Desk({f"{topic}/0": 13})).take(7)

    assert one.seen == list(range(13, 20))


def test_only_what_was_told_is_committed_and_a_new_store_starts_there(broker, reader):
    topic = broker.topic()
    broker.send(topic, rows(0, 20))
    first = reader(broker, topic).take(20)
    assert broker.committed(topic, "g") is None

    first.source.commit({f"{topic}/0": 12})
    assert broker.committed(topic, "g") == 12
    first.close()

    assert reader(broker, topic).take(8).seen == list(range(12, 20))


def test_latest_starts_at_the_end(broker, reader):
    topic = broker.topic()
    broker.send(topic, rows(0, 1))  # the test broker counts the end in batches
    one = reader(broker, topic, start="latest")
    one.until(lambda: one.desk.asked)
    beats = one.beats
    one.until(lambda: one.beats >= beats + 2)

    broker.send(topic, rows(50, 53))

    assert one.take(3).seen == [50, 51, 52]


def test_each_poison_is_a_dead_letter_once_with_its_bytes_key_and_headers(broker, reader):
    topic = broker.topic()
    poison = [b"{", b"[1]", orjson.dumps({"id": "p", "ts": 5, "temp": 1}), None]
    mixed = [value for pair in zip(rows(0, 4), poison, strict=True) for value in pair]
    broker.send(topic, mixed, key=b"k", headers=[("trace", b"7")])

    one = reader(broker, topic, batch=3).take(4)
    one.until(lambda: len(one.rejected) >= 4)

    assert one.seen == [0, 1, 2, 3]
    assert [letter.value for letter in one.rejected] == poison
    assert [letter.position for letter in one.rejected] == [1, 3, 5, 7]
    assert {(letter.key, letter.headers) for letter in one.rejected} == {(b"k", (("trace", b"7"),))}


def test_partitions_are_released_and_committed_before_another_reader_claims_them(broker, reader):
    topic = broker.topic(partitions=2)
    for partition in (0, 1):
        broker.send(topic, rows(0, 10), partition=partition)
    first = reader(broker, topic).take(20)
    log = first.desk.asked
    second = reader(broker, topic)
    second.desk.asked = log  # one log shows the order of both
    before = len(log)

    def both_hold_one():
        claims = [part for asked, part in log[before:] if asked == "claim"]
        first.step()
        return sorted(claims) == [f"{topic}/0", f"{topic}/1"]

    second.until(both_hold_one)

    kinds = [asked for asked, _ in log[before:]]
    assert kinds == ["release", "release", "claim", "claim"]
    assert (first.seen, second.seen) == ([*range(10)] * 2, [])
    assert [broker.committed(topic, "g", partition) for partition in (0, 1)] == [10, 10]
    for partition in (0, 1):
        broker.send(topic, rows(10, 12), partition=partition)
    second.until(lambda: first.step() or len(first.seen) + len(second.seen) >= 24)
    assert second.seen == [10, 11]


def test_a_reader_slower_than_the_poll_interval_keeps_its_partitions(broker, reader, caplog):
    topic = broker.topic()
    broker.send(topic, rows(0, 10))
    caplog.set_level(logging.INFO, logger="tocsin.kafka")
    slow = {"max_poll_interval_ms": 2000}
    one = reader(broker, topic, batch=5, config=slow).take(5)

    working_until = time.monotonic() + 4.5
    while time.monotonic() < working_until:
        broker.committed(topic, "g")  # work that takes its time

    assert one.take(10).seen == list(range(10))
    assert one.desk.asked == [("claim", f"{topic}/0")]
    assert "still worked on" in caplog.text


def test_trouble_while_rows_are_worked_on_repeats_no_row(broker, reader, monkeypatch):
    topic = broker.topic()
    broker.send(topic, rows(0, 10))
    one = reader(broker, topic, batch=5)
    troubles = iter([KafkaTimeoutError("made up")])

    def hold(_):
        for trouble in troubles:
            raise trouble
        return {}

    monkeypatch.setattr(one.source, "_hold", hold)

    assert one.take(10).seen == list(range(10))
    assert next(troubles, None) is None


def test_a_missing_topic_is_a_source_error_that_names_it(broker, reader):
    one = reader(broker, "nowhere", topic_wait_s=0.2)

    with pytest.raises(SourceError, match=r"'nowhere' at .* is not there"):
        one.until(lambda: False)


def test_a_broker_that_is_down_at_the_start_is_waited_for(start_broker, reader, caplog):
    down = start_broker()
    port = int(down.address.rpartition(":")[2])
    down.stop()
    one = reader(down, "late", topic_wait_s=20.0)
    one.until(lambda: "cannot be reached" in caplog.text)

    up = start_broker(port)
    up.topic(name="late")
    up.send("late", rows(0, 5))

    assert one.take(5).seen == list(range(5))
    assert one.beats


def test_a_broker_that_goes_away_for_a_while_costs_no_row(start_broker, reader):
    broker = start_broker()
    topic = broker.topic()
    broker.send(topic, rows(0, 5))
    one = reader(broker, topic, config={"request_timeout_ms": 2000}).take(5)

    broker.freeze()
    gone = time.monotonic() + 4.0
    slowest = 0.0
    while time.monotonic() < gone:
        began = time.monotonic()
        one.step()
        slowest = max(slowest, time.monotonic() - began)
    broker.thaw()
    broker.send(topic, rows(5, 9))

    assert one.take(9).seen == list(range(9))
    assert slowest < 2.0  # beats come every half second, on an idle machine


class TestRecordsThatRetentionRemoved:
    """The client's answers are made up here: the test broker keeps all it is given."""

    def out_of_range(self, reader, broker, monkeypatch, *, oldest):
        topic = broker.topic()
        broker.send(topic, rows(0, 10))
        tp = TopicPartition(topic, 0)
        errors = iter([OffsetOutOfRangeError({tp: 3})])
        poll = KafkaConsumer.poll

        def failing_poll(consumer, **settings):
            polled = poll(consumer, **settings)
            for error in errors if polled else ():
                monkeypatch.setattr(consumer, "beginning_offsets", lambda *_, **__: {tp: oldest})
                raise error
            return polled

        monkeypatch.setattr(KafkaConsumer, "poll", failing_poll)
        return reader(broker, topic, desk=Desk({f"{topic}/0": 3}))

    def test_are_reported_and_reading_goes_on_at_the_oldest_left(self, broker, reader, monkeypatch):
        one = self.out_of_range(reader, broker, monkeypatch, oldest=6).take(4)

        assert one.seen == [6, 7, 8, 9]
        (letter,) = one.rejected
        assert (letter.position, letter.value) == (3, None)
        assert "records 3 to 5 were removed" in letter.reason

    def test_are_reported_too_when_they_are_missing_at_the_claim(self, broker, reader, monkeypatch):
        topic = broker.topic()
        broker.send(topic, rows(0, 10))
        tp = TopicPartition(topic, 0)
        monkeypatch.setattr(KafkaConsumer, "beginning_offsets", lambda *_, **__: {tp: 6})

        one = reader(broker, topic, desk=Desk({f"{topic}/0": 1})).take(4)

        assert one.seen == [6, 7, 8, 9]
        assert "records 1 to 5 were removed" in one.rejected[0].reason

    def test_a_position_past_the_end_is_a_source_error(self, broker, reader, monkeypatch):
        one = self.out_of_range(reader, broker, monkeypatch, oldest=0)

        with pytest.raises(SourceError, match="position 3 is past the topic's end"):
            one.until(lambda: False)


def test_a_source_can_be_closed_twice_and_before_it_was_read():
    source = KafkaSource(KafkaSettings("127.0.0.1:1", "t", "g", FIELDS))

    source.close()
    source.close()
    source.commit({"t/0": 3})


def test_settings_do_not_show_passwords():
    config = {"sasl_plain_password": "secret"}

    assert "secret" not in repr(KafkaSettings("h:1", "t", "g", FIELDS, config=config))


def test_a_source_can_be_closed_while_its_reading_is_worked_on(broker):
    topic = broker.topic()
    broker.send(topic, rows(0, 5))
    source = KafkaSource(KafkaSettings(broker.address, topic, "g", FIELDS, config=FAST))
    readings = source.read(Desk())
    reading = next(found for found in readings if found is not None)

    began = time.monotonic()
    source.close()

    assert time.monotonic() - began < 5.0
    assert len(reading.series) == 5
    assert [left for left in itertools.islice(readings, 5) if left is not None] == []


def test_security_settings_reach_the_client(monkeypatch):
    given = {}

    class Client:
        DEFAULT_CONFIG = KafkaConsumer.DEFAULT_CONFIG

        def __init__(self, **options):
            given.update(options)
            raise KafkaConfigurationError("seen enough")

    monkeypatch.setattr("tocsin.connectors.kafka.KafkaConsumer", Client)
    security = {
        "security_protocol": "SASL_SSL",
        "ssl_cafile": "/etc/ca.pem",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "u",
        "sasl_plain_password": "p",
    }
    source = KafkaSource(KafkaSettings("a:1,b:2", "t", "g", FIELDS, config=security))

    with pytest.raises(SourceError, match="seen enough"):
        list(source.read(Desk()))

    source.close()
    assert security.items() <= given.items()
    assert given["bootstrap_servers"] == ["a:1", "b:2"]
    assert given["enable_auto_commit"] is False


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"brokers": ""}, "brokers"),
        ({"topic": ""}, "topic"),
        ({"start": "middle"}, "earliest or latest"),
        ({"batch": 0}, "batch 0"),
        ({"poll_s": 2.0}, "poll_s 2.0"),
        ({"config": {"group_id": "x"}}, "decided by Tocsin"),
        ({"config": {"ssl_cafil": "x"}}, "did you mean 'ssl_cafile'"),
        ({"config": {"zzzzzz": 1}}, "is unknown"),
    ],
)
def test_settings_that_cannot_work_are_config_errors(settings, why):
    usual = {"brokers": "h:1", "topic": "t", "group": "g", "fields": FIELDS}

    with pytest.raises(ConfigError, match=why):
        KafkaSettings(**usual | settings)
