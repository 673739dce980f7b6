"""Incidents posted to a web address."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import httpx
import orjson

from tocsin.pipeline.errors import ConfigError, SinkError
from tocsin.pipeline.incidents import Incident

_REMEMBERED = 4096  # revisions that were taken, so that a repeated list sends only its rest


@dataclass(slots=True)
class WebhookSink:
    """An incident revision a POST, as JSON, in order; any 2xx answer means taken.

    The header `Idempotency-Key` is `<id>:<revision>`, by which the receiver knows a repeat; what
    this process saw taken it does not send again. Redirects are not followed. `headers` are sent
    along, and left out of errors, as the address is but for its host: both may hold secrets.

    Raises ConfigError for an address that is not http or https, and SinkError when there is no
    answer in `timeout_s` seconds or another one than 2xx; what stood before it in the list is
    taken then, what stands after it was not sent.
    """

    url: str
    timeout_s: float = 10.0
    headers: Mapping[str, str] = field(default_factory=dict)
    transport: httpx.BaseTransport | None = None
    _client: httpx.Client | None = field(default=None, init=False)
    _taken: dict[str, None] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        try:
            url = httpx.URL(self.url)
        except httpx.InvalidURL as error:
            raise ConfigError(f"the webhook's address is no URL: {error}") from error
        if url.scheme not in ("http", "https") or not url.host:
            raise ConfigError("the webhook's address must be http:// or https:// and name a host")

    def send(self, incidents: Sequence[Incident]) -> None:
        for incident in incidents:
            name = f"{incident.id}:{incident.revision}"
            if name not in self._taken:
                self._post(name, orjson.dumps(incident.to_json()))
                self._taken[name] = None
        while len(self._taken) > _REMEMBERED:
            del self._taken[next(iter(self._taken))]

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _post(self, name: str, body: bytes) -> None:
        client = self._client or httpx.Client(timeout=self.timeout_s, transport=self.transport)
        self._client = client
        headers = {
            **self.headers,
            "Content-Type": "application/json",
            "Idempotency-Key": name,
        }
        where = f"webhook at {httpx.URL(self.url).host}"
        try:
            answer = client.post(self.url, content=body, headers=headers)
        except httpx.HTTPError as error:
            raise SinkError(f"{where} did not answer: {type(error).__name__}: {error}") from error
        if not answer.is_success:
            raise SinkError(f"{where} answered {answer.status_code} to incident {name}, wanted 2xx")
