"""Rows at any times, gathered to one row a step of a regular grid."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.groups import group
from tocsin.pipeline.keyed import per_key
from tocsin.pipeline.types import FloatArray, IntArray

_NO_BIN = int(np.iinfo(np.int64).min)

Gathering = Literal["mean", "last", "min", "max", "sum"]
Filling = Literal["missing", "hold", "skip"]


@dataclass(slots=True)
class GridState:
    """Each key's open step: its number, what it has gathered, and its last finished row."""

    bin: IntArray = per_key(_NO_BIN)  # (K,)
    total: FloatArray = per_key(np.nan)  # (K, *item)
    count: IntArray = per_key(0)  # (K, *item)
    held: FloatArray = per_key(np.nan)  # (K, *item) newest value of each channel


@dataclass(frozen=True, slots=True)
class Grid:
    """One row a key every `every_ns`, stamped with the end of its step.

    Present values of a step are gathered by `gather`; a channel with none is NaN. A step is given
    when the key's next row falls into a later one. Steps with no row at all follow `fill`:
    "missing" gives rows of NaN, "hold" repeats the last row, "skip" gives none. A silence of more
    than `most` steps is not filled at all: it is for health to tell.
    """

    every_ns: int
    gather: Gathering = "mean"
    fill: Filling = "missing"
    most: int = 100

    def __post_init__(self) -> None:
        if self.every_ns <= 0 or self.most < 0:
            raise ConfigError(f"a grid needs every > 0 and most >= 0; found {self}")

    def start(self, item: tuple[int, ...]) -> GridState:
        """The state before any row."""
        return GridState(
            bin=np.empty(0, dtype=np.int64),
            total=np.empty((0, *item)),
            count=np.empty((0, *item), dtype=np.int64),
            held=np.empty((0, *item)),
        )

    def advance(
        self, state: GridState, key: IntArray, time: IntArray, values: FloatArray
    ) -> tuple[IntArray, IntArray, FloatArray]:
        """Take rows in; gives key, time and values of the steps they finish, in order."""
        if not len(key):
            return key, time, values
        rows = group(key)
        step = time[rows.order] // self.every_ns
        opens = np.concatenate(([True], (np.diff(step) != 0) | (np.diff(rows.place) != 0)))
        first = np.flatnonzero(opens)
        owner = rows.keys[rows.place[first]]  # (P,) key of each run of rows in one step
        total, count = self._gather(
            state, owner, step[first], np.cumsum(opens) - 1, values[rows.order]
        )
        done: list[_Finished] = []
        for run, row in enumerate(first.tolist()):
            which, number = int(owner[run]), int(step[row])
            if number != state.bin[which]:
                done += self._finish(state, which, int(rows.order[row]), number)
            state.bin[which] = number
            state.total[which], state.count[which] = total[run], count[run]
        done.sort(key=lambda finished: (finished.arrival, finished.time))
        return _columns(done, values.shape[1:])

    def drain(self, state: GridState, keys: IntArray) -> tuple[IntArray, IntArray, FloatArray]:
        """The open steps of these keys (N,): no row of theirs is to come."""
        held = keys[state.bin[keys] != _NO_BIN]
        done = [
            finished
            for which in held.tolist()
            for finished in self._finish(state, which, 0, int(state.bin[which]) + 1)
        ]
        state.bin[held] = _NO_BIN
        done.sort(key=lambda finished: (finished.time, finished.key))
        return _columns(done, state.total.shape[1:])

    def _gather(
        self, state: GridState, owner: IntArray, step: IntArray, run: IntArray, values: FloatArray
    ) -> tuple[FloatArray, IntArray]:
        """What each run of rows adds up to, one row after another so that cuts change no bit."""
        present = ~np.isnan(values)
        goes_on = (state.bin[owner] == step).reshape(-1, *[1] * (values.ndim - 1))
        neutral = {"min": np.inf, "max": -np.inf}.get(self.gather, 0.0)
        total = np.where(goes_on, state.total[owner], neutral)
        count = np.where(goes_on, state.count[owner], 0)
        np.add.at(count, run, present)
        if self.gather in {"min", "max"}:
            smaller_or_larger = np.minimum if self.gather == "min" else np.maximum
            smaller_or_larger.at(total, run, np.where(present, values, neutral))
        elif self.gather == "last":
            for row, where in enumerate(run.tolist()):
                total[where] = np.where(present[row], values[row], total[where])
        else:
            with np.errstate(invalid="ignore", over="ignore"):  # inf - inf is missing
                np.add.at(total, run, np.where(present, values, 0.0))
        return total, count

    def _finish(
        self, state: GridState, which: int, arrival: int, upto: int
    ) -> Iterator["_Finished"]:
        """The key's open step, and the filled steps between it and step `upto`."""
        number = int(state.bin[which])
        if number == _NO_BIN:
            return
        total, count = state.total[which], state.count[which]
        divisor = np.where(self.gather == "mean", np.maximum(count, 1), 1)
        frame = np.where(count > 0, total / divisor, np.nan)
        state.held[which] = np.where(np.isnan(frame), state.held[which], frame)
        yield _Finished(arrival, (number + 1) * self.every_ns, which, frame)
        if self.fill == "skip" or upto - number - 1 > self.most:
            return
        filler = state.held[which].copy() if self.fill == "hold" else np.full_like(frame, np.nan)
        for empty in range(number + 1, upto):
            yield _Finished(arrival, (empty + 1) * self.every_ns, which, filler)


@dataclass(frozen=True, slots=True)
class _Finished:
    """A finished step, and which row of the block finished it."""

    arrival: int
    time: int
    key: int
    frame: FloatArray  # item


def _columns(done: list[_Finished], item: tuple[int, ...]) -> tuple[IntArray, IntArray, FloatArray]:
    """Key, time and values of finished steps."""
    return (
        np.array([finished.key for finished in done], dtype=np.int64),
        np.array([finished.time for finished in done], dtype=np.int64),
        np.array([finished.frame for finished in done], dtype=np.float64).reshape(-1, *item),
    )
