"""A moving z-score: how far a value lies from the last ones, in their standard deviations."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from tocsin.detectors.compiled import compiled
from tocsin.detectors.rows import Rows, channels, need, newest
from tocsin.pipeline.keyed import per_key
from tocsin.pipeline.types import Band, Batch, FloatArray, IntArray, Scores, Spec, Traits


@dataclass(slots=True)
class MovingZState:
    """The last values of each channel, as blocks of `window`: one filling, the one before leaving.

    At place p = `seen` % `window` the ring holds the p values of the new block, and from p on the
    mean of what is left of the old one; `square` the sum of squares about that mean. `mean` and
    `total` are the same two for the new block. The last `window` values are both parts together.
    """

    ring: FloatArray = per_key(0.0)  # (K, C, window)
    square: FloatArray = per_key(0.0)  # (K, C, window)
    mean: FloatArray = per_key(0.0)  # (K, C)
    total: FloatArray = per_key(0.0)  # (K, C)
    seen: IntArray = per_key(0)  # (K, C), values so far


@dataclass(frozen=True, slots=True)
class MovingZ:
    """The newest frame's z-score against the previous `window` values of its channel.

    The score is the largest |z| over the channels, `blame` each channel's |z|; the standard
    deviation is that of a sample. A channel that has never moved scores 0, and inf when it moves.

    Finds spikes and the onset of level shifts, in any one channel. Misses what lasts: after
    `window` rows a new level, a drift or a larger variance is what it compares with; and values
    that are odd only for their time of day or beside other channels.

    NaN and infinities are missing: their channel is left out of the row and looks back to its last
    `window` observed values. A channel has an opinion after `window` values; the score is NaN while
    none has. Only the newest frame of a window is read; older frames get blame 0.

    Cost a row: about 30 C operations, whatever the window. Memory a key: 8 C (2 `window` + 3)
    bytes. Shift and scale leave the ranking alone.

    References: Grubbs, Procedures for detecting outlying observations in samples, 1969,
    doi:10.1080/00401706.1969.10490657, for the largest deviation in standard deviations; Chan,
    Golub and LeVeque, Updating formulae and a pairwise algorithm for computing sample variances,
    1979, doi:10.1007/978-3-642-51461-6_3, for the way the window is kept.

    >>> from tocsin.pipeline.keyed import grow
    >>> scorer = MovingZ(window=4)
    >>> state = scorer.start(Spec(item=(1,)))
    >>> grow(state, 1)
    >>> values = np.array([1.0, 2.0, 1.0, 2.0, 4.5]).reshape(5, 1, 1)
    >>> batch = Batch(np.zeros(5, dtype=np.int64), np.arange(5), values)
    >>> scorer.advance(state, batch).value.round(2)
    array([nan, nan, nan, nan, 5.2])
    """

    window: int = 100

    traits: ClassVar[Traits] = Traits(detects=frozenset({"spike"}))
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        need(self.window >= 2, "window", "at least 2 rows", self.window)

    @property
    def warmup(self) -> int:
        return self.window

    def start(self, spec: Spec) -> MovingZState:
        shape = (0, channels(spec))
        return MovingZState(
            ring=np.empty((*shape, self.window)),
            square=np.empty((*shape, self.window)),
            mean=np.empty(shape),
            total=np.empty(shape),
            seen=np.empty(shape, dtype=np.int64),
        )

    def score(self, state: MovingZState, batch: Batch) -> Scores:
        return self._play(state, batch, scores=True, learns=False)

    def learn(self, state: MovingZState, batch: Batch) -> None:
        self._play(state, batch, scores=False, learns=True)

    def advance(self, state: MovingZState, batch: Batch) -> Scores:
        return self._play(state, batch, scores=True, learns=True)

    def expects(self, state: MovingZState, batch: Batch) -> Band:
        """Mean and standard deviation (B, C) of each channel's last values, in input units.

        NaN for channels without an opinion.
        """
        told = Band(*(np.full((len(batch), state.seen.shape[1]), np.nan) for _ in range(2)))
        model = _Model(state.ring, state.square, state.mean, state.total, state.seen)
        _expect(model, batch.key, told.expected, told.usual)
        return told

    def _play(self, state: MovingZState, batch: Batch, *, scores: bool, learns: bool) -> Scores:
        rows = newest(batch, len(state.seen), state.seen.shape[1:])
        model = _Model(state.ring, state.square, state.mean, state.total, state.seen)
        _walk(model, rows, scores, learns)
        return Scores(rows.value, rows.blame)


class _Model(NamedTuple):
    ring: FloatArray  # (K, C, window)
    square: FloatArray  # (K, C, window)
    mean: FloatArray  # (K, C)
    total: FloatArray  # (K, C)
    seen: IntArray  # (K, C)


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
    worst, window = np.nan, model.ring.shape[2]
    for c in range(len(frame)):
        if np.isnan(frame[c]) or model.seen[key, c] < window:
            continue
        mean, deviation = _last(model, key, c)
        off = abs(frame[c] - mean)
        z = off / deviation if off > 0.0 else 0.0  # inf where the channel never moved
        blame[c] = z
        if not z <= worst:
            worst = z
    return worst


@compiled
def _expect(model: _Model, keys: IntArray, mean: FloatArray, deviation: FloatArray) -> None:
    """Write the moments (B, C) of the keys' channels that have an opinion."""
    for row, key in enumerate(keys):
        for c in range(model.seen.shape[1]):
            if model.seen[key, c] >= model.ring.shape[2]:
                mean[row, c], deviation[row, c] = _last(model, key, c)


@compiled
def _last(model: _Model, key: int, c: int) -> tuple[float, float]:
    """Mean and standard deviation of the channel's last `window` values."""
    window = model.ring.shape[2]
    place = model.seen[key, c] % window
    rest = (model.ring[key, c, place], model.square[key, c, place])
    new = (model.mean[key, c], model.total[key, c]) if place else rest
    return _moments(rest, window - place, new, place)


@compiled
def _moments(
    rest: tuple[float, float], left: int, new: tuple[float, float], come: int
) -> tuple[float, float]:
    """Mean and standard deviation of two parts of a window, of `left` and of `come` values.

    The parts, each a mean and a sum of squares about it, are joined as by Chan, Golub and LeVeque.
    No value is ever subtracted from a sum, so a wild one that has left leaves no error, and a flat
    channel has exactly no deviation.
    """
    window = left + come
    apart, share = new[0] - rest[0], come / window
    total = rest[1] + left * share * apart * apart
    if come:
        total += new[1]
    return rest[0] + share * apart, np.sqrt(total / (window - 1))


@compiled
def _learn_row(model: _Model, key: int, frame: FloatArray) -> None:
    window = model.ring.shape[2]
    for c in range(len(frame)):
        if np.isnan(frame[c]):
            continue
        place = model.seen[key, c] % window
        if place == 0:
            model.mean[key, c], model.total[key, c] = frame[c], 0.0
        off = frame[c] - model.mean[key, c]
        model.mean[key, c] += off / (place + 1)
        model.total[key, c] += off * (frame[c] - model.mean[key, c])
        model.ring[key, c, place] = frame[c]
        model.seen[key, c] += 1
        if place == window - 1:
            _settle(model, key, c)


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
