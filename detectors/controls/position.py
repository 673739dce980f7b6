"""A score that only says how late it is."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tocsin.pipeline.keyed import per_key
from tocsin.pipeline.types import Batch, FloatArray, IntArray, Scores, Spec, Traits

_NEVER = np.iinfo(np.int64).min
_SECOND = 1e9


@dataclass(slots=True)
class PositionState:
    """When each series began."""

    first: IntArray = per_key(_NEVER)  # (K,) nanoseconds


@dataclass(frozen=True, slots=True)
class Position:
    """A control: the seconds since the series' first row.

    In many labelled sets faults stand late, so that this does well there: such a set cannot tell a
    detector from a clock. A row without any value has no opinion. Memory a key: 8 bytes.

    Reference: Wu and Keogh, Current time series anomaly detection benchmarks are flawed and are
    creating the illusion of progress, 2020, arXiv:2009.13807, on the run-to-failure bias.

    >>> from tocsin.pipeline.keyed import grow
    >>> scorer = Position()
    >>> state = scorer.start(Spec((1,)))
    >>> grow(state, 1)
    >>> time = np.array([0, 2_000_000_000, 3_000_000_000])
    >>> batch = Batch(np.zeros(3, dtype=np.int64), time, np.ones((3, 1, 1)))
    >>> scorer.advance(state, batch).value.tolist()
    [0.0, 2.0, 3.0]
    """

    traits: ClassVar[Traits] = Traits()
    version: ClassVar[int] = 1

    @property
    def warmup(self) -> int:
        return 0

    def start(self, spec: Spec) -> PositionState:
        return PositionState(np.empty(0, dtype=np.int64))

    def score(self, state: PositionState, batch: Batch) -> Scores:
        first = state.first[batch.key]
        since = np.where(first == _NEVER, 0, batch.time - np.where(first == _NEVER, 0, first))
        missing = np.isnan(batch.values[:, -1]).all(axis=1)
        return Scores(np.where(missing, np.nan, since / _SECOND))

    def learn(self, state: PositionState, batch: Batch) -> None:
        new = state.first[batch.key] == _NEVER
        state.first[batch.key[new]] = batch.time[new]

    def advance(self, state: PositionState, batch: Batch) -> Scores:
        new = np.flatnonzero(state.first[batch.key] == _NEVER)
        for row in new[::-1].tolist():  # the earliest row of a series is written last
            state.first[batch.key[row]] = batch.time[row]
        return self.score(state, batch)

    def offline(self, spec: Spec, history: FloatArray, series: FloatArray) -> Scores:
        return Scores(np.arange(len(series), dtype=np.float64))
