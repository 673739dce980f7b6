"""A crash at any step of a run costs nothing: not a revision, not a dead letter, not a position."""

import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from oracles.runs import CHAIN, OFTEN, Scripted, World, expected, readings, trouble

from tocsin.connectors.memory import MemoryDeadLetters, MemorySink, MemorySource
from tocsin.pipeline import store
from tocsin.pipeline.delivery import Delivery
from tocsin.pipeline.incidents import DeadLetter, Incident
from tocsin.pipeline.ports import Desk, Reading
from tocsin.pipeline.runner import run
from tocsin.pipeline.store import Store

connect = sqlite3.connect

PARTS = {"a": trouble(1, ticks=66), "b": trouble(2, ticks=12)}
CUTS = (50,)


class Crash(BaseException):
    """The process is gone at once; nobody handles it."""


@dataclass
class Fuse:
    """Burns at every step of a run that a process can die at, and kills it at the `at`-th.

    `folder` is copied as it stands at the moment of death, to `remains`.
    """

    folder: Path
    at: int | None = None
    steps: list[str] = field(default_factory=list)
    remains: Path = Path()
    dead: bool = False

    def burn(self, step: str) -> None:
        if not self.dead and len(self.steps) == self.at:
            self.dead = True
            self.remains = self.folder.with_name(f"{self.folder.name}-{self.at}")
            shutil.copytree(self.folder, self.remains, ignore=shutil.ignore_patterns("*-shm"))
        if self.dead:
            raise Crash(step)
        self.steps.append(step)


class FusedConnection(sqlite3.Connection):
    """A connection whose every statement may be one too many."""

    fuse: Fuse

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        self.fuse.burn(sql.split(maxsplit=1)[0] if sql.strip() else "nothing")
        # Waiting for the disk matters to a power cut, not to a process that dies.
        return super().execute(sql.replace("synchronous = FULL", "synchronous = OFF"), *values)

    def executemany(self, sql: str, values: Any) -> sqlite3.Cursor:
        self.fuse.burn(f"{sql.split(maxsplit=1)[0]} many")
        return super().executemany(sql, values)


class FusedSource(MemorySource):
    """Checks each committed position against the file, and may die before and after it is kept."""

    fuse: Fuse

    def commit(self, positions: Mapping[str, int]) -> None:
        saved = positions_in(self.fuse.folder / "store.db")
        assert all(position <= saved[part] for part, position in positions.items())
        self.fuse.burn("before the commit")
        super().commit(positions)
        self.fuse.burn("after the commit")


@dataclass
class FusedSink:
    """Dies before and after the sink has taken all that it was sent."""

    sink: MemorySink
    fuse: Fuse

    def send(self, incidents: Sequence[Incident]) -> None:
        self.fuse.burn("before incidents")
        self.sink.send(incidents)
        self.fuse.burn("after incidents")

    def close(self) -> None:
        """Nothing is held."""


@dataclass
class FusedLetters:
    """The same for dead letters."""

    sink: MemoryDeadLetters
    fuse: Fuse

    def send(self, letters: Sequence[DeadLetter]) -> None:
        self.fuse.burn("before dead letters")
        self.sink.send(letters)
        self.fuse.burn("after dead letters")

    def close(self) -> None:
        """Nothing is held."""


def positions_in(path: Path) -> dict[str, int]:
    """What a file holds, read past the fuse."""
    database = connect(path)
    try:
        return dict(database.execute("SELECT part, COALESCE(position, 0) FROM parts"))
    finally:
        database.close()


def live(world: World, fuse: Fuse, monkeypatch: pytest.MonkeyPatch) -> None:
    """A life of the process, which ends where the fuse does."""
    connection = type("Connection", (FusedConnection,), {"fuse": fuse})
    monkeypatch.setattr(store.sqlite3, "connect", partial(connect, factory=connection))
    source = FusedSource(world.parts, cuts=world.cuts, committed=world.committed)
    source.fuse = fuse
    delivery = Delivery({"people": FusedSink(world.sink, fuse)}, FusedLetters(world.letters, fuse))
    with Store(world.path) as opened:
        run(CHAIN, source, opened, delivery, OFTEN)


def undisturbed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[World, Fuse]:
    """A whole life, and all the steps at which it might have ended."""
    folder.mkdir()
    world, fuse = World(folder / "store.db", PARTS, CUTS), Fuse(folder)
    live(world, fuse, monkeypatch)
    monkeypatch.undo()
    return world, fuse


def killed(folder: Path, at: int, monkeypatch: pytest.MonkeyPatch) -> World:
    """A process that dies at a step, and one that goes on with what the first has left."""
    folder.mkdir()
    fuse = Fuse(folder, at)
    world = World(folder / "store.db", PARTS, CUTS)
    with pytest.raises(Crash):
        live(world, fuse, monkeypatch)
    heir = replace(world, path=fuse.remains / "store.db")
    live(heir, Fuse(fuse.remains), monkeypatch)
    monkeypatch.undo()
    return heir


