"""Rows as they come, put in the order they are judged in; what cannot be placed is refused.

Event time alone decides. A partition's clock is the newest time seen in it; its watermark is the
clock less `lateness`. Rows wait until the watermark reaches them, then leave in (time, key) order.
A row behind the watermark still joins the open tick if it is newer than all its own series has had;
a row that is not is refused, and so is a row far ahead of the clock while other series still tell
the old time, so that one broken clock stops nobody else.
"""

import heapq
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.keyed import per_key
from tocsin.pipeline.types import BoolArray, FloatArray, IntArray

NEVER = int(np.iinfo(np.int64).min)  # the time of what has not happened

Refusal = Literal["late", "duplicate", "ahead"]

_SETTLING = 16  # rows of a partition before a jump in time can be told from its usual step
_USUAL = 10  # a step so many times the largest so far is a jump


@dataclass(slots=True)
class OrderState:
    """The partition's clock, what waits for the watermark, and each series' newest time."""

    clock: int
    step: int  # the largest move of the clock so far
    rows: int
    ahead: int  # rows far ahead of the clock, one after another
    top: int  # the largest key so far
    wait_key: IntArray  # (N,)
    wait_time: IntArray  # (N,)
    wait_values: FloatArray  # (N, *item)
    last: IntArray = per_key(NEVER)  # (K,) newest time let through


@dataclass(frozen=True, slots=True)
class Ordered:
    """Rows let through, in order, and the rows of the batch that were refused, with the reason."""

    key: IntArray
    time: IntArray
    values: FloatArray
    refused: tuple[tuple[int, Refusal], ...]


