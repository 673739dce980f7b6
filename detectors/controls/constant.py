"""The same score for every row."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tocsin.pipeline.types import Batch, FloatArray, Scores, Spec, Traits


@dataclass(slots=True)
class NothingLearned:
    """A constant learns nothing."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A control: 0 for every row that has a value. A metric that rewards it rewards nothing.

    Reference: Kim, Choi, Choi, Lee and Yoon, Towards a rigorous evaluation of time-series anomaly
    detection, 2022, arXiv:2109.05257.

    >>> batch = Batch(np.zeros(2, dtype=np.int64), np.arange(2), np.array([[[1.0]], [[np.nan]]]))
    >>> Constant().score(NothingLearned(), batch).value.tolist()
    [0.0, nan]
    """

    traits: ClassVar[Traits] = Traits()
    version: ClassVar[int] = 1

    @property
    def warmup(self) -> int:
        return 0

    def start(self, spec: Spec) -> NothingLearned:
        return NothingLearned()

    def score(self, state: NothingLearned, batch: Batch) -> Scores:
        return Scores(np.where(np.isnan(batch.values[:, -1]).all(axis=1), np.nan, 0.0))

    def learn(self, state: NothingLearned, batch: Batch) -> None:
        pass

    def advance(self, state: NothingLearned, batch: Batch) -> Scores:
        return self.score(state, batch)

    def offline(self, spec: Spec, history: FloatArray, series: FloatArray) -> Scores:
        return Scores(np.zeros(len(series)))
