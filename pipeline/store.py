"""The one embedded store: positions, state, incidents, outbox and dead letters, in SQLite.

A checkpoint is one transaction. Whatever instruction a process dies at, the store holds a state,
the position it was reached at and the incidents found by then, or none of the three: what is read
again from that position comes to the same incidents under the same ids.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from tocsin.pipeline.blobs import decode, encode
from tocsin.pipeline.chain import Chain, ChainState
from tocsin.pipeline.errors import StateError
from tocsin.pipeline.incidents import DeadLetter, Incident
from tocsin.pipeline.snapshot import block_of, blocks_touched, header, restore, shared_part
from tocsin.pipeline.types import IntArray

SCHEMA = 3

_TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE parts (
  part TEXT PRIMARY KEY, position INTEGER, epoch INTEGER NOT NULL, header TEXT, shared BLOB
) WITHOUT ROWID;
CREATE TABLE blocks (
  part TEXT, block INTEGER, rows BLOB NOT NULL, PRIMARY KEY (part, block)
);
CREATE TABLE incidents (
  id TEXT PRIMARY KEY, part TEXT NOT NULL, revision INTEGER NOT NULL, body TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE outbox (
  number INTEGER PRIMARY KEY AUTOINCREMENT, sink TEXT NOT NULL, body TEXT NOT NULL
);
CREATE TABLE dead_letters (
  part TEXT, position INTEGER, stage TEXT, place INTEGER, reason TEXT NOT NULL, value BLOB,
  key BLOB, timestamp INTEGER, headers TEXT NOT NULL, sent INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (part, position, stage, place)
) WITHOUT ROWID;
CREATE TABLE labels (
  id TEXT PRIMARY KEY, said_at INTEGER NOT NULL, body TEXT NOT NULL, effect TEXT
) WITHOUT ROWID;
CREATE TABLE silences (number INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL);
CREATE INDEX unsent ON dead_letters (sent) WHERE sent = 0;
CREATE INDEX pending ON labels (said_at) WHERE effect IS NULL;
"""