def test_a_run_has_every_kind_of_step_to_die_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, fuse = undisturbed(tmp_path / "run", monkeypatch)
    assert (world.told(), world.dead()) == expected(PARTS)
    assert len(world.told()) == 8
    assert len(world.dead()) == 9
    moments = ("the commit", "incidents", "dead letters")
    kinds = {"PRAGMA", "CREATE", "BEGIN", "UPDATE", "INSERT many", "COMMIT", "DELETE many"}
    kinds |= {f"{when} {what}" for when in ("before", "after") for what in moments}
    assert kinds <= set(fuse.steps)
    assert Counter(fuse.steps)["after incidents"] > 1


@pytest.mark.slow
def test_dying_at_any_step_loses_nothing_and_invents_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, fuse = undisturbed(tmp_path / "run", monkeypatch)
    saved = positions_in(world.path)
    for at, step in enumerate(fuse.steps):
        with TemporaryDirectory(dir=tmp_path) as folder:
            heir = killed(Path(folder) / "run", at, monkeypatch)
            when = f"died at step {at}, {step}"
            assert heir.told() == world.told(), when
            assert heir.dead() == world.dead(), when
            assert positions_in(heir.path) == heir.committed == saved, when


ROWS = trouble(3, ticks=120)
TOLD, DEAD = expected({"a": ROWS})
FEW = st.integers(1, 60)
SIZES = st.sampled_from([7, 25, 100])
LASTING = replace(OFTEN, finish=False, silence=True)  # the part goes on after the run
SELDOM = replace(LASTING, checkpoint_every_s=1e9)
HABITS = st.sampled_from([LASTING, SELDOM])


class Lives(RuleBasedStateMachine):
    """Runs over a part that grows, whatever becomes of those who run."""

    @initialize()
    def begin(self) -> None:
        self.folder = TemporaryDirectory()
        self.world = World(Path(self.folder.name) / "store.db", {"a": ()})
        self.there = 0  # items that the part has by now

    def more(self, count: int) -> None:
        self.there = min(self.there + count, len(ROWS))
        self.world.parts = {"a": ROWS[: self.there]}

    def script(self, script: Callable[[Desk], Iterator[Reading | None]], habit: Any) -> None:
        """A run whose source does as the script says, and whose commits the broker keeps."""
        source = Scripted(script)
        try:
            self.world.run(habit, source=source)
        finally:
            for positions in source.committed:
                self.world.committed |= positions

    def someone_else(self, count: int) -> None:
        self.more(count)
        self.world.run(LASTING)

    def mine(self, desk: Desk, size: int) -> Iterator[Reading]:
        first = desk.claim("a", self.world.committed.get("a")) or 0
        yield from readings("a", ROWS, first, self.there, size)

    @rule(count=FEW, size=SIZES, habit=HABITS)
    def batch(self, count: int, size: int, habit: Any) -> None:
        self.more(count)
        self.world.cuts = (size,)
        self.world.run(habit)

    @rule(count=FEW, size=SIZES, habit=HABITS)
    def crash(self, count: int, size: int, habit: Any) -> None:
        self.more(count)

        def script(desk: Desk) -> Iterator[Reading]:
            yield from self.mine(desk, size)
            raise Crash

        with pytest.raises(Crash):
            self.script(script, habit)

    @rule(failures=st.integers(1, 3), lose_answer=st.booleans())
    def trouble_at_the_sink(self, failures: int, lose_answer: bool) -> None:
        self.world.sink.failures, self.world.sink.lose_answer = failures, lose_answer

    @rule()
    def idle(self) -> None:
        def script(desk: Desk) -> Iterator[Reading | None]:
            yield from self.mine(desk, 10)
            yield None

        self.script(script, LASTING)

    @rule(before=FEW, between=FEW, after=FEW, size=SIZES, habit=HABITS)
    def overtaken(self, before: int, between: int, after: int, size: int, habit: Any) -> None:
        self.more(before)

        def script(desk: Desk) -> Iterator[Reading]:
            yield from self.mine(desk, size)
            first = self.there
            self.someone_else(between)
            yield from readings("a", ROWS, first, min(first + after, len(ROWS)), size)

        self.script(script, habit)

    @rule(before=FEW, between=FEW, lost=st.booleans(), size=SIZES, habit=HABITS)
    def rebalanced(self, before: int, between: int, lost: bool, size: int, habit: Any) -> None:
        self.more(before)

        def script(desk: Desk) -> Iterator[Reading]:
            yield from self.mine(desk, size)
            (desk.drop if lost else desk.release)(["a"])
            self.someone_else(between)
            yield from self.mine(desk, size)

        self.script(script, habit)

    @invariant()
    def only_the_truth_is_told_and_nothing_is_committed_unsaved(self) -> None:
        assert self.world.told().items() <= TOLD.items()
        assert self.world.dead().items() <= DEAD.items()
        if self.world.committed:
            assert self.world.committed["a"] <= positions_in(self.world.path)["a"]

    def teardown(self) -> None:
        self.more(len(ROWS))
        self.world.sink.failures = 0
        self.world.run()
        told, dead = self.world.told(), self.world.dead()
        self.folder.cleanup()
        assert told == TOLD
        assert dead == DEAD


Lives.TestCase.settings = settings(
    max_examples=15, stateful_step_count=6, suppress_health_check=[HealthCheck.too_slow]
)


@pytest.mark.slow
class TestLives(Lives.TestCase):
    """Whatever happens in whatever order, an undisturbed run's revisions are told."""
