"""A score that has nothing to do with the row."""

import hashlib
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from tocsin.pipeline.types import Batch, FloatArray, IntArray, Scores, Spec, Traits

_WORD = np.uint64


@dataclass(slots=True)
class NothingLearned:
    """A score that is drawn learns nothing."""


@dataclass(frozen=True, slots=True)
class Random:
    """A control: a number drawn for each row, uniform in 0 to 1.

    The draw depends on the seed and the time alone, so that a replay gives the same; offline, on
    the seed, the series as a whole and the row's number. A row without any value has no opinion.
    Finds nothing; what does not beat it is worth nothing.

    Reference: Kim, Choi, Choi, Lee and Yoon, Towards a rigorous evaluation of time-series anomaly
    detection, 2022, arXiv:2109.05257, where random scores beat published ones.

    >>> batch = Batch(np.zeros(2, dtype=np.int64), np.arange(2), np.ones((2, 1, 1)))
    >>> found = Random().score(NothingLearned(), batch).value
    >>> bool(((found >= 0) & (found < 1)).all()), bool(found[0] != found[1])
    (True, True)
    """

    seed: int = 0

    traits: ClassVar[Traits] = Traits(stochastic=True)
    version: ClassVar[int] = 1

    @property
    def warmup(self) -> int:
        return 0

    def start(self, spec: Spec) -> NothingLearned:
        return NothingLearned()

    def score(self, state: NothingLearned, batch: Batch) -> Scores:
        drawn = self._draw(batch.time)
        missing = np.isnan(batch.values[:, -1]).all(axis=1)
        return Scores(np.where(missing, np.nan, drawn))

    def learn(self, state: NothingLearned, batch: Batch) -> None:
        pass

    def advance(self, state: NothingLearned, batch: Batch) -> Scores:
        return self.score(state, batch)

    def offline(self, spec: Spec, history: FloatArray, series: FloatArray) -> Scores:
        digest = hashlib.blake2b(np.ascontiguousarray(series).tobytes(), digest_size=6).digest()
        return Scores(self._draw(int.from_bytes(digest, "little") + np.arange(len(series))))

    def _draw(self, time: IntArray) -> FloatArray:
        word = _mixed(time.astype(_WORD) ^ _mixed(_seed(self.seed)))
        return np.asarray((word >> _WORD(11)) * 2.0**-53, dtype=np.float64)


def _seed(seed: int) -> NDArray[np.uint64]:
    return np.array([seed % 2**64], dtype=_WORD)


def _mixed(word: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele, Lea, Flood 2014, doi:10.1145/2660193.2660195)."""
    word = word + _WORD(0x9E3779B97F4A7C15)
    word = (word ^ (word >> _WORD(30))) * _WORD(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> _WORD(27))) * _WORD(0x94D049BB133111EB)
    return word ^ (word >> _WORD(31))
