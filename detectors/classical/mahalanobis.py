"""The Mahalanobis distance from a running mean and a running, shrunk correlation."""

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from tocsin.detectors.compiled import compiled
from tocsin.detectors.rows import Rows, channels, need, newest
from tocsin.pipeline.keyed import per_key
from tocsin.pipeline.types import Band, Batch, FloatArray, IntArray, Scores, Spec, Traits

_FLAT = 1e-290  # a variance below this is one of a channel that does not move
_FAR = 1e100  # standard deviations at which a z-score is cut, so that its square stays finite
_MOST = 10.0  # times the ordinary squared distance; what one row may leave in memory
_SINGULAR = 1e-12  # a pivot below this is rounding, not spread


@dataclass(slots=True)
class MahalanobisState:
    """The weighted moments, each channel's weights and number of values, and recent distances."""

    mean: FloatArray = per_key(0.0)  # (K, C)
    covariance: FloatArray = per_key(0.0)  # (K, C, C)
    weight: FloatArray = per_key(0.0)  # (K, C)
    seen: IntArray = per_key(0)  # (K, C)
    recent: FloatArray = per_key(np.nan)  # (K,), the mean squared distance of the last rows


@dataclass(frozen=True, slots=True)
class Mahalanobis:
    """How far the last frames lie from the running mean, along the channels' correlation.

    Mean and covariance weigh a row that is n rows old by 2 ** (-n / `half_life`). Channels are
    divided by their standard deviation, and their correlation R is shrunk towards the diagonal:
    (1 - `shrinkage`) R + `shrinkage` I, so that units do not matter and channels that move as one
    do no harm. A frame's squared distance is z' R^-1 z / m over the m channels that have an
    opinion, near 1 on ordinary rows. The score is the root of its mean over the last rows, weighed
    by 2 ** (-n / `memory`), which brings out what shows a little in every row; a row leaves at most
    10 in that memory, so that one wild row does not keep the score up. With `memory` 0 the newest
    frame counts alone. A channel that has never moved adds 0, and inf when it moves.

    `blame` is of the newest frame: each channel's |z| given all the others, the square root of what
    the squared distance loses when the channel is left out (its reconstruction-based contribution).

    Finds broken correlation, spikes, variance bursts and the onset of level shifts. Misses what
    lasts for some half-lives, and relations between channels that are not linear.

    NaN and infinities are missing: the distance is over the observed channels, and a pair of
    channels learns from rows that have both, with the gain of the one seen less. Correlations that
    come out beyond 1 are cut to it, and should the pairs not fit together (no positive definite
    matrix), all are halved until they do. A channel has an opinion after `half_life` values (at
    least 2); the score is NaN while none has. Only the newest frame of a window is read; older
    frames get blame 0.

    Cost a row: about C**3 operations. Memory a key: 8 C (C + 3) + 8 bytes. Shift and scale leave
    the ranking alone.

    References: Mahalanobis, On the generalised distance in statistics, 1936; the update is that of
    West, Updating mean and variance estimates, 1979, doi:10.1145/359146.359153; the blame is from
    Alcala and Qin, Reconstruction-based contribution for process monitoring, 2009,
    doi:10.1016/j.automatica.2009.02.027.

    >>> from tocsin.pipeline.keyed import grow
    >>> scorer = Mahalanobis(half_life=4)
    >>> state = scorer.start(Spec(item=(2,)))
    >>> grow(state, 1)
    >>> values = np.array([[1.0, 1], [2, 2], [4, 3], [3, 4], [2, 4]]).reshape(5, 1, 2)
    >>> batch = Batch(np.zeros(5, dtype=np.int64), np.arange(5), values)
    >>> scorer.advance(state, batch).value.round(2)
    array([ nan,  nan,  nan,  nan, 1.69])
    """

    half_life: float = 250
    shrinkage: float = 0.05
    memory: float = 2

    traits: ClassVar[Traits] = Traits(
        detects=frozenset({"spike", "level_shift", "variance_burst", "broken_correlation"})
    )
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        is_usable = 0 < self.half_life < math.inf
        need(is_usable, "half_life", "a positive number of rows", self.half_life)
        need(1e-6 <= self.shrinkage <= 1, "shrinkage", "in 1e-6 to 1", self.shrinkage)
        need(0 <= self.memory < math.inf, "memory", "a number of rows", self.memory)

    @property
    def warmup(self) -> int:
        return max(2, math.ceil(self.half_life))

    def start(self, spec: Spec) -> MahalanobisState:
        shape = (0, channels(spec))
        return MahalanobisState(
            mean=np.empty(shape),
            covariance=np.empty((*shape, shape[1])),
            weight=np.empty(shape),
            seen=np.empty(shape, dtype=np.int64),
            recent=np.empty(0),
        )

    def score(self, state: MahalanobisState, batch: Batch) -> Scores:
        return self._play(state, batch, scores=True, learns=False)

    def learn(self, state: MahalanobisState, batch: Batch) -> None:
        self._play(state, batch, scores=False, learns=True)

    def advance(self, state: MahalanobisState, batch: Batch) -> Scores:
        return self._play(state, batch, scores=True, learns=True)

    def expects(self, state: MahalanobisState, batch: Batch) -> Band:
        """What each channel should be, given the others of its row: value and usual miss (B, C).

        In input units, by the moments before the rows. A channel is as many usual misses away as
        its blame says. NaN for channels without an opinion.
        """
        rows = newest(batch, len(state.seen), state.seen.shape[1:])
        told = Band(*(np.full(rows.frame.shape, np.nan) for _ in range(2)))
        _expect(self._model(state), rows, told.expected, told.usual)
        return told

    def _play(self, state: MahalanobisState, batch: Batch, *, scores: bool, learns: bool) -> Scores:
        rows = newest(batch, len(state.seen), state.seen.shape[1:])
        _walk(self._model(state), rows, scores, learns)
        return Scores(rows.value, rows.blame)

    def _model(self, state: MahalanobisState) -> "_Model":
        keep = 2.0 ** (-1.0 / self.half_life)
        share = 1.0 - (2.0 ** (-1.0 / self.memory) if self.memory else 0.0)
        learned = (state.mean, state.covariance, state.weight, state.seen, state.recent)
        return _Model(*learned, keep, self.warmup, self.shrinkage, share)


