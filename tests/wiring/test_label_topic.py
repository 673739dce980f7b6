"""Labels of a Kafka topic, from the command line to what the pipeline does with them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brokers import Broker
from oracles.run_of_rows import BEGIN, run, write_rows
from typer.testing import CliRunner

from tocsin.cli import app
from tocsin.commands.labelling import take_topic
from tocsin.config import load
from tocsin.pipeline.chain import ChainState
from tocsin.pipeline.errors import ConfigError, StateError
from tocsin.pipeline.incidents import Incident, iso
from tocsin.pipeline.labels import Label
from tocsin.pipeline.notes import Notes
from tocsin.pipeline.state import same
from tocsin.pipeline.store import Store

NOON = BEGIN
STAGES = """
detectors: {distance: {type: ewma, half_life: 50}}
thresholds: {default: {tail: 0.003}}
events: {close_rows: 3}
state: {dir: state}
"""
CSV = "version: 1\nsources:\n  rows: {type: csv, path: rows.csv, time: time, channels: [flow]}"
KAFKA = """version: 1
sources:
  rows: {type: kafka, brokers: "BROKERS", topic: telemetry, group: g,
         time: time, channels: [flow]}"""


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(app, arguments, catch_exceptions=False)


def state_of(config: Path) -> ChainState:
    """What the pipeline knows of its rows."""
    loaded = load(config)
    chain = loaded.stages.chain(loaded.source.spec())
    with Store(config.parent / "state" / "tocsin.db") as store:
        parts = [part for part in store.parts() if not part.startswith("labels:")]
        (state,) = (store.claim(chain, part).state for part in parts)
    assert state is not None
    return state


def labels_of(config: Path) -> list[Label]:
    with Store(config.parent / "state" / "tocsin.db") as store:
        return Notes(store).labels()


def the_fault(config: Path) -> Incident:
    with Store(config.parent / "state" / "tocsin.db") as store:
        return max(store.incidents(), key=lambda incident: incident.score)


def false_alarm(fault: Incident, said_at: int = NOON) -> bytes:
    when = {"start": iso(fault.started_at), "end": iso(fault.ended_at or fault.peak_at)}
    said = {"series": fault.series, "verdict": "false_alarm", "incident": fault.id}
    return json.dumps(said | when | {"said_at": said_at, "author": "ada"}).encode()


def expected(start: int, **more: Any) -> bytes:
    stretch = {"series": "rows", "start": start, "end": start + 60}
    return json.dumps(stretch | {"verdict": "expected", "said_at": NOON} | more).encode()


@pytest.fixture
def ran(tmp_path: Path) -> Path:
    """The configuration of a pipeline that has met a fault of six rows in a file."""
    flow = np.random.default_rng(3).normal(size=1500)
    flow[1000:1006] += 12.0
    write_rows(tmp_path, "flow", enumerate(flow.tolist()))
    return run(tmp_path, CSV + STAGES)


@pytest.fixture
def live(ran: Path, broker: Broker) -> Path:
    """The same pipeline, which now has its rows from a topic: its state is the same."""
    ran.write_text(KAFKA.replace("BROKERS", broker.address) + STAGES, encoding="utf-8")
    return ran


@pytest.fixture
def take(live: Path) -> Callable[[str], Any]:
    """Takes the labels of a topic, as the command does."""
    return lambda topic: invoke("label", str(live), "--topic", topic)


@pytest.mark.kafka
class TestLabelsOfATopic:
    def test_are_kept_and_take_their_effect(
        self, live: Path, broker: Broker, take: Callable[[str], Any]
    ) -> None:
        topic, fault = broker.topic(), the_fault(live)
        broker.send(topic, [false_alarm(fault), expected(NOON + 100)])

        told = take(topic)

        assert told.exit_code == 0
        assert "is held for normal from now on" in told.stdout
        assert f"2 labels read from {topic}" in told.stdout
        kept = labels_of(live)
        assert [label.verdict for label in kept] == ["expected", "false_alarm"]
        chain = load(live).stages.chain(load(live).source.spec())
        key, when, score = np.array([0]), np.array([fault.peak_at]), np.array([fault.score])
        assert chain.calibrator.tail(state_of(live).calibrator, key, when, score) >= fault.alpha

    def test_are_taken_once_and_new_ones_are_taken_next(
        self, live: Path, broker: Broker, take: Callable[[str], Any]
    ) -> None:
        topic = broker.topic()
        broker.send(topic, [false_alarm(the_fault(live))])
        take(topic)
        taught = state_of(live)

        assert f"0 labels read from {topic}" in take(topic).stdout
        broker.send(topic, [expected(NOON + 100)])
        assert f"1 label read from {topic}" in take(topic).stdout

        assert same(state_of(live), taught)
        assert len(labels_of(live)) == 2

    def test_are_not_stopped_by_records_that_are_none(
        self, live: Path, broker: Broker, take: Callable[[str], Any]
    ) -> None:
        topic = broker.topic()
        broker.send(topic, [b"{", expected(NOON + 100), expected(NOON, verdict="odd\x1b[31m")])

        told = take(topic)

        assert told.exit_code == 0
        first, second = told.stderr.splitlines()
        assert first.startswith(f"labels:{topic}/0, offset 0: not JSON")
        assert second.startswith(f"labels:{topic}/0, offset 2: verdict: found 'odd")
        assert "\x1b" not in told.stderr
        assert "1 label read" in told.stdout
        assert "2 records refused" in told.stdout
        assert len(labels_of(live)) == 1

    def test_that_come_twice_change_nothing_again(
        self, live: Path, broker: Broker, take: Callable[[str], Any]
    ) -> None:
        topic, label = broker.topic(), false_alarm(the_fault(live))
        broker.send(topic, [label])
        take(topic)
        taught = state_of(live)
        broker.send(topic, [label, label])

        assert take(topic).stdout.count("kept already") == 2
        assert same(state_of(live), taught)

    def test_give_way_to_what_was_said_later(
        self, live: Path, broker: Broker, take: Callable[[str], Any]
    ) -> None:
        topic, fault = broker.topic(), the_fault(live)
        confirmed = json.loads(false_alarm(fault, NOON + 10)) | {"verdict": "confirmed"}
        before = state_of(live)
        broker.send(topic, [json.dumps(confirmed).encode(), false_alarm(fault, NOON)])

        assert "a newer label of it is kept" in take(topic).stdout
        assert same(state_of(live), before)
        assert [label.verdict for label in labels_of(live)] == ["confirmed"]

    @pytest.mark.parametrize("step", ["checkpoint", "add_label", "remember"])
    def test_are_neither_lost_nor_doubled_by_a_crash(
        self,
        step: str,
        live: Path,
        broker: Broker,
        take: Callable[[str], Any],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        topic, before = broker.topic(), state_of(live)
        broker.send(topic, [false_alarm(the_fault(live)), expected(NOON + 100)])
        owner = Notes if step == "add_label" else Store
        whole = getattr(owner, step)

        def crash(*arguments: Any) -> None:
            whole(*arguments)
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(owner, step, crash)
            assert take(topic).exit_code != 0
        assert labels_of(live) == []
        assert same(state_of(live), before)

        assert take(topic).stdout.count("is held for normal") == 1
        taught = state_of(live)
        assert not same(taught, before)
        assert len(labels_of(live)) == 2
        take(topic)
        assert same(state_of(live), taught)

    def test_of_a_position_that_was_reset_are_known(
        self, live: Path, broker: Broker, take: Callable[[str], Any]
    ) -> None:
        topic = broker.topic()
        broker.send(topic, [false_alarm(the_fault(live))])
        take(topic)
        taught = state_of(live)
        reset = invoke("state", "reset", str(live), "--part", f"labels:{topic}/0", "--yes")
        assert reset.exit_code == 0

        assert "kept already" in take(topic).stdout
        assert same(state_of(live), taught)

    def test_leave_a_running_pipeline_alone_where_none_is_new(
        self, live: Path, broker: Broker, take: Callable[[str], Any]
    ) -> None:
        topic = broker.topic()
        broker.send(topic, [b"{"])
        with Store(live.parent / "state" / "tocsin.db") as store:
            (part,) = store.parts()
            chain = load(live).stages.chain(load(live).source.spec())
            before = store.claim(chain, part).epoch
            take(topic)
            assert store.claim(chain, part).epoch == before + 1


def test_a_source_that_is_not_kafka_is_a_config_error(ran: Path) -> None:
    with pytest.raises(ConfigError, match="reads from the brokers of a Kafka source; rows is none"):
        take_topic(ran, "labels")


def test_the_topic_of_the_rows_is_a_config_error(ran: Path) -> None:
    ran.write_text(KAFKA.replace("BROKERS", "127.0.0.1:1") + STAGES, encoding="utf-8")
    with pytest.raises(ConfigError, match="telemetry is the topic of the rows"):
        take_topic(ran, "telemetry")


def test_a_pipeline_that_has_not_run_is_a_state_error(ran: Path) -> None:
    ran.write_text(KAFKA.replace("BROKERS", "127.0.0.1:1") + STAGES, encoding="utf-8")
    (ran.parent / "state" / "tocsin.db").unlink()
    with pytest.raises(StateError, match="has not run yet"):
        invoke("label", str(ran), "--topic", "labels")
