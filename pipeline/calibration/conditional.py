"""Conformal tails that hold for this very history, not only on average over histories."""

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Literal

import numpy as np

from tocsin.pipeline.calibrate import Conformal, ConformalState
from tocsin.pipeline.calibration.rounds import in_rounds
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.types import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Conditional:
    """Calibration-conditional tail: an upper bound on the plain one, sure for 1 - `delta` of keys.

    A plain conformal tail is right on average over histories; the key whose history happens to have
    few high scores has false alarms for as long as that history lasts. With probability 1 - `delta`
    over its history, a key's share of normal rows at or below any level is here at most that level.
    "simes" raises the plain tail least where it is small, from 1/(n+1) to about 2 ln(1/delta)/n
    (Bates, Candes, Lei, Romano and Sesia 2023, doi:10.1214/22-AOS2244); "dkw" adds
    sqrt(ln(1/delta)/2n) everywhere (Dvoretzky, Kiefer and Wolfowitz 1956, with the constant of
    Massart 1990, doi:10.1214/aop/1176990746), so no small level can be reached with it.

    The bound is for exchangeable scores of the key's own; for a key that still borrows from the
    pool, and as the ring turns, it is an approximation. Memory a key is that of `Conformal`.

    >>> from tocsin.pipeline.keyed import grow
    >>> calibrator = Conditional(history=999)
    >>> state = calibrator.start()
    >>> grow(state, 1)
    >>> zeros = np.zeros(999, dtype=np.int64)
    >>> _ = calibrator.advance(state, zeros, zeros, np.arange(999.0))
    >>> calibrator.tail(state, np.array([0]), np.array([0]), np.array([1e9])).round(4).tolist()
    [0.0046]
    """

    history: int = 1000
    alone: int = 200
    least: int = 30
    pool: int = 1000
    bound: Literal["simes", "dkw"] = "simes"
    delta: float = 0.1

    version: ClassVar[int] = 1
    conservative: ClassVar[bool] = True  # tails are at least uniform, and larger than they must be

    def __post_init__(self) -> None:
        self._plain()
        if self.bound not in ("simes", "dkw") or not 0 < self.delta < 1:
            raise ConfigError(f"need simes or dkw and 0 < delta < 1; found {self}")

    def start(self) -> ConformalState:
        return self._plain().start()

    def tail(
        self, state: ConformalState, key: IntArray, time: IntArray, value: FloatArray
    ) -> FloatArray:
        plain = self._plain().tail(state, key, time, value)
        size = np.maximum(self.size(state, key), 1)
        if self.bound == "dkw":
            raised: FloatArray = plain + np.sqrt(-np.log(self.delta) / (2 * size))
            return np.minimum(raised, 1.0)
        # A share of the pool need not be a whole number of scores; the next whole one is safe.
        rank = np.ceil(np.where(np.isnan(plain), 1.0, plain) * (size + 1) - 1e-6).astype(np.int64)
        return np.where(np.isnan(plain), np.nan, simes(rank, size, self.delta))

    def learn(
        self, state: ConformalState, key: IntArray, time: IntArray, value: FloatArray
    ) -> None:
        self._plain().learn(state, key, time, value)

    def advance(
        self, state: ConformalState, key: IntArray, time: IntArray, value: FloatArray
    ) -> FloatArray:
        return in_rounds(self, state, key, time, value)

    def renew(self, state: ConformalState) -> None:
        self._plain().renew(state)

    def size(self, state: ConformalState, key: IntArray) -> IntArray:
        """How many scores (B,) each row's tail rests on, its own and borrowed."""
        return self._plain().size(state, key)

    def _plain(self) -> Conformal:
        return Conformal(self.history, self.alone, self.least, self.pool, extremes=False)


def simes(rank: IntArray, size: IntArray, delta: float) -> FloatArray:
    """The bound (B,) on the tail at a rank from 1 (above all) to `size` + 1, by Simes' inequality.

    With k half of `size` n and i = n + 1 - rank, it is 1 - delta^(1/k) (i ... (i-k+1) / n ...
    (n-k+1))^(1/k), and 1 where i < k.

    >>> simes(np.array([1, 50, 101]), np.array([100, 100, 100]), 0.1).round(3).tolist()
    [0.045, 0.728, 1.0]
    """
    half = np.maximum(size // 2, 1)
    left = size + 1 - rank
    table = _log_factorials(1 << int(size.max(initial=1)).bit_length())
    lower = np.maximum(left - half, 0)
    chance = (table[left] - table[lower]) - (table[size] - table[size - half])
    bound = -np.expm1((np.log(delta) + chance) / half)
    return np.where(left < half, 1.0, np.clip(bound, 0.0, 1.0))


@lru_cache(maxsize=8)
def _log_factorials(size: int) -> FloatArray:
    """Logarithms of 0! to size!."""
    return np.concatenate(([0.0], np.cumsum(np.log(np.arange(1.0, size + 1)))))
