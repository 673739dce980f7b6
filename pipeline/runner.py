"""The loop around `step`: sources to partitions, partitions to the store, the store to sinks."""

import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from tocsin.pipeline.chain import Chain, ChainState, join_verdicts, start
from tocsin.pipeline.delivery import Delivery, Post
from tocsin.pipeline.errors import StateError
from tocsin.pipeline.feedback import apply
from tocsin.pipeline.incidents import DeadLetter, Incident, iso
from tocsin.pipeline.labels import Label
from tocsin.pipeline.notes import Notes
from tocsin.pipeline.ports import Reading, Source
from tocsin.pipeline.reasons import Reasons
from tocsin.pipeline.snapshot import moved
from tocsin.pipeline.step import Outcome, close, idle, steps
from tocsin.pipeline.store import Checkpoint, FencedError, Store
from tocsin.pipeline.types import NO_KEYS

_log = logging.getLogger("tocsin.pipeline")

REFUSALS = {
    "late": "the row is older than its series' newest row and came after the allowed lateness",
    "duplicate": "its series already has a row of this time",
    "ahead": "the row is far ahead of the partition's clock while other series are not",
    "too_many_series": "the partition already has as many series as it may",
}
_PROMPT_S = 0.5  # news is not kept from people for longer than this
_MANY_LETTERS = 10_000


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a run keeps its progress.

    `checkpoint_every_s`: seconds between checkpoints; news of incidents hastens one. `on_late`:
    what becomes of rows that are refused, all of which are counted. `finish`: judge what still
    waits when the source ends. `silence`: open stale incidents by the wall clock while nothing
    comes; leave it off where a source plays history back.
    """

    checkpoint_every_s: float = 10.0
    on_late: Literal["dead_letter", "drop"] = "dead_letter"
    finish: bool = True
    silence: bool = True


@dataclass(slots=True)
class Summary:
    """Counts of a run, so far while it goes on.

    `rejected_for` says why records could not be read. `forgotten` are series that were silent for
    too long. `delivered` and `failures` are by sink: revisions of incidents, and attempts that
    failed. `checkpoint_s` is how long the last checkpoint took.
    """

    rows: int = 0
    rejected: int = 0
    rejected_for: Reasons = field(default_factory=Reasons)
    refused: Counter[str] = field(default_factory=Counter)
    opened: int = 0
    resolved: int = 0
    forgotten: int = 0
    checkpoints: int = 0
    undelivered: int = 0
    delivered: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    checkpoint_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Watched:
    """What one step took in and gave, for those who look on: pictures, metrics, tests.

    `state` and `summary` are the run's own, as they are after the step; nobody changes them.
    """

    part: str
    series: Sequence[str]  # names by key
    reading: Reading | None  # None for what was judged at the end of the source, or while it rests
    outcome: Outcome
    state: ChainState
    summary: Summary


@dataclass(slots=True)
class _Part:
    """A partition in this run: its state, and what the store has not seen yet."""

    name: str
    epoch: int
    position: int | None
    state: ChainState
    touched: list[np.ndarray] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    told: list[tuple[Label, str]] = field(default_factory=list)  # labels with what they changed
    heard_s: float = 0.0

    def has_news(self) -> bool:
        """Whether people wait for what is not in the store yet."""
        return bool(self.incidents) or len(self.letters) > _MANY_LETTERS


@dataclass(frozen=True, slots=True)
class _People:
    """Who looks on, and who says how to go on, while it runs."""

    watch: Callable[[Watched], None] | None
    settings: Callable[[], Chain | None] | None


def run(  # noqa: PLR0913 - what runs, where from, where to, and who looks on
    chain: Chain,
    source: Source,
    store: Store,
    delivery: Delivery,
    options: RunOptions | None = None,
    *,
    stop: Callable[[], bool] = lambda: False,
    watch: Callable[[Watched], None] | None = None,
    settings: Callable[[], Chain | None] | None = None,
) -> Summary:
    """Run until the source ends or `stop` says so; resumes where the store's last run was.

    With `settings` it is told things while it runs: about twice a second, between two steps, it
    asks for the chain to go on with (None where it stays; what was learned must fit it), and takes
    in the labels that wait in the store. What comes after is as if it had been stopped there, the
    settings changed and the labels taken in, and it had gone on.

    Raises SourceError if the source cannot go on and StateError if the store cannot; what was
    checkpointed until then is kept, and a later run goes on from there.
    """
    people = _People(watch, settings)
    loop = _Loop(chain, source, store, Post(store, delivery), options or RunOptions(), people)
    try:
        ended = loop.read(stop)
        loop.finish(ended=ended)
    finally:
        source.close()
    return loop.summary


class _Loop:
    """The partitions at hand, and when they were last written down. The source's desk."""

    def __init__(
        self,
        chain: Chain,
        source: Source,
        store: Store,
        post: Post,
        options: RunOptions,
        people: _People,
    ) -> None:
        self.chain, self.source, self.store, self.post = chain, source, store, post
        self.options, self.people = options, people
        self.notes = Notes(store)
        self.summary = Summary(delivered=post.delivered, failures=post.failures)
        self._parts: dict[str, _Part] = {}
        self._fenced: set[str] = set()  # what the source may still give rows of
        self._written_s = self._listened_s = time.monotonic()

    def read(self, stop: Callable[[], bool]) -> bool:
        """Take readings until the end (True) or until told to stop (False)."""
        for reading in self.source.read(self):
            if reading is None:
                self._idle()
            else:
                self._take(reading)
            self._listen()
            self._checkpoint_if_due()
            if stop():
                return False
        return True

    def finish(self, *, ended: bool) -> None:
        """Judge what waits if the source has ended; write everything down and deliver it."""
        if ended and self.options.finish:
            for part in self._parts.values():
                self._note(part, close(self.chain, part.state), None)
        self.checkpoint(list(self._parts))
        self.summary.undelivered = self.post.last_call()

    def claim(self, part: str, committed: int | None = None) -> int | None:
        """A Desk's promise: where to read a partition from."""
        claim = self.store.claim(self.chain, part, committed)
        state = start(self.chain) if claim.state is None else claim.state
        position = claim.position if claim.position is not None else committed
        self._parts[part] = _Part(part, claim.epoch, position, state, heard_s=time.monotonic())
        self._fenced.discard(part)
        return position

    def release(self, parts: Sequence[str]) -> None:
        """A Desk's promise: write partitions down and let them go."""
        self.checkpoint([part for part in parts if part in self._parts])
        self.drop(parts)

    def drop(self, parts: Sequence[str]) -> None:
        """A Desk's promise: forget partitions."""
        for part in parts:
            self._parts.pop(part, None)

    def checkpoint(self, parts: Sequence[str]) -> None:
        """Write partitions down, then commit their positions, then tell people."""
        begun, positions = time.monotonic(), dict[str, int]()
        for name in parts:
            part = self._parts[name]
            try:
                self._write(part)
            except FencedError as fenced:
                _log.warning("%s; it is dropped here", fenced)
                self.drop([name])
                self._fenced.add(name)
                continue
            if part.position is not None:
                positions[name] = part.position
        self._written_s = time.monotonic()
        self.summary.checkpoint_s = self._written_s - begun
        self.source.commit(positions)
        self.post.deliver()

    def _write(self, part: _Part) -> None:
        touched = np.unique(np.concatenate([NO_KEYS, *part.touched]))
        checkpoint = Checkpoint(
            part.name, part.epoch, part.position, part.state, touched, part.incidents, part.letters
        )
        with self.store.transaction():
            self.store.checkpoint(self.chain, checkpoint, self.post.sink_names())
            for label, effect in part.told:
                self.notes.took(label, effect)
        part.touched, part.incidents, part.letters, part.told = [], [], [], []
        self.summary.checkpoints += 1

    def _checkpoint_if_due(self) -> None:
        waited = time.monotonic() - self._written_s
        news = any(part.has_news() for part in self._parts.values())
        if waited >= self.options.checkpoint_every_s or (news and waited >= _PROMPT_S):
            self.checkpoint(list(self._parts))
        elif waited >= _PROMPT_S:
            self.post.deliver()

    def _listen(self) -> None:
        """Do what people have asked for since the last time."""
        settings = self.people.settings
        if settings is None or time.monotonic() - self._listened_s < _PROMPT_S:
            return
        self._listened_s = time.monotonic()
        chain = settings()
        if chain is not None:
            self._change(chain)
        labels = self.notes.pending()
        for part in self._parts.values():
            for label in labels:
                self._obey(part, label)
        if any(part.told for part in self._parts.values()):
            self.checkpoint(list(self._parts))

    def _change(self, chain: Chain) -> None:
        """Go on with other settings, which all partitions are written down under at once."""
        for part in self._parts.values():
            part.state = moved(self.chain, part.state, chain, part.name)
            everything = np.arange(len(part.state.keys))
            self._note(part, Outcome(join_verdicts([]), [], [], everything), None)
            _log.info("%s: other settings from position %s on", part.name, part.position)
        self.chain = chain
        self.checkpoint(list(self._parts))

    def _obey(self, part: _Part, label: Label) -> None:
        """Let a label take its effect in a partition that knows its series."""
        key = part.state.keys.find(label.series)
        if key < 0:
            return
        incident = self.store.incident(label.incident) if label.incident else None
        effect, ended = apply(self.chain, part.state, label, incident)
        touched = np.array([key])
        self._note(part, Outcome(join_verdicts([]), ended, [], touched), None)
        part.told.append((label, effect))
        _log.info("%s: %s is %s: %s", part.name, label.series, label.verdict, effect)

    def _take(self, reading: Reading) -> None:
        part = self._parts.get(reading.part)
        if part is None:
            if reading.part in self._fenced:
                return
            raise StateError(f"rows of {reading.part} came before the source claimed it")
        part.position = reading.position
        part.heard_s = time.monotonic()
        part.letters += reading.rejected
        self.summary.rejected += len(reading.rejected)
        for letter in reading.rejected:
            self.summary.rejected_for.add(letter.reason)
        self.summary.rows += len(reading.time)
        rows = reading.series, reading.time, reading.values
        for taken, outcome in steps(self.chain, part.state, *rows):
            self._note(part, outcome, reading.piece(taken))
            if self.options.on_late == "dead_letter":
                part.letters += _refused_letters(reading, outcome, taken.start)

    def _note(self, part: _Part, outcome: Outcome, reading: Reading | None) -> None:
        part.touched.append(outcome.touched)
        part.incidents += outcome.incidents
        self.summary.opened += sum(each.state == "open" for each in outcome.incidents)
        self.summary.resolved += sum(each.state == "resolved" for each in outcome.incidents)
        self.summary.forgotten += len(outcome.forgotten)
        self.summary.refused.update(why for _, why in outcome.refused)
        if self.people.watch is not None:
            names = part.state.keys.names
            watched = Watched(part.name, names, reading, outcome, part.state, self.summary)
            self.people.watch(watched)

    def _idle(self) -> None:
        """Nothing came: a partition's clock goes on as the wall clock does."""
        if not self.options.silence:
            return
        for part in self._parts.values():
            if part.state.keys.live:
                silent_ns = round((time.monotonic() - part.heard_s) * 1e9)
                self._note(
                    part, idle(self.chain, part.state, part.state.order.clock + silent_ns), None
                )


