"""A moving standard deviation, in units of what is usual for each channel."""

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from tocsin.detectors.compiled import compiled
from tocsin.detectors.rows import Rows, channels, need, newest
from tocsin.pipeline.keyed import per_key
from tocsin.pipeline.types import Batch, FloatArray, IntArray, Scores, Spec, Traits


@dataclass(slots=True)
class MovingStdState:
    """The last values of each channel, as blocks of `window`: one filling, the one before leaving.

    At place p = `seen` % `window` the ring holds the p values of the new block, and from p on the
    mean of what is left of the old one; `square` the sum of squares about that mean. `mean` and
    `total` are the same two for the new block. `usual` is the weighted mean of the variance.
    """

    ring: FloatArray = per_key(0.0)  # (K, C, window)
    square: FloatArray = per_key(0.0)  # (K, C, window)
    mean: FloatArray = per_key(0.0)  # (K, C)
    total: FloatArray = per_key(0.0)  # (K, C)
    usual: FloatArray = per_key(0.0)  # (K, C)
    weight: FloatArray = per_key(0.0)  # (K, C), the sum of weights of `usual`
    seen: IntArray = per_key(0)  # (K, C), values so far


@dataclass(frozen=True, slots=True)
class MovingStd:
    """How far the last `window` values spread, against the usual spread of their channel.

    The window ends with the newest frame. Its variance is divided by the channel's usual variance:
    the mean over all windows so far, of which one that is n rows old weighs 2 ** (-n /
    `half_life`). The score is the root mean square over the channels of the quotient of standard
    deviations, so it is near 1 on ordinary rows; `blame` is each channel's quotient of variances.
    A channel that has never moved scores 0, and inf when it moves.

    Finds variance bursts, and level shifts, ramps and large spikes while they stand in the window.
    Misses a steady change that is older than the window, a spread that shrinks, as of a stuck
    sensor, and a small spike in one channel of many.

    NaN and infinities are missing: their channel is left out of the row and its window holds the
    last observed values. A channel has an opinion after 2 `window` values; the score is NaN while
    none has. Only the newest frame of a batch's window is read; older frames get blame 0.

    Cost a row: about 40 C operations, whatever the window. Memory a key: 8 C (2 `window` + 5)
    bytes. Shift and scale leave the ranking alone.

    References: the window is kept as by Chan, Golub and LeVeque, Updating formulae and a pairwise
    algorithm for computing sample variances, 1979, doi:10.1007/978-3-642-51461-6_3, the weighted
    mean as by West, Updating mean and variance estimates, 1979, doi:10.1145/359146.359153.

    >>> from tocsin.pipeline.keyed import grow
    >>> scorer = MovingStd(window=2)
    >>> state = scorer.start(Spec(item=(1,)))
    >>> grow(state, 1)
    >>> values = np.array([1.0, 2.0, 1.0, 2.0, 1.0, 5.0]).reshape(6, 1, 1)
    >>> batch = Batch(np.zeros(6, dtype=np.int64), np.arange(6), values)
    >>> scorer.advance(state, batch).value.round(2)
    array([nan, nan, nan, nan,  1.,  4.])
    """

    window: int = 50
    half_life: float = 500

    traits: ClassVar[Traits] = Traits(detects=frozenset({"level_shift", "variance_burst"}))
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        need(self.window >= 2, "window", "at least 2 rows", self.window)
        is_usable = 0 < self.half_life < math.inf
        need(is_usable, "half_life", "a positive number of rows", self.half_life)

    @property
    def warmup(self) -> int:
        return 2 * self.window

    def start(self, spec: Spec) -> MovingStdState:
        shape = (0, channels(spec))
        return MovingStdState(
            ring=np.empty((*shape, self.window)),
            square=np.empty((*shape, self.window)),
            mean=np.empty(shape),
            total=np.empty(shape),
            usual=np.empty(shape),
            weight=np.empty(shape),
            seen=np.empty(shape, dtype=np.int64),
        )

    def score(self, state: MovingStdState, batch: Batch) -> Scores:
        return self._play(state, batch, scores=True, learns=False)

    def learn(self, state: MovingStdState, batch: Batch) -> None:
        self._play(state, batch, scores=False, learns=True)

    def advance(self, state: MovingStdState, batch: Batch) -> Scores:
        return self._play(state, batch, scores=True, learns=True)

    def _play(self, state: MovingStdState, batch: Batch, *, scores: bool, learns: bool) -> Scores:
        rows = newest(batch, len(state.seen), state.seen.shape[1:])
        keep = 2.0 ** (-1.0 / self.half_life)
        values = (state.ring, state.square, state.mean, state.total)
        model = _Model(*values, state.usual, state.weight, state.seen, keep)
        _walk(model, rows, scores, learns)
        return Scores(rows.value, rows.blame)


