"""Rows from a Kafka topic, through a consumer group whose offsets follow the checkpoints."""

# pyright: reportMissingModuleSource=false, reportAttributeAccessIssue=false
# The stubs that pyright brings are of kafka-python 2; this is written for 3.

import logging
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, TypeVar

import numpy as np
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    KafkaError,
    OffsetOutOfRangeError,
    RebalanceInProgressError,
    RetriableError,
    UnknownMemberIdError,
)
from kafka.structs import OffsetAndMetadata

from tocsin.connectors.json_fields import Unseen
from tocsin.connectors.kafka_client import (
    GroupListener,
    Helper,
    Leaving,
    check_options,
    open_client,
)
from tocsin.connectors.records import FieldMap, Message, decode
from tocsin.pipeline.errors import ConfigError, SourceError
from tocsin.pipeline.incidents import DeadLetter
from tocsin.pipeline.ports import Desk, Reading
from tocsin.pipeline.types import Spec

log = logging.getLogger("tocsin.kafka")

T = TypeVar("T")
Polled = dict[TopicPartition, list[Message]]
Beats = Generator[None, None, T]

_LOST_PLACE = (
    CommitFailedError,
    IllegalGenerationError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)
_BEAT_S = 0.5
_RETRY_S = 1.0
_COMMIT_MS = 2000
_HOLD_LIMIT_S = 3600.0


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """Where a `KafkaSource` reads and how.

    `brokers` is "host:port", several parted by commas. `start` says where a partition begins that
    neither the store nor the group knows. `batch` is the most messages a poll returns (more of them
    overlap less with the next fetch), `poll_s`
    (up to 0.5) the longest wait of one; `topic_wait_s` is how long a missing topic is waited for.
    `config` is handed to kafka-python as it is: `security_protocol`, `ssl_cafile`,
    `sasl_mechanism`, `max_poll_interval_ms` and so on.

    Raises ConfigError for a setting out of range, an unknown option of kafka-python, and one that
    the source decides itself.
    """

    brokers: str
    topic: str
    group: str
    fields: FieldMap
    start: Literal["earliest", "latest"] = "earliest"
    batch: int = 1000
    poll_s: float = 0.25
    topic_wait_s: float = 10.0
    config: Mapping[str, Any] = field(default_factory=dict, repr=False)  # holds passwords

    def __post_init__(self) -> None:
        if not (self.brokers and self.topic and self.group):
            raise ConfigError("a Kafka source needs brokers, a topic and a group")
        if self.start not in ("earliest", "latest"):
            raise ConfigError(f"start is {self.start!r}; it is earliest or latest")
        if self.batch < 1 or not 0 < self.poll_s <= _BEAT_S or self.topic_wait_s < 0:
            raise ConfigError(
                f"batch {self.batch}, poll_s {self.poll_s} and topic_wait_s {self.topic_wait_s}: "
                "wanted at least 1, over 0 and up to 0.5, and at least 0"
            )
        check_options(self.config, KafkaConsumer.DEFAULT_CONFIG)


