"""Labels read from a topic, against a real broker, and what one message has to say."""

# pyright: reportMissingModuleSource=false, reportAttributeAccessIssue=false
# pyright: reportArgumentType=false
# The stubs that pyright brings are of kafka-python 2.

import json

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaConfigurationError

from tocsin.connectors.kafka import KafkaSettings
from tocsin.connectors.label_topic import label_of_message, read_label_topic
from tocsin.connectors.records import FieldMap, Stored
from tocsin.pipeline.errors import ConfigError, SourceError
from tocsin.pipeline.incidents import iso
from tocsin.pipeline.labels import Label

NOON = 1_700_000_000
SECOND = 10**9
ROWS = FieldMap(time="ts", channels=("temp",))
WHOLE = {"series": "p1", "start": NOON, "end": NOON + 60, "verdict": "missed"}


def sent(**changes):
    return json.dumps(WHOLE | changes).encode()


def named(*series):
    return [sent(series=name) for name in series]


def settings(broker, **config):
    return KafkaSettings(broker.address, "rows", "g", ROWS, config=config)


def read(broker, topic, begin=None, **given):
    return list(read_label_topic(settings(broker), topic, begin or {}, **given))


def series_of(readings):
    return [label.series for reading in readings for label in reading.labels]


def positions_of(readings):
    return {reading.partition: reading.position for reading in readings}


@pytest.mark.kafka
class TestReading:
    def test_comes_to_the_topics_present_end_in_order(self, broker):
        topic = broker.topic()
        names = [f"p{number}" for number in range(1200)]
        broker.send(topic, named(*names))

        readings = read(broker, topic)

        assert series_of(readings) == names
        assert positions_of(readings) == {0: 1200}

    def test_takes_every_partition(self, broker):
        topic = broker.topic(partitions=3)
        broker.send(topic, named("a", "b"), partition=0)
        broker.send(topic, named("c"), partition=2)

        readings = read(broker, topic)

        assert sorted(series_of(readings)) == ["a", "b", "c"]
        assert positions_of(readings) == {0: 2, 2: 1}

    def test_goes_on_where_it_ended(self, broker):
        topic = broker.topic()
        broker.send(topic, named("a", "b"))
        begin = positions_of(read(broker, topic))
        assert read(broker, topic, begin) == []

        broker.send(topic, named("c"))

        assert series_of(read(broker, topic, begin)) == ["c"]

    def test_passes_what_is_no_label_and_tells_its_offset(self, broker):
        topic = broker.topic()
        broker.send(topic, [*named("a"), b"{", None, *named("b")], key=b"k")

        readings = read(broker, topic)

        assert series_of(readings) == ["a", "b"]
        refused = [each for reading in readings for each in reading.refused]
        assert [offset for offset, _ in refused] == [1, 2]
        assert "not JSON" in refused[0][1]
        assert "no value" in refused[1][1]

    def test_takes_the_messages_time_for_when_it_was_said(self, broker):
        topic = broker.topic()
        broker.send(topic, named("a"))
        (record,) = broker.records(topic, 1)

        ((label,),) = [reading.labels for reading in read(broker, topic)]

        assert label.said_at == record.timestamp * 1_000_000 > 0

    def test_ends_behind_the_marks_of_a_transaction(self, broker):
        topic = broker.topic()
        producer = KafkaProducer(bootstrap_servers=broker.address, transactional_id=topic)
        try:
            producer.init_transactions()
            producer.begin_transaction()
            producer.send(topic, sent(), partition=0)
            producer.commit_transaction()
        finally:
            producer.close(timeout=5)

        readings = read(broker, topic)

        assert series_of(readings) == ["p1"]
        assert positions_of(readings) == {0: 2}  # the record and the mark of its commit
        assert read(broker, topic, {0: 2}) == []

    def test_loses_nothing_while_the_client_does_not_know_its_position(self, broker, monkeypatch):
        topic = broker.topic()
        broker.send(topic, named("a", "b"))
        monkeypatch.setattr(KafkaConsumer, "position", lambda *_, **__: None)

        readings = read(broker, topic)

        assert series_of(readings) == ["a", "b"]
        assert positions_of(readings) == {0: 2}

    def test_waits_for_no_open_transaction_where_only_committed_labels_count(self, broker):
        topic = broker.topic()
        broker.send(topic, named("a"))
        producer = KafkaProducer(bootstrap_servers=broker.address, transactional_id=topic)
        try:
            producer.init_transactions()
            producer.begin_transaction()
            producer.send(topic, sent(series="b"), partition=0)
            producer.flush(timeout=5)
            committed = settings(broker, isolation_level="read_committed")
            readings = list(read_label_topic(committed, topic, {}, patience_s=3.0))
            producer.abort_transaction()
        finally:
            producer.close(timeout=5)

        assert series_of(readings) == ["a"]
        assert positions_of(readings) == {0: 1}

    def test_tells_what_retention_removed(self, broker, monkeypatch):
        topic = broker.topic()
        broker.send(topic, named("a", "b", "c", "d"))
        tp = TopicPartition(topic, 0)  # the test broker keeps all it is given
        monkeypatch.setattr(KafkaConsumer, "beginning_offsets", lambda *_, **__: {tp: 3})

        readings = read(broker, topic, {0: 1})

        assert series_of(readings) == ["d"]
        assert readings[0].refused == (
            (1, "records 1 to 2 were removed by retention before they were read"),
        )

    def test_refuses_a_position_past_the_end(self, broker):
        topic = broker.topic()
        broker.send(topic, named("a"))

        with pytest.raises(SourceError, match="partition 0 has no offset 7"):
            read(broker, topic, {0: 7})

    def test_refuses_a_topic_that_is_not_there(self, broker):
        with pytest.raises(SourceError, match=r"topic 'no-such-labels' at .* is not there"):
            read(broker, "no-such-labels")

    def test_refuses_brokers_that_are_not_there(self, start_broker):
        down = start_broker()
        down.stop()

        with pytest.raises(SourceError, match=rf"topic 'labels' at {down.address}"):
            read(down, "labels")

    def test_gives_up_on_a_broker_that_falls_silent(self, start_broker, monkeypatch):
        broker = start_broker()
        topic = broker.topic()
        broker.send(topic, named("a", "b"))
        monkeypatch.setattr(
            KafkaConsumer, "beginning_offsets", lambda *_, **__: {TopicPartition(topic, 0): 1}
        )
        readings = read_label_topic(settings(broker), topic, {0: 0}, patience_s=0.5)
        assert next(readings).refused  # of what was removed; nothing has been polled yet

        broker.freeze()
        with pytest.raises(SourceError, match=r"nothing came for 0\.5 s"):
            list(readings)


