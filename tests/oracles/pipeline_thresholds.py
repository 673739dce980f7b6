"""A threshold that looks at every row, for the tests of the chain."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tocsin.pipeline.keyed import per_key
from tocsin.pipeline.types import FloatArray, IntArray


@dataclass(slots=True)
class WatchingState:
    """What has been seen, of all keys together and of each."""

    total: float
    ticks: int
    rows: IntArray = per_key(0)  # (K,)


@dataclass(frozen=True, slots=True)
class Watching:
    """A level that moves with each tail, so that any change of order or of a tick shows."""

    level: float = 0.03

    version: ClassVar[int] = 1

    def start(self) -> WatchingState:
        return WatchingState(0.0, 0, np.empty(0, dtype=np.int64))

    def alpha(
        self, state: WatchingState, key: IntArray, time: IntArray, interval: FloatArray
    ) -> FloatArray:
        return np.full(len(key), self.level * (1.0 + 0.5 * np.sin(state.total)))

    def opened(self, state: WatchingState, key: int, time: int) -> None:
        """It takes no notice."""

    def observe(
        self, state: WatchingState, key: IntArray, time: IntArray, tail: FloatArray
    ) -> None:
        state.rows[key] += 1
        state.ticks += 1
        for value in tail[~np.isnan(tail)].tolist():
            state.total = 0.9 * state.total + value
