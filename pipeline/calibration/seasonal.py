"""Tails of scores whose usual size depends on the hour of the week."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tocsin.pipeline.calibrate import Conformal, ConformalState
from tocsin.pipeline.calibration.rounds import in_rounds
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.keyed import per_key
from tocsin.pipeline.types import FloatArray, IntArray

_WEEK = 7 * 24 * 3_600_000_000_000  # ns
_FAR = 10.0  # a score further off than so many spreads moves mean and spread no more than one there
_WIDTH = 3.29  # spreads of a normal law between its 5 % and its 95 % quantile
_LARGEST = 1e150  # of a score that is learned, so that its square is a number


@dataclass(slots=True)
class SeasonalState:
    """Standardised scores, and mean and variance of the raw ones, in each bin and in all."""

    body: ConformalState
    early: FloatArray = per_key(np.nan)  # (K, least) the first scores
    mean: FloatArray = per_key(0.0)  # (K, bins + 1), the last one of all
    variance: FloatArray = per_key(0.0)  # (K, bins + 1)
    count: IntArray = per_key(0)  # (K, bins + 1)


@dataclass(frozen=True, slots=True)
class Seasonal:
    """Conformal tail of scores standardised by their bin of the week, for calendar-driven loads.

    Time, `offset_ns` east of UTC, falls into one of `bins` equal parts of `period_ns`: hours of the
    week unless set. A score has its bin's mean taken off and is divided by its bin's spread, both
    shrunk to those of the whole history: a bin that has seen n scores counts for n^2 / (n^2 +
    `shrink`^2), so one never seen is judged as the series is, a known one as itself. Standardised
    scores of all bins make one history, so small levels are reached as by `Conformal`, pool and
    extremes included.

    Right where bins differ in size and spread and scores are exchangeable otherwise, once each bin
    has some 5 `shrink` scores. Means and variances forget: about the newest `memory` scores count.
    The first `least` scores give the whole history a median and a quantile spread to begin with,
    and from then on a score moves the means by no more than one 10 spreads off would, so a single
    enormous one is no harm. A bin without any spread has that of the whole. The offset is fixed: a
    change to summer time moves the bins by an hour until they have learned. No opinion before
    `least` scores, and then `least` standardised ones. State: 8 bytes x (3 `bins` + `history` +
    `least` + 6) a key, and 8 x `pool` bytes.

    >>> Seasonal(offset_ns=3_600_000_000_000).bin_of(np.array([0])).tolist()
    [1]
    """

    period_ns: int = _WEEK
    bins: int = 168
    offset_ns: int = 0
    shrink: float = 5.0
    memory: int = 500
    history: int = 1000
    alone: int = 200
    least: int = 30
    pool: int = 1000
    extremes: bool = True

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        self._body()
        if not 1 <= self.bins <= self.period_ns or self.shrink <= 0 or self.memory < 2:
            wanted = "1 <= bins <= period_ns, shrink > 0 and memory >= 2"
            raise ConfigError(f"need {wanted}; found {self}")
        if self.bins * self.period_ns >= 2**63:
            raise ConfigError(f"need bins x period_ns below 2^63; found {self}")

    def start(self) -> SeasonalState:
        bins = self.bins + 1
        return SeasonalState(
            body=self._body().start(),
            early=np.empty((0, self.least)),
            mean=np.empty((0, bins)),
            variance=np.empty((0, bins)),
            count=np.empty((0, bins), dtype=np.int64),
        )

    def bin_of(self, time: IntArray) -> IntArray:
        """The bin (B,) of each time; the first begins at midnight of 1 January 1970, a Thursday."""
        return ((time + self.offset_ns) % self.period_ns) * self.bins // self.period_ns

    def tail(
        self, state: SeasonalState, key: IntArray, time: IntArray, value: FloatArray
    ) -> FloatArray:
        return self._body().tail(state.body, key, time, self._standard(state, key, time, value))

    def learn(self, state: SeasonalState, key: IntArray, time: IntArray, value: FloatArray) -> None:
        self._body().learn(state.body, key, time, self._standard(state, key, time, value))
        known = np.isfinite(value)
        key, value = key[known], np.clip(value[known], -_LARGEST, _LARGEST)
        new = state.count[key, -1] < self.least
        self._begin(state, key[new], value[new])
        key, time, value = key[~new], time[known][~new], value[~new]
        for place in (self.bin_of(time), np.full(len(key), self.bins)):
            self._move(state, key, place, value)

    def advance(
        self, state: SeasonalState, key: IntArray, time: IntArray, value: FloatArray
    ) -> FloatArray:
        return in_rounds(self, state, key, time, value)

    def renew(self, state: SeasonalState) -> None:
        self._body().renew(state.body)

    def size(self, state: SeasonalState, key: IntArray) -> IntArray:
        """How many scores (B,) each row's tail rests on, its own and borrowed."""
        return self._body().size(state.body, key)

    @np.errstate(over="ignore", invalid="ignore")
    def _standard(
        self, state: SeasonalState, key: IntArray, time: IntArray, value: FloatArray
    ) -> FloatArray:
        """Scores (B,) in spreads of their bin; NaN while too little is known."""
        place = self.bin_of(time)
        square = state.count[key, place].astype(np.float64) ** 2
        own = square / (square + self.shrink**2)
        mean = own * state.mean[key, place] + (1 - own) * state.mean[key, -1]
        bin_wide, wide = np.sqrt(state.variance[key, place]), np.sqrt(state.variance[key, -1])
        # Spreads are shrunk by their ratio: a sum would leave the wide one in every quiet bin.
        shrunk = np.where(bin_wide > 0, bin_wide, wide) ** own * wide ** (1 - own)
        spread = np.where(shrunk > 0, shrunk, 1.0)
        return np.where(state.count[key, -1] >= self.least, (value - mean) / spread, np.nan)

    def _begin(self, state: SeasonalState, key: IntArray, value: FloatArray) -> None:
        """Keep the first scores, and start mean and variance of all from a whole set of them."""
        state.early[key, state.count[key, -1]] = value
        state.count[key, -1] += 1
        for each in key[state.count[key, -1] == self.least].tolist():
            early = np.sort(state.early[each])
            spread = (early[-1 - self.least // 20] - early[self.least // 20]) / _WIDTH
            state.mean[each, -1] = np.median(early)
            state.variance[each, -1] = spread**2

    def _move(
        self, state: SeasonalState, key: IntArray, place: IntArray, value: FloatArray
    ) -> None:
        """Let scores into mean and variance, each key in one place."""
        count = state.count[key, place]
        spread = np.sqrt(state.variance[key, -1])
        far = np.where(spread > 0, _FAR * spread, np.inf)
        off = np.clip(value - state.mean[key, -1], -far, far) + state.mean[key, -1]
        off = off - state.mean[key, place]
        share = 1.0 / np.minimum(count + 1, self.memory)
        state.mean[key, place] += share * off
        old = state.variance[key, place]
        state.variance[key, place] = (1 - share) * (old + share * off**2)
        state.count[key, place] += 1

    def _body(self) -> Conformal:
        return Conformal(self.history, self.alone, self.least, self.pool, self.extremes)