def _refused_letters(reading: Reading, outcome: Outcome, first: int) -> list[DeadLetter]:
    """Rows from `first` on that took no part, as dead letters with their record's bytes."""
    letters: list[DeadLetter] = []
    for place, why in outcome.refused:
        row = first + place
        offset = int(reading.offset[row])
        letters.append(
            DeadLetter(
                part=reading.part,
                position=offset,
                index=_index_in_record(reading, row),
                reason=f"{REFUSALS[why]} ({reading.series[row]} at {iso(int(reading.time[row]))})",
                stage="series" if why == "too_many_series" else "order",
                value=_bytes_of(reading, row),
                timestamp=int(reading.time[row]),
            )
        )
    return letters


def _index_in_record(reading: Reading, row: int) -> int:
    """Which message of its record a row is, the rejected ones counted."""
    offset = int(reading.offset[row])
    index = row - int(np.argmax(reading.offset == offset))
    for gone in sorted(each.index for each in reading.rejected if each.position == offset):
        index += gone <= index
    return index


def _bytes_of(reading: Reading, row: int) -> bytes:
    """The record a row came from; where the source has no bytes, the row as JSON."""
    if len(reading.raw):
        return reading.raw[row]
    values = np.asarray(reading.values[row]).tolist()
    plain = {"series": reading.series[row], "time": iso(int(reading.time[row])), "values": values}
    return json.dumps(plain).encode()