class _Model(NamedTuple):
    mean: FloatArray  # (K, C)
    covariance: FloatArray  # (K, C, C)
    weight: FloatArray  # (K, C)
    seen: IntArray  # (K, C)
    recent: FloatArray  # (K,)
    keep: float  # what a weight is multiplied by at each row
    warmup: int
    shrinkage: float
    share: float  # of the newest row in the memory


class _Desk(NamedTuple):
    channel: IntArray  # (C,), the channels in use, the first m places
    z: FloatArray  # (C,), their z-scores
    factor: FloatArray  # (C, C), upper, R = factor' factor
    inverse: FloatArray  # (C, C), lower, the inverse of factor'
    pull: FloatArray  # (C,), R^-1 z
    precision: FloatArray  # (C,), the diagonal of R^-1


@compiled
def _walk(model: _Model, rows: Rows, scores: bool, learns: bool) -> None:  # noqa: FBT001 - a kernel
    desk = _desk(model.seen.shape[1])
    for row in range(len(rows.key)):
        key, frame = rows.key[row], rows.frame[row]
        distance = _measure(model, key, frame, rows.blame[row, -1], desk)
        if scores:
            rows.value[row] = np.sqrt(_with_recent(model, key, distance))
        if learns:
            if not np.isnan(distance):
                model.recent[key] = _with_recent(model, key, min(distance, _MOST))
            _learn_row(model, key, frame, desk.z)


@compiled
def _desk(width: int) -> _Desk:
    channel, z = np.empty(width, dtype=np.int64), np.empty(width)
    factor, inverse = np.empty((width, width)), np.empty((width, width))
    return _Desk(channel, z, factor, inverse, np.zeros(width), np.zeros(width))


@compiled
def _expect(model: _Model, rows: Rows, expected: FloatArray, usual: FloatArray) -> None:
    """Write what each channel should be, given the others; a missing one as if it were usual."""
    desk = _desk(model.seen.shape[1])
    for row in range(len(rows.key)):
        key, frame = rows.key[row], rows.frame[row]
        _tell(model, key, frame, expected[row], usual[row], desk)
        for c in range(len(frame)):
            if np.isnan(frame[c]) and model.seen[key, c] >= model.warmup:
                filled = frame.copy()
                filled[c] = model.mean[key, c]
                value, miss = np.empty(len(frame)), np.empty(len(frame))
                _tell(model, key, filled, value, miss, desk)
                expected[row, c], usual[row, c] = value[c], miss[c]


@compiled
def _tell(
    model: _Model, key: int, frame: FloatArray, expected: FloatArray, usual: FloatArray, desk: _Desk
) -> None:
    """What is expected of the observed channels of a frame that have an opinion."""
    _measure(model, key, frame, usual, desk)  # whose blame is written over
    for c in range(len(frame)):
        known = not np.isnan(frame[c]) and model.seen[key, c] >= model.warmup
        expected[c] = model.mean[key, c] if known else np.nan
        usual[c] = 0.0 if known else np.nan
    for i in range(len(frame)):
        if not desk.precision[i] > 0.0:
            break  # no further place of the desk is in use
        c = desk.channel[i]
        deviation = np.sqrt(model.covariance[key, c, c])
        expected[c] += deviation * (desk.z[i] - desk.pull[i] / desk.precision[i])
        usual[c] = deviation / np.sqrt(desk.precision[i])


