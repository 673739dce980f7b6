"""Metrics and health over HTTP: what is answered, and when."""

import socket

import httpx
import numpy as np
import pytest
from oracles.runs import CHAIN

from tocsin.connectors.prometheus_metrics import Metrics
from tocsin.connectors.prometheus_server import Server
from tocsin.pipeline.chain import start
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.runner import Summary, Watched
from tocsin.pipeline.step import step


class Clock:
    """Goes on when it is told to."""

    def __init__(self) -> None:
        self.steady = 50.0

    def now(self) -> int:
        return 0

    def elapsed(self) -> float:
        return self.steady

    def wait(self, seconds: float) -> None:
        self.steady += seconds


def get(server: Server, path: str, **headers: str) -> httpx.Response:
    return httpx.get(f"http://{server.address}{path}", headers=headers, trust_env=False)


def test_the_loop_is_alive_while_it_is_heard() -> None:
    clock = Clock()
    metrics = Metrics(clock)
    stop = metrics.beating(lambda: False)
    with Server("127.0.0.1:0", alive_s=30, metrics=metrics) as server:
        assert get(server, "/livez").status_code == 200
        clock.steady += 31
        answer = get(server, "/livez")
        assert (answer.status_code, "at most 30 s wanted" in answer.text) == (503, True)
        assert stop() is False
        assert get(server, "/livez").status_code == 200


def test_a_run_beats_in_its_stop() -> None:
    asked = iter([False, True])
    stop = Metrics().beating(lambda: next(asked))
    assert [stop(), stop()] == [False, True]


def test_it_is_ready_once_rows_were_taken_in() -> None:
    with Server("127.0.0.1:0") as server:
        assert get(server, "/readyz").status_code == 503
        state = start(CHAIN)
        outcome = step(CHAIN, state, ["s"], np.array([1]), np.zeros((1, 2)))
        server.metrics.watch(Watched("a", ["s"], None, outcome, state, Summary()))
        assert get(server, "/readyz").status_code == 200


def test_nothing_else_is_answered() -> None:
    with Server("127.0.0.1:0") as server:
        assert get(server, "/").status_code == 404
        assert get(server, "/metrics/../etc/passwd").status_code == 404
        answer = httpx.post(f"http://{server.address}/metrics", content=b"x", trust_env=False)
        assert (answer.status_code, answer.headers["Allow"]) == (405, "GET")


def test_openmetrics_is_given_to_who_asks_for_it() -> None:
    with Server("127.0.0.1:0") as server:
        answer = get(server, "/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


@pytest.mark.parametrize(
    "listen",
    ["", "9180", ":9180", "localhost", "localhost:", "localhost:x", "a:65536", "a:-1", "::1:9180",
     "http://a:9180", "a:9180/metrics", "a b:9180", "a:9180\n", "[a]:9180", "a:٣"],
)  # fmt: skip
def test_what_is_no_address_is_refused(listen: str) -> None:
    with pytest.raises(ConfigError, match="wanted host:port"):
        Server(listen)


def test_a_port_that_is_taken_is_told_with_its_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ConfigError, match=f"cannot listen at {address}: "), Server(address):
            pass


def test_an_address_of_another_machine_is_told() -> None:
    with pytest.raises(ConfigError, match=r"192\.0\.2\.1:9180"), Server("192.0.2.1:9180"):
        pass


def test_a_server_lets_its_port_go_and_can_be_entered_again() -> None:
    server = Server("127.0.0.1:0")
    with server:
        first = server.address
    assert server.address == "127.0.0.1:0"
    with Server(first) as again:
        assert get(again, "/livez").status_code == 200
    with server:
        assert get(server, "/livez").status_code == 200


def test_it_listens_on_the_newer_protocol_too() -> None:
    try:
        with Server("[::1]:0") as server:
            assert server.address.startswith("[::1]:")
            assert get(server, "/livez").status_code == 200
    except ConfigError as error:
        pytest.skip(f"no IPv6 here: {error}")
