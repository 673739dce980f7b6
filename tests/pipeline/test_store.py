"""The store: what a checkpoint puts in comes out again, for its owner alone."""

import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from oracles.pipeline_chains import PLAIN
from oracles.runs import calm
from oracles.stores import incident, letter, lived, save

from tocsin.pipeline import snapshot
from tocsin.pipeline.chain import start
from tocsin.pipeline.state import same
from tocsin.pipeline.step import step
from tocsin.pipeline.store import FencedError, Store
from tocsin.pipeline.types import NO_KEYS


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
        store._db.execute(
            "CREATE TRIGGER no BEFORE INSERT ON blocks BEGIN SELECT RAISE(FAIL, 'x'); END"
        )
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
