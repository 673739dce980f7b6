"""How small a tail probability must be to raise an alarm."""

from dataclasses import dataclass
from typing import ClassVar, Protocol, TypeVar

import numpy as np

from tocsin.pipeline.durations import parse_budget
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.keyed import per_key
from tocsin.pipeline.types import FloatArray, IntArray

T = TypeVar("T")

_PATIENCE = 9.0  # incidents above the budget, from which on each one costs a decade
_ENOUGH = 100.0  # decades; a level is under all tails long before


class Threshold(Protocol[T]):
    """A stage that gives each row its alarm level; the alarm is `tail < alpha`."""

    version: ClassVar[int]

    def start(self) -> T:
        """The state before any incident, with room for no key."""
        ...

    def alpha(self, state: T, key: IntArray, time: IntArray, interval: FloatArray) -> FloatArray:
        """Alarm level of each row, NaN where it cannot be told; changes nothing.

        `interval` (B,) is the mean time in nanoseconds between the key's rows so far, or NaN.
        """
        ...

    def opened(self, state: T, key: int, time: int) -> None:
        """An incident of this key has opened."""
        ...


class Observing(Threshold[T], Protocol[T]):
    """A threshold that looks at every row, and so is judged tick by tick, not in bulk."""

    def observe(self, state: T, key: IntArray, time: IntArray, tail: FloatArray) -> None:
        """Take in a tick's judged rows (B,), in key order, after their alarms were decided.

        A tail of NaN is no opinion. No key stands twice.
        """
        ...


@dataclass(slots=True)
class FixedTailState:
    """Nothing: a fixed level does not move."""


@dataclass(frozen=True, slots=True)
class FixedTail:
    """The same alarm level for every row."""

    level: float = 1e-4

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if not 0 < self.level < 1:
            raise ConfigError(f"a fixed tail needs a level between 0 and 1; found {self.level}")

    def start(self) -> FixedTailState:
        return FixedTailState()

    def alpha(
        self, state: FixedTailState, key: IntArray, time: IntArray, interval: FloatArray
    ) -> FloatArray:
        return np.full(len(key), self.level)

    def opened(self, state: FixedTailState, key: int, time: int) -> None:
        """A fixed level takes no notice."""


@dataclass(slots=True)
class AlertBudgetState:
    """Each key's account: incidents not yet paid off, and when that was reckoned."""

    debt: FloatArray = per_key(0.0)  # (K,)
    at: IntArray = per_key(0)  # (K,)


@dataclass(frozen=True, slots=True)
class AlertBudget:
    """An alarm level at which a normal series opens at most so many incidents, "2/week/asset".

    The level starts where independent normal rows would raise the budget's number of alarms:
    alpha = budget rate x mean time between rows, at most `most`. Alarms that cluster open fewer
    incidents, so this errs on the quiet side. Each opened incident is a debt that is paid off at
    the budget's rate; a debt above one period's budget by x divides the level by (1 + x)^3, so a
    detector that false-alarms too often is held back and recovers with time. From x = 9 on each
    further incident takes the level down by a whole decade, so that it soon lies under the smallest
    tail there is, 1e-12: over any time, on any data, at most

        rate x time + the budget's number + 18

    incidents open. A lasting fault is one incident, costs one, and keeps the level it opened with:
    it is never muted.
    """

    budget: str = "2/week/series"
    most: float = 0.01

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        parse_budget(self.budget)
        if not 0 < self.most < 1:
            raise ConfigError(f"a budget's highest level lies between 0 and 1; found {self.most}")

    def start(self) -> AlertBudgetState:
        return AlertBudgetState(debt=np.empty(0), at=np.empty(0, dtype=np.int64))

    def alpha(
        self, state: AlertBudgetState, key: IntArray, time: IntArray, interval: FloatArray
    ) -> FloatArray:
        count, period, _ = parse_budget(self.budget)
        rate = count / period
        debt = np.maximum(state.debt[key] - rate * (time - state.at[key]), 0.0)
        return self._level(rate, interval) / _held_back(np.maximum(debt - count, 0.0))

    def undivided(self, interval: FloatArray) -> FloatArray:
        """The level of series with no debt, by the mean time between their rows, nanoseconds."""
        count, period, _ = parse_budget(self.budget)
        return self._level(count / period, interval)

    def _level(self, rate: float, interval: FloatArray) -> FloatArray:
        return np.minimum(rate * interval, self.most)

    def opened(self, state: AlertBudgetState, key: int, time: int) -> None:
        count, period, _ = parse_budget(self.budget)
        left = state.debt[key] - count / period * (time - state.at[key])
        state.debt[key] = max(left, 0.0) + 1.0
        state.at[key] = time


def _held_back(excess: FloatArray) -> FloatArray:
    """What the level of a key is divided by, whose debt is so much (B,) above its budget.

    >>> _held_back(np.array([0.0, 1.0, 9.0, 11.0])).tolist()
    [1.0, 8.0, 1000.0, 100000.0]
    """
    mild = 1.0 + np.minimum(excess, _PATIENCE)
    decades = np.clip(excess - _PATIENCE, 0.0, _ENOUGH)
    return np.asarray(mild * mild * mild * 10.0**decades)
