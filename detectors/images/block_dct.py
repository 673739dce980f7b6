"""A Gaussian over the cosine coefficients of each block of a frame."""

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from tocsin.detectors.compiled import compiled
from tocsin.detectors.rows import Rows, need, newest
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.keyed import per_key
from tocsin.pipeline.types import Batch, FloatArray, IntArray, Scores, Spec, Traits

_FLAT = 1e-290  # a variance below this is one of a coefficient that does not move
_FAR = 1e100  # standard deviations at which a z-score is cut, so that its square stays finite


@dataclass(slots=True)
class BlockDctState:
    """The shared transform, and the Gaussian of each of P blocks of each camera."""

    height: int
    width: int
    basis: FloatArray  # (block, block, F), orthonormal
    mean: FloatArray = per_key(0.0)  # (K, P, F)
    covariance: FloatArray = per_key(0.0)  # (K, P, F, F)
    weight: FloatArray = per_key(0.0)  # (K, P), the sum of weights
    seen: IntArray = per_key(0)  # (K, P), frames that had the block whole


@dataclass(frozen=True, slots=True)
class BlockDct:
    """How far each block of a frame (H, W) lies from what its camera showed there before.

    A block of `block` x `block` pixels is described by the F = `coefficients` lowest coefficients
    of its orthonormal DCT-II, by rising frequency. Each place in the picture has its own Gaussian
    of them, in which a frame that is n frames old weighs 2 ** (-n / `half_life`). Correlations are
    multiplied by 1 - `shrinkage`, and each variance gets `eps` of that coefficient's mean over all
    places, so that a still place is as tolerant as the camera's noise. The distance of a place is
    sqrt(z' R^-1 z / F), near 1 on ordinary frames; the score is the mean over the share `top` of
    the largest distances, at least one place. `blame` gives each pixel its place's distance.

    Finds stains, parts missing or out of place, and flicker, by place. Misses what is smaller than
    a block and faint, and is misled where the camera moves. A frame is not compared with the one
    before, so motion is judged by its look alone. Where a camera has never shown any change, an
    unmoved frame scores 0 and one that changes inf.

    H and W need not be multiples of `block`: the last row and column are repeated. A block with a
    missing pixel (NaN or infinite) is neither scored nor learned and has blame 0. A place has an
    opinion after `half_life` frames (at least 2); the score is NaN while none has. Only the newest
    frame of a window is read; older frames get blame 0.

    Cost a frame: H W F operations for the transform and F**3 for each of the P blocks. Memory a
    key: 8 P (F**2 + F + 2) bytes. A constant brightness or contrast applied to all frames of a
    camera leaves the ranking alone.

    Reference: Defard, Setkov, Loesch and Audigier, PaDiM: a patch distribution modeling framework
    for anomaly detection and localization, 2020, arXiv:2011.08785; cosine coefficients stand in for
    the features of a network, and the Gaussians are learned as the frames come.

    >>> from tocsin.pipeline.keyed import grow
    >>> scorer = BlockDct(block=4, half_life=20)
    >>> state = scorer.start(Spec(item=(8, 8)))
    >>> grow(state, 1)
    >>> frames = np.random.default_rng(0).normal(size=(41, 1, 8, 8))
    >>> frames[40, 0, :4, 4:] += 3.0
    >>> batch = Batch(np.zeros(41, dtype=np.int64), np.arange(41), frames)
    >>> scores = scorer.advance(state, batch)
    >>> scores.value[38:].round(1)
    array([1.5, 1.7, 4.5])
    """

    block: int = 8
    coefficients: int = 6
    half_life: float = 50
    shrinkage: float = 0.1
    eps: float = 0.01
    top: float = 0.01

    traits: ClassVar[Traits] = Traits(item="frame", detects=frozenset({"spike"}))
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        need(self.block >= 2, "block", "at least 2 pixels", self.block)
        most = min(self.block**2, 64)
        need(1 <= self.coefficients <= most, "coefficients", f"1 to {most}", self.coefficients)
        is_usable = 0 < self.half_life < math.inf
        need(is_usable, "half_life", "a positive number of frames", self.half_life)
        need(1e-6 <= self.shrinkage <= 1, "shrinkage", "in 1e-6 to 1", self.shrinkage)
        need(1e-6 <= self.eps < math.inf, "eps", "at least 1e-6", self.eps)
        need(0 < self.top <= 1, "top", "over 0 and up to 1", self.top)

    @property
    def warmup(self) -> int:
        return max(2, math.ceil(self.half_life))

    def start(self, spec: Spec) -> BlockDctState:
        if len(spec.item) != 2:
            raise ConfigError(f"this detector takes frames (H, W) of pixels; found {spec.item}")
        places = math.prod(-(-side // self.block) for side in spec.item)
        features = self.coefficients
        return BlockDctState(
            height=spec.item[0],
            width=spec.item[1],
            basis=_basis(self.block, features),
            mean=np.empty((0, places, features)),
            covariance=np.empty((0, places, features, features)),
            weight=np.empty((0, places)),
            seen=np.empty((0, places), dtype=np.int64),
        )

    def score(self, state: BlockDctState, batch: Batch) -> Scores:
        return self._play(state, batch, scores=True, learns=False)

    def learn(self, state: BlockDctState, batch: Batch) -> None:
        self._play(state, batch, scores=False, learns=True)

    def advance(self, state: BlockDctState, batch: Batch) -> Scores:
        return self._play(state, batch, scores=True, learns=True)

    def _play(self, state: BlockDctState, batch: Batch, *, scores: bool, learns: bool) -> Scores:
        rows = newest(batch, len(state.seen), (state.height, state.width))
        keep = 2.0 ** (-1.0 / self.half_life)
        learned = (state.basis, state.mean, state.covariance, state.weight, state.seen)
        settings = (keep, self.warmup, self.shrinkage, self.eps, self.top)
        _walk(_Model(*learned, *settings), rows, scores, learns)
        return Scores(rows.value, rows.blame)


def _basis(block: int, coefficients: int) -> FloatArray:
    """The lowest coefficients of the orthonormal DCT-II, (block, block, F), the mean first."""
    wave = np.cos(np.pi * np.outer(np.arange(block), np.arange(block) + 0.5) / block)
    wave *= np.sqrt(2.0 / block)  # (frequency, pixel)
    wave[0] = np.sqrt(1.0 / block)
    order = sorted(np.ndindex(block, block), key=lambda uv: (sum(uv), max(uv), uv))
    return np.stack([np.outer(wave[u], wave[v]) for u, v in order[:coefficients]], axis=-1)


class _Model(NamedTuple):
    basis: FloatArray  # (block, block, F)
    mean: FloatArray  # (K, P, F)
    covariance: FloatArray  # (K, P, F, F)
    weight: FloatArray  # (K, P)
    seen: IntArray  # (K, P)
    keep: float  # what a weight is multiplied by at each frame
    warmup: int
    shrinkage: float
    eps: float
    top: float


class _Desk(NamedTuple):
    features: FloatArray  # (P, F), of the frame at hand, NaN where a pixel is missing
    distance: FloatArray  # (P,), NaN where a place has no opinion
    common: FloatArray  # (F,), the mean variance over all places
    deviation: FloatArray  # (F,), of one place
    z: FloatArray  # (F,)
    factor: FloatArray  # (F, F), lower


@compiled
def _walk(model: _Model, rows: Rows, scores: bool, learns: bool) -> None:  # noqa: FBT001 - a kernel
    places, size = model.mean.shape[1:]
    views = (np.empty((places, size)), np.empty(places), np.empty(size), np.empty(size))
    desk = _Desk(views[0], views[1], views[2], views[3], np.empty(size), np.empty((size, size)))
    for row in range(len(rows.key)):
        key, frame = rows.key[row], rows.frame[row]
        _transform(model.basis, frame, desk.features)
        if scores:
            _measure(model, key, desk)
            _spread(desk.distance, len(model.basis), rows.blame[row, -1])
            rows.value[row] = _mean_of_largest(desk.distance, model.top)
        if learns:
            for place in range(places):
                if not np.isnan(desk.features[place, 0]):
                    _learn_place(model, key, place, desk)


@compiled
def _transform(basis: FloatArray, frame: FloatArray, features: FloatArray) -> None:
    """The coefficients (P, F) of each block of `frame` (H, W), left to right, top to bottom."""
    block, across = len(basis), -(-frame.shape[1] // len(basis))
    for place in range(len(features)):
        top, left = place // across * block, place % across * block
        features[place] = 0.0
        # Relative to one pixel, the coefficients of an even block but the first are exactly 0.
        corner = frame[top, left]
        for i in range(block):
            y = min(top + i, frame.shape[0] - 1)
            for j in range(block):
                value = frame[y, min(left + j, frame.shape[1] - 1)] - corner
                for f in range(features.shape[1]):
                    features[place, f] += basis[i, j, f] * value
        features[place, 0] += block * corner


@compiled
def _measure(model: _Model, key: int, desk: _Desk) -> None:
    """The distance of each place from its Gaussian."""
    places, size = desk.features.shape
    desk.common[:] = 0.0
    for place in range(places):
        for f in range(size):
            desk.common[f] += model.covariance[key, place, f, f] / places
    for place in range(places):
        desk.distance[place] = np.nan
        if model.seen[key, place] >= model.warmup and not np.isnan(desk.features[place, 0]):
            desk.distance[place] = _distance(model, key, place, desk)


@compiled
def _distance(model: _Model, key: int, place: int, desk: _Desk) -> float:
    """sqrt(z' R^-1 z / F) by the Cholesky factor of the shrunk correlation R of one place."""
    covariance, size = model.covariance[key, place], len(desk.z)
    for f in range(size):
        variance = covariance[f, f] + model.eps * desk.common[f]
        off = desk.features[place, f] - model.mean[key, place, f]
        if variance <= _FLAT and off != 0.0:
            return np.inf
        # A coefficient that never moves gets a place among the rest, with z = 0.
        desk.deviation[f] = np.sqrt(variance) if variance > _FLAT else 1.0
        desk.z[f] = min(max(off / desk.deviation[f], -_FAR), _FAR)
    total, lower = 0.0, desk.factor
    for i in range(size):
        for j in range(i + 1):
            r = 1.0
            if j < i:
                r = (1.0 - model.shrinkage) * covariance[i, j]
                r /= desk.deviation[i]
                r /= desk.deviation[j]
            for k in range(j):
                r -= lower[i, k] * lower[j, k]
            lower[i, j] = r / lower[j, j] if j < i else np.sqrt(r)
        along = desk.z[i]
        for k in range(i):
            along -= lower[i, k] * desk.z[k]
        desk.z[i] = along / lower[i, i]
        total += desk.z[i] * desk.z[i]
    return float(np.sqrt(total / size))


@compiled
def _spread(distance: FloatArray, block: int, blame: FloatArray) -> None:
    """Give each pixel of `blame` (H, W) the distance of its place, 0 where that is NaN."""
    across = -(-blame.shape[1] // block)
    for y in range(blame.shape[0]):
        for x in range(blame.shape[1]):
            value = distance[y // block * across + x // block]
            blame[y, x] = 0.0 if np.isnan(value) else value


@compiled
def _mean_of_largest(distance: FloatArray, top: float) -> float:
    """The mean of the share `top` of the distances, the largest; uses them up."""
    count = 0
    for value in distance:
        count += not np.isnan(value)
    if count == 0:
        return np.nan
    most = max(1, math.ceil(top * count))
    total = 0.0
    for _ in range(most):
        best = -1
        for place in range(len(distance)):
            if not np.isnan(distance[place]) and (best < 0 or distance[place] > distance[best]):
                best = place
        total += distance[best]
        distance[best] = np.nan
    return total / most


@compiled
def _learn_place(model: _Model, key: int, place: int, desk: _Desk) -> None:
    model.weight[key, place] = 1.0 + model.keep * model.weight[key, place]
    model.seen[key, place] += 1
    gain = 1.0 / model.weight[key, place]
    off, mean = desk.z, model.mean[key, place]  # the z-scores are spent
    for f in range(len(off)):
        off[f] = desk.features[place, f] - mean[f]
        mean[f] += gain * off[f]
    covariance = model.covariance[key, place]
    for i in range(len(off)):
        for j in range(i + 1):
            covariance[i, j] = (1.0 - gain) * (covariance[i, j] + gain * off[i] * off[j])
            covariance[j, i] = covariance[i, j]
