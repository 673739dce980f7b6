"""What a run does by the clock on the wall: checkpoints, retries, and silence."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from oracles.pipeline_runs import SECOND
from oracles.runs import (
    CHAIN,
    OFTEN,
    Clock,
    Scripted,
    World,
    calm,
    expected,
    items,
    readings,
    trouble,
)

from tocsin.connectors.memory import Item, Poison
from tocsin.pipeline import runner
from tocsin.pipeline.order import Order
from tocsin.pipeline.ports import Desk, Reading
from tocsin.pipeline.runner import RunOptions, Watched

ROWS = trouble(1)


def world(folder: Path, **parts: Sequence[Item]) -> World:
    return World(folder / "store.db", parts or {"a": ROWS})


def ticking(clock: Clock, rows: Sequence[Item], seconds: float) -> Scripted:
    """A source that takes so many seconds for each ten rows."""

    def script(desk: Desk) -> Iterator[Reading]:
        desk.claim("a")
        for reading in readings("a", rows):
            clock.now += seconds
            yield reading

    return Scripted(script)


def test_checkpoints_come_as_often_as_is_asked_for(tmp_path: Path, clock: Clock) -> None:
    rows = items(calm(100, keys=1))
    one = world(tmp_path, a=rows)
    assert one.run(RunOptions(10.0), source=ticking(clock, rows, 3.0)).checkpoints == 2 + 1


def test_news_of_incidents_hastens_a_checkpoint(tmp_path: Path, clock: Clock) -> None:
    one = world(tmp_path)
    source = ticking(clock, ROWS, 1.0)
    one.run(RunOptions(checkpoint_every_s=1e9), source=source)
    assert len(source.committed) > 3
    assert one.told() == expected(one.parts)[0]


def test_news_waits_half_a_second_so_that_bursts_are_written_together(
    tmp_path: Path, clock: Clock
) -> None:
    source = ticking(clock, ROWS, 0.001)
    world(tmp_path).run(RunOptions(checkpoint_every_s=1e9), source=source)
    assert len(source.committed) == 1


def test_many_dead_letters_hasten_a_checkpoint(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "_MANY_LETTERS", 25)
    rows = [Poison(b"%d" % number) for number in range(100)]
    source = ticking(clock, rows, 1.0)
    world(tmp_path, a=rows).run(RunOptions(checkpoint_every_s=1e9), source=source)
    assert [positions["a"] for positions in source.committed] == [30, 60, 90, 100]


def test_a_sink_that_failed_is_tried_again_between_checkpoints(
    tmp_path: Path, clock: Clock
) -> None:
    one = world(tmp_path)
    one.sink.failures = 2
    seen: list[int] = []

    def script(desk: Desk) -> Iterator[Reading | None]:
        desk.claim("a")
        yield from readings("a", ROWS, size=len(ROWS))
        for _ in range(5):
            clock.now += 0.6
            yield None
            seen.append(one.sink.calls)

    one.run(RunOptions(checkpoint_every_s=1e9, silence=False), source=Scripted(script))
    assert seen == [1, 2, 2, 3, 3]
    assert one.told() == expected(one.parts)[0]


def test_what_a_sink_never_took_is_counted_and_told_by_the_next_run(tmp_path: Path) -> None:
    one = world(tmp_path)
    one.sink.failures = 1000
    assert one.run().undelivered == len(expected(one.parts)[0]) > 5
    one.sink.failures = 0
    assert one.run().undelivered == 0
    assert one.told() == expected(one.parts)[0]


def silence(clock: Clock, rows: Sequence[Item], seconds: int) -> Scripted:
    """A hundred rows, nothing for a while, the others."""

    def script(desk: Desk) -> Iterator[Reading | None]:
        desk.claim("a")
        yield from readings("a", rows, 0, 100, size=100)
        for _ in range(seconds):
            clock.now += 1.0
            yield None
        yield from readings("a", rows, 100)

    return Scripted(script)


SILENT = items(calm(50)) + items(calm(30, seed=1, first=90))


def test_silence_by_the_wall_clock_opens_what_the_next_row_would_have_shown(
    tmp_path: Path, clock: Clock
) -> None:
    early: list[int] = []

    def note(watched: Watched) -> None:
        if watched.reading is None:
            early.append(len(watched.outcome.incidents))

    one = world(tmp_path, a=SILENT)
    one.run(RunOptions(), source=silence(clock, SILENT, 40), watch=note)
    assert sum(early) == 2  # both series, before their next rows
    assert one.told() == expected(one.parts)[0]


def test_a_short_silence_by_the_wall_clock_is_none(tmp_path: Path, clock: Clock) -> None:
    rows = items(calm(80))
    one = world(tmp_path, a=rows)
    assert one.run(RunOptions(), source=silence(clock, rows, 7)).opened == 0


def test_silence_is_no_news_where_a_source_plays_history_back(tmp_path: Path, clock: Clock) -> None:
    one = world(tmp_path, a=SILENT[:100])
    assert one.run(OFTEN, source=silence(clock, SILENT[:100], 40)).opened == 0


def test_rows_that_still_wait_are_no_silence(tmp_path: Path, clock: Clock) -> None:
    waits = replace(CHAIN, order=Order(lateness_ns=5 * SECOND))
    one = world(tmp_path, a=SILENT)
    one.run(RunOptions(), chain=waits, source=silence(clock, SILENT, 40))
    assert one.told().keys() == expected(one.parts, waits)[0].keys()


def test_an_idle_source_without_rows_yet_is_no_silence(tmp_path: Path, clock: Clock) -> None:
    def script(desk: Desk) -> Iterator[None]:
        desk.claim("a")
        for _ in range(3):
            clock.now += 1e6
            yield None

    one = world(tmp_path)
    assert one.run(RunOptions(), source=Scripted(script)).opened == 0
