"""Source and sinks in memory, with trouble on demand: for tests of pipelines, ours and yours."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import cycle
from typing import Literal

import numpy as np

from tocsin.pipeline.errors import ConfigError, SinkError
from tocsin.pipeline.incidents import DeadLetter, Incident
from tocsin.pipeline.ports import Desk, Reading
from tocsin.pipeline.types import FloatArray, IntArray, Spec


class Signal(Enum):
    """What stands among the rows of a part and is no row."""

    PAUSE = "pause"
    ABORT = "abort"
    END = "end"


PAUSE: Literal[Signal.PAUSE] = Signal.PAUSE
ABORT: Literal[Signal.ABORT] = Signal.ABORT
END: Literal[Signal.END] = Signal.END


class AbortedError(RuntimeError):
    """The crash that `ABORT` stands for; deliberately none of ours, so that nothing handles it."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row: its series, its time in nanoseconds, its frame (any shape) and its bytes."""

    series: str
    time: int
    values: FloatArray | Sequence[float]
    raw: bytes = b""


@dataclass(frozen=True, slots=True)
class Poison:
    """A record that cannot be read; it becomes a dead letter."""

    value: bytes | None
    reason: str = "poison"


Item = Row | Poison | Signal


@dataclass(slots=True)
class MemorySource:
    """Parts of rows held in memory; positions count items, signals among them.

    `parts` maps a part's name to its items; readings are taken from the parts in turn. `cuts` are
    the most rows each reading has, one after another and over again, so that a stream can be cut in
    any way. Among the rows may stand:

    - `PAUSE`: the source is idle for once (`read` gives None);
    - `ABORT`: `read` raises AbortedError, once; reading again goes on after it;
    - `END`: `read` ends there for all parts, once; reading again goes on after it.

    A signal is gone once it was met by this object, however far back reading starts again.
    `committed` holds the last position committed for each part.

    >>> rows = [Row("p1", 1, [0.5]), PAUSE, Row("p1", 2, [0.6])]
    >>> MemorySource({"a": rows}).spec().item
    (1,)
    """

    parts: Mapping[str, Sequence[Item]]
    channels: tuple[str, ...] = ()
    cuts: Sequence[int] = (64,)
    committed: dict[str, int] = field(default_factory=dict)
    closed: bool = False
    _met: set[tuple[str, int]] = field(default_factory=set)

    def __post_init__(self) -> None:
        if not self.cuts or min(self.cuts) < 1:
            raise ConfigError(f"cuts are numbers of rows from 1; found {list(self.cuts)}")

    def spec(self) -> Spec:
        for items in self.parts.values():
            for item in items:
                if isinstance(item, Row):
                    return Spec(item=np.shape(item.values), channels=self.channels)
        return Spec(item=(max(1, len(self.channels)),), channels=self.channels)

    def read(self, desk: Desk) -> Iterator[Reading | None]:
        item_shape = self.spec().item
        place = {part: desk.claim(part, self.committed.get(part)) or 0 for part in self.parts}
        cuts = cycle(self.cuts)
        while any(place[part] < len(items) for part, items in self.parts.items()):
            for part, items in self.parts.items():
                first = place[part]
                last = self._reach(part, first, next(cuts))
                place[part] = last
                if not all(isinstance(item, Signal) for item in items[first:last]):
                    yield _reading(part, items, first, last, item_shape)
                if last >= len(items):
                    continue
                signal = items[last]
                if isinstance(signal, Signal) and self._meet(part, last):
                    place[part] = last + 1
                    if signal is ABORT:
                        raise AbortedError(f"aborted at item {last} of {part}")
                    if signal is END:
                        return
                    yield None

    def commit(self, positions: Mapping[str, int]) -> None:
        self.committed.update(positions)

    def close(self) -> None:
        self.closed = True

    def _reach(self, part: str, first: int, most: int) -> int:
        """The end of a reading that starts at `first`: before a new signal, or `most` rows on."""
        items = self.parts[part]
        taken = 0
        last = first
        while last < len(items) and taken < most:
            if isinstance(items[last], Signal):
                if (part, last) not in self._met:
                    break
            else:
                taken += 1
            last += 1
        return last

    def _meet(self, part: str, index: int) -> bool:
        """Whether this signal is new; from now on it is not."""
        new = (part, index) not in self._met
        self._met.add((part, index))
        return new