@compiled
def _with_recent(model: _Model, key: int, distance: float) -> float:
    """The mean squared distance with that of one more row, NaN for a row without one."""
    if np.isnan(model.recent[key]):
        return distance
    return float(model.share * distance + (1.0 - model.share) * model.recent[key])


@compiled
def _measure(model: _Model, key: int, frame: FloatArray, blame: FloatArray, desk: _Desk) -> float:
    """The frame's mean squared distance over its channels, NaN without an opinion."""
    observed, used = 0, 0
    broken = False
    for c in range(len(frame)):
        if np.isnan(frame[c]) or model.seen[key, c] < model.warmup:
            continue
        observed += 1
        off = frame[c] - model.mean[key, c]
        if model.covariance[key, c, c] > _FLAT:
            z = off / np.sqrt(model.covariance[key, c, c])
            desk.channel[used], desk.z[used] = c, min(max(z, -_FAR), _FAR)
            used += 1
        elif off != 0.0:
            blame[c] = np.inf
            broken = True
    distance = _distance(model, key, used, blame, desk)
    if broken:
        return np.inf
    return distance / observed if observed else np.nan


@compiled
def _distance(model: _Model, key: int, used: int, blame: FloatArray, desk: _Desk) -> float:
    """The squared distance over the first `used` channels of the desk; writes their blame."""
    trust = 1.0 - model.shrinkage
    while not _factor(model.covariance[key], used, trust, desk):
        trust *= 0.5
    _invert(used, desk)
    total = 0.0
    desk.precision[:] = 0.0
    desk.pull[:] = 0.0
    for i in range(used):
        along = 0.0
        for j in range(i + 1):
            along += desk.inverse[i, j] * desk.z[j]
        total += along * along
        for j in range(i + 1):
            desk.precision[j] += desk.inverse[i, j] * desk.inverse[i, j]
            desk.pull[j] += desk.inverse[i, j] * along
    for i in range(used):
        blame[desk.channel[i]] = abs(desk.pull[i]) / np.sqrt(desk.precision[i])
    return total


@compiled
def _factor(covariance: FloatArray, used: int, trust: float, desk: _Desk) -> bool:
    """The Cholesky factor of the correlation; False if it is not positive definite."""
    upper = desk.factor
    for i in range(used):
        a = desk.channel[i]
        upper[i, i] = 1.0
        for j in range(i + 1, used):
            b = desk.channel[j]
            r = covariance[a, b] / np.sqrt(covariance[a, a]) / np.sqrt(covariance[b, b])
            upper[i, j] = trust * min(max(r, -1.0), 1.0)
    for k in range(used):
        if not upper[k, k] > _SINGULAR:
            return False
        root = np.sqrt(upper[k, k])
        for j in range(k, used):
            upper[k, j] /= root
        for i in range(k + 1, used):
            share = upper[k, i]
            for j in range(i, used):
                upper[i, j] -= share * upper[k, j]
    return True


@compiled
def _invert(used: int, desk: _Desk) -> None:
    """The inverse of the transposed factor, row by row."""
    lower = desk.inverse
    for i in range(used):
        lower[i, :i] = 0.0
        lower[i, i] = 1.0
        for k in range(i):
            share = desk.factor[k, i]
            for j in range(k + 1):
                lower[i, j] -= share * lower[k, j]
        for j in range(i + 1):
            lower[i, j] /= desk.factor[i, i]


@compiled
def _learn_row(model: _Model, key: int, frame: FloatArray, off: FloatArray) -> None:
    """Learn one frame; `off` (C,) is room to work in."""
    mean, weight = model.mean[key], model.weight[key]
    for c in range(len(frame)):
        off[c] = frame[c] - mean[c]
        if not np.isnan(off[c]):
            weight[c] = 1.0 + model.keep * weight[c]
            mean[c] += off[c] / weight[c]
            model.seen[key, c] += 1
    for a in range(len(frame)):
        if np.isnan(off[a]):
            continue
        for b in range(a + 1):
            if np.isnan(off[b]):
                continue
            gain = 1.0 / min(weight[a], weight[b])
            was = model.covariance[key, a, b]
            new = (1.0 - gain) * (was + gain * off[a] * off[b])
            model.covariance[key, a, b] = new
            model.covariance[key, b, a] = new
