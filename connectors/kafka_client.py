"""What the Kafka source and sinks share: options, opening a client, and its group's comings."""

# pyright: reportMissingImports=false, reportMissingModuleSource=false
# pyright: reportAttributeAccessIssue=false
# The stubs that pyright brings are of kafka-python 2; this is written for 3.

import difflib
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from kafka import TopicPartition
from kafka.consumer.subscription_state import AsyncConsumerRebalanceListener
from kafka.errors import KafkaError
from kafka.net.compat import KafkaNetClient
from kafka.net.inet import KafkaNetSocket
from kafka.net.selector import NetworkSelector
from kafka.net.wakeup_notifier import WakeupNotifier

from tocsin.pipeline.errors import ConfigError, SourceError

T = TypeVar("T")

_BOOTSTRAP_MS = 3000
# Options of kafka-python that the source or the sinks decide themselves.
_OWN = frozenset(
    {
        "allow_auto_create_topics",
        "auto_offset_reset",
        "bootstrap_servers",
        "bootstrap_timeout_ms",
        "consumer_timeout_ms",
        "enable_auto_commit",
        "group_id",
        "kafka_client",
        "key_deserializer",
        "key_serializer",
        "max_block_ms",
        "max_poll_records",
        "max_request_size",
        "value_deserializer",
        "value_serializer",
    }
)


def check_options(config: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """Refuse options of kafka-python that are unknown or not the user's to set."""
    for name in config:
        if name in _OWN:
            raise ConfigError(f"Kafka option {name!r} is decided by Tocsin and cannot be set")
        if name not in known:
            near = difflib.get_close_matches(name, sorted(set(known) - _OWN), 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ConfigError(f"Kafka option {name!r} is unknown{hint}")


class _Direct(KafkaNetSocket):  # type: ignore[misc]  # kafka-python has no types
    """Connects without a proxy, and closes the socket where that fails.

    kafka-python 3.0 leaves such sockets to the garbage collector, so that a client whose brokers
    are away for long holds ever more of them. It finds this class by the scheme of a proxy's URL.
    """

    SCHEMES = ("direct",)

    async def connect(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return await super().connect(*args, **kwargs)
        except BaseException:  # being cancelled too
            self._made.close()
            raise

    def socket(self, *args: Any, **kwargs: Any) -> Any:
        self._made = super().socket(*args, **kwargs)
        return self._made


def open_client(kind: Callable[..., T], options: Mapping[str, Any]) -> tuple[T, NetworkSelector]:
    """A kafka-python client that has reached its brokers, and its event loop.

    A client that cannot reach them is closed again, so that trying leaves no thread behind.
    """
    made: list[KafkaNetClient] = []
    loops: list[NetworkSelector] = []

    def network(**config: Any) -> KafkaNetClient:
        if config.get("proxy_url") is None and config.get("socks5_proxy") is None:
            config["proxy_url"] = "direct://"
        loops.append(NetworkSelector(**config))
        made.append(KafkaNetClient(net=loops[0], **config))
        return made[0]

    try:
        client = kind(**options, kafka_client=network, bootstrap_timeout_ms=_BOOTSTRAP_MS)
    except (KafkaError, OSError, ValueError):
        for client_net in made:
            client_net.close()
        raise
    return client, loops[0]


@dataclass(frozen=True, slots=True)
class Leaving:
    """Partitions that the group takes away; `go_on` lets it."""

    partitions: frozenset[TopicPartition]
    lost: bool
    go_on: Callable[[], None]


class GroupListener(AsyncConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python has no types
    """Tells the reading thread of partitions that come and go.

    kafka-python calls it on its event loop, which also sends heartbeats and commits; so it never
    blocks, and awaits the reading thread's answer.
    """

    def __init__(
        self,
        consumer: Any,
        loop: NetworkSelector,
        inbox: "queue.SimpleQueue[Leaving | Future[Any]]",
        closing: threading.Event,
        unclaimed: set[TopicPartition],
    ) -> None:
        self._consumer = consumer
        self._loop = loop
        self._inbox = inbox
        self._closing = closing
        self._unclaimed = unclaimed

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        await self._leave(revoked, lost=False)

    async def on_partitions_lost(self, lost: Sequence[TopicPartition]) -> None:
        await self._leave(lost, lost=True)

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        for tp in assigned:
            # Paused until the desk has named its position; 0 keeps the client from looking one up.
            self._consumer.pause(tp)
            self._consumer.seek(tp, 0)
        self._unclaimed.update(assigned)

    async def _leave(self, partitions: Sequence[TopicPartition], *, lost: bool) -> None:
        self._unclaimed.difference_update(partitions)
        if not partitions:
            return
        answered = WakeupNotifier(self._loop)
        self._inbox.put(Leaving(frozenset(partitions), lost, answered.notify))
        if not self._closing.is_set():
            await answered()


class Helper:
    """One daemon thread that does blocking calls in turn, so that the caller can go on beating.

    A daemon, because a program that ends without closing its source must not hang on it.
    """

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None]
        self._jobs = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def submit(self, job: Callable[[], T]) -> "Future[T]":
        """Do a job after those before it; cancelled when the thread has ended on a surprise."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="tocsin-kafka", daemon=True)
            self._thread.start()
        future: Future[T] = Future()
        if self._thread.is_alive():
            self._jobs.put((job, future))
        else:
            future.cancel()
        return future

    def finish(self, last: Callable[[], None]) -> None:
        """Do one last job, wait for it and end the thread."""
        if self._thread is not None:
            self.submit(last)
            self._jobs.put(None)
            self._thread.join(timeout=10.0)

    def _work(self) -> None:
        while (item := self._jobs.get()) is not None:
            job, future = item
            try:
                future.set_result(job())
            except (KafkaError, SourceError, OSError, ValueError) as error:
                future.set_exception(error)
            finally:
                future.cancel()  # only where the job raised what nobody expects
