"""Runs that are told what happens to them, and the slow, obvious run that they must equal."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from oracles.pipeline_chains import PLAIN
from oracles.pipeline_runs import SECOND, Stream

from tocsin.connectors.memory import (
    Item,
    MemoryDeadLetters,
    MemorySink,
    MemorySource,
    Poison,
    Row,
)
from tocsin.pipeline.chain import Chain, start
from tocsin.pipeline.delivery import Delivery
from tocsin.pipeline.incidents import Incident
from tocsin.pipeline.ports import Desk, Reading, Source
from tocsin.pipeline.runner import RunOptions, Summary, run
from tocsin.pipeline.step import close, step
from tocsin.pipeline.store import Store
from tocsin.pipeline.threshold import FixedTail
from tocsin.pipeline.types import FloatArray, Spec

CHAIN = replace(PLAIN, threshold=FixedTail(0.03))

OFTEN = RunOptions(checkpoint_every_s=0.0, silence=False)  # after every reading
ONCE = RunOptions(checkpoint_every_s=1e9, silence=False)  # at the end alone

Told = dict[tuple[str, int], str]  # the revisions by (id, revision), as text: NaN is itself there
Dead = dict[tuple[str, int, int], bytes | None]


class Clock:
    """Stands for the `time` module in a module under test; goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@dataclass
class Scripted:
    """A source that does with the desk whatever its script does."""

    script: Callable[[Desk], Iterator[Reading | None]]
    committed: list[dict[str, int]] = field(default_factory=list)
    closed: bool = False

    def spec(self) -> Spec:
        return CHAIN.spec

    def read(self, desk: Desk) -> Iterator[Reading | None]:
        return self.script(desk)

    def commit(self, positions: Mapping[str, int]) -> None:
        self.committed.append(dict(positions))

    def close(self) -> None:
        self.closed = True


@dataclass
class World:
    """What outlives a process: its file, the broker's positions, and those who were told."""

    path: Path
    parts: Mapping[str, Sequence[Item]]
    cuts: Sequence[int] = (64,)
    committed: dict[str, int] = field(default_factory=dict)
    sink: MemorySink = field(default_factory=MemorySink)
    letters: MemoryDeadLetters = field(default_factory=MemoryDeadLetters)

    def source(self) -> MemorySource:
        return MemorySource(self.parts, cuts=self.cuts, committed=self.committed)

    def run(
        self,
        options: RunOptions = OFTEN,
        *,
        chain: Chain = CHAIN,
        source: Source | None = None,
        **others: Any,
    ) -> Summary:
        """One life of the process."""
        delivery = Delivery({"people": self.sink}, self.letters)
        with Store(self.path) as store:
            return run(chain, source or self.source(), store, delivery, options, **others)

    def told(self) -> Told:
        return told(self.sink.incidents.values())

    def dead(self) -> Dead:
        return {name: letter.value for name, letter in self.letters.letters.items()}


def told(incidents: Iterable[Incident]) -> Told:
    """Revisions by what names them."""
    return {(each.id, each.revision): repr(each) for each in incidents}


def expected(parts: Mapping[str, Sequence[Item]], chain: Chain = CHAIN) -> tuple[Told, Dead]:
    """What must be told of the items of each part: one row after another, with nothing saved."""
    incidents: list[Incident] = []
    dead: Dead = {}
    for part, items in parts.items():
        state = start(chain)
        for place, item in enumerate(items):
            if isinstance(item, Poison):
                dead[part, place, 0] = item.value
            elif isinstance(item, Row):
                frame = np.asarray(item.values, dtype=float)[np.newaxis]
                outcome = step(
                    chain, state, [item.series], np.array([item.time]), frame, fast=False
                )
                incidents += outcome.incidents
                if outcome.refused:
                    dead[part, place, 0] = item.raw
        incidents += close(chain, state, fast=False).incidents
    return told(incidents), dead


def items(stream: Stream, poison_every: int = 0) -> list[Item]:
    """The rows of a stream, each with bytes of its own; now and then a record that is none."""
    found: list[Item] = []
    columns = zip(stream.series, stream.time.tolist(), stream.values, strict=True)
    for place, (series, time, values) in enumerate(columns):
        if poison_every and place % poison_every == poison_every // 2:
            found.append(Poison(b"poison %d" % place, "not a record"))
        found.append(Row(series, time, values, b"%s at %d" % (series.encode(), time)))
    return found


def trouble(seed: int, ticks: int = 90, poison_every: int = 23, warm: int = 40) -> list[Item]:
    """A part of two series with anomalies, a silence, late and repeated rows, and poison.

    Anomalies begin after `warm` ticks. Series are named by the seed too: a series stands in one
    part only.
    """
    rng = np.random.default_rng(seed)
    stream = calm(ticks, seed=seed)
    tick = stream.time // SECOND
    stream.values[(tick > warm) & (tick % 12 < 3)] += 9.0
    time = stream.time - rng.integers(0, 3, len(stream)) * SECOND * (rng.random(len(stream)) < 0.05)
    heard = (np.array(stream.series) == "s0") | (tick < ticks - 30) | (tick > ticks - 15)
    series = [f"{seed}-{stream.series[row]}" for row in np.flatnonzero(heard)]
    return items(Stream(series, time[heard], stream.values[heard]), poison_every)


def readings(
    part: str, rows: Sequence[Item], first: int = 0, last: int | None = None, size: int = 10
) -> Iterator[Reading]:
    """The items from `first` to `last` of a part as a source gives them; positions count items."""
    until = len(rows) if last is None else last
    source = MemorySource({part: rows[:until]}, cuts=(size,))
    for reading in source.read(_From(first)):
        if reading is not None:
            yield reading


@dataclass
class _From:
    """A desk that has every part read after one position."""

    position: int

    def claim(self, part: str, committed: int | None = None) -> int | None:
        return self.position

    def release(self, parts: Sequence[str]) -> None:
        """Nobody asks."""

    def drop(self, parts: Sequence[str]) -> None:
        """Nobody asks."""


def calm(ticks: int, keys: int = 2, seed: int = 0, first: int = 0) -> Stream:
    """Noise without trouble, one row a second of each series, from second `first` on."""
    values: FloatArray = np.random.default_rng(seed).normal(size=(ticks * keys, 2))
    time = np.repeat(np.arange(first, first + ticks) * SECOND, keys)
    return Stream([f"s{key}" for key in range(keys)] * ticks, time, values)