class KafkaSource:
    """The rows of a topic, partition by partition; a `tocsin.pipeline.ports.Source`.

    A part is "topic/partition" and its position the next offset. Offsets are committed only when
    `commit` says so, never by a timer. When partitions move, the desk is asked to release them
    before the group hands them on, and to claim them before their first row; a desk is only ever
    called in the thread that iterates `read`.

    Trouble, each logged as "tocsin.kafka": brokers that are down or go away are tried again, with
    None beats meanwhile. A topic that stays missing, refused credentials and a corrupt record end
    the source with a SourceError. Where retention has removed records before they were read,
    reading goes on at the oldest that is left, and a dead letter without value says which offsets
    are gone. A position past the topic's end, as after the topic was made anew, is a SourceError.
    A channel that none of the first records has is a warning.

    Backpressure: nothing is polled while a reading is worked on, so at most one poll and the
    client's own fetch buffer wait in memory. Work longer than a third of `max_poll_interval_ms`
    does not cost the membership: the partitions are paused and polled empty, for up to an hour;
    after that the group may give them to another worker.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self.settings = settings
        self._helper = Helper()
        self._inbox: queue.SimpleQueue[Leaving | Future[Any]] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._back = threading.Event()  # set while the runner asks for more
        self._consumer: Any | None = None
        self._unclaimed: set[TopicPartition] = set()
        self._claimed: set[TopicPartition] = set()
        self._astray: dict[TopicPartition, int] = {}  # their position is not in the topic
        self._owed: dict[TopicPartition, int] = {}
        self._unseen = Unseen(settings.fields, self._place())

    def spec(self) -> Spec:
        return self.settings.fields.spec()

    def read(self, desk: Desk) -> Iterator[Reading | None]:
        consumer = yield from self._connect(desk)
        yield from self._wait(partial(self._find_topic, consumer), desk)
        polled: Polled = {}
        while not self._closing.is_set():
            given, polled = polled, {}
            try:
                polled = yield from self._turn(consumer, given, desk)
            except OffsetOutOfRangeError as error:
                self._astray.update(error.args[0])
            except (RetriableError, *_LOST_PLACE) as error:
                log.warning("reading %s: %s; trying again", self._place(), str(error))
                yield from self._wait(partial(self._closing.wait, _RETRY_S), desk)
            except KafkaError as error:
                raise SourceError(f"{self._place()}: {error}") from error
            if not given and not polled:
                yield None

    def commit(self, positions: Mapping[str, int]) -> None:
        for part, position in positions.items():
            tp = self._partition(part)
            if tp in self._claimed:
                self._owed[tp] = position
        if self._consumer is None or self._closing.is_set() or not self._owed:
            return
        offsets = {tp: OffsetAndMetadata(at, "", -1) for tp, at in self._owed.items()}
        try:
            self._consumer.commit(offsets, timeout_ms=_COMMIT_MS)
        except (RetriableError, *_LOST_PLACE) as error:
            # The store has these positions; the broker learns of them with the next commit.
            log.warning("committing %s: %s; kept for the next commit", self._place(), str(error))
        except KafkaError as error:
            raise SourceError(f"{self._place()}: cannot commit: {error}") from error
        else:
            self._owed.clear()

    def close(self) -> None:
        if self._closing.is_set():
            return
        self._closing.set()
        self._back.set()
        while not self._inbox.empty():
            item = self._inbox.get()
            if isinstance(item, Leaving):
                item.go_on()
        self._helper.finish(self._close_consumer)

    def _close_consumer(self) -> None:
        if self._consumer is not None:
            self._consumer.close(autocommit=False, timeout_ms=_COMMIT_MS)

    def _place(self) -> str:
        return f"topic {self.settings.topic!r} at {self.settings.brokers}"

    def _part(self, tp: TopicPartition) -> str:
        return f"{tp.topic}/{tp.partition}"

    def _partition(self, part: str) -> TopicPartition:
        topic, _, number = part.rpartition("/")
        return TopicPartition(topic, int(number) if number.isdigit() else -1)

    def _wait(self, job: Callable[[], T], desk: Desk) -> Beats[T]:
        """Do a job in the client's thread; meanwhile beat, and let go of leaving partitions."""
        return self._result(self._submit(job), desk)

    def _submit(self, job: Callable[[], T]) -> "Future[T]":
        future = self._helper.submit(job)
        future.add_done_callback(self._inbox.put)
        return future

    def _result(self, future: "Future[T]", desk: Desk) -> Beats[T]:
        item: Leaving | Future[Any] | None = None
        while item is not future:
            try:
                item = self._inbox.get(timeout=_BEAT_S)
            except queue.Empty:
                yield None
                continue
            if isinstance(item, Leaving):
                self._let_go(item, desk)
        if future.cancelled():
            raise SourceError(f"{self._place()}: the client stopped; its thread says why")
        return future.result()

    def _let_go(self, leaving: "Leaving", desk: Desk) -> None:
        """Have the desk save or forget partitions, then let the group go on."""
        mine = sorted(self._claimed.intersection(leaving.partitions))
        parts = [self._part(tp) for tp in mine]
        try:
            if parts and leaving.lost:
                log.warning("lost %s; another worker may have them", ", ".join(parts))
                desk.drop(parts)
            elif parts:
                desk.release(parts)
        finally:
            self._claimed.difference_update(mine)
            for tp in mine:
                self._owed.pop(tp, None)
            leaving.go_on()

    def _connect(self, desk: Desk) -> Beats[Any]:
        """Open the consumer, however long the brokers take to be there."""
        while True:
            try:
                return (yield from self._wait(self._open, desk))
            except RetriableError as error:
                log.warning("%s cannot be reached: %s; trying again", self._place(), str(error))
            except (KafkaError, OSError, ValueError) as error:
                raise SourceError(f"{self._place()}: {error}") from error
            yield from self._wait(partial(self._closing.wait, _RETRY_S), desk)

    def _open(self) -> Any:
        options = dict(self.settings.config)
        options |= {
            "bootstrap_servers": self.settings.brokers.split(","),
            "group_id": self.settings.group,
            "enable_auto_commit": False,
            "auto_offset_reset": "none",  # a removed record is reported, never skipped in silence
            "allow_auto_create_topics": False,
        }
        options.setdefault("metrics_enabled", False)
        options.setdefault("reconnect_backoff_max_ms", 2000)
        consumer, loop = open_client(KafkaConsumer, options)
        self._consumer = consumer
        listener = GroupListener(consumer, loop, self._inbox, self._closing, self._unclaimed)
        consumer.subscribe([self.settings.topic], listener=listener)
        return consumer

    def _find_topic(self, consumer: Any) -> None:
        deadline = time.monotonic() + self.settings.topic_wait_s
        while self.settings.topic not in (topics := consumer.topics()):
            if time.monotonic() > deadline or self._closing.wait(_BEAT_S):
                have = ", ".join(sorted(topics)[:8]) or "none"
                raise SourceError(f"{self._place()} is not there; the brokers have: {have}")

    def _turn(
        self, consumer: Any, polled: Polled, desk: Desk
    ) -> Generator[Reading | None, None, Polled]:
        """Give out what was polled; else see to partitions without a position, and poll."""
        if polled:
            return (yield from self._lend(consumer, polled, desk))
        if self._astray:
            lost_way = dict(self._astray)
            oldest = yield from self._wait(partial(self._oldest, consumer, lost_way), desk)
            self._astray.clear()
            for tp, position in lost_way.items():
                if position >= oldest[tp]:
                    raise SourceError(
                        f"{self._part(tp)} at {self.settings.brokers}: the saved position "
                        f"{position} is past the topic's end; the topic was made anew or cut: "
                        "reset the state to read it"
                    )
                yield from self._go_to(consumer, tp, position, oldest[tp])
        if self._unclaimed:
            yield from self._claim(consumer, desk)
        poll_ms = int(self.settings.poll_s * 1000)
        poll = partial(consumer.poll, timeout_ms=poll_ms, max_records=self.settings.batch)
        found: Polled = yield from self._wait(poll, desk)
        return found

    def _claim(self, consumer: Any, desk: Desk) -> Generator[Reading | None, None, None]:
        """Ask the desk where new partitions begin, and let them flow from there."""
        new = sorted(self._unclaimed)
        oldest = yield from self._wait(partial(self._oldest, consumer, new), desk)
        committed = yield from self._wait(
            lambda: {tp: consumer.committed(tp, timeout_ms=_COMMIT_MS) for tp in new}, desk
        )
        for tp in new:
            position = desk.claim(self._part(tp), committed[tp])
            self._claimed.add(tp)
            self._unclaimed.discard(tp)
            if position is not None:
                yield from self._go_to(consumer, tp, position, oldest[tp])
            elif self.settings.start == "earliest":
                consumer.seek_to_beginning(tp)
            else:
                consumer.seek_to_end(tp)
            consumer.resume(tp)

    def _oldest(self, consumer: Any, tps: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The first offset that each partition still has."""
        offsets = consumer.beginning_offsets(list(tps), timeout_ms=_COMMIT_MS)
        return {tp: int(offset) for tp, offset in offsets.items()}

    def _go_to(
        self, consumer: Any, tp: TopicPartition, position: int, first: int
    ) -> Iterator[Reading]:
        """Seek to a position; where retention has passed it, to the oldest record left, loudly."""
        consumer.seek(tp, max(position, first))
        if position < first:
            part = self._part(tp)
            reason = (
                f"records {position} to {first - 1} were removed by the topic's retention "
                f"before they were read; reading goes on at {first}"
            )
            log.error("%s: %s", part, reason)
            letter = DeadLetter(part, position, 0, reason, stage="order", value=None)
            none = np.empty(0, dtype=np.int64)
            values = np.empty((0, len(self.settings.fields.channels)))
            yield Reading(part, first, (), none, values, none, rejected=(letter,))

    def _lend(
        self, consumer: Any, polled: Polled, desk: Desk
    ) -> Generator[Reading | None, None, Polled]:
        """Give the readings of a poll to the runner, and keep the membership while it works."""
        self._back.clear()
        holding = self._submit(partial(self._hold, consumer))
        try:
            for tp, messages in polled.items():
                self._unseen.see(messages)
                yield decode(
                    messages, self._part(tp), messages[-1].offset + 1, self.settings.fields
                )
        finally:
            self._back.set()
        return (yield from self._result(holding, desk))

    def _hold(self, consumer: Any) -> Polled:
        """Poll paused partitions once the runner is slow, until it is back."""
        interval_ms = self.settings.config.get("max_poll_interval_ms", 300_000)
        patience = interval_ms / 3000
        if self._back.wait(patience):
            return {}
        log.info("%s: paused, the rows of the last poll are still worked on", self._place())
        limit = time.monotonic() + _HOLD_LIMIT_S
        paused = consumer.assignment() - consumer.paused()
        consumer.pause(*paused)
        held: Polled = {}
        try:
            while not held and time.monotonic() < limit and not self._back.wait(min(patience, 1.0)):
                held = consumer.poll(timeout_ms=100, max_records=self.settings.batch)
        finally:
            self._back.wait()
            consumer.resume(*(paused & consumer.assignment() - self._unclaimed))
        return held
