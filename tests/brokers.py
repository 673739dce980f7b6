"""A Kafka broker for tests: one that is started here, or one that TOCSIN_TEST_KAFKA names.

Other folders reach it through the fixtures of `conftest.py`: `broker` is shared by the session,
`start_broker` gives a test one of its own.
"""

# pyright: reportMissingModuleSource=false, reportAttributeAccessIssue=false, reportCallIssue=false
# The stubs that pyright brings are of kafka-python 2; this is written for 3.

import os
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

NAMED = "TOCSIN_TEST_KAFKA"


def free_port() -> int:
    """A port of this host that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Broker:
    """A broker at `address`; `process` is None where it is somebody else's."""

    address: str
    process: subprocess.Popen[bytes] | None = None

    def topic(self, partitions: int = 1, name: str | None = None) -> str:
        """Make a topic, wait until it can be used, and give its name."""
        name = name or f"t-{uuid.uuid4().hex[:12]}"
        admin = KafkaAdminClient(bootstrap_servers=self.address)
        try:
            admin.create_topics(
                {name: {"num_partitions": partitions, "replication_factor": 1}},
                wait_for_metadata=True,
            )
        finally:
            admin.close()
        return name

    def send(
        self,
        topic: str,
        values: Iterable[bytes | None],
        *,
        key: bytes | None = None,
        partition: int | None = 0,
        headers: list[tuple[str, bytes]] | None = None,
    ) -> None:
        """Put values into a partition, in order; None spreads them by their key."""
        producer = KafkaProducer(bootstrap_servers=self.address, linger_ms=5)
        try:
            sent = [
                producer.send(topic, value, key=key, partition=partition, headers=headers)
                for value in values
            ]
            producer.flush(timeout=30)
            for receipt in sent:
                receipt.get(timeout=0)
        finally:
            producer.close(timeout=5)

    def records(self, topic: str, count: int, seconds: float = 20.0) -> list:
        """The first `count` records of a topic, by partition and offset."""
        consumer = KafkaConsumer(bootstrap_servers=self.address, auto_offset_reset="earliest")
        try:
            parts = [TopicPartition(topic, n) for n in consumer.partitions_for_topic(topic)]
            consumer.assign(parts)
            consumer.seek_to_beginning(*parts)
            found: list = []
            deadline = time.monotonic() + seconds
            while len(found) < count and time.monotonic() < deadline:
                for records in consumer.poll(timeout_ms=200).values():
                    found += records
        finally:
            consumer.close()
        return sorted(found, key=lambda record: (record.partition, record.offset))

    def committed(self, topic: str, group: str, partition: int = 0) -> int | None:
        """What the broker holds for a group."""
        consumer = KafkaConsumer(
            bootstrap_servers=self.address, group_id=group, enable_auto_commit=False
        )
        try:
            return consumer.committed(TopicPartition(topic, partition))
        finally:
            consumer.close()

    def freeze(self) -> None:
        """Let the broker answer nobody until `thaw`."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        if self.process is not None:
            self.thaw()
            self.process.kill()
            self.process.wait(timeout=10)


def named_broker() -> Broker | None:
    """The broker that the environment names, if it names one."""
    address = os.environ.get(NAMED)
    return Broker(address) if address else None


def start(binary: str, port: int | None = None, seconds: float = 20.0) -> Broker:
    """Start a broker that keeps its topics in memory, and wait until it answers."""
    port = port or free_port()
    url = f"tcp://127.0.0.1:{port}"
    command = [
        binary,
        "broker",
        *("--listener-url", url),
        *("--advertised-listener-url", url),
        *("--storage-engine", "memory://tansu/"),
    ]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet)
    broker = Broker(f"127.0.0.1:{port}", process)
    deadline = time.monotonic() + seconds
    while not _answers(port):
        try:
            code = process.wait(timeout=0.05)
        except subprocess.TimeoutExpired:
            code = None
        if code is not None or time.monotonic() > deadline:
            broker.stop()
            raise RuntimeError(f"the broker on port {port} does not answer; exit code {code}")
    return broker


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
