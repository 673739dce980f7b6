"""The store: a checkpoint is whole or not there, and a file that is no store is refused."""

import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles.pipeline_chains import PLAIN
from oracles.runs import calm

from tocsin.pipeline import snapshot
from tocsin.pipeline.chain import ChainState, start
from tocsin.pipeline.errors import StateError
from tocsin.pipeline.incidents import DeadLetter, Incident
from tocsin.pipeline.state import same
from tocsin.pipeline.step import step
from tocsin.pipeline.store import SCHEMA, Checkpoint, FencedError, Store
from tocsin.pipeline.types import NO_KEYS, IntArray


def incident(name: str, revision: int = 1, started_at: int = 5, **others: Any) -> Incident:
    whole = Incident(
        id=name,
        revision=revision,
        state="open",
        kind="anomaly",
        series="pümp",
        started_at=started_at,
        opened_at=6,
        ended_at=None,
        peak_at=7,
        score=float("nan"),
        tail=1e-5,
        alpha=float("inf"),
        severity=5.0,
        level="critical",
        rows=2,
        channels=(("temp", 0.75), ("flow", 0.25)),
        reason="why",
        rule="r",
    )
    return replace(whole, **others)


def letter(position: int, index: int = 0, **others: Any) -> DeadLetter:
    whole = DeadLetter("a", position, index, "no time", "decode", b"\x00\xff", b"key", 12)
    return replace(whole, **others)


def lived(ticks: int = 30) -> tuple[ChainState, IntArray]:
    state, rows = start(PLAIN), calm(ticks)
    return state, step(PLAIN, state, rows.series, rows.time, rows.values).touched


def save(  # what a test does not say is as it usually is
    store: Store,
    position: int | None = 10,
    *,
    epoch: int | None = None,
    part: str = "a",
    lived_by: tuple[ChainState, IntArray] | None = None,
    incidents: Sequence[Incident] = (),
    letters: Sequence[DeadLetter] = (),
    sinks: Sequence[str] = ("people",),
) -> None:
    epoch = store.claim(PLAIN, part).epoch if epoch is None else epoch
    state, touched = lived() if lived_by is None else lived_by
    store.checkpoint(
        PLAIN, Checkpoint(part, epoch, position, state, touched, incidents, letters), sinks
    )


def test_a_new_store_knows_nothing(tmp_path: Path) -> None:
    with Store(tmp_path / "s.db") as store:
        assert store.parts() == {}
        assert (store.incidents(), store.letters(), store.unsent_letters()) == ([], [], [])
        assert (store.unsent("people"), store.waiting("people"), store.size("a")) == ([], 0, 0)
        claim = store.claim(PLAIN, "a")
    assert (claim.epoch, claim.position, claim.state) == (1, None, None)


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_claim_gives_the_position_and_state_that_were_saved(
    tmp_path: Path, in_memory: bool
) -> None:
    state, touched = lived()
    with Store(None if in_memory else tmp_path / "s.db") as store:
        save(store, 42, lived_by=(state, touched))
        claim = store.claim(PLAIN, "a")
        assert store.parts() == {"a": 42}
        assert store.size("a") > 1000
    assert claim.position == 42
    assert claim.state is not None
    assert same(claim.state, state)


def test_a_part_without_a_position_still_has_its_state() -> None:
    with Store(None) as store:
        save(store, None)
        claim = store.claim(PLAIN, "a")
        assert store.parts() == {"a": None}
    assert claim.position is None
    assert claim.state is not None


def test_parts_are_kept_apart() -> None:
    with Store(None) as store:
        save(store, 1, lived_by=lived(3))
        save(store, 2, part="b", lived_by=lived(9))
        (one, other) = (store.claim(PLAIN, part).state for part in "ab")
    assert one is not None
    assert other is not None
    assert (one.clock, other.clock) == (2_000_000_000, 8_000_000_000)


@pytest.mark.parametrize(("committed", "kept"), [(None, True), (9, True), (10, True), (11, False)])
def test_state_behind_the_brokers_position_is_an_older_owners(
    committed: int | None, kept: bool
) -> None:
    with Store(None) as store:
        save(store, 10)
        claim = store.claim(PLAIN, "a", committed)
        assert (claim.state is not None) is kept
        assert claim.position == (10 if kept else None)
        assert (store.size("a") > 0) is kept


