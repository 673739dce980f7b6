"""From the outbox to the sinks: what waits is told until it is taken, and nothing else is."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest
from oracles.runs import Clock
from oracles.stores import incident, letter, save

from tocsin.connectors.memory import MemoryDeadLetters, MemorySink
from tocsin.pipeline import delivery
from tocsin.pipeline.delivery import Delivery, Post
from tocsin.pipeline.errors import SinkError
from tocsin.pipeline.incidents import Incident
from tocsin.pipeline.store import Store


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(delivery, "time", clock)
    return clock


@dataclass
class Tiring:
    """Takes so many sends, then raises; keeps the ids of each."""

    takes: int
    sends: list[list[str]] = field(default_factory=list)

    def send(self, incidents: Sequence[Incident]) -> None:
        if len(self.sends) == self.takes:
            raise SinkError("enough")
        self.sends.append([each.id for each in incidents])

    def close(self) -> None:
        """Nothing is held."""


def ids(sink: MemorySink) -> list[str]:
    return [each.id for each in sink.incidents.values()]


def test_what_waits_is_delivered_in_order_and_then_no_more() -> None:
    sink = MemorySink()
    with Store(None) as store:
        save(store, incidents=[incident("b"), incident("a"), incident("b", 2)])
        post = Post(store, Delivery({"people": sink}))
        post.deliver()
        assert list(sink.incidents) == [("b", 1), ("a", 1), ("b", 2)]
        post.deliver()
        assert sink.calls == 1
        assert store.waiting("people") == 0


def test_nothing_is_sent_that_is_not_in_the_store() -> None:
    sink, letters = MemorySink(), MemoryDeadLetters()
    with Store(None) as store:
        post = Post(store, Delivery({"people": sink}, letters))
        post.deliver()
        assert post.last_call() == 0
    assert (sink.calls, letters.letters) == (0, {})


@pytest.mark.usefixtures("clock")
def test_a_sink_that_fails_does_not_keep_the_others_from_theirs() -> None:
    failing, fine, letters = MemorySink(failures=9), MemorySink(), MemoryDeadLetters()
    with Store(None) as store:
        post = Post(store, Delivery({"failing": failing, "fine": fine}, letters))
        save(store, incidents=[incident("x")], letters=[letter(1)], sinks=post.sink_names())
        post.deliver()
        assert ids(fine) == ["x"]
        assert len(letters.letters) == 1
        assert (store.waiting("failing"), store.waiting("fine")) == (1, 0)


def test_waits_double_from_half_a_second_to_a_minute(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    sink = MemorySink(failures=10)
    with Store(None) as store, caplog.at_level(logging.WARNING, "tocsin.delivery"):
        save(store, incidents=[incident("x")])
        post = Post(store, Delivery({"people": sink}))
        began, tried = clock.now, list[float]()
        while sink.failures:
            calls = sink.calls
            post.deliver()
            tried += [clock.now - began] * (sink.calls - calls)
            clock.now += 0.25
    waits = [later - earlier for earlier, later in pairwise(tried)]
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    assert "people: the memory sink was told to fail; tried again in 0.5 s" in caplog.text


def test_a_sink_that_recovers_starts_its_waits_anew(clock: Clock) -> None:
    sink = MemorySink(failures=3)
    with Store(None) as store:
        save(store, incidents=[incident("x")])
        post = Post(store, Delivery({"people": sink}))
        while not sink.incidents:
            post.deliver()
            clock.now += 0.25
        save(store, incidents=[incident("y")])
        sink.failures = 1
        post.deliver()
        clock.now += 0.5
        post.deliver()
    assert ids(sink) == ["x", "y"]


@pytest.mark.usefixtures("clock")
def test_an_answer_that_is_lost_repeats_the_same_revisions() -> None:
    sink = MemorySink(failures=1, lose_answer=True)
    with Store(None) as store:
        save(store, incidents=[incident("x")])
        post = Post(store, Delivery({"people": sink}))
        post.deliver()
        assert (ids(sink), store.waiting("people")) == (["x"], 1)
        assert post.last_call() == 0
    assert (ids(sink), sink.calls) == (["x"], 2)


@pytest.mark.usefixtures("clock")
def test_what_is_undelivered_survives_a_restart(tmp_path: Path) -> None:
    sink, letters = MemorySink(failures=1), MemoryDeadLetters(failures=1)
    for told in (0, 1):
        with Store(tmp_path / "s.db") as store:
            post = Post(store, Delivery({"people": sink}, letters))
            if not told:
                save(store, incidents=[incident("x")], letters=[letter(1)])
            post.deliver()
        assert (len(sink.incidents), len(letters.letters)) == (told, told)


@pytest.mark.usefixtures("clock")
def test_what_a_sink_took_before_it_failed_is_not_sent_again() -> None:
    sink = Tiring(takes=1)
    with Store(None) as store:
        save(store, incidents=[incident(f"{number:04}") for number in range(501)])
        post = Post(store, Delivery({"people": sink}))
        post.deliver()
        assert store.waiting("people") == 1
        sink.takes = 2
        assert post.last_call() == 0
    assert [len(sent) for sent in sink.sends] == [500, 1]


@pytest.mark.usefixtures("clock")
def test_the_last_call_tries_at_once_and_counts_all_that_stays() -> None:
    sink = MemorySink(failures=2)
    with Store(None) as store:
        save(store, incidents=[incident(str(number)) for number in range(600)])
        post = Post(store, Delivery({"people": sink}))
        post.deliver()
        assert post.last_call() == 600
    assert sink.calls == 2


@pytest.mark.usefixtures("clock")
def test_dead_letters_are_handed_on_in_portions_and_once() -> None:
    letters = MemoryDeadLetters()
    with Store(None) as store:
        save(store, letters=[letter(number) for number in range(700)])
        post = Post(store, Delivery({}, letters))
        post.deliver()
        assert [position for _, position, _ in letters.letters] == list(range(700))
        assert store.unsent_letters() == []


def test_without_somebody_for_dead_letters_they_stay_in_the_store() -> None:
    with Store(None) as store:
        save(store, letters=[letter(1)])
        Post(store, Delivery({})).deliver()
        assert len(store.unsent_letters()) == 1


def test_trouble_that_is_no_sinks_is_not_swallowed() -> None:
    class Broken(MemorySink):
        def send(self, incidents: Sequence[Incident]) -> None:
            raise ZeroDivisionError

    with Store(None) as store:
        save(store, incidents=[incident("x")])
        with pytest.raises(ZeroDivisionError):
            Post(store, Delivery({"people": Broken()})).deliver()
        assert store.waiting("people") == 1
