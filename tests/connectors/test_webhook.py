import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import orjson
import pytest

from tocsin.connectors.webhook import WebhookSink
from tocsin.pipeline.errors import ConfigError, SinkError
from tocsin.pipeline.incidents import Incident

Answer = Callable[[httpx.Request], httpx.Response]


def incident(name: str, revision: int = 0) -> Incident:
    nan = float("nan")
    return Incident(
        name, revision, "open", "stale", "p1", 1, 1, None, 0, nan, nan, 0.1, nan, "error", 0, (),
        "no rows",
    )  # fmt: skip


@dataclass
class Receiver:
    """Answers with each status in turn, then 204, and keeps what it was sent."""

    statuses: list[int] = field(default_factory=list)
    requests: list[httpx.Request] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return httpx.Response(self.statuses.pop(0) if self.statuses else 204)

    def keys(self) -> list[str]:
        return [request.headers["Idempotency-Key"] for request in self.requests]


def sink_to(answer: Answer) -> WebhookSink:
    return WebhookSink(
        "https://alerts.example/hook/secret",
        headers={"Authorization": "Bearer secret"},
        transport=httpx.MockTransport(answer),
    )


def test_each_revision_is_posted_once_with_its_key_and_json() -> None:
    receiver = Receiver()
    sink = sink_to(receiver)
    sink.send([incident("a"), incident("a", 1)])
    sink.send([incident("a")])
    sink.close()
    assert receiver.keys() == ["a:0", "a:1"]
    assert orjson.loads(receiver.requests[1].content) == incident("a", 1).to_json()
    assert receiver.requests[0].headers["Authorization"] == "Bearer secret"


@pytest.mark.parametrize("status", [302, 400, 503])
def test_another_answer_than_2xx_is_a_sink_error_without_secrets(status: int) -> None:
    with pytest.raises(SinkError, match=f"alerts.example answered {status}") as caught:
        sink_to(Receiver([status])).send([incident("a")])
    assert "secret" not in str(caught.value)


def test_after_a_failure_only_the_rest_is_sent_again() -> None:
    receiver = Receiver([200, 500])
    sink = sink_to(receiver)
    some = [incident("a"), incident("b"), incident("c")]
    with pytest.raises(SinkError):
        sink.send(some)
    sink.send(some)
    assert receiver.keys() == ["a:0", "b:0", "b:0", "c:0"]


def test_a_host_that_does_not_answer_is_a_sink_error() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectTimeout("timed out", request=request)

    with pytest.raises(SinkError, match="did not answer: ConnectTimeout"):
        sink_to(refuse).send([incident("a")])


@pytest.mark.parametrize("url", ["ftp://host/x", "no address", "http://"])
def test_an_address_that_is_none_is_a_config_error(url: str) -> None:
    with pytest.raises(ConfigError, match="address"):
        WebhookSink(url)


@pytest.fixture
def server() -> Iterator[tuple[str, list[bytes]]]:
    bodies: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(202)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its own name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}/", bodies
        listening.shutdown()
        thread.join()


def test_a_real_server_is_sent_the_incident(server: tuple[str, list[bytes]]) -> None:
    url, bodies = server
    sink = WebhookSink(url, timeout_s=5.0)
    sink.send([incident("a")])
    sink.close()
    assert [orjson.loads(body)["id"] for body in bodies] == ["a"]
