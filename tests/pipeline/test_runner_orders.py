"""What a run is told while it runs: other settings and labels, taken in between two steps."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from oracles.pipeline_runs import SECOND
from oracles.runs import CHAIN, ONCE, Clock, Scripted, World, readings, trouble

from tocsin.connectors.memory import Item
from tocsin.pipeline.chain import Chain, ChainState
from tocsin.pipeline.feedback import apply
from tocsin.pipeline.gate import Gate
from tocsin.pipeline.incidents import Incident
from tocsin.pipeline.labels import Label, label_for
from tocsin.pipeline.notes import Notes
from tocsin.pipeline.ports import Desk, Reading
from tocsin.pipeline.rules.silence import Silence
from tocsin.pipeline.rules.stage import Rules
from tocsin.pipeline.state import same
from tocsin.pipeline.store import Store
from tocsin.pipeline.threshold import AlertBudget, FixedTail

ROWS = trouble(1)
SPLIT = 106  # rows of the part before the order comes; two incidents are open then
OTHERS = {
    "another level": replace(CHAIN, threshold=FixedTail(0.2)),
    "a budget": replace(CHAIN, threshold=AlertBudget("2/m")),
    "a silence": replace(CHAIN, rules=Rules(silences=(Silence(0, 10**9 * SECOND),))),
    "learn always": replace(CHAIN, gate=Gate(learn="always")),
}


def halfway(rows: Sequence[Item], act: list[object], clock: Clock) -> Scripted:
    """A source in whose middle a second goes by; `act` then has something in it."""

    def script(desk: Desk) -> Iterator[Reading | None]:
        begin = desk.claim("a") or 0
        yield from readings("a", rows, begin, SPLIT)
        act.append("now")
        clock.now += 1.0
        yield None
        clock.now += 0.1
        yield from readings("a", rows, SPLIT)

    return Scripted(script)


def until(split: int, rows: Sequence[Item]) -> Scripted:
    def script(desk: Desk) -> Iterator[Reading | None]:
        desk.claim("a")
        yield from readings("a", rows, 0, split)

    return Scripted(script)


def after(split: int, rows: Sequence[Item]) -> Scripted:
    def script(desk: Desk) -> Iterator[Reading | None]:
        assert desk.claim("a") == split
        yield from readings("a", rows, split)

    return Scripted(script)


def state_of(world: World, chain: Chain) -> ChainState:
    with Store(world.path) as store:
        state = store.claim(chain, "a").state
    assert state is not None
    return state


def stopped_and_changed(folder: Path, chain: Chain) -> World:
    folder.mkdir()
    world = World(folder / "store.db", {"a": ROWS})
    world.run(replace(ONCE, finish=False), source=until(SPLIT, ROWS))
    world.run(ONCE, chain=chain, source=after(SPLIT, ROWS))
    return world


@pytest.mark.parametrize("change", OTHERS)
def test_settings_changed_in_a_run_are_as_if_it_had_been_stopped_for_it(
    tmp_path: Path, clock: Clock, change: str
) -> None:
    other, act = OTHERS[change], list[object]()
    world = World(tmp_path / "one.db", {"a": ROWS})
    world.run(
        ONCE,
        source=halfway(ROWS, act, clock),
        settings=lambda: other if act and act.pop() else None,
    )
    twice = stopped_and_changed(tmp_path / "changed", other)
    unchanged = stopped_and_changed(tmp_path / "unchanged", CHAIN)
    assert world.told() == twice.told()
    assert same(state_of(world, other), state_of(twice, other))
    assert not same(state_of(twice, other), state_of(unchanged, other))


def test_the_very_settings_again_change_nothing(tmp_path: Path, clock: Clock) -> None:
    world = World(tmp_path / "one.db", {"a": ROWS})
    act = list[object]()
    world.run(
        ONCE,
        source=halfway(ROWS, act, clock),
        settings=lambda: replace(CHAIN) if act and act.pop() else None,
    )
    plain = World(tmp_path / "two.db", {"a": ROWS})
    plain.run(ONCE)
    assert world.told() == plain.told() != {}
    assert same(state_of(world, CHAIN), state_of(plain, CHAIN))


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A run that was stopped while two incidents were open."""
    world = World(tmp_path / "one.db", {"a": ROWS[:SPLIT]})
    world.run(replace(ONCE, finish=False), source=until(SPLIT, ROWS))
    return world


def an_open_incident(world: World) -> Incident:
    newest = {each.id: each for each in world.sink.incidents.values()}
    return next(each for each in newest.values() if each.state == "open")


@pytest.mark.parametrize("verdict", ["false_alarm", "new_normal", "expected"])
def test_a_label_is_taken_in_once_and_its_effect_is_kept_with_the_state(
    world: World, clock: Clock, verdict: str
) -> None:
    incident, expected = an_open_incident(world), state_of(world, CHAIN)
    label = label_for(incident, verdict, said_at=1)
    words, ended = apply(CHAIN, expected, label, incident)
    with Store(world.path) as store:
        Notes(store).add_label(label)

    def script(desk: Desk) -> Iterator[Reading | None]:
        desk.claim("a")
        for _ in range(3):
            clock.now += 1.0
            yield None

    told_before = set(world.told())
    for _ in range(2):  # taken in by the first life, and not again by the second
        world.run(replace(ONCE, finish=False), source=Scripted(script), settings=lambda: None)
    with Store(world.path) as store:
        assert Notes(store).pending() == []
        assert Notes(store).effect(label) == words
    assert same(state_of(world, CHAIN), expected)
    assert set(world.told()) - told_before == {(each.id, each.revision) for each in ended}
    assert bool(ended) == (verdict == "new_normal")


def test_a_label_of_a_series_that_is_not_here_waits_for_who_has_it(
    tmp_path: Path, clock: Clock
) -> None:
    world = World(tmp_path / "one.db", {"a": ROWS})
    label = Label("elsewhere", 0, 1, "expected", said_at=1)
    with Store(world.path) as store:
        Notes(store).add_label(label)
    world.run(ONCE, source=halfway(ROWS, [], clock), settings=lambda: None)
    with Store(world.path) as store:
        assert Notes(store).pending() == [label]


def test_a_run_that_takes_no_settings_leaves_labels_to_those_that_do(
    tmp_path: Path, clock: Clock
) -> None:
    world = World(tmp_path / "one.db", {"a": ROWS})
    label = Label("1-s0", 0, 1, "expected", said_at=1)
    with Store(world.path) as store:
        Notes(store).add_label(label)
    world.run(ONCE, source=halfway(ROWS, [], clock))
    with Store(world.path) as store:
        assert Notes(store).pending() == [label]
