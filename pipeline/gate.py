"""What may be learned from: everything, or nothing of a series that is firing."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.keyed import per_key
from tocsin.pipeline.order import NEVER
from tocsin.pipeline.types import BoolArray, IntArray


@dataclass(slots=True)
class GateState:
    """Since when each key has been firing, and whether a person was asked or has accepted."""

    since: IntArray = per_key(NEVER)  # (K,)
    asked: BoolArray = per_key(fill=False)  # (K,)
    accepted: BoolArray = per_key(fill=False)  # (K,)


@dataclass(frozen=True, slots=True)
class Gate:
    """The learning rule, so that a lasting fault is not learned as normal.

    "always" learns every row. "freeze_while_firing" learns no row that alarms or whose series has
    an incident pending or open. After `at_most_ns` of freezing, `then` says what follows: "ask"
    stays frozen and asks a person, whose `accept` starts learning again; "learn" goes on by itself.
    """

    learn: Literal["always", "freeze_while_firing"] = "freeze_while_firing"
    at_most_ns: int = 21_600_000_000_000
    then: Literal["ask", "learn"] = "ask"

    def __post_init__(self) -> None:
        if self.at_most_ns < 0:
            raise ConfigError(f"a gate needs at_most >= 0; found {self.at_most_ns}")

    def start(self) -> GateState:
        """The state before any row."""
        none = np.empty(0, dtype=np.int64)
        return GateState(since=none, asked=none.astype(bool), accepted=none.astype(bool))

    def admit(
        self, state: GateState, key: IntArray, time: IntArray, firing: BoolArray
    ) -> tuple[BoolArray, BoolArray]:
        """Which rows may be learned, and which are the row at which to ask a person."""
        everything = np.ones(len(key), dtype=bool)
        if self.learn == "always":
            return everything, ~everything
        calm = key[~firing]
        state.since[calm] = NEVER
        state.asked[calm] = state.accepted[calm] = False
        since = np.where(state.since[key] == NEVER, time, state.since[key])
        state.since[key[firing]] = since[firing]
        over = firing & (time - since >= self.at_most_ns)
        if self.then == "learn":
            return ~firing | over, ~everything
        asks = over & ~state.asked[key]
        state.asked[key[asks]] = True
        return ~firing | state.accepted[key], asks


def accept(state: GateState, key: int) -> None:
    """A person says that what a firing series shows is normal now: learn it from here on."""
    state.accepted[key] = True
