"""Raw score to tail probability: how likely a normal row scores at least as high."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Protocol, TypeVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.extremes import pareto_tail
from tocsin.pipeline.groups import Groups, group
from tocsin.pipeline.keyed import per_key
from tocsin.pipeline.types import FloatArray, IntArray

C = TypeVar("C")

_FEW_ROUNDS = 4  # up to so many rows a key, lines cost more than they save
_LINE = 256  # rows a key that are taken at once
_CELLS = 4_000_000  # of a comparison table, so that a block's memory stays small


class Calibrator(Protocol[C]):
    """A stage that learns how normal scores are spread; `docs/spec/calibrator.md` has its promises.

    `key` (B,), `time` (B,) and `value` (B,) are the rows' series, times in int64 ns UTC, and raw
    scores; NaN in gives NaN out. One that says how many scores its tails rest on has a method
    `size(state, key) -> (B,)` beside these.
    """

    version: ClassVar[int]

    def start(self) -> C:
        """The state before any score, with room for no key."""
        ...

    def tail(self, state: C, key: IntArray, time: IntArray, value: FloatArray) -> FloatArray:
        """P(normal score >= value) in (0, 1] for each row; changes nothing."""
        ...

    def learn(self, state: C, key: IntArray, time: IntArray, value: FloatArray) -> None:
        """Learn normal scores, in place; no key stands twice in one call, NaN is passed over."""
        ...

    def advance(self, state: C, key: IntArray, time: IntArray, value: FloatArray) -> FloatArray:
        """`tail`, then `learn`, tick by tick; rows stand in (time, key) order."""
        ...

    def renew(self, state: C) -> None:
        """Share what the keys learned since the last call; called at fixed ticks.

        Changes shared state alone: a key's own rows change only when the key has a row.
        """
        ...


@dataclass(slots=True)
class ConformalState:
    """Each key's newest scores in a ring, and the pool that young keys borrow from."""

    pool: FloatArray  # (pool,)
    pooled: int
    turn: int  # renewals of the pool
    ring: FloatArray = per_key(np.nan)  # (K, history)
    seen: IntArray = per_key(0)  # (K,) scores learned
    latest: FloatArray = per_key(np.nan)  # (K,) newest score
    latest_turn: IntArray = per_key(-1)  # (K,) the turn it was learned in


