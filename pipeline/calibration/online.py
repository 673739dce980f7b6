"""Conformal tails whose weights over past scores are learned from the tails themselves."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tocsin.pipeline.calibration.rounds import ages, in_rounds
from tocsin.pipeline.calibration.weighted import weighted_tail
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.keyed import per_key
from tocsin.pipeline.types import FloatArray, IntArray

_HALVINGS = 60


@dataclass(slots=True)
class OnlineState:
    """Each key's newest scores, and the weight of a score by how long ago it came."""

    ring: FloatArray = per_key(np.nan)  # (K, window + batch)
    seen: IntArray = per_key(0)  # (K,)
    weight: FloatArray = per_key(1.0)  # (K, window), newest first


@dataclass(frozen=True, slots=True)
class OnlineWeighted:
    """Weighted conformal tail that learns how fast to forget, each key for itself.

    p = (1 + W{scores at least as high}) / (1 + W) over the newest `window` scores. After every
    4 / `level` scores the weights of the positions take gradient steps that lessen the distance
    (Wasserstein-1) of that batch's tails from the uniform law, kept between 0 and 1 and with a sum
    of at least 1 / `level` - 1, so that the level can always be reached. After adaptive conformal
    anomaly detection with learned weights (W1-ACAS, "Adaptive Conformal Anomaly Detection with
    Time Series Foundation Models", 2026), by plain steps of size `step` where that uses AdamW.

    On exchangeable scores weights stay near 1; where the process drifts all the time, the old ones
    fall. What it cannot do is see a shift before it has happened. `recovery`: after a lasting shift
    tails are right again after `window` scores at the latest, when none of before is left. No
    opinion before `least` scores, no pool. A batch costs 4 / `level` x `window` comparisons for
    each of `epochs`. State: 8 bytes x (2 `window` + 4 / `level` + 1) a key.

    >>> OnlineWeighted(level=0.01).batch
    400
    """

    level: float = 0.01
    window: int = 500
    step: float = 0.2
    epochs: int = 2
    least: int = 30

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if not 0 < self.level < 1 or self.window < self.lightest:
            wanted = "a level between 0 and 1, and a window of at least 1 / level - 1"
            raise ConfigError(f"need {wanted}; found {self}")
        if not 0 <= self.step <= 1 or self.epochs < 1 or self.least < 1:
            raise ConfigError(f"need 0 <= step <= 1, epochs >= 1 and least >= 1; found {self}")

    @property
    def lightest(self) -> float:
        """The least sum of weights at which the level can be reached."""
        return 1 / self.level - 1

    @property
    def batch(self) -> int:
        """Scores between two steps."""
        return int(np.ceil(4 / self.level))

    @property
    def recovery(self) -> int:
        """Scores after which the tails are right again when the scores have shifted."""
        return self.window

    def start(self) -> OnlineState:
        return OnlineState(
            np.empty((0, self.window + self.batch)),
            np.empty(0, dtype=np.int64),
            np.empty((0, self.window)),
        )

    def tail(
        self, state: OnlineState, key: IntArray, time: IntArray, value: FloatArray
    ) -> FloatArray:
        tail = weighted_tail(state.ring[key], self._weights(state, key), value)
        return np.where(state.seen[key] >= self.least, tail, np.nan)

    def learn(self, state: OnlineState, key: IntArray, time: IntArray, value: FloatArray) -> None:
        known = ~np.isnan(value)
        keys, places = key[known], self.window + self.batch
        state.ring[keys, state.seen[keys] % places] = value[known]
        state.seen[keys] += 1
        seen = state.seen[keys]
        for each in keys[(seen >= places) & (seen % self.batch == 0)].tolist():
            line = np.roll(state.ring[each], -(int(state.seen[each]) % places))  # oldest first
            state.weight[each] = self._stepped(state.weight[each], line)

    def advance(
        self, state: OnlineState, key: IntArray, time: IntArray, value: FloatArray
    ) -> FloatArray:
        return in_rounds(self, state, key, time, value)

    def renew(self, state: OnlineState) -> None:
        """Nothing is shared."""

    def size(self, state: OnlineState, key: IntArray) -> IntArray:
        """The weight (B,) of the scores each row's tail rests on, rounded down."""
        weight: FloatArray = self._weights(state, key).sum(axis=1)
        return weight.astype(np.int64)

    def _weights(self, state: OnlineState, key: IntArray) -> FloatArray:
        """Weights in the order of the ring, (B, window + batch); 0 beyond the window."""
        seen = state.seen[key]
        age = ages(seen, self.window + self.batch)
        inside = (age < self.window) & (age < seen[:, None])
        weight = state.weight[key[:, None], np.minimum(age, self.window - 1)]
        return np.where(inside, weight, 0.0)

    def _stepped(self, weight: FloatArray, line: FloatArray) -> FloatArray:
        """Weights (window,) after a batch; `line` (window + batch,) is the ring, oldest first."""
        past = sliding_window_view(line, self.window)[:-1, ::-1]  # (batch, window), newest first
        above = past >= line[self.window :, None]
        target = (np.arange(self.batch) + 0.5) / self.batch
        for _ in range(self.epochs):
            tail = (1 + np.where(above, weight, 0.0).sum(axis=1)) / (1 + weight.sum())
            sign = np.empty(self.batch, dtype=np.int64)
            order = np.argsort(tail, kind="stable")
            sign[order] = np.sign(tail[order] - target).astype(np.int64)
            # The gradient of the distance, times 1 + W so that the step knows no window.
            slope = (np.where(above, sign[:, None], 0).sum(axis=0) - (sign * tail).sum()) / len(
                sign
            )
            weight = projected(weight - self.step * slope, self.lightest)
        return weight


def projected(weight: FloatArray, lightest: float) -> FloatArray:
    """The nearest weights (n,) between 0 and 1 with a sum of at least `lightest`, which n exceeds.

    >>> projected(np.array([1.5, 0.2, -1.0]), 1.6).round(6).tolist()
    [1.0, 0.6, 0.0]
    """
    clipped = np.clip(weight, 0.0, 1.0)
    if clipped.sum() >= lightest:
        return clipped
    low, high = 0.0, 1.0 - float(weight.min())
    for _ in range(_HALVINGS):  # of the shift of all weights that brings the sum up
        middle = (low + high) / 2
        enough = np.clip(weight + middle, 0.0, 1.0).sum() >= lightest
        low, high = (low, middle) if enough else (middle, high)
    return np.clip(weight + high, 0.0, 1.0)
