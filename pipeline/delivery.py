"""From the store's outbox to the sinks, again and again until they have taken it."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from tocsin.pipeline.errors import SinkError
from tocsin.pipeline.ports import DeadLetterSink, Sink
from tocsin.pipeline.store import Store

_log = logging.getLogger("tocsin.delivery")

_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """Who is told: named sinks for incidents, and one for dead letters."""

    sinks: Mapping[str, Sink]
    dead_letters: DeadLetterSink | None = None


@dataclass(slots=True)
class _Patience:
    """When a sink that failed may be tried again."""

    wait_s: float = 0.0
    again_s: float = 0.0

    def failed(self) -> None:
        self.wait_s = min(max(2 * self.wait_s, _FIRST_WAIT_S), _LONGEST_WAIT_S)
        self.again_s = time.monotonic() + self.wait_s

    def worked(self) -> None:
        self.wait_s = self.again_s = 0.0


@dataclass(slots=True)
class Post:
    """Delivers what a checkpoint has put into the store, and nothing that is not there yet.

    A sink that fails is tried again after a wait that doubles up to a minute; the others go on.
    `delivered` counts revisions by sink and `failures` the attempts that a sink refused.
    """

    store: Store
    delivery: Delivery
    delivered: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    _patience: dict[str, _Patience] = field(default_factory=dict)

    def sink_names(self) -> list[str]:
        """The sinks each incident is put out for."""
        return list(self.delivery.sinks)

    def deliver(self) -> None:
        """Hand on what waits, to every sink that may be tried now."""
        for name, sink in self.delivery.sinks.items():
            self._try(name, partial(self._incidents, name, sink))
        if self.delivery.dead_letters is not None:
            self._try("dead letters", self._letters)

    def last_call(self) -> int:
        """Try once more before the run ends; gives how many revisions stay in the outbox."""
        for patience in self._patience.values():
            patience.again_s = 0.0
        self.deliver()
        return sum(self.store.waiting(name) for name in self.delivery.sinks)

    def _try(self, name: str, send: Callable[[], None]) -> None:
        patience = self._patience.setdefault(name, _Patience())
        if time.monotonic() < patience.again_s:
            return
        try:
            send()
        except SinkError as error:
            patience.failed()
            self.failures[name] += 1
            _log.warning("%s: %s; tried again in %.1f s", name, error, patience.wait_s)
        else:
            patience.worked()

    def _incidents(self, name: str, sink: Sink) -> None:
        while waiting := self.store.unsent(name):
            sink.send([incident for _, incident in waiting])
            self.store.sent([number for number, _ in waiting])
            self.delivered[name] += len(waiting)

    def _letters(self) -> None:
        sink = self.delivery.dead_letters
        while sink is not None and (letters := self.store.unsent_letters()):
            sink.send(letters)
            self.store.sent_letters(letters)