def test_security_settings_reach_the_client_and_no_group_is_joined(monkeypatch):
    given = {}

    def client(**options):
        given.update(options)
        raise KafkaConfigurationError("seen enough")

    monkeypatch.setattr("tocsin.connectors.label_topic.KafkaConsumer", client)
    security = {"security_protocol": "SASL_SSL", "sasl_plain_password": "p"}
    source = KafkaSettings(
        "a:1,b:2", "rows", "g", ROWS, config=security | {"group_instance_id": "one"}
    )

    with pytest.raises(SourceError, match="seen enough"):
        next(read_label_topic(source, "labels", {}))

    assert security.items() <= given.items()
    assert given["bootstrap_servers"] == ["a:1", "b:2"]
    assert given["group_id"] is None
    assert "group_instance_id" not in given


def test_every_field_of_a_label_is_read():
    more = {"incident": "ab12", "cause": "hardware", "author": "ada", "said_at": NOON + 90}
    times = {"start": "2023-11-14T22:13:20Z", "end": NOON + 60}

    label = label_of_message(Stored(sent(**times, **more, colour="red"), 0, timestamp=5))

    assert label == Label(
        series="p1",
        start=NOON * SECOND,
        end=(NOON + 60) * SECOND,
        verdict="missed",
        incident="ab12",
        cause="hardware",
        author="ada",
        said_at=(NOON + 90) * SECOND,
    )


def test_null_is_as_good_as_missing():
    stamped = NOON * 1000
    bare = label_of_message(Stored(sent(), 0, timestamp=stamped))
    nulls = sent(incident=None, cause=None, author=None, said_at=None)

    assert label_of_message(Stored(nulls, 0, timestamp=stamped)) == bare


def test_times_that_name_no_zone_are_of_the_zone_that_is_given() -> None:
    local = sent(start="2026-01-01T02:00:00", end="2026-01-01T01:30:00Z")
    label = label_of_message(Stored(local, 0, timestamp=5), "Europe/Berlin")
    assert (iso(label.start), iso(label.end)) == ("2026-01-01T01:00:00Z", "2026-01-01T01:30:00Z")


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (None, "no value"),
        (b"", "not JSON"),
        (b"\xff", "not JSON"),
        (b'"\\ud800"', "not JSON"),
        (b"[]", "not a JSON object"),
        (b"{}", "no series, start, end, verdict"),
        (sent(end=None), "no end"),
        (sent(series=7), "series: found 7, wanted text"),
        (sent(series=""), "needs a series"),
        (sent(author=["ada"]), "author: found"),
        (sent(verdict="odd"), "verdict: found 'odd'"),
        (sent(cause="odd"), "cause: found 'odd'"),
        (sent(start="soon"), "start: time 'soon'"),
        (sent(end=True), "end: "),
        (sent(end=10**40), "end: "),
        (sent(end=NOON - 1), "not before its start"),
        (sent(said_at=-1), "said_at: "),
    ],
)
def test_what_is_no_label_says_why(value, why):
    with pytest.raises(ConfigError, match=why):
        label_of_message(Stored(value, 0, timestamp=NOON * 1000))


@pytest.mark.parametrize("timestamp", [None, -1, 2**62])
def test_a_message_without_a_good_time_needs_its_own(timestamp):
    with pytest.raises(ConfigError, match="the message's time"):
        label_of_message(Stored(sent(), 0, timestamp=timestamp))
    own = Stored(sent(said_at=NOON), 0, timestamp=timestamp)
    assert label_of_message(own).said_at == NOON * SECOND