@dataclass(frozen=True, slots=True)
class Order:
    """How much disorder is put right, and what counts as a broken clock.

    `lateness_ns`: how long rows wait for older ones; it delays every verdict by as much.
    `max_ahead_ns`: in a partition of several series, a row further ahead of the clock than this
    (and than ten times its largest step) is refused until `agree` such rows come with no ordinary
    row between them, which is what the end of a gap looks like.
    """

    lateness_ns: int = 0
    max_ahead_ns: int = 60_000_000_000
    agree: int = 3

    def __post_init__(self) -> None:
        if self.lateness_ns < 0 or self.max_ahead_ns <= 0 or self.agree < 1:
            raise ConfigError(f"need lateness >= 0, max_ahead > 0 and agree >= 1; found {self}")

    def start(self, item: tuple[int, ...]) -> OrderState:
        """The state before any row."""
        none = np.empty(0, dtype=np.int64)
        return OrderState(
            clock=NEVER,
            step=0,
            rows=0,
            ahead=0,
            top=-1,
            wait_key=none,
            wait_time=none,
            wait_values=np.empty((0, *item)),
            last=none,
        )

    def admit(
        self, state: OrderState, key: IntArray, time: IntArray, values: FloatArray
    ) -> Ordered:
        """Let rows in; gives those whose turn has come."""
        if not len(key):
            return Ordered(key, time, values, ())
        if self.lateness_ns == 0 and self._in_order(state, key, time):
            clocks = np.maximum.accumulate(np.concatenate(([state.clock], time)))
            state.step = max(state.step, int(np.diff(clocks).max()))
            state.clock = int(clocks[-1])
            state.rows += len(key)
            state.ahead = 0
            state.top = max(state.top, int(key.max()))
            np.maximum.at(state.last, key, time)
            return Ordered(key, time, values, ())
        return self._one_by_one(state, key, time, values)

    def drain(self, state: OrderState) -> Ordered:
        """All that waits, in order: the input has ended."""
        order = np.lexsort((state.wait_key, state.wait_time))
        key, time = state.wait_key[order], state.wait_time[order]
        values = state.wait_values[order]
        np.maximum.at(state.last, key, time)
        _keep_waiting(state, np.zeros(len(key), dtype=bool))
        return Ordered(key, time, values, ())

    def _in_order(self, state: OrderState, key: IntArray, time: IntArray) -> bool:
        """Whether every row is newer than its series' last and none jumps: the usual case."""
        if state.rows < _SETTLING:
            return False
        before = np.maximum.accumulate(np.concatenate(([state.clock], time)))[:-1]
        several = max(state.top, int(key.max())) > 0
        if several and bool((time - before > self._reach(state)).any()):
            return False
        order = np.argsort(key, kind="stable")
        keys, times = key[order], time[order]
        first = np.concatenate(([True], keys[1:] != keys[:-1]))
        previous = np.where(first, state.last[keys], np.concatenate(([NEVER], times[:-1])))
        return bool((times > previous).all())

    def _one_by_one(
        self, state: OrderState, key: IntArray, time: IntArray, values: FloatArray
    ) -> Ordered:
        waiting = len(state.wait_key)
        keys = np.concatenate((state.wait_key, key))
        times = np.concatenate((state.wait_time, time))
        frames = np.concatenate((state.wait_values, values))
        heap = [(int(times[row]), int(keys[row]), row) for row in range(waiting)]
        heapq.heapify(heap)
        held = {(at, which) for at, which, _ in heap}
        leaving: list[int] = []
        refused: list[tuple[int, Refusal]] = []
        for row in range(waiting, len(keys)):
            at, which = int(times[row]), int(keys[row])
            why = self._refusal(state, at, which, held)
            if why is not None:
                refused.append((row - waiting, why))
                continue
            heapq.heappush(heap, (at, which, row))
            held.add((at, which))
            while heap and heap[0][0] <= state.clock - self.lateness_ns:
                out, owner, released = heapq.heappop(heap)
                held.discard((out, owner))
                state.last[owner] = max(out, int(state.last[owner]))
                leaving.append(released)
        stays = np.zeros(len(keys), dtype=bool)
        stays[[row for _, _, row in heap]] = True
        state.wait_key, state.wait_time, state.wait_values = keys, times, frames
        _keep_waiting(state, stays)
        rows = np.array(leaving, dtype=np.int64)
        return Ordered(keys[rows], times[rows], frames[rows], tuple(refused))

    def _refusal(
        self, state: OrderState, at: int, which: int, held: set[tuple[int, int]]
    ) -> Refusal | None:
        """Why a row cannot be let in, or None, in which case the clock has moved to it."""
        state.top = max(state.top, which)
        if at <= state.last[which]:
            return "duplicate" if at == state.last[which] else "late"
        if (at, which) in held:
            return "duplicate"
        if state.clock != NEVER:
            settled = state.top > 0 and state.rows >= _SETTLING
            if settled and at - state.clock > self._reach(state):
                state.ahead += 1
                if state.ahead < self.agree:
                    return "ahead"
            state.step = max(state.step, at - state.clock)
        state.ahead = 0
        state.rows += 1
        state.clock = max(state.clock, at)
        return None

    def _reach(self, state: OrderState) -> int:
        return max(self.max_ahead_ns, _USUAL * state.step)


def _keep_waiting(state: OrderState, stays: BoolArray) -> None:
    state.wait_key = state.wait_key[stays]
    state.wait_time = state.wait_time[stays]
    state.wait_values = state.wait_values[stays]


def tick_starts(clock: int, members: set[int], key: IntArray, time: IntArray) -> IntArray:
    """Where ticks begin among rows that left in order: at a newer time, or a key's second row.

    `clock` and `members` are the time of the open tick and the keys it has; the rows up to the
    first start belong to it. The cut depends on the rows alone, never on how they were batched.
    """
    if not len(key):
        return np.empty(0, dtype=np.int64)
    before = np.maximum.accumulate(np.concatenate(([clock], time)))[:-1]
    newer = time > before
    part = np.cumsum(newer, dtype=np.int64)
    if not _meets_twice(part, key, members):
        return np.flatnonzero(newer)
    starts: list[int] = []
    present = set(members)
    for row, (which, is_newer) in enumerate(zip(key.tolist(), newer.tolist(), strict=True)):
        if is_newer or which in present:
            starts.append(row)
            present = set()
        present.add(which)
    return np.array(starts, dtype=np.int64)


def _meets_twice(part: IntArray, key: IntArray, members: set[int]) -> bool:
    """Whether a key stands twice in one part, or in the first part and among the open members."""
    if members and not members.isdisjoint(key[part == 0].tolist()):
        return True
    order = np.lexsort((key, part))
    same_part = part[order][1:] == part[order][:-1]
    return bool((same_part & (key[order][1:] == key[order][:-1])).any())