def rows_of(series: Sequence[str], time: IntArray | Sequence[int], values: FloatArray) -> list[Row]:
    """Rows from columns: names and times (B,), values (B, *item)."""
    return [Row(n, int(t), v) for n, t, v in zip(series, time, values, strict=True)]


@dataclass(slots=True)
class MemoryDesk:
    """The runner's side of a source: tells where to go on, and writes down what it is asked.

    `positions` are the positions to read parts after; parts that are not there start at their
    beginning. `claimed`, `released` and `dropped` are the parts in the order they were named.
    """

    positions: dict[str, int] = field(default_factory=dict)
    claimed: list[str] = field(default_factory=list)
    released: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)

    def claim(self, part: str, committed: int | None = None) -> int | None:
        self.claimed.append(part)
        return self.positions.get(part)

    def release(self, parts: Sequence[str]) -> None:
        self.released += parts

    def drop(self, parts: Sequence[str]) -> None:
        self.dropped += parts


@dataclass(slots=True)
class MemorySink:
    """Incidents by (id, revision), in the order they first came; a repeat changes nothing.

    The next `failures` sends raise SinkError: before anything is kept, or with `lose_answer` after
    everything is, as when an answer is lost on its way back. `calls` counts sends.
    """

    failures: int = 0
    lose_answer: bool = False
    calls: int = 0
    closed: bool = False
    incidents: dict[tuple[str, int], Incident] = field(default_factory=dict)

    def send(self, incidents: Sequence[Incident]) -> None:
        self.calls += 1
        failing = self.failures > 0
        self.failures -= failing
        if failing and not self.lose_answer:
            raise SinkError("the memory sink was told to fail")
        for incident in incidents:
            self.incidents.setdefault((incident.id, incident.revision), incident)
        if failing:
            raise SinkError("the memory sink was told to lose its answer")

    def close(self) -> None:
        self.closed = True

    def latest(self) -> dict[str, Incident]:
        """The last revision of each incident."""
        last: dict[str, Incident] = {}
        for incident in self.incidents.values():
            if incident.id not in last or incident.revision > last[incident.id].revision:
                last[incident.id] = incident
        return last


@dataclass(slots=True)
class MemoryDeadLetters:
    """Dead letters by (part, position, index); a repeat changes nothing.

    `failures` sends raise SinkError before anything is kept.
    """

    failures: int = 0
    closed: bool = False
    letters: dict[tuple[str, int, int], DeadLetter] = field(default_factory=dict)

    def send(self, letters: Sequence[DeadLetter]) -> None:
        if self.failures:
            self.failures -= 1
            raise SinkError("the memory of dead letters was told to fail")
        for letter in letters:
            self.letters.setdefault((letter.part, letter.position, letter.index), letter)

    def close(self) -> None:
        self.closed = True


def _reading(
    part: str, items: Sequence[Item], first: int, last: int, shape: tuple[int, ...]
) -> Reading:
    rows = [(i, item) for i, item in enumerate(items[first:last], first) if isinstance(item, Row)]
    values = np.empty((len(rows), *shape))  # (B, *item)
    for place, (_, row) in enumerate(rows):
        values[place] = row.values
    return Reading(
        part=part,
        position=last,
        series=[row.series for _, row in rows],
        time=np.array([row.time for _, row in rows], dtype=np.int64),
        values=values,
        offset=np.array([i for i, _ in rows], dtype=np.int64),
        raw=[row.raw for _, row in rows],
        rejected=[
            DeadLetter(part, i, 0, item.reason, "decode", item.value)
            for i, item in enumerate(items[first:last], first)
            if isinstance(item, Poison)
        ],
    )
