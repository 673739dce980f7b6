"""A store on a full disk, in a damaged file, or in one that is something else."""

import sqlite3
from pathlib import Path

import numpy as np
import pytest
from oracles.pipeline_chains import PLAIN
from oracles.stores import incident, letter, lived, save

from tocsin.pipeline import snapshot
from tocsin.pipeline.errors import StateError
from tocsin.pipeline.store import SCHEMA, Store


def test_a_checkpoint_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    with Store(tmp_path / "s.db") as store:
        save(store, 5, incidents=[incident("x")])
        state, touched = lived()
        state.scorer = {"no": "state"}
        with pytest.raises(StateError, match=r"ChainState\.scorer holds a dict"):
            save(store, 6, lived_by=(state, touched), incidents=[incident("y")])
        assert store.parts() == {"a": 5}
        assert [each.id for each in store.incidents()] == ["x"]


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
    for place in rng.integers(0, len(whole), 150).tolist():
        harmed = bytearray(whole)
        harmed[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(harmed)
        try:
            read_all(path)
        except StateError:
            refused += 1
    assert refused > 8


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
        'UPDATE dead_letters SET headers = \'[["name", "xyz"]]\'',
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
