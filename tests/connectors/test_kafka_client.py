"""Opening a client: what is left of one that could not reach its brokers, and its proxy."""

# pyright: reportMissingModuleSource=false, reportAttributeAccessIssue=false
# The stubs that pyright brings are of kafka-python 2.

import gc
import socket
import threading

import pytest
from brokers import free_port
from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError

from tocsin.connectors.kafka_client import open_client


def open_sockets():
    return {
        found
        for found in gc.get_objects()
        if issubclass(type(found), socket.socket) and found.fileno() != -1  # asks no proxy
    }


@pytest.mark.parametrize("kind", [KafkaConsumer, KafkaProducer])
def test_brokers_that_refuse_leave_neither_sockets_nor_threads(kind):
    before, threads = open_sockets(), threading.active_count()

    with pytest.raises(KafkaError):
        open_client(kind, {"bootstrap_servers": [f"127.0.0.1:{free_port()}"]})

    assert open_sockets() <= before
    assert threading.active_count() <= threads


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ({}, "direct://"),
        ({"proxy_url": "socks5://proxy:1080"}, "socks5://proxy:1080"),
        ({"socks5_proxy": "socks5://old:1080"}, "socks5://old:1080"),
    ],
)
def test_a_proxy_that_the_user_names_is_used(given, used):
    def kind(*, kafka_client, **options):
        return kafka_client(**options)

    client, _ = open_client(kind, given)
    try:
        assert client._manager.config["proxy_url"] == used
    finally:
        client.close()