def test_whoever_claims_a_part_fences_off_who_had_it(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with Store(path) as mine, Store(path) as other:
        epoch = mine.claim(PLAIN, "a").epoch
        save(other, 7, epoch=other.claim(PLAIN, "a").epoch)
        with pytest.raises(FencedError, match=r"s\.db: another worker has taken partition a over"):
            save(mine, 99, epoch=epoch, incidents=[incident("x")], letters=[letter(1)])
        assert mine.parts() == {"a": 7}
        assert (mine.unsent("people"), mine.letters()) == ([], [])


def test_claims_by_two_at_once_have_fences_of_their_own(tmp_path: Path) -> None:
    epochs: list[int] = []

    def claim_often() -> None:
        with Store(tmp_path / "s.db") as store:
            epochs.extend(store.claim(PLAIN, "a").epoch for _ in range(10))

    workers = [threading.Thread(target=claim_often) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(epochs) == list(range(1, 21))


def test_a_checkpoint_writes_the_blocks_of_touched_keys_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "BLOCK", 2)
    state, rows = start(PLAIN), calm(5, keys=6)
    with Store(tmp_path / "s.db") as store:
        epoch = store.claim(PLAIN, "a").epoch

        def write(names: Sequence[str], time: int) -> int:
            times = np.full(len(names), time)
            outcome = step(PLAIN, state, names, times, rows.values[: len(names)])
            save(store, time, epoch=epoch, lived_by=(state, outcome.touched))
            found = sqlite3.connect(tmp_path / "s.db")
            before = set(seen)
            seen.update(found.execute("SELECT block, rows FROM blocks"))
            found.close()
            return len(seen - before)

        seen: set[tuple[int, bytes]] = set()
        first = write([f"s{key}" for key in range(6)], 10)
        second = write(["s4"], 20)  # closes the first tick: all its keys learn
        third = write(["s4"], 30)
        restored = store.claim(PLAIN, "a").state
    assert (first, second, third) == (3, 3, 1)
    assert restored is not None
    assert same(restored, state)


def test_a_checkpoint_without_touched_keys_writes_no_block() -> None:
    with Store(None) as store:
        save(store, 1)
        store._db.execute("CREATE TRIGGER no BEFORE INSERT ON blocks BEGIN SELECT RAISE(FAIL, 'x'); END")
        save(store, 2, lived_by=(lived()[0], NO_KEYS))
        assert store.parts() == {"a": 2}


def test_incidents_are_put_out_for_every_sink_and_come_back_as_they_were() -> None:
    one, two = incident("x"), incident("y", asks="is this normal?", ended_at=9)
    with Store(None) as store:
        save(store, incidents=[one, two], sinks=("people", "file"))
        for sink in ("people", "file"):
            assert [repr(found) for _, found in store.unsent(sink)] == [repr(one), repr(two)]
        assert store.unsent("nobody") == []


def test_what_was_sent_to_one_sink_still_waits_for_the_other() -> None:
    with Store(None) as store:
        save(store, incidents=[incident("x"), incident("y")], sinks=("people", "file"))
        store.sent([number for number, _ in store.unsent("people", most=1)])
        assert [found.id for _, found in store.unsent("people")] == ["y"]
        assert (store.waiting("people"), store.waiting("file")) == (1, 2)


def test_the_newest_revision_of_each_incident_is_kept_oldest_incident_first() -> None:
    with Store(None) as store:
        save(store, incidents=[incident("b", 1), incident("a", 1, 9), incident("b", 2)])
        save(store, incidents=[incident("b", 1), incident("c", 1, 1)])
        found = [(each.id, each.revision) for each in store.incidents()]
    assert found == [("c", 1), ("b", 2), ("a", 1)]


def test_a_dead_letter_comes_back_as_it_was_and_is_kept_once() -> None:
    plain = letter(3)
    rich = letter(4, 2, value=None, key=None, timestamp=None, headers=(("trace", b"\xfe"),))
    with Store(None) as store:
        save(store, letters=[rich, plain, plain])
        save(store, letters=[replace(plain, reason="told anew")])
        assert store.letters() == [plain, rich]


def test_letters_of_one_record_are_told_apart_by_index_and_stage() -> None:
    with Store(None) as store:
        save(store, letters=[letter(3), letter(3, 1), letter(3, stage="order")])
        assert len(store.unsent_letters()) == 3


def test_dead_letters_that_were_handed_on_stay_in_the_store() -> None:
    with Store(None) as store:
        save(store, letters=[letter(1), letter(2), letter(3)])
        store.sent_letters(store.unsent_letters(most=2))
        assert [each.position for each in store.unsent_letters()] == [3]
        assert [each.position for each in store.letters()] == [1, 2, 3]


def test_a_reset_part_starts_afresh_and_keeps_its_incidents_and_fence() -> None:
    with Store(None) as store:
        epoch = store.claim(PLAIN, "a").epoch
        save(store, epoch=epoch, incidents=[incident("x")], letters=[letter(1)])
        store.reset("a")
        assert (store.parts(), store.size("a")) == ({"a": None}, 0)
        assert len(store.incidents()) == len(store.letters()) == 1
        claim = store.claim(PLAIN, "a")
    assert (claim.epoch, claim.position, claim.state) == (epoch + 1, None, None)


def test_a_store_may_be_closed_twice() -> None:
    store = Store(None)
    store.close()
    store.close()
    with pytest.raises(sqlite3.ProgrammingError):
        store._db.execute("SELECT 1")


def test_a_checkpoint_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    with Store(tmp_path / "s.db") as store:
        save(store, 5, incidents=[incident("x")])
        state, touched = lived()
        state.scorer.mean = np.array([object()])  # cannot be saved
        with pytest.raises(StateError, match="scorer holds"):
            save(store, 6, lived_by=(_unsaveable(state), touched), incidents=[incident("y")])
        assert store.parts() == {"a": 5}
        assert [each.id for each in store.incidents()] == ["x"]


def _unsaveable(state: ChainState) -> ChainState:
    state.scorer = object()
    return state


def fill_disk(store: Store, pages: int = 0) -> None:
    """No page more than there is."""
    (used,) = store._db.execute("PRAGMA page_count").fetchone()
    store._db.execute(f"PRAGMA max_page_count = {used + pages}")


def test_a_full_disk_is_a_state_error_that_names_the_file_and_keeps_what_was(
    tmp_path: Path,
) -> None:
    path = tmp_path / "s.db"
    with Store(path) as store:
        save(store, 5)
        fill_disk(store)
        with pytest.raises(StateError, match=r"s\.db: database or disk is full"):
            save(store, 6, letters=[letter(n, value=bytes(9000)) for n in range(9)])
        assert store.parts() == {"a": 5}
        assert store.letters() == []
    with Store(path) as store:
        save(store, 6, letters=[letter(n, value=bytes(9000)) for n in range(9)])
        assert store.parts() == {"a": 6}


def test_a_store_goes_on_once_there_is_room_again(tmp_path: Path) -> None:
    with Store(tmp_path / "s.db") as store:
        save(store, 5)
        fill_disk(store)
        with pytest.raises(StateError):
            save(store, 6, letters=[letter(1, value=bytes(99_000))])
        fill_disk(store, 10_000)
        save(store, 6, letters=[letter(1, value=bytes(99_000))])
        assert store.parts() == {"a": 6}


def test_a_file_that_may_only_be_read_is_a_state_error(tmp_path: Path) -> None:
    with Store(tmp_path / "s.db") as store:
        store._db.execute("PRAGMA query_only = 1")
        with pytest.raises(StateError, match=r"s\.db: attempt to write a readonly database"):
            store.claim(PLAIN, "a")


@pytest.mark.parametrize("place", ["", "file/s.db", "nowhere/s.db"])
def test_a_place_where_no_file_can_be_is_a_state_error(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StateError, match="unable to open database file") as caught:
        Store(tmp_path / place)
    assert str(tmp_path / place) in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"not a database at all, but long enough to be looked at" * 40, b"SQLite format 3"]
)
def test_a_file_of_something_else_is_a_state_error_and_left_alone(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(StateError, match=r"notes\.txt: file is not a database"):
        Store(path)
    assert path.read_bytes() == content


def test_a_database_of_something_else_is_refused_and_gets_no_tables(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE meta (x)")
    with pytest.raises(StateError, match=r"other\.db: a database of something else"):
        Store(path)
    tables = other.execute("SELECT name FROM sqlite_master").fetchall()
    other.close()
    assert tables == [("meta",)]


@pytest.mark.parametrize("found", [str(SCHEMA + 1), "0", None])
def test_a_store_of_another_schema_is_refused(tmp_path: Path, found: str | None) -> None:
    path = tmp_path / "s.db"
    with Store(path) as store:
        store._db.execute("DELETE FROM meta")
        if found is not None:
            store._db.execute("INSERT INTO meta VALUES ('schema', ?)", (found,))
    with pytest.raises(StateError, match=f"store has schema {found}, this version reads {SCHEMA}"):
        Store(path)


def read_all(path: Path) -> str:
    """All that a store has to say."""
    with Store(path) as store:
        claim = store.claim(PLAIN, "a")
        state = None if claim.state is None else snapshot.shared_part(claim.state)
        told = (store.incidents(), store.letters(), store.unsent("people"), store.unsent_letters())
        return repr((claim.position, state, told, store.parts()))


def test_a_harmed_file_is_a_state_error_or_tells_something_plain(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with Store(path) as store:
        save(store, 5, incidents=[incident("x"), incident("y")], letters=[letter(1), letter(2)])
        store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        store._db.execute("PRAGMA journal_mode = DELETE")
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for place in rng.integers(0, len(whole), 400).tolist():
        harmed = bytearray(whole)
        harmed[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(harmed)
        try:
            read_all(path)
        except StateError as error:
            refused += 1
            assert "s.db" in str(error), place
    assert refused > 20


def test_a_file_that_was_cut_is_a_state_error(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with Store(path) as store:
        save(store, 5, incidents=[incident("x")])
        store._db.execute("PRAGMA journal_mode = DELETE")
    path.write_bytes(path.read_bytes()[: 3 * 4096])
    with pytest.raises(StateError, match=r"s\.db: "):
        read_all(path)


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE incidents SET body = substr(body, 2)",
        "UPDATE incidents SET body = '{}'",
        "UPDATE incidents SET body = '[]'",
        "UPDATE outbox SET body = 'null'",
        "UPDATE dead_letters SET headers = '[1]'",
        "UPDATE dead_letters SET headers = '[[\"name\", \"xyz\"]]'",
        "UPDATE dead_letters SET headers = '{'",
        "UPDATE parts SET header = NULL",
        "UPDATE parts SET shared = x'00'",
        "UPDATE blocks SET rows = substr(rows, 2)",
        "DELETE FROM blocks",
    ],
)
def test_harm_inside_the_tables_is_a_state_error_that_names_the_file(
    tmp_path: Path, harm: str
) -> None:
    path = tmp_path / "s.db"
    with Store(path) as store:
        save(store, 5, incidents=[incident("x")], letters=[letter(1)])
        store._db.execute(harm)
    with pytest.raises(StateError, match=r"s\.db"):
        read_all(path)


def test_a_claim_that_is_refused_takes_nothing_over(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with Store(path) as store:
        epoch = store.claim(PLAIN, "a").epoch
        save(store, 5, epoch=epoch)
        store._db.execute("UPDATE blocks SET rows = x'00'")
        with pytest.raises(StateError):
            store.claim(PLAIN, "a")
        save(store, 6, epoch=epoch)
        assert store.parts() == {"a": 6}


def test_two_that_make_the_store_at_once_make_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual, others = Store._tables, [True]

    def tables(self: Store) -> set[str]:
        found = usual(self)
        if others.pop() if others else False:  # between a look and the making
            Store(tmp_path / "s.db").close()
        return found

    monkeypatch.setattr(Store, "_tables", tables)
    with Store(tmp_path / "s.db") as store:
        assert store.parts() == {}
