"""An alarm level under which, of all blocks that alarm, only so many alarm falsely."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from tocsin.pipeline.durations import parse_duration
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.keyed import per_key
from tocsin.pipeline.order import NEVER
from tocsin.pipeline.thresholds.fdr import (
    Accounts,
    ELond,
    LordPlusPlus,
    Procedure,
    Saffron,
    begin_anew,
    copied,
)
from tocsin.pipeline.types import BoolArray, FloatArray, IntArray


@dataclass(slots=True)
class OnlineFdrState:
    """Each key's account of tests, and what its open block holds so far."""

    tests: Accounts
    block: IntArray = per_key(NEVER)  # (K,) number of the open block, of all time
    rows: IntArray = per_key(0)  # (K,) with a tail, in the open block
    smallest: FloatArray = per_key(np.inf)  # (K,) tail in the open block


@dataclass(frozen=True, slots=True)
class OnlineFdr:
    """At most a share `target` of a series' alarming blocks of event time is false.

    Rows near each other hang together, so a block of time is one test: its p-value is the smallest
    tail in it times its rows. Each block has a level, by `procedure`, that depends on the blocks
    before; a row alarms at once where its tail is under the level divided by the rows a block
    usually has. `lord` and `saffron` want blocks that are independent of each other, so take blocks
    longer than a row remembers; `e_lond` is valid under any dependence, and alarms for far smaller
    tails. Levels sink while nothing alarms and rise with each alarm; after `restart` blocks the
    account begins anew, so that a series that is calm for a year can still alarm, and the rate then
    holds for each such stretch. A block with more rows than usual may alarm without having earned
    it, which is on the safe side.

    Judged tick by tick. State: 88 bytes and 16 x `memory` a key.
    """

    target: float = 0.1
    block: str = "1h"
    procedure: Literal["lord", "saffron", "e_lond"] = "lord"
    restart: int = 1000
    memory: int = 20

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        self._rule()
        if parse_duration(self.block) <= 0 or self.restart < 1:
            raise ConfigError(f"need a block longer than 0 and restart >= 1; found {self}")

    def start(self) -> OnlineFdrState:
        none = np.empty(0, dtype=np.int64)
        return OnlineFdrState(self._rule().start(), none, none, np.empty(0))

    def alpha(
        self, state: OnlineFdrState, key: IntArray, time: IntArray, interval: FloatArray
    ) -> FloatArray:
        length = parse_duration(self.block)
        rule, tests = self._rule(), copied(state.tests, key)
        over = np.flatnonzero(self._over(state, key, time))
        self._close(tests, over, state.smallest[key[over]], state.rows[key[over]])
        level = rule.level(tests, np.arange(len(key)))
        return level / np.maximum(length / interval, 1.0)

    def opened(self, state: OnlineFdrState, key: int, time: int) -> None:
        """Blocks are counted when they are over, whatever becomes of their alarms."""

    def observe(
        self, state: OnlineFdrState, key: IntArray, time: IntArray, tail: FloatArray
    ) -> None:
        """Take a tick's judged rows (B,) into their blocks, and test the blocks that are over."""
        over = key[self._over(state, key, time)]
        self._close(state.tests, over, state.smallest[over], state.rows[over])
        state.rows[over], state.smallest[over] = 0, np.inf
        block = time // parse_duration(self.block)
        state.block[key] = np.maximum(state.block[key], block)
        known = ~np.isnan(tail)
        who = key[known]
        state.rows[who] += 1
        state.smallest[who] = np.minimum(state.smallest[who], tail[known])

    def _over(self, state: OnlineFdrState, key: IntArray, time: IntArray) -> BoolArray:
        """Whether each row (B,) is the first past its key's open block."""
        block = state.block[key]
        over: BoolArray = (block != NEVER) & (time // parse_duration(self.block) > block)
        return over

    def _close(self, tests: Accounts, key: IntArray, smallest: FloatArray, rows: IntArray) -> None:
        """Test the open blocks of keys (B,) of an account; an empty block is no test."""
        some = rows > 0
        who = key[some]
        self._rule().tested(tests, who, np.minimum(smallest[some] * rows[some], 1.0))
        begin_anew(tests, who[tests.tests[who] >= self.restart])

    def _rule(self) -> Procedure:
        if self.procedure == "e_lond":
            return ELond(self.target)
        if self.procedure == "saffron":
            return Saffron(self.target, memory=self.memory)
        return LordPlusPlus(self.target, memory=self.memory)