class _Model(NamedTuple):
    ring: FloatArray  # (K, C, window)
    square: FloatArray  # (K, C, window)
    mean: FloatArray  # (K, C)
    total: FloatArray  # (K, C)
    usual: FloatArray  # (K, C)
    weight: FloatArray  # (K, C)
    seen: IntArray  # (K, C)
    keep: float  # what a weight is multiplied by at each row


@compiled
def _walk(model: _Model, rows: Rows, scores: bool, learns: bool) -> None:  # noqa: FBT001 - a kernel
    variance = np.empty(model.seen.shape[1])  # (C,)
    for row in range(len(rows.key)):
        key = rows.key[row]
        _measure(model, key, rows.frame[row], variance)
        if scores:
            rows.value[row] = _score_row(model, key, variance, rows.blame[row, -1])
        if learns:
            _learn_row(model, key, rows.frame[row], variance)


@compiled
def _measure(model: _Model, key: int, frame: FloatArray, variance: FloatArray) -> None:
    """The variance (C,) of the window that ends with `frame`; NaN where it is not full."""
    window = model.ring.shape[2]
    for c in range(len(frame)):
        variance[c] = np.nan
        if np.isnan(frame[c]) or model.seen[key, c] < window - 1:
            continue
        place = model.seen[key, c] % window
        new = _joined(model.mean[key, c], model.total[key, c], place, frame[c])
        rest = new
        if place < window - 1:
            rest = (model.ring[key, c, place + 1], model.square[key, c, place + 1])
        variance[c] = _variance(rest, window - 1 - place, new, place + 1)


@compiled
def _score_row(model: _Model, key: int, variance: FloatArray, blame: FloatArray) -> float:
    total, used = 0.0, 0
    for c in range(len(variance)):
        if np.isnan(variance[c]) or model.seen[key, c] < 2 * model.ring.shape[2]:
            continue
        # A channel that never moved has a usual variance of 0: the quotient is inf.
        blame[c] = variance[c] / model.usual[key, c] if variance[c] > 0.0 else 0.0
        total += blame[c]
        used += 1
    return np.sqrt(total / used) if used else np.nan


@compiled
def _variance(rest: tuple[float, float], left: int, new: tuple[float, float], come: int) -> float:
    """Variance of two parts of a window, of `left` and of `come` values.

    The parts, each a mean and a sum of squares about it, are joined as by Chan, Golub and LeVeque.
    No value is ever subtracted from a sum, so a wild one that has left leaves no error, and a flat
    channel has a variance of exactly 0.
    """
    window = left + come
    apart = new[0] - rest[0]
    total = new[1] + left * (come / window) * apart * apart
    if left:
        total += rest[1]
    return total / window


@compiled
def _joined(mean: float, total: float, count: int, value: float) -> tuple[float, float]:
    """Mean and sum of squares about it of `count` values and one more."""
    if count == 0:
        return value, 0.0
    off = value - mean
    mean += off / (count + 1)
    return mean, total + off * (value - mean)


@compiled
def _learn_row(model: _Model, key: int, frame: FloatArray, variance: FloatArray) -> None:
    window = model.ring.shape[2]
    for c in range(len(frame)):
        if np.isnan(frame[c]):
            continue
        place = model.seen[key, c] % window
        mean, total = _joined(model.mean[key, c], model.total[key, c], place, frame[c])
        model.mean[key, c], model.total[key, c] = mean, total
        model.ring[key, c, place] = frame[c]
        model.seen[key, c] += 1
        if place == window - 1:
            _settle(model, key, c)
        if not np.isnan(variance[c]):
            model.weight[key, c] = 1.0 + model.keep * model.weight[key, c]
            model.usual[key, c] += (variance[c] - model.usual[key, c]) / model.weight[key, c]


@compiled
def _settle(model: _Model, key: int, c: int) -> None:
    """Turn the values of a full block into the moments of what is left of it at each place."""
    window = model.ring.shape[2]
    mean, total = model.ring[key, c, window - 1], 0.0
    for place in range(window - 1, -1, -1):
        value = model.ring[key, c, place]
        off = value - mean
        mean += off / (window - place)
        total += off * (value - mean)
        model.ring[key, c, place], model.square[key, c, place] = mean, total