class FencedError(StateError):
    """Another worker has taken the partition over; what this one has of it is void."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A partition taken over: its fence, and its saved position and state if there are any."""

    epoch: int
    position: int | None
    state: ChainState | None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What one partition adds to the store in one transaction.

    `touched` are the keys whose rows changed since the last checkpoint.
    """

    part: str
    epoch: int
    position: int | None
    state: ChainState
    touched: IntArray
    incidents: Sequence[Incident]
    letters: Sequence[DeadLetter]


class Store:
    """The embedded store, in a file, or in memory where `path` is None.

    Every method raises StateError, naming the file, where SQLite cannot read or write: a full or
    read-only disk, a damaged file, a file that is something else.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._where = ":memory:" if path is None else str(path)
        with self._told():
            self._db = sqlite3.connect(self._where, isolation_level=None, timeout=30)
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.execute("PRAGMA synchronous = FULL")
                self._prepare()
            except BaseException:
                self._db.close()
                raise

    def __enter__(self) -> "Store":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; may be called twice."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What is written inside is written as one: all of it or, where something raises, none."""
        with self._told():
            nested = self._db.in_transaction
            if nested:
                yield
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # a full disk has rolled it back already
                    self._db.execute("ROLLBACK")
                raise

    def claim(self, chain: Chain, part: str, committed: int | None = None) -> Claim:
        """Take a partition over, fencing off whoever had it.

        State behind `committed`, the position the broker holds, is an older owner's: it is dropped.
        A state that was saved under other settings is written anew at once, all of it: its blocks
        are then of one kind, whichever keys later checkpoints touch.
        """
        with self.transaction(), self._read():
            row = self._db.execute(
                "SELECT position, epoch, header, shared FROM parts WHERE part = ?", (part,)
            ).fetchone()
            position, epoch, saved_header, shared = row or (None, 0, "", None)
            self._db.execute(
                "INSERT INTO parts (part, position, epoch) VALUES (?, ?, ?) "
                "ON CONFLICT (part) DO UPDATE SET epoch = excluded.epoch",
                (part, position, epoch + 1),
            )
            if committed is not None and (position is None or position < committed):
                self._forget(part)
                return Claim(epoch + 1, None, None)
            if shared is None:
                return Claim(epoch + 1, position, None)
            where = f"{self._where}, partition {part}"
            rows = self._db.execute("SELECT block, rows FROM blocks WHERE part = ?", (part,))
            blocks = {number: decode(data, where) for number, data in rows}
            # Inside the transaction: a state that is refused fences nobody off.
            state = restore(chain, saved_header, decode(shared, where), blocks, where)
            if saved_header != header(chain):
                keys = np.arange(len(state.keys))
                self._save(chain, Checkpoint(part, epoch + 1, position, state, keys, (), ()))
        return Claim(epoch + 1, position, state)

    def checkpoint(self, chain: Chain, checkpoint: Checkpoint, sinks: Sequence[str]) -> None:
        """Write a partition's progress and put its incidents out for the sinks; all or nothing."""
        with self.transaction():
            self._save(chain, checkpoint)
            self._add_incidents(checkpoint.part, checkpoint.incidents, sinks)
            self._add_letters(checkpoint.letters)

    def unsent(self, sink: str, most: int = 500) -> list[tuple[int, Incident]]:
        """The oldest undelivered revisions for a sink, with their number in the outbox."""
        with self._read():
            rows = self._db.execute(
                "SELECT number, body FROM outbox WHERE sink = ? ORDER BY number LIMIT ?",
                (sink, most),
            )
            return [(number, _incident(body)) for number, body in rows]

    def waiting(self, sink: str) -> int:
        """How many revisions have not been delivered to a sink."""
        with self._told():
            (count,) = self._db.execute(
                "SELECT COUNT(*) FROM outbox WHERE sink = ?", (sink,)
            ).fetchone()
        return int(count)

    def sent(self, numbers: Sequence[int]) -> None:
        """These outbox entries have been delivered."""
        with self.transaction():
            self._db.executemany("DELETE FROM outbox WHERE number = ?", ((n,) for n in numbers))

    def unsent_letters(self, most: int = 500) -> list[DeadLetter]:
        """Dead letters that have not been handed on, in order."""
        with self._read():
            rows = self._db.execute(
                "SELECT part, position, place, reason, stage, value, key, timestamp, headers "
                "FROM dead_letters WHERE sent = 0 ORDER BY part, position, stage, place LIMIT ?",
                (most,),
            )
            return [_letter(row) for row in rows]

    def sent_letters(self, letters: Sequence[DeadLetter]) -> None:
        """These dead letters have been handed on; they stay in the store."""
        with self.transaction():
            self._db.executemany(
                "UPDATE dead_letters SET sent = 1 "
                "WHERE part = ? AND position = ? AND stage = ? AND place = ?",
                ((each.part, each.position, each.stage, each.index) for each in letters),
            )

    def incident(self, name: str) -> Incident | None:
        """The newest revision of the incident of this id, if there is one."""
        with self._read():
            found = self._db.execute("SELECT body FROM incidents WHERE id = ?", (name,)).fetchone()
            return None if found is None else _incident(found[0])

    def incidents(self) -> list[Incident]:
        """The newest revision of every incident, oldest incident first."""
        with self._read():
            rows = self._db.execute("SELECT body FROM incidents")
            return sorted((_incident(body) for (body,) in rows), key=lambda i: (i.started_at, i.id))

    def letters(self) -> list[DeadLetter]:
        """Every dead letter, by partition and position."""
        with self._read():
            rows = self._db.execute(
                "SELECT part, position, place, reason, stage, value, key, timestamp, headers "
                "FROM dead_letters ORDER BY part, position, stage, place"
            )
            return [_letter(row) for row in rows]

    def write(self, statement: str, values: Sequence[Any]) -> tuple[int, int]:
        """Run one statement that writes; gives the rows it changed and the last number given."""
        with self.transaction():
            done = self._db.execute(statement, values)
            return done.rowcount, int(done.lastrowid or 0)

    @contextmanager
    def reading(self, query: str, values: Sequence[Any] = ()) -> Iterator[Iterator[Any]]:
        """The rows of a query; what fails while they are read is a StateError too."""
        with self._read():
            yield iter(self._db.execute(query, values))

    def parts(self) -> dict[str, int | None]:
        """The saved position of every partition."""
        with self._told():
            return dict(self._db.execute("SELECT part, position FROM parts ORDER BY part"))

    def remember(self, part: str, position: int) -> None:
        """Keep where to read on in a part without state, such as a topic of labels."""
        with self.transaction():
            self._db.execute(
                "INSERT INTO parts (part, position, epoch) VALUES (?, ?, 0) "
                "ON CONFLICT (part) DO UPDATE SET position = excluded.position",
                (part, position),
            )

    def size(self, part: str) -> int:
        """Bytes of saved state of a partition."""
        with self._told():
            (shared,) = self._db.execute(
                "SELECT COALESCE(SUM(LENGTH(shared)), 0) FROM parts WHERE part = ?", (part,)
            ).fetchone()
            (rows,) = self._db.execute(
                "SELECT COALESCE(SUM(LENGTH(rows)), 0) FROM blocks WHERE part = ?", (part,)
            ).fetchone()
        return int(shared + rows)

    def reset(self, part: str) -> None:
        """Forget a partition's position and state; its incidents and dead letters stay."""
        with self.transaction():
            self._forget(part)

    def _forget(self, part: str) -> None:
        self._db.execute(
            "UPDATE parts SET position = NULL, header = NULL, shared = NULL WHERE part = ?", (part,)
        )
        self._db.execute("DELETE FROM blocks WHERE part = ?", (part,))

    def _save(self, chain: Chain, checkpoint: Checkpoint) -> None:
        """Write position and state; FencedError where the partition is another's by now."""
        part, state = checkpoint.part, checkpoint.state
        shared = encode(shared_part(state))
        found = self._db.execute(
            "UPDATE parts SET position = ?, header = ?, shared = ? WHERE part = ? AND epoch = ?",
            (checkpoint.position, header(chain), shared, part, checkpoint.epoch),
        ).rowcount
        if not found:
            raise FencedError(f"{self._where}: another worker has taken partition {part} over")
        self._db.executemany(
            "INSERT OR REPLACE INTO blocks (part, block, rows) VALUES (?, ?, ?)",
            (
                (part, number, encode(block_of(state, number)))
                for number in blocks_touched(checkpoint.touched)
            ),
        )

    def _add_incidents(
        self, part: str, incidents: Sequence[Incident], sinks: Sequence[str]
    ) -> None:
        for incident in incidents:
            body = json.dumps(asdict(incident))
            self._db.execute(
                "INSERT INTO incidents (id, part, revision, body) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, body = excluded.body "
                "WHERE excluded.revision > incidents.revision",
                (incident.id, part, incident.revision, body),
            )
            self._db.executemany(
                "INSERT INTO outbox (sink, body) VALUES (?, ?)", ((sink, body) for sink in sinks)
            )

    def _add_letters(self, letters: Sequence[DeadLetter]) -> None:
        self._db.executemany(
            "INSERT OR IGNORE INTO dead_letters "
            "(part, position, stage, place, reason, value, key, timestamp, headers) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (
                    each.part,
                    each.position,
                    each.stage,
                    each.index,
                    each.reason,
                    each.value,
                    each.key,
                    each.timestamp,
                    json.dumps([(name, value.hex()) for name, value in each.headers]),
                )
                for each in letters
            ),
        )

    def _prepare(self) -> None:
        """Make the tables in a new file; refuse one that is of another schema."""
        if not self._tables():
            with self.transaction():
                if not self._tables():  # another worker may have made them meanwhile
                    for statement in _TABLES.split(";"):
                        self._db.execute(statement)
                    self._db.execute("INSERT INTO meta VALUES ('schema', ?)", (str(SCHEMA),))
        if not {"meta", "outbox"} <= self._tables():
            raise StateError(f"{self._where}: a database of something else, not a tocsin store")
        found = self._db.execute("SELECT value FROM meta WHERE name = 'schema'").fetchone()
        if found != (str(SCHEMA),):
            raise StateError(
                f"{self._where}: store has schema {found and found[0]}, this version reads {SCHEMA}"
            )

    def _tables(self) -> set[str]:
        return {name for (name,) in self._db.execute("SELECT name FROM sqlite_master")}

    @contextmanager
    def _read(self) -> Iterator[None]:
        """What comes out of the file may not be what was put in."""
        with self._told():
            try:
                yield
            except (ValueError, TypeError, KeyError) as error:
                raise StateError(f"{self._where}: what it holds is damaged: {error!r}") from error

    @contextmanager
    def _told(self) -> Iterator[None]:
        """SQLite's errors as ours, with the file's name."""
        try:
            yield
        except (sqlite3.Error, UnicodeDecodeError) as error:  # the latter of a damaged message
            raise StateError(f"{self._where}: {error}") from error


def _incident(body: str) -> Incident:
    plain = json.loads(body)
    plain["channels"] = tuple((name, share) for name, share in plain["channels"])
    plain["readings"] = tuple(map(tuple, plain["readings"]))
    plain["covariates"] = tuple(map(tuple, plain.get("covariates", ())))
    return Incident(**plain)


def _letter(row: tuple[Any, ...]) -> DeadLetter:
    *columns, headers = row
    pairs = tuple((name, bytes.fromhex(value)) for name, value in json.loads(headers))
    names = ("part", "position", "index", "reason", "stage", "value", "key", "timestamp")
    return DeadLetter(**dict(zip(names, columns, strict=True)), headers=pairs)
