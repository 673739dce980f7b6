"""Partitions come and go: what is handed over is complete, and what was lost is left alone."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from oracles.runs import CHAIN, ONCE, Scripted, World, expected, readings, trouble

from tocsin.connectors.memory import Item, Row
from tocsin.pipeline.ports import Desk, Reading
from tocsin.pipeline.store import Store

ROWS = trouble(1)


def world(folder: Path, **parts: Sequence[Item]) -> World:
    return World(folder / "store.db", parts or {"a": ROWS})


def saved(path: Path) -> dict[str, int | None]:
    with Store(path) as store:
        return store.parts()


class Worker(Scripted):
    """Claims the part at the desk when it is asked for rows, so that others can come between."""

    def __init__(self, *steps: tuple[str, int]) -> None:
        super().__init__(self.work)
        self.steps = steps
        self.claimed: list[int] = []

    def work(self, desk: Desk) -> Iterator[Reading | None]:
        for what, size in self.steps:
            if what == "release":
                desk.release(["a"])
            elif what == "drop":
                desk.drop(["a"])
            else:
                first = desk.claim("a") or 0
                self.claimed.append(first)
                yield from readings("a", ROWS, first, first + size, 9)


def test_a_part_that_is_released_is_saved_committed_and_forgotten(tmp_path: Path) -> None:
    one, worker = world(tmp_path), Worker(("read", 70), ("release", 0))
    summary = one.run(ONCE, source=worker)
    assert saved(one.path) == {"a": 70}
    assert worker.committed[0] == {"a": 70}
    assert summary.checkpoints == 1  # none at the end: it is not ours any more


def test_a_released_part_goes_on_elsewhere_as_if_it_had_one_owner(tmp_path: Path) -> None:
    one = world(tmp_path)
    one.run(ONCE, source=Worker(("read", 50), ("release", 0)))
    one.run(ONCE, source=Worker(("read", 61), ("release", 0), ("read", 30)))
    one.committed.clear()
    one.run()
    assert (one.told(), one.dead()) == expected(one.parts)


def test_two_runners_hand_a_part_to_and_fro(tmp_path: Path) -> None:
    one = world(tmp_path)

    def script(desk: Desk) -> Iterator[Reading]:
        for _ in range(4):
            first = desk.claim("a") or 0
            yield from readings("a", ROWS, first, first + 20, 9)
            desk.release(["a"])
            one.run(replace(ONCE, finish=False), source=Worker(("read", 20)))

    one.run(ONCE, source=Scripted(script))
    one.run()
    assert (one.told(), one.dead()) == expected(one.parts)


def test_a_part_that_is_dropped_leaves_no_trace(tmp_path: Path) -> None:
    one, worker = world(tmp_path), Worker(("read", 90), ("drop", 0))
    summary = one.run(ONCE, source=worker)
    assert saved(one.path) == {"a": None}
    assert (summary.checkpoints, worker.committed, one.told(), one.dead()) == (0, [{}], {}, {})


def test_parts_that_nobody_has_may_be_released_and_dropped(tmp_path: Path) -> None:
    def script(desk: Desk) -> Iterator[Reading]:
        desk.release(["a", "b"])
        desk.drop(["a", "b"])
        yield from ()

    source = Scripted(script)
    assert world(tmp_path).run(source=source).checkpoints == 0
    assert source.committed == [{}, {}]


def test_state_behind_what_the_broker_holds_starts_afresh_from_there(tmp_path: Path) -> None:
    rows = trouble(5, ticks=200, warm=120)
    one = world(tmp_path, a=rows)
    one.run(source=_upto(rows, 40))
    one.committed["a"] = 100
    one.run()
    fresh = world(tmp_path, a=rows)
    fresh.path = tmp_path / "fresh.db"
    fresh.committed["a"] = 100
    fresh.run()
    later = {name: text for name, text in one.told().items() if name in fresh.told()}
    assert later == fresh.told()
    assert len(fresh.told()) > 3
    assert saved(one.path) == {"a": len(rows)}


def _upto(rows: Sequence[Item], last: int) -> Scripted:
    def script(desk: Desk) -> Iterator[Reading]:
        yield from readings("a", rows, desk.claim("a") or 0, last)

    return Scripted(script)


def test_a_part_that_was_never_saved_starts_where_the_broker_says(tmp_path: Path) -> None:
    one = world(tmp_path)
    one.committed["a"] = 100
    assert one.run().rows == sum(isinstance(item, Row) for item in ROWS[100:])
    assert saved(one.path) == {"a": len(ROWS)}


def test_a_worker_that_is_fenced_off_drops_the_part_and_goes_on_with_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    others = trouble(4)
    one = world(tmp_path, a=ROWS, b=others)
    sizes: list[int] = []

    def script(desk: Desk) -> Iterator[Reading]:
        for part in "ab":
            desk.claim(part)
        yield from readings("a", ROWS, 0, 40)
        with Store(one.path) as elsewhere:
            elsewhere.claim(CHAIN, "a")
        sizes.append(saved(one.path)["a"] or 0)
        yield from readings("a", ROWS, 40, 80)
        yield from readings("b", others)

    source = Scripted(script)
    summary = one.run(source=source)
    assert sizes == [40]
    assert saved(one.path) == {"a": 40, "b": len(others)}
    assert all(positions.get("a", 0) <= 40 for positions in source.committed)
    assert caplog.text.count("another worker has taken partition a over; it is dropped here") == 1
    mine = expected({"b": others})[0]
    assert mine.items() <= one.told().items()
    assert summary.rows < sum(isinstance(item, Row) for item in [*ROWS[:80], *others])


def test_a_part_that_was_fenced_off_can_be_claimed_again(tmp_path: Path) -> None:
    one = world(tmp_path)

    def script(desk: Desk) -> Iterator[Reading]:
        desk.claim("a")
        yield from readings("a", ROWS, 0, 40)
        with Store(one.path) as elsewhere:
            elsewhere.claim(CHAIN, "a")
        yield from readings("a", ROWS, 40, 80)
        assert desk.claim("a") == 40
        yield from readings("a", ROWS, 40)

    one.run(source=Scripted(script))
    assert (one.told(), one.dead()) == expected(one.parts)
