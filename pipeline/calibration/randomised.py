"""Conformal tails that are uniform to the last digit, ties and all, by a draw for each row."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from tocsin.pipeline.calibrate import Conformal, ConformalState
from tocsin.pipeline.calibration.rounds import in_rounds
from tocsin.pipeline.types import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Randomised:
    """Randomised conformal tail: p = (#{higher} + (#{equal} + 1) u) / (1 + n), u uniform in (0, 1].

    Exactly uniform for exchangeable scores, however many are tied (Vovk, Gammerman and Shafer 2005,
    doi:10.1007/b106715), which a test martingale needs; a single tail is less easily explained. The
    draw u is a hash of `seed`, the row's time and how many scores the key has learned. It depends
    on no key number and on no generator, so a replay and a live run give the same bits. History,
    pool and the memory a key are those of `Conformal`. The tail falls below 1/(n+1) by the draw
    alone, so a level below 1/(n+1) is kept by chance: rows above all others alarm at random.

    >>> from tocsin.pipeline.keyed import grow
    >>> calibrator = Randomised(history=99, least=10)
    >>> state = calibrator.start()
    >>> grow(state, 1)
    >>> tied = np.ones(99)
    >>> _ = calibrator.advance(state, np.zeros(99, np.int64), np.arange(99), tied)
    >>> bool(0 < calibrator.tail(state, np.array([0]), np.array([99]), np.ones(1))[0] < 1)
    True
    """

    history: int = 1000
    alone: int = 200
    least: int = 30
    pool: int = 1000
    seed: int = 0

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        self._counts()

    def start(self) -> ConformalState:
        return self._counts().start()

    def tail(
        self, state: ConformalState, key: IntArray, time: IntArray, value: FloatArray
    ) -> FloatArray:
        counts = self._counts()
        at_least = counts.tail(state, key, time, value)
        # Infinity has no next number; nothing is above it but the row itself.
        above = counts.tail(state, key, time, np.nextafter(value, np.inf))
        one = 1.0 / (1 + self.size(state, key))
        above = np.where(np.isposinf(value), one, above)
        draw = uniform(self.seed, state.seen[key], time)
        return np.clip((above - one) + (at_least - above + one) * draw, np.finfo(float).tiny, 1.0)

    def learn(
        self, state: ConformalState, key: IntArray, time: IntArray, value: FloatArray
    ) -> None:
        self._counts().learn(state, key, time, value)

    def advance(
        self, state: ConformalState, key: IntArray, time: IntArray, value: FloatArray
    ) -> FloatArray:
        return in_rounds(self, state, key, time, value)

    def renew(self, state: ConformalState) -> None:
        self._counts().renew(state)

    def size(self, state: ConformalState, key: IntArray) -> IntArray:
        """How many scores (B,) each row's tail rests on, its own and borrowed."""
        return self._counts().size(state, key)

    def _counts(self) -> Conformal:
        return Conformal(self.history, self.alone, self.least, self.pool, extremes=False)


def uniform(seed: int, count: IntArray, time: IntArray) -> FloatArray:
    """Numbers in (0, 1] (B,) that look random and depend on the arguments alone.

    The mixing is that of SplitMix64 (Steele, Lea and Flood 2014, doi:10.1145/2714064.2660195).

    >>> uniform(0, np.array([1, 1]), np.array([5, 6])).round(3).tolist()
    [0.352, 0.731]
    """
    mixed = _mixed(np.full(len(count), seed % 2**64, dtype=np.uint64))
    for part in (count, time):
        mixed = _mixed(mixed ^ part.astype(np.int64).view(np.uint64))
    return ((mixed >> np.uint64(11)).astype(np.float64) + 1.0) / 2.0**53


def _mixed(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    bits = bits + np.uint64(0x9E3779B97F4A7C15)  # arrays wrap around, as is meant
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
