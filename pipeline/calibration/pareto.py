"""Tails by a generalised Pareto law that is refitted as high scores come."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tocsin.pipeline.calibrate import Conformal, ConformalState
from tocsin.pipeline.calibration.rounds import in_rounds
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.extremes import SMALLEST, fitted, survival
from tocsin.pipeline.keyed import per_key
from tocsin.pipeline.types import FloatArray, IntArray

_FEWEST = 10  # peaks under a law
_OFF = 3  # times too many or too few peaks, and the threshold is set anew


@dataclass(slots=True)
class ParetoState:
    """The newest scores of each key, and the peaks over its threshold with their law."""

    body: ConformalState
    recent: FloatArray = per_key(np.nan)  # (K, depth) raw scores
    recalled: IntArray = per_key(0)  # (K,) raw scores that went into `recent`
    threshold: FloatArray = per_key(np.nan)  # (K,)
    peaks: FloatArray = per_key(np.nan)  # (K, peaks)
    came: IntArray = per_key(0)  # (K, peaks) scores learned before each peak
    count: IntArray = per_key(0)  # (K,) peaks since the threshold was set
    since: IntArray = per_key(0)  # (K,) scores learned before the first of them
    shape: FloatArray = per_key(0.0)  # (K,)
    scale: FloatArray = per_key(0.0)  # (K,) 0: no law


@dataclass(frozen=True, slots=True)
class ParetoTail:
    """Peaks over a threshold, streaming: SPOT, and DSPOT with `depth`.

    Once a key has `history` scores, its threshold is their 1 - `share` quantile and a generalised
    Pareto law is fitted to the excesses; each later peak that is learned refits the law. A score
    above the threshold has the tail (rate of peaks) x P(excess at least as large), others that of
    the newest `history` scores by count (Siffer, Fouque, Termier and Largouet 2017,
    doi:10.1145/3097983.3098144). With `depth` > 0, scores are taken relative to the mean of the
    newest `depth`, which follows a drift (their DSPOT).

    Other than there, the law is fitted by probability-weighted moments and has no end (see
    `pipeline/extremes.py`); the newest `peaks` peaks alone are kept, the rate being theirs; and
    after every `history` scores a threshold that has three times too many or too few peaks above it
    is set anew, so that a shift is followed. `recovery`: tails are right again `2 history` scores
    after a lasting shift, sooner with `depth`. Under `history` scores the tail is that of
    `Conformal` without extremes, with its pool.

    State: 8 bytes x (`history` + `depth` + 2 `peaks` + 9) a key, and 8 x `pool` bytes.

    >>> ParetoTail(history=1000).recovery
    2000
    """

    history: int = 1000
    share: float = 0.02
    peaks: int = 200
    depth: int = 0
    alone: int = 200
    least: int = 30
    pool: int = 1000

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        self._body()
        if self.history < 2 * _FEWEST or self.peaks < _FEWEST:
            raise ConfigError(f"need history >= {2 * _FEWEST} and peaks >= {_FEWEST}; found {self}")
        if not 0 < self.share < 0.5 or self.depth < 0:
            raise ConfigError(f"need 0 < share < 0.5 and depth >= 0; found {self}")

    @property
    def recovery(self) -> int:
        """Scores after which the tails are right again when the scores have shifted."""
        return 2 * self.history

    def start(self) -> ParetoState:
        whole, real = np.empty(0, dtype=np.int64), np.empty(0)
        return ParetoState(
            body=self._body().start(),
            recent=np.empty((0, self.depth)),
            recalled=whole,
            threshold=real,
            peaks=np.empty((0, self.peaks)),
            came=np.empty((0, self.peaks), dtype=np.int64),
            count=whole,
            since=whole,
            shape=real,
            scale=real,
        )

    def tail(
        self, state: ParetoState, key: IntArray, time: IntArray, value: FloatArray
    ) -> FloatArray:
        value = self._relative(state, key, value)
        tail = self._body().tail(state.body, key, time, value)
        has_law = state.scale[key] > 0
        rate = self._rate(state, key)
        tail[has_law] = np.fmax(tail[has_law], rate[has_law])
        beyond = has_law & (value > state.threshold[key])
        at = key[beyond]
        share = survival(value[beyond] - state.threshold[at], state.shape[at], state.scale[at])
        tail[beyond] = np.maximum(rate[beyond] * share, SMALLEST)
        return np.where(np.isnan(value), np.nan, tail)

    def learn(self, state: ParetoState, key: IntArray, time: IntArray, value: FloatArray) -> None:
        known = ~np.isnan(value)
        key, time, value = key[known], time[known], value[known]
        relative = self._relative(state, key, value)
        for row in np.flatnonzero((relative > state.threshold[key]) & np.isfinite(relative)):
            self._add(state, int(key[row]), float(relative[row]))
        self._body().learn(state.body, key, time, relative)
        for each in key[state.body.seen[key] % self.history == 0].tolist():
            self._reset(state, each)
        if self.depth:
            finite = np.isfinite(value)
            state.recent[key[finite], state.recalled[key[finite]] % self.depth] = value[finite]
            state.recalled[key[finite]] += 1

    def advance(
        self, state: ParetoState, key: IntArray, time: IntArray, value: FloatArray
    ) -> FloatArray:
        return in_rounds(self, state, key, time, value)

    def renew(self, state: ParetoState) -> None:
        self._body().renew(state.body)

    def size(self, state: ParetoState, key: IntArray) -> IntArray:
        """How many scores (B,) each row's tail rests on, its own and borrowed."""
        return self._body().size(state.body, key)

    def _relative(self, state: ParetoState, key: IntArray, value: FloatArray) -> FloatArray:
        """Scores less the mean of the newest ones, where that is asked for."""
        if not self.depth:
            return value
        recent = state.recent[key]  # (B, depth)
        count = np.minimum(state.recalled[key], self.depth)
        total = np.where(np.isnan(recent), 0.0, recent).sum(axis=1)
        relative: FloatArray = value - total / np.maximum(count, 1)
        return relative

    def _rate(self, state: ParetoState, key: IntArray) -> FloatArray:
        """The share of scores that are peaks, over the time from which peaks are kept."""
        seen, count = state.body.seen[key], state.count[key]
        wrapped = count > self.peaks
        oldest = np.where(wrapped, state.came[key, count % self.peaks], state.since[key])
        return np.minimum((np.minimum(count, self.peaks) + 1) / (seen - oldest + 1), 1.0)

    def _add(self, state: ParetoState, key: int, value: float) -> None:
        place = state.count[key] % self.peaks
        state.peaks[key, place], state.came[key, place] = value, state.body.seen[key]
        state.count[key] += 1
        self._fit(state, key)

    def _reset(self, state: ParetoState, key: int) -> None:
        """Set a threshold where there is none, or where it no longer marks the tail."""
        ring = state.body.ring[key]
        wanted = self.share * self.history
        above = np.count_nonzero(ring > state.threshold[key])  # NaN: none
        if wanted / _OFF <= above <= wanted * _OFF and above >= _FEWEST / _OFF:
            return
        finite = np.sort(ring[np.isfinite(ring)])
        size = min(max(_FEWEST, int(wanted)), self.peaks)
        if len(finite) <= size:
            return
        start = int(state.body.seen[key]) - self.history
        state.threshold[key] = finite[-size - 1]
        state.peaks[key], state.came[key] = np.nan, 0
        state.peaks[key, :size], state.came[key, :size] = finite[-size:], start
        state.count[key], state.since[key] = size, start
        self._fit(state, key)

    def _fit(self, state: ParetoState, key: int) -> None:
        kept = state.peaks[key, : min(int(state.count[key]), self.peaks)]
        state.shape[key], state.scale[key] = fitted(np.sort(kept - state.threshold[key]))

    def _body(self) -> Conformal:
        return Conformal(self.history, self.alone, self.least, self.pool, extremes=False)
