"""The loop around `step`: what is saved, committed, handed over and told, and in which order."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from oracles.pipeline_runs import SECOND
from oracles.runs import (
    CHAIN,
    OFTEN,
    ONCE,
    Scripted,
    World,
    calm,
    expected,
    items,
    readings,
    told,
    trouble,
)

from tocsin.connectors.memory import (
    ABORT,
    END,
    PAUSE,
    AbortedError,
    Item,
    MemorySource,
    Poison,
    Row,
)
from tocsin.pipeline.delivery import Delivery
from tocsin.pipeline.errors import SourceError, StateError
from tocsin.pipeline.incidents import DeadLetter
from tocsin.pipeline.order import Order
from tocsin.pipeline.ports import Desk, Reading
from tocsin.pipeline.runner import RunOptions, Watched, run
from tocsin.pipeline.store import Store

ROWS = trouble(1)


def world(folder: Path, **parts: Sequence[Item]) -> World:
    return World(folder / "store.db", parts or {"a": ROWS})


def saved(path: Path) -> dict[str, int | None]:
    with Store(path) as store:
        return store.parts()


def test_a_run_tells_what_one_row_after_another_tells(tmp_path: Path) -> None:
    one = world(tmp_path, a=ROWS, b=trouble(4))
    summary = one.run()
    assert (one.told(), one.dead()) == expected(one.parts)
    assert summary.opened == sum("state='open'" in text for text in one.told().values()) > 5
    assert summary.resolved == sum("state='resolved'" in text for text in one.told().values()) > 5
    assert summary.undelivered == 0


def test_every_record_is_judged_refused_or_rejected(tmp_path: Path) -> None:
    judged = Counter[str]()

    def count(seen: Watched) -> None:
        judged["rows"] += len(seen.outcome.verdicts)

    summary = world(tmp_path).run(watch=count)
    assert summary.rows == sum(isinstance(item, Row) for item in ROWS)
    assert summary.rejected == sum(isinstance(item, Poison) for item in ROWS) > 3
    assert summary.refused.keys() == {"late", "duplicate"}
    assert judged["rows"] + summary.refused.total() + summary.rejected == len(ROWS)


@pytest.mark.parametrize("options", [OFTEN, ONCE], ids=["often", "once"])
def test_positions_are_committed_after_the_checkpoint(tmp_path: Path, options: RunOptions) -> None:
    commits: list[dict[str, int]] = []
    one = world(tmp_path, a=ROWS, b=trouble(4))

    class Source(MemorySource):
        def commit(self, positions: Mapping[str, int]) -> None:
            found = saved(one.path)
            assert all(found[part] == position for part, position in positions.items())
            commits.append(dict(positions))

    one.run(options, source=Source(one.parts))
    assert commits[-1] == {part: len(rows) for part, rows in one.parts.items()}
    assert (len(commits) > 5) is (options is OFTEN)


def test_a_checkpoint_that_fails_commits_and_tells_nothing(tmp_path: Path) -> None:
    def script(desk: Desk) -> Iterator[Reading]:
        desk.claim("a")
        yield from readings("a", ROWS, size=len(ROWS))

    source, one = Scripted(script), world(tmp_path)

    with Store(one.path) as store:
        store._db.execute(
            "CREATE TRIGGER full BEFORE INSERT ON outbox BEGIN SELECT RAISE(ABORT, 'full'); END"
        )
        with pytest.raises(StateError, match=r"store\.db: full"):
            run(CHAIN, source, store, Delivery({"people": one.sink}), OFTEN)
        assert store.parts() == {"a": None}
    assert (source.committed, one.sink.incidents, source.closed) == ([], {}, True)


def test_refused_rows_become_dead_letters_with_their_bytes_and_the_reason(tmp_path: Path) -> None:
    rows = [
        Row("s", 5 * SECOND, [0.0, 0.0], b"first"),
        Row("s", 5 * SECOND, [1.0, 0.0], b"again"),
        Row("s", 3 * SECOND, [2.0, 0.0], b"older"),
        Row("t", 5 * SECOND, [2.0, 0.0], b"one too many"),
    ]
    one = world(tmp_path, a=rows)
    summary = one.run(chain=replace(CHAIN, max_series=1))
    assert summary.refused == {"duplicate": 1, "late": 1, "too_many_series": 1}
    again, older, many = (one.letters.letters["a", place, 0] for place in (1, 2, 3))
    assert (again.value, older.value, many.value) == (b"again", b"older", b"one too many")
    assert (again.stage, older.stage, many.stage) == ("order", "order", "series")
    assert again.reason.startswith("its series already has a row of this time")
    assert "older than its series' newest row" in older.reason
    assert "as many series as it may" in many.reason
    assert older.reason.endswith("(s at 1970-01-01T00:00:03Z)")
    assert older.timestamp == 3 * SECOND


def test_a_row_of_a_broken_clock_is_refused_as_ahead(tmp_path: Path) -> None:
    rows = items(calm(30))
    far = Row("s0", 10_000 * SECOND, [0.0, 0.0], b"from the future")
    one = world(tmp_path, a=[*rows[:50], far, *rows[50:]])
    assert one.run().refused == {"ahead": 1}
    assert "far ahead of the partition's clock" in one.letters.letters["a", 50, 0].reason


def test_refused_rows_can_be_dropped_and_are_counted_all_the_same(tmp_path: Path) -> None:
    kept, dropped = world(tmp_path), world(tmp_path, a=ROWS)
    dropped.path = tmp_path / "other.db"
    refused = kept.run().refused
    assert dropped.run(replace(OFTEN, on_late="drop")).refused == refused
    assert refused.total() > 3
    poison = {("a", place, 0) for place, item in enumerate(ROWS) if isinstance(item, Poison)}
    assert dropped.dead().keys() == poison < kept.dead().keys()
    assert dropped.told() == kept.told()


def plain_reading(rows: int, **others: object) -> Reading:
    """Rows of one series at one time: all but the first are duplicates."""
    whole = Reading(
        part="a",
        position=8,
        series=["s"] * rows,
        time=np.full(rows, SECOND),
        values=np.arange(2.0 * rows).reshape(rows, 2),
        offset=np.full(rows, 7),
    )
    return replace(whole, **others)


def letters_of(folder: Path, reading: Reading) -> dict[tuple[str, int, int], DeadLetter]:
    def script(desk: Desk) -> Iterator[Reading]:
        desk.claim("a")
        yield reading

    one = world(folder)
    one.run(source=Scripted(script))
    return one.letters.letters


def test_a_row_whose_source_has_no_bytes_is_written_as_json(tmp_path: Path) -> None:
    (letter,) = letters_of(tmp_path, plain_reading(2)).values()
    assert letter.value == b'{"series": "s", "time": "1970-01-01T00:00:01Z", "values": [2.0, 3.0]}'


def test_messages_of_one_record_are_told_apart_whoever_refused_them(tmp_path: Path) -> None:
    gone = [DeadLetter("a", 7, index, "bad", "decode", b"x") for index in (0, 2)]
    found = letters_of(tmp_path, plain_reading(3, rejected=gone))
    assert {index: letter.stage for (_, _, index), letter in sorted(found.items())} == {
        0: "decode",
        2: "decode",
        3: "order",  # 1 is the row that was taken
        4: "order",
    }


def test_rejected_records_are_kept_once_however_often_they_are_read(tmp_path: Path) -> None:
    one = world(tmp_path)
    rows = [*ROWS[:80], ABORT, *ROWS[80:]]
    one.parts = {"a": rows}
    with pytest.raises(AbortedError):
        one.run(ONCE)
    source = one.source()
    source.committed.clear()
    source._met.add(("a", 80))
    summary = one.run(source=source)
    assert summary.rejected == sum(isinstance(item, Poison) for item in ROWS)
    with Store(one.path) as store:
        assert len(store.letters()) == len(one.dead()) == summary.rejected + summary.refused.total()


def test_a_run_that_is_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    one = world(tmp_path)
    one.cuts = (13,)
    answers = iter([False, False, True] * 100)
    lives = 0
    while (saved(one.path).get("a") or 0) < len(ROWS):
        one.run(stop=lambda: next(answers))
        lives += 1
    one.run()
    assert lives > 3
    assert (one.told(), one.dead()) == expected(one.parts)


def test_the_end_of_the_source_judges_what_waits_unless_it_shall_not(tmp_path: Path) -> None:
    waits = replace(CHAIN, order=Order(lateness_ns=5 * SECOND))
    seen: list[int] = []

    def note(watched: Watched) -> None:
        seen.append(len(watched.outcome.verdicts))

    one = world(tmp_path, a=items(calm(20, keys=1)))
    one.run(replace(OFTEN, finish=False), chain=waits, watch=note)
    assert sum(seen) == 15
    one.run(chain=waits, watch=note)
    assert sum(seen) == 20


def test_watching_sees_every_row_with_its_verdict(tmp_path: Path) -> None:
    seen: list[tuple[str, int]] = []
    given: list[tuple[str, int]] = []

    def note(watched: Watched) -> None:
        assert watched.part == "a"
        verdicts = watched.outcome.verdicts
        names = [str(watched.series[key]) for key in verdicts.key.tolist()]
        seen.extend(zip(names, verdicts.time.tolist(), strict=True))
        if watched.reading is not None:
            given.extend(zip(watched.reading.series, watched.reading.time.tolist(), strict=True))

    one = world(tmp_path, a=items(calm(30)))
    one.run(watch=note)
    wanted = [(row.series, row.time) for row in one.parts["a"] if isinstance(row, Row)]
    assert given == seen == wanted


def test_rows_before_a_claim_are_an_error_that_names_the_part(tmp_path: Path) -> None:
    source = Scripted(lambda _: readings("a", ROWS))
    with pytest.raises(StateError, match="rows of a came before the source claimed it"):
        world(tmp_path).run(source=source)
    assert source.closed


def test_a_source_that_fails_is_closed_and_what_was_saved_is_kept(tmp_path: Path) -> None:
    def script(desk: Desk) -> Iterator[Reading]:
        yield from readings("a", ROWS, desk.claim("a") or 0, 60)
        raise SourceError("the cable is out")

    one, source = world(tmp_path), Scripted(script)
    with pytest.raises(SourceError, match="the cable is out"):
        one.run(source=source)
    assert source.closed
    assert saved(one.path) == {"a": 60}
    one.run()
    assert (one.told(), one.dead()) == expected(one.parts)


def test_pauses_and_ends_in_the_source_change_nothing(tmp_path: Path) -> None:
    rows = [*ROWS[:30], PAUSE, *ROWS[30:70], END, *ROWS[70:]]
    one = world(tmp_path, a=rows)
    met = one.source()
    one.run(replace(OFTEN, finish=False), source=met)
    one.run(source=met)
    plain, dead = expected({"a": ROWS})
    assert one.told() == plain
    assert sorted(value or b"" for value in one.dead().values()) == sorted(
        value or b"" for value in dead.values()
    )


def test_a_run_in_memory_tells_the_same(tmp_path: Path) -> None:
    one = world(tmp_path)
    with Store(None) as store:
        run(CHAIN, one.source(), store, Delivery({"people": one.sink}))
        assert told(store.incidents()).items() <= one.told().items()
    assert one.told() == expected(one.parts)[0]
