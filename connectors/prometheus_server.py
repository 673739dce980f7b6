"""A run's metrics and health over HTTP, for Prometheus and for whoever restarts processes."""

import logging
import re
import socket
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from socketserver import TCPServer, ThreadingMixIn
from types import TracebackType
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from tocsin.connectors.prometheus_metrics import Metrics
from tocsin.connectors.prometheus_names import METRICS, Metric
from tocsin.pipeline.errors import ConfigError

_log = logging.getLogger("tocsin.metrics")

_ADDRESS = re.compile(r"(?:\[([0-9a-fA-F.]*:[0-9a-fA-F:.]*)\]|([\w.-]+)):(\d{1,5})", re.ASCII)
_LOOKS_EVERY_S = 0.2  # whether it is to end
_WAITS_S = 10.0  # for a slow client


@dataclass(slots=True)
class Server:
    """Answers `/metrics`, `/livez` and `/readyz` at `listen`, "host:port", while it is entered.

    `/livez` is 200 while the loop was heard within `alive_s` seconds, else 503; `/readyz` is 200
    once rows of a partition were taken in. There is no password: an address that others can reach
    shows them the names of partitions and sinks. Port 0 takes any free port; `address` tells it.

    Raises ConfigError where `listen` is no address, and when entered where it cannot be had.

    >>> with Server("127.0.0.1:0") as server:
    ...     server.address.startswith("127.0.0.1:")
    True
    """

    listen: str = "127.0.0.1:9180"
    alive_s: float = 300.0
    metrics: Metrics = field(default_factory=Metrics)
    _http: "_Http | None" = field(default=None, init=False, repr=False)
    _thread: threading.Thread | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        _host_and_port(self.listen)
        if not self.alive_s > 0:
            raise ConfigError(f"alive is more than 0 seconds; found {self.alive_s}")

    @property
    def address(self) -> str:
        """Where it listens, with the real port; before it is entered, `listen`."""
        if self._http is None:
            return self.listen
        host, port = self._http.server_address[:2]
        shown = host.decode() if isinstance(host, bytes) else str(host)
        return f"[{shown}]:{port}" if ":" in shown else f"{shown}:{port}"

    def __enter__(self) -> "Server":
        try:
            self._http = _Http(*_host_and_port(self.listen))
        except OSError as error:
            why = error.strerror or error
            raise ConfigError(f"the server cannot listen at {self.listen}: {why}") from error
        self._http.set_app(_routes(self.metrics, self.alive_s))
        self._thread = threading.Thread(
            target=self._http.serve_forever, args=(_LOOKS_EVERY_S,), name="metrics", daemon=True
        )
        self._thread.start()
        _log.info("metrics at http://%s/metrics", self.address)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._http is not None and self._thread is not None:
            self._http.shutdown()
            self._thread.join()
            self._http.server_close()
        self._http = self._thread = None


def registry_of(metrics: Metrics) -> CollectorRegistry:
    """A registry of its own that tells the metrics of now whenever it is asked."""
    registry = CollectorRegistry()
    registry.register(_Told(metrics))
    return registry


class _Told(Collector):
    """The samples of a run in the families of the Prometheus client."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[CounterMetricFamily | GaugeMetricFamily]:
        families = {metric.name: _family(metric) for metric in METRICS}
        for name, labels, value in self._metrics.samples():
            families[name].add_metric(labels, value)
        return families.values()

    def describe(self) -> Iterable[CounterMetricFamily | GaugeMetricFamily]:
        return [_family(metric) for metric in METRICS]


def _family(metric: Metric) -> CounterMetricFamily | GaugeMetricFamily:
    kind = CounterMetricFamily if metric.type == "counter" else GaugeMetricFamily
    return kind(metric.name, metric.help, labels=metric.labels)


def _routes(metrics: Metrics, alive_s: float) -> WSGIApplication:
    """The whole site."""
    told = make_wsgi_app(registry_of(metrics))

    def site(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if environ["REQUEST_METHOD"] != "GET":
            return _answer(start, HTTPStatus.METHOD_NOT_ALLOWED, "only GET is answered")
        if path == "/metrics":
            found: Iterable[bytes] = told(environ, start)
            return found
        if path == "/livez":
            silent_s = metrics.silent_s()
            said = f"the loop was heard {silent_s:.1f} s ago; at most {alive_s:g} s wanted"
            return _answer(start, _status(is_well=silent_s <= alive_s), said)
        if path == "/readyz":
            ready = metrics.is_ready()
            said = "rows are taken in" if ready else "no rows have been taken in yet"
            return _answer(start, _status(is_well=ready), said)
        return _answer(start, HTTPStatus.NOT_FOUND, "there are /metrics, /livez and /readyz")

    return site


def _status(*, is_well: bool) -> HTTPStatus:
    return HTTPStatus.OK if is_well else HTTPStatus.SERVICE_UNAVAILABLE


def _answer(start: StartResponse, status: HTTPStatus, said: str) -> Iterable[bytes]:
    body = f"{said}\n".encode()
    headers = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
    ]
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        headers.append(("Allow", "GET"))
    start(f"{status.value} {status.phrase}", headers)
    return [body]


def _host_and_port(listen: str) -> tuple[str, int]:
    """The two parts of an address; a ConfigError where it has not got them."""
    found = _ADDRESS.fullmatch(listen)
    if found is None or int(found[3]) > 65535:
        raise ConfigError(
            f"listen: found {listen!r}, wanted host:port such as 127.0.0.1:9180 or [::1]:9180"
        )
    return found[1] or found[2], int(found[3])


class _Quiet(WSGIRequestHandler):
    """Answers without a line in the log for each, and waits for no client for ever."""

    timeout = _WAITS_S

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base names it so
        """Nothing: a probe comes every few seconds."""


class _Http(ThreadingMixIn, WSGIServer):
    """A thread for each request; all end with the process."""

    daemon_threads = True
    allow_reuse_port = False  # a port that is taken must be told

    def __init__(self, host: str, port: int) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Quiet)

    def server_bind(self) -> None:
        """Bind without asking the name service what this machine is called, which may take long."""
        TCPServer.server_bind(self)
        host, port = self.server_address[:2]
        self.server_name, self.server_port = str(host), int(port)
        self.setup_environ()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away or is slow is no trouble of the run."""
        _log.debug("a request from %s failed", client_address, exc_info=True)
