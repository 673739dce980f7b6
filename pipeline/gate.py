"""What may be learned: everything, or nothing of a series that is firing, at once or after a wait.

A fault that is learned becomes normal, and the next one like it is not found.
"""

from dataclasses import dataclass, fields
from typing import Literal

import numpy as np

from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.groups import group
from tocsin.pipeline.keyed import per_key
from tocsin.pipeline.order import NEVER
from tocsin.pipeline.types import BoolArray, FloatArray, IntArray


@dataclass(slots=True)
class GateState:
    """Since when each key has been firing, whether a person was asked, and what is relearned."""

    since: IntArray = per_key(NEVER)  # (K,)
    asked: BoolArray = per_key(fill=False)  # (K,)
    relearn: IntArray = per_key(0)  # (K,) rows that are learned whatever they show


@dataclass(slots=True)
class Waiting:
    """Rows in quarantine: judged, to be learned if no incident opens before they are let out."""

    key: IntArray  # (N,)
    time: IntArray  # (N,)
    values: FloatArray  # (N, T, *item)
    score: FloatArray  # (N,)

    def __len__(self) -> int:
        return len(self.key)

    def take(self, rows: IntArray | BoolArray) -> "Waiting":
        """The chosen rows, copied."""
        return Waiting(*(getattr(self, field.name)[rows] for field in fields(self)))

    def joined(self, later: "Waiting") -> "Waiting":
        """These rows, then later ones."""
        return Waiting(
            *(
                np.concatenate((getattr(self, field.name), getattr(later, field.name)))
                for field in fields(self)
            )
        )

    def ticks(self) -> list["Waiting"]:
        """The rows of each time in turn, in key order."""
        order = np.lexsort((self.key, self.time))
        edges = np.flatnonzero(np.diff(self.time[order])) + 1
        return [self.take(part) for part in np.split(order, edges) if len(part)]


@dataclass(frozen=True, slots=True)
class Gate:
    """The learning rule, so that a lasting fault is not learned as normal.

    "always" learns every row. "freeze_while_firing" learns no row that alarms or whose series has
    an incident pending or open. "quarantine" does the same, and lets the rows it would learn wait
    until `quarantine_rows` such rows of the series have come after them and the newest of these is
    `quarantine_ns` later; if an incident of the series opens meanwhile they are dropped, so the
    first rows of a fault that begins slowly are not learned either.

    After `at_most_ns` of freezing, `then` says what follows: "ask" stays frozen and asks a person,
    who may accept it; "learn" goes on by itself. A series that was accepted as the new normal
    learns its next `relearn_rows` rows with a score whatever they show, and opens no incident from
    them.
    """

    learn: Literal["always", "freeze_while_firing", "quarantine"] = "freeze_while_firing"
    at_most_ns: int = 21_600_000_000_000
    then: Literal["ask", "learn"] = "ask"
    quarantine_ns: int = 3_600_000_000_000
    quarantine_rows: int = 0
    relearn_rows: int = 100

    def __post_init__(self) -> None:
        if self.at_most_ns < 0:
            raise ConfigError(f"a gate needs at_most >= 0; found {self.at_most_ns}")
        if min(self.quarantine_ns, self.quarantine_rows, self.relearn_rows) < 0:
            raise ConfigError(f"quarantine and relearn_rows are 0 or more; found {self}")

    def start(self) -> GateState:
        """The state before any row."""
        none = np.empty(0, dtype=np.int64)
        return GateState(since=none, asked=none.astype(bool), relearn=none)

    def admit(
        self, state: GateState, key: IntArray, time: IntArray, firing: BoolArray
    ) -> tuple[BoolArray, BoolArray]:
        """Which rows may be learned, and which are the row at which to ask a person."""
        everything = np.ones(len(key), dtype=bool)
        if self.learn == "always":
            return everything, ~everything
        calm = key[~firing]
        state.since[calm] = NEVER
        state.asked[calm] = False
        since = np.where(state.since[key] == NEVER, time, state.since[key])
        state.since[key[firing]] = since[firing]
        over = firing & (time - since >= self.at_most_ns)
        if self.then == "learn":
            return ~firing | over, ~everything
        asks = over & ~state.asked[key]
        state.asked[key[asks]] = True
        return ~firing, asks

    def detain(self, waiting: Waiting, fresh: Waiting) -> tuple[Waiting, Waiting]:
        """Who waits on and who is let out, once `fresh` rows of a tick, which may be learned, come.

        Only rows of series that have a fresh one are let out.
        """
        every = waiting.joined(fresh)
        rows = group(every.key)
        newest = every.time[rows.order][rows.start + rows.count - 1]  # (G,)
        later = rows.count[rows.place] - 1 - rows.round
        aged = newest[rows.place] - every.time[rows.order] >= self.quarantine_ns
        heard = np.isin(rows.keys, fresh.key)[rows.place]
        out = np.empty(len(every), dtype=bool)
        out[rows.order] = heard & aged & (later >= self.quarantine_rows)
        return every.take(~out), every.take(out)


def accept(state: GateState, key: int, rows: int = 100) -> None:
    """The gate's part of an acceptance: a series is free, and learns so many rows whatever comes.

    `tocsin.pipeline.acceptance.accept` is the whole of it.
    """
    state.since[key] = NEVER
    state.asked[key] = False
    state.relearn[key] = rows
