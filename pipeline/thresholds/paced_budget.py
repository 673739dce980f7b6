"""An alarm level that is steered, up and down, by how many incidents came."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tocsin.pipeline.durations import parse_budget
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.keyed import per_key
from tocsin.pipeline.order import NEVER
from tocsin.pipeline.types import FloatArray, IntArray


@dataclass(slots=True)
class PacedBudgetState:
    """Each key's level, in decades above that of independent rows, after its newest incident."""

    decades: FloatArray = per_key(0.0)  # (K,)
    at: IntArray = per_key(NEVER)  # (K,) time of the newest incident


@dataclass(frozen=True, slots=True)
class PacedBudget:
    """An alarm level steered to the pace of a budget, "2/week/asset", whatever the tails say.

    It begins where independent normal rows would raise the budget's number of alarms, at most
    `most`. Each opened incident takes it `gain` decades down, and time takes it up again by `gain`
    decades for each incident of the budget, up to `up` and down to `down` decades from where it
    began: integral control, as of the level in adaptive conformal inference (Gibbs and Candès 2021,
    arXiv 2106.00170). So over any time, on any data, at most

        rate x time + (up + down) / gain + 1

    incidents open: the lowest level lies under the smallest tail there is, so nothing opens there.
    Before a series' first incident the level stays where it began.

    The price is muting: after some incidents in a row, right or false, only stranger rows open
    another one until the pace is made up for. A lasting fault is one incident and keeps the level
    it opened with. State: 16 bytes a key.

    >>> from tocsin.pipeline.keyed import grow
    >>> budget, hour = PacedBudget("1/day"), 3_600_000_000_000
    >>> state = budget.start()
    >>> grow(state, 1)
    >>> budget.opened(state, 0, 0)
    >>> key, at = np.zeros(2, dtype=np.int64), np.array([0, 24 * hour])
    >>> budget.alpha(state, key, at, np.full(2, 24e-3 * hour)).round(6).tolist()
    [1e-05, 0.001]
    """

    budget: str = "2/week/series"
    most: float = 0.01
    gain: float = 2.0
    up: float = 0.5
    down: float = 12.0

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        parse_budget(self.budget)
        if not 0 < self.most < 1:
            raise ConfigError(f"a budget's highest level lies between 0 and 1; found {self.most}")
        if not (self.gain > 0 and self.up >= 0 and self.down > 0):
            raise ConfigError(f"need gain and down above 0 and up at least 0; found {self}")

    def start(self) -> PacedBudgetState:
        return PacedBudgetState(decades=np.empty(0), at=np.empty(0, dtype=np.int64))

    def alpha(
        self, state: PacedBudgetState, key: IntArray, time: IntArray, interval: FloatArray
    ) -> FloatArray:
        count, period, _ = parse_budget(self.budget)
        begun = np.minimum(count / period * interval, self.most)
        return np.minimum(begun * 10.0 ** self._decades(state, key, time), self.most)

    def opened(self, state: PacedBudgetState, key: int, time: int) -> None:
        now = self._decades(state, np.array([key]), np.array([time]))[0]
        state.decades[key] = max(now - self.gain, -self.down)
        state.at[key] = time

    def _decades(self, state: PacedBudgetState, key: IntArray, time: IntArray) -> FloatArray:
        count, period, _ = parse_budget(self.budget)
        at = state.at[key]
        since = np.maximum(time - np.where(at == NEVER, time, at), 0)
        return np.minimum(state.decades[key] + self.gain * count / period * since, self.up)
