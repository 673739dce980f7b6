"""Conformal tails in which old scores count for less."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tocsin.pipeline.calibration.rounds import ages, in_rounds, written
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.keyed import per_key
from tocsin.pipeline.types import FloatArray, IntArray


@dataclass(slots=True)
class WeightedState:
    """Each key's newest scores in a ring."""

    ring: FloatArray = per_key(np.nan)  # (K, history)
    seen: IntArray = per_key(0)  # (K,)


@dataclass(frozen=True, slots=True)
class WeightedConformal:
    """Conformal tail with weights that halve every `half_life` scores, for slow drift and shifts.

    p = (1 + W{scores at least as high}) / (1 + W), W the weight of scores, the newest having 1
    (Tibshirani, Barber, Candes and Ramdas 2019, arXiv:1904.06019; with fixed weights, Barber and
    others 2023, doi:10.1214/23-AOS2276, whose coverage falls short by no more than the weighted
    distance of past scores from the present). In the long run W is 1.44 half-lives, and no tail is
    below 1/(1 + W): choose a half-life of at least 0.7 / level.

    `recovery`: after a lasting shift, levels of 5 % and more hold again after 7 half-lives. After
    a rise of the scores false alarms are back within a fifth after 2.6; after a fall a level a is
    mute until log2(1/a) half-lives are over. `size` is W rounded down; `effective` is the effective
    number of scores, W^2 over the sum of squared weights (Kish 1965). The ring holds `history`
    scores, 10 half-lives unless set. No pool. State: 8 bytes x (`history` + 1) a key.

    >>> from tocsin.pipeline.keyed import grow
    >>> calibrator = WeightedConformal(half_life=10.0, least=5)
    >>> state = calibrator.start()
    >>> grow(state, 1)
    >>> zeros = np.zeros(200, dtype=np.int64)
    >>> _ = calibrator.advance(state, zeros, zeros, np.arange(200.0))
    >>> calibrator.tail(state, np.array([0]), np.array([0]), np.array([189.5])).round(2).tolist()
    [0.53]
    """

    half_life: float = 200.0
    history: int = 0  # ten half-lives
    least: int = 30

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if not 1 <= self.half_life < 1e6 or self.least < 1 or self.history < 0:
            raise ConfigError(f"need half_life and least >= 1, and history >= 0; found {self}")

    @property
    def kept(self) -> int:
        """Scores kept a key."""
        return self.history or int(np.ceil(10 * self.half_life))

    @property
    def recovery(self) -> int:
        """Scores after which the tails are right again when the scores have shifted."""
        return int(np.ceil(7 * self.half_life))

    def start(self) -> WeightedState:
        return WeightedState(np.empty((0, self.kept)), np.empty(0, dtype=np.int64))

    def tail(
        self, state: WeightedState, key: IntArray, time: IntArray, value: FloatArray
    ) -> FloatArray:
        weight = self._weights(state, key)  # (B, history)
        known = np.minimum(state.seen[key], self.kept) >= self.least
        tail = weighted_tail(state.ring[key], weight, value)
        return np.where(known, tail, np.nan)

    def learn(self, state: WeightedState, key: IntArray, time: IntArray, value: FloatArray) -> None:
        known = ~np.isnan(value)
        keys = key[known]
        state.ring[keys, state.seen[keys] % self.kept] = value[known]
        state.seen[keys] += 1

    def advance(
        self, state: WeightedState, key: IntArray, time: IntArray, value: FloatArray
    ) -> FloatArray:
        return in_rounds(self, state, key, time, value)

    def renew(self, state: WeightedState) -> None:
        """Nothing is shared."""

    def size(self, state: WeightedState, key: IntArray) -> IntArray:
        """The weight (B,) of the scores each row's tail rests on, rounded down."""
        weight: FloatArray = self._weights(state, key).sum(axis=1)
        return weight.astype(np.int64)

    def effective(self, state: WeightedState, key: IntArray) -> FloatArray:
        """The effective number of scores (B,)."""
        return effective_size(self._weights(state, key))

    def _weights(self, state: WeightedState, key: IntArray) -> FloatArray:
        seen = state.seen[key]
        weight = np.exp2(-np.arange(self.kept) / self.half_life)[ages(seen, self.kept)]
        return np.where(written(seen, self.kept), weight, 0.0)


def weighted_tail(scores: FloatArray, weight: FloatArray, value: FloatArray) -> FloatArray:
    """(1 + W{scores at least as high}) / (1 + W) for values (B,), scores and weights (B, n).

    A row's own weight is 1: give density ratios divided by the row's own for a covariate shift.
    NaN where the value is.

    >>> weighted_tail(np.array([[1.0, 2.0]]), np.array([[0.5, 1.0]]), np.array([2.0])).tolist()
    [0.8]
    """
    above = np.where(scores >= value[:, None], weight, 0.0).sum(axis=1)
    tail: FloatArray = (1 + above) / (1 + weight.sum(axis=1))
    return np.where(np.isnan(value), np.nan, tail)


def effective_size(weight: FloatArray) -> FloatArray:
    """How many scores of equal weight say as much: the square of the sum over the sum of squares.

    `weight` (B, n) is not negative; 0 where all of a row are.

    >>> effective_size(np.array([[1.0, 1.0, 0.0]])).tolist()
    [2.0]
    """
    squares = (weight**2).sum(axis=1)
    total = weight.sum(axis=1)
    size: FloatArray = np.divide(total**2, squares, out=np.zeros_like(squares), where=squares > 0)
    return size