@dataclass(frozen=True, slots=True)
class Conformal:
    """Conformal tail probability of a key against its own recent history.

    p = (1 + #{scores in the history at least as high}) / (1 + n), valid when the history and the
    row are exchangeable (Vovk, Gammerman and Shafer 2005, doi:10.1007/b106715; Laxhammar and
    Falkman 2010). The history is the key's newest `history` learned scores, so old ones are
    forgotten. A key with fewer than `alone` scores of its own borrows the difference from a pool
    of one score a key at each renewal, so a new pump is judged as pumps are until it is known.
    Under `least` scores in all the answer is NaN. With `extremes`, a score above a whole history of
    at least `alone` goes on past 1/(n+1) by a generalised Pareto tail.

    Autocorrelated scores make a real false-alarm rate differ from the nominal one.
    State: 8 bytes x (`history` + 3) a key, and 8 x `pool` bytes.

    >>> from tocsin.pipeline.keyed import grow
    >>> calibrator = Conformal(history=99, extremes=False)
    >>> state = calibrator.start()
    >>> grow(state, 1)
    >>> key = np.array([0])
    >>> for score in range(99):
    ...     calibrator.learn(state, key, key, np.array([float(score)]))
    >>> calibrator.tail(state, key, key, np.array([98.5])).tolist()
    [0.01]
    """

    history: int = 1000
    alone: int = 200
    least: int = 30
    pool: int = 1000
    extremes: bool = True

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.alone or self.history < 1 or self.pool < 1:
            raise ConfigError(f"need 1 <= least <= alone, history >= 1 and pool >= 1; found {self}")

    @property
    def recovery(self) -> int:
        """Scores after which the tails are right again when the scores have shifted."""
        return self.history

    def start(self) -> ConformalState:
        return ConformalState(
            ring=np.empty((0, self.history)),
            seen=np.empty(0, dtype=np.int64),
            latest=np.empty(0),
            latest_turn=np.empty(0, dtype=np.int64),
            pool=np.full(self.pool, np.nan),
            pooled=0,
            turn=0,
        )

    def tail(
        self, state: ConformalState, key: IntArray, time: IntArray, value: FloatArray
    ) -> FloatArray:
        ring = state.ring[_rows(key)]  # (B, history)
        above = (ring >= value[:, None]).view(np.uint8).sum(axis=1, dtype=np.uint32)
        own = np.minimum(state.seen[key], self.history)
        tail = self._probability(state, value, above, own)
        for row in self._beyond(value, above, own):
            tail[row] = min(tail[row], pareto_tail(ring[row], float(value[row])))
        return tail

    def size(self, state: ConformalState, key: IntArray) -> IntArray:
        """How many scores (B,) each row's tail rests on, its own and borrowed."""
        own = np.minimum(state.seen[key], self.history)
        return own + self._borrowed(state, own)

    def learn(
        self, state: ConformalState, key: IntArray, time: IntArray, value: FloatArray
    ) -> None:
        known = ~np.isnan(value)
        keys, scores = key[known], value[known]
        state.ring[keys, state.seen[keys] % self.history] = scores
        state.seen[keys] += 1
        state.latest[keys] = scores
        state.latest_turn[keys] = state.turn

    def advance(
        self, state: ConformalState, key: IntArray, time: IntArray, value: FloatArray
    ) -> FloatArray:
        known = np.flatnonzero(~np.isnan(value))
        tail = np.full(len(value), np.nan)
        if not len(known):
            return tail
        groups = group(key[known])
        if groups.count.max() <= _FEW_ROUNDS:
            for nth in range(int(groups.count.max())):
                rows = known[groups.order[groups.round == nth]]
                tail[rows] = self.tail(state, key[rows], time[rows], value[rows])
                self.learn(state, key[rows], time[rows], value[rows])
            return tail
        for first in range(0, int(groups.count.max()), _LINE):
            rows = known[groups.order[(groups.round >= first) & (groups.round < first + _LINE)]]
            span = group(key[rows])
            tail[rows] = span.scatter(self._advance(state, value[rows][span.order], span))
        return tail

    def renew(self, state: ConformalState) -> None:
        fresh = state.latest[state.latest_turn == state.turn]
        place = (state.pooled + np.arange(len(fresh))) % self.pool
        state.pool[place[-self.pool :]] = fresh[-self.pool :]
        state.pooled += len(fresh)
        state.turn += 1

    def _advance(self, state: ConformalState, value: FloatArray, groups: Groups) -> FloatArray:
        """Tails of rows in key order: the history of each is a window of one long line a key."""
        tail = np.empty(len(value))
        for part in _parts(groups, self.history):
            keys, count = groups.keys[part], groups.count[part]
            rows = slice(groups.start[part][0], groups.start[part][-1] + count[-1])
            scores, nth, place = value[rows], groups.round[rows], groups.place[rows] - part.start
            seen = state.seen[keys]
            line = np.full((len(keys), self.history + int(count.max())), np.nan)
            oldest = (seen[:, None] + np.arange(self.history)) % self.history
            line[:, : self.history] = state.ring[keys[:, None], oldest]
            line[place, self.history + nth] = scores
            windows = sliding_window_view(line, self.history, axis=1)  # (G, longest + 1, history)
            above = _count_above(line, self.history, np.minimum(seen, self.history), place, nth)
            own = np.minimum(seen[place] + nth, self.history)
            tail[rows] = self._probability(state, scores, above, own)
            for row in self._beyond(scores, above, own):
                extreme = pareto_tail(windows[place[row], nth[row]], float(scores[row]))
                tail[rows.start + row] = min(tail[rows.start + row], extreme)
            kept = nth >= count[place] - self.history
            slot = (seen[place] + nth) % self.history
            state.ring[keys[place[kept]], slot[kept]] = scores[kept]
            state.seen[keys] += count
            state.latest[keys] = line[np.arange(len(keys)), self.history + count - 1]
            state.latest_turn[keys] = state.turn
        return tail

    def _probability(
        self, state: ConformalState, value: FloatArray, above: NDArray[np.integer], own: IntArray
    ) -> FloatArray:
        pool = np.sort(state.pool[: min(state.pooled, self.pool)])
        borrowed = self._borrowed(state, own)
        higher = len(pool) - np.searchsorted(pool, value, side="left")
        share = borrowed / max(len(pool), 1)
        size = own + borrowed
        tail = (1 + above + share * higher) / (1 + size)
        return np.where(np.isnan(value) | (size < self.least), np.nan, tail)

    def _borrowed(self, state: ConformalState, own: IntArray) -> IntArray:
        return np.clip(self.alone - own, 0, min(state.pooled, self.pool))

    def _beyond(
        self, value: FloatArray, above: NDArray[np.integer], own: IntArray
    ) -> Iterator[int]:
        """Rows that score above all of a long enough history of their own."""
        if self.extremes:
            yield from np.flatnonzero(
                (above == 0) & (own >= self.alone) & ~np.isnan(value)
            ).tolist()


def _parts(groups: Groups, history: int) -> Iterator[slice]:
    """Slices of the groups whose lines together stay within `_CELLS`."""
    first, width = 0, history
    for last, count in enumerate(groups.count.tolist(), start=1):
        wider = max(width, history + count)
        if last - 1 > first and wider * (last - first) > _CELLS:
            yield slice(first, last - 1)
            first, wider = last - 1, history + count
        width = wider
    yield slice(first, len(groups.count))


def _count_above(
    line: FloatArray, history: int, filled: IntArray, place: IntArray, nth: IntArray
) -> IntArray:
    """How many scores of its history are at least each row's; rows stand in key order.

    `line` (G, history + R) holds each key's kept scores, then its new ones. The kept ones are
    sorted once; for each new row those that have left since are taken off and those that have come
    are added.
    """
    new = line[:, history:]  # (G, R)
    kept = np.sort(line[:, :history], axis=1)  # (G, history), NaN last
    above = np.empty(new.shape, dtype=np.int64)
    for key, size in enumerate(filled.tolist()):
        above[key] = size - np.searchsorted(kept[key, :size], new[key], side="left")
    rounds = new.shape[1]
    earlier = np.tri(rounds, k=-1, dtype=bool)  # (R, R): column before row
    above += ((new[:, None, :] >= new[:, :, None]) & earlier).sum(axis=2)
    gone = line[:, :rounds]  # by row r the first r have left, kept or new alike
    above -= ((gone[:, None, :] >= new[:, :, None]) & earlier).sum(axis=2)
    return above[place, nth]


def _rows(key: IntArray) -> IntArray | slice:
    """The keys as an index, a slice where they are consecutive, so that nothing is copied."""
    if len(key) and key[-1] - key[0] == len(key) - 1 and bool((np.diff(key) == 1).all()):
        return slice(int(key[0]), int(key[-1]) + 1)
    return key
