"""A z-score against an exponentially weighted mean and variance."""

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from tocsin.detectors.compiled import compiled
from tocsin.detectors.rows import Rows, channels, need, newest
from tocsin.pipeline.keyed import per_key
from tocsin.pipeline.types import Band, Batch, FloatArray, IntArray, Scores, Spec, Traits


@dataclass(slots=True)
class EwmaState:
    """The weighted moments of each channel, the sum of their weights, and how many it has had."""

    mean: FloatArray = per_key(0.0)  # (K, C)
    variance: FloatArray = per_key(0.0)  # (K, C)
    weight: FloatArray = per_key(0.0)  # (K, C)
    seen: IntArray = per_key(0)  # (K, C)


@dataclass(frozen=True, slots=True)
class Ewma:
    """The newest frame's z-score against weighted moments that halve every `half_life` rows.

    A value that is n rows old weighs 2 ** (-n / `half_life`); the weights are normalised, so the
    moments are right from the first row on. The score is the largest |z| over the channels, `blame`
    each channel's |z|. A channel that has never moved scores 0, and inf when it moves.

    Finds spikes and the onset of level shifts, in any one channel. Misses what lasts: a new level,
    a slow drift or a larger variance is learned within a few half-lives; and values that are odd
    only for their time of day or beside other channels.

    NaN and infinities are missing: their channel is left out of the row and keeps its moments. A
    channel has an opinion after `half_life` values (at least 2); the score is NaN while none has.
    Only the newest frame of a window is read; older frames get blame 0.

    Cost a row: about 15 C operations. Memory a key: 32 C bytes. Shift and scale leave the ranking
    alone.

    References: Roberts, Control chart tests based on geometric moving averages, 1959,
    doi:10.1080/00401706.1959.10489860; the update is that of West, Updating mean and variance
    estimates, 1979, doi:10.1145/359146.359153.

    >>> from tocsin.pipeline.keyed import grow
    >>> scorer = Ewma(half_life=3)
    >>> state = scorer.start(Spec(item=(1,)))
    >>> grow(state, 1)
    >>> values = np.array([1.0, 2.0, 1.0, 2.0, 4.5]).reshape(5, 1, 1)
    >>> batch = Batch(np.zeros(5, dtype=np.int64), np.arange(5), values)
    >>> scorer.advance(state, batch).value.round(2)
    array([ nan,  nan,  nan, 1.43, 5.92])
    """

    half_life: float = 50

    traits: ClassVar[Traits] = Traits(detects=frozenset({"spike"}))
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        is_usable = 0 < self.half_life < math.inf
        need(is_usable, "half_life", "a positive number of rows", self.half_life)

    @property
    def warmup(self) -> int:
        return max(2, math.ceil(self.half_life))

    def start(self, spec: Spec) -> EwmaState:
        shape = (0, channels(spec))
        return EwmaState(
            mean=np.empty(shape),
            variance=np.empty(shape),
            weight=np.empty(shape),
            seen=np.empty(shape, dtype=np.int64),
        )

    def score(self, state: EwmaState, batch: Batch) -> Scores:
        return self._play(state, batch, scores=True, learns=False)

    def learn(self, state: EwmaState, batch: Batch) -> None:
        self._play(state, batch, scores=False, learns=True)

    def advance(self, state: EwmaState, batch: Batch) -> Scores:
        return self._play(state, batch, scores=True, learns=True)

    def expects(self, state: EwmaState, batch: Batch) -> Band:
        """Weighted mean and standard deviation (B, C) of each channel before the rows, input units.

        NaN for channels without an opinion.
        """
        known = state.seen[batch.key] >= self.warmup
        mean, variance = state.mean[batch.key], state.variance[batch.key]
        return Band(np.where(known, mean, np.nan), np.where(known, np.sqrt(variance), np.nan))

    def _play(self, state: EwmaState, batch: Batch, *, scores: bool, learns: bool) -> Scores:
        rows = newest(batch, len(state.seen), state.seen.shape[1:])
        keep = 2.0 ** (-1.0 / self.half_life)
        moments = (state.mean, state.variance, state.weight, state.seen)
        _walk(_Model(*moments, keep, self.warmup), rows, scores, learns)
        return Scores(rows.value, rows.blame)


class _Model(NamedTuple):
    mean: FloatArray  # (K, C)
    variance: FloatArray  # (K, C)
    weight: FloatArray  # (K, C)
    seen: IntArray  # (K, C)
    keep: float  # what a weight is multiplied by at each row
    warmup: int


@compiled
def _walk(model: _Model, rows: Rows, scores: bool, learns: bool) -> None:  # noqa: FBT001 - a kernel
    for row in range(len(rows.key)):
        key = rows.key[row]
        if scores:
            rows.value[row] = _score_row(model, key, rows.frame[row], rows.blame[row, -1])
        if learns:
            _learn_row(model, key, rows.frame[row])


@compiled
def _score_row(model: _Model, key: int, frame: FloatArray, blame: FloatArray) -> float:
    worst = np.nan
    for c in range(len(frame)):
        if np.isnan(frame[c]) or model.seen[key, c] < model.warmup:
            continue
        off = abs(frame[c] - model.mean[key, c])
        # A channel that never moved has no deviation: the quotient is inf.
        z = off / np.sqrt(model.variance[key, c]) if off > 0.0 else 0.0
        blame[c] = z
        if not z <= worst:
            worst = z
    return worst


@compiled
def _learn_row(model: _Model, key: int, frame: FloatArray) -> None:
    for c in range(len(frame)):
        if np.isnan(frame[c]):
            continue
        model.weight[key, c] = 1.0 + model.keep * model.weight[key, c]
        gain = 1.0 / model.weight[key, c]
        off = frame[c] - model.mean[key, c]
        model.mean[key, c] += gain * off
        model.variance[key, c] = (1.0 - gain) * (model.variance[key, c] + gain * off * off)
        model.seen[key, c] += 1
