"""What is left of a window once the most similar shape of clean data is taken away."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from tocsin.detectors.compiled import compiled
from tocsin.detectors.rows import need
from tocsin.detectors.scaling import Scale
from tocsin.detectors.trained import Trained
from tocsin.detectors.windows.prepared import in_spreads, judged, learnt
from tocsin.pipeline.types import FloatArray, IntArray, Traits

_ROUNDS = 10  # of drawing the shapes anew
_MOST = 1000  # training windows a channel
_LEAST = 1e-3  # spreads a value; an ordinary remainder counts as no smaller


class KShapeModel(NamedTuple):
    """Where the channels lie, the shapes of each, and how much of it they usually leave over."""

    scale: Scale
    shapes: FloatArray  # (C, k, T), of mean 0 and length 1
    usual: FloatArray  # (C,)


@dataclass(frozen=True, slots=True)
class KShapeWindows(Trained[KShapeModel | None]):
    """How much of a window none of the usual shapes explains, wherever in it the shape begins.

    Each channel's training windows, less their mean, are put into `clusters` by the shape-based
    distance: one less the largest normalised cross-correlation with a shape moved by up to half a
    window. A cluster's shape is the window that correlates most with all its aligned members. Of a
    window to be judged, the shape that fits best is taken away at the place and the size that fit
    best; the length of what is left is over its root mean square on the training windows, and the
    score is the root mean square of that over the channels: 1 is ordinary. Measured so, and not by
    the bare correlation, a window of noise with no shape at all is not strange.

    Gaps hold the last value; a window without a value in its newest row, or in half of its rows,
    has no opinion. `blame` is what is left of each value.

    Finds unusual shapes and lost rhythm whatever their phase, spikes and bursts. Misses levels, and
    usual shapes of unusual size.

    Offline, a row has the mean score of the windows that cover it.

    Cost a row: T**2 C `clusters`. Memory a key: 8 x `memory` x C bytes, and 8 T C `clusters` of the
    model. Shift and scale leave the scores alone.

    Reference: Paparrizos and Gravano, k-Shape: efficient and accurate clustering of time series,
    2015, doi:10.1145/2723372.2737793.

    >>> wave = np.sin(np.arange(400) / 3) + np.random.default_rng(0).normal(0, 0.05, 400)
    >>> scorer = KShapeWindows(window=16)
    >>> model = scorer.model(wave[:, None])
    >>> windows = np.stack([wave[100:116], wave[100:132:2]])[:, :, None]
    >>> scorer.measure(model, windows)[0].round(1).tolist()
    [1.2, 3.5]
    """

    window: int = 32
    clusters: int = 6

    traits: ClassVar[Traits] = Traits(detects=frozenset({"spike", "variance_burst"}))

    def check(self) -> None:
        super(KShapeWindows, self).check()
        need(self.window >= 4, "window", "4 or more", self.window)
        need(self.clusters >= 1, "clusters", "1 or more", self.clusters)

    @property
    def frames(self) -> int:
        return self.window

    def model(self, rows: FloatArray) -> KShapeModel | None:
        scale, windows = learnt(rows, self.frames)
        if not len(windows):
            return None
        count = min(len(windows), _MOST)
        windows = windows[np.linspace(0, len(windows) - 1, count).astype(np.int64)]
        width = rows.shape[1]
        shapes = np.stack([_shapes(windows[:, :, c], self.clusters) for c in range(width)])
        left, _ = _left_over(windows, shapes)
        usual = np.sqrt((left**2).mean(axis=0))
        return KShapeModel(scale, shapes, np.maximum(usual, _LEAST * np.sqrt(self.window)))

    def measure(
        self, model: KShapeModel | None, windows: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        value, blame = np.full(len(windows), np.nan), np.zeros(windows.shape)
        ready = judged(windows)
        if model is None or not ready.size:
            return value, blame
        points = in_spreads(windows[ready], model.scale)
        left, parts = _left_over(points, model.shapes)
        value[ready] = np.sqrt(((left / model.usual) ** 2).mean(axis=1))
        blame[ready] = parts / model.usual
        return value, blame


def _shapes(windows: FloatArray, clusters: int) -> FloatArray:
    """The shapes (k, T) of one channel's windows (N, T); zeros where a cluster has none."""
    off = windows - windows.mean(axis=1, keepdims=True)
    length = np.sqrt((off**2).sum(axis=1))
    moving = length > _LEAST * np.sqrt(windows.shape[1])
    points = np.ascontiguousarray(off[moving] / length[moving, None])
    shapes = _unlike(points, clusters)
    member = np.full(len(points), -1)
    for _ in range(_ROUNDS if len(points) else 0):
        near, _, _ = _best(points, shapes)
        if (near == member).all():
            break
        member = near
        for k in np.unique(member).tolist():
            shapes[k] = _extracted(points[member == k], shapes[k])
    return shapes


def _unlike(points: FloatArray, clusters: int) -> FloatArray:
    """Shapes (k, T) to begin with: the middle window, then each time the least like those before.

    Zeros where there are fewer windows.
    """
    shapes = np.zeros((clusters, points.shape[1]))
    chosen = len(points) // 2
    for k in range(min(clusters, len(points))):
        shapes[k] = points[chosen]
        chosen = int(_best(points, shapes[: k + 1])[2].argmin())
    return shapes


def _extracted(members: FloatArray, shape: FloatArray) -> FloatArray:
    """The unit shape (T,) of mean 0 that correlates most with the aligned members (N, T)."""
    aligned = _moved(members, -_best(members, shape[None])[1])
    aligned = aligned - aligned.mean(axis=1, keepdims=True)
    _, vectors = np.linalg.eigh(aligned.T @ aligned)
    found = vectors[:, -1] - vectors[:, -1].mean()
    length = np.sqrt((found**2).sum())
    if length < _LEAST:
        return shape
    found = found / length
    # A shape and its mirror image have the same eigenvalue; most members decide.
    return np.asarray(found if (aligned @ found).sum() >= 0 else -found, dtype=np.float64)


@compiled
def _moved(windows: FloatArray, by: IntArray) -> FloatArray:
    """Windows (N, T) moved by so many rows, zeros coming in."""
    moved = np.zeros(windows.shape)
    for n in range(len(windows)):
        for t in range(windows.shape[1]):
            if 0 <= t - by[n] < windows.shape[1]:
                moved[n, t] = windows[n, t - by[n]]
    return moved


@compiled
def _best(points: FloatArray, shapes: FloatArray) -> tuple[IntArray, IntArray, FloatArray]:
    """For each of points (N, T) the best shape, how far it is moved, and their product."""
    rows, frames = points.shape
    near, by = np.zeros(rows, dtype=np.int64), np.zeros(rows, dtype=np.int64)
    most = np.full(rows, -np.inf)
    for n in range(rows):
        for k in range(len(shapes)):
            for shift in range(-(frames // 2), frames // 2 + 1):
                total = 0.0
                for t in range(max(0, shift), min(frames, frames + shift)):
                    total += points[n, t] * shapes[k, t - shift]
                if total > most[n]:
                    most[n] = total
                    near[n] = k
                    by[n] = shift
    return near, by, most


@compiled
def _left_over(windows: FloatArray, shapes: FloatArray) -> tuple[FloatArray, FloatArray]:
    """What the best shape leaves of each channel (B, C), and of each value (B, T, C)."""
    rows, frames, width = windows.shape
    left, parts = np.zeros((rows, width)), np.zeros(windows.shape)
    point = np.empty((1, frames))
    for b in range(rows):
        for c in range(width):
            mean = 0.0
            for t in range(frames):
                mean += windows[b, t, c] / frames
            for t in range(frames):
                point[0, t] = windows[b, t, c] - mean
            near, by, most = _best(point, shapes[c])
            size = max(most[0], 0.0)
            for t in range(frames):
                off = point[0, t]
                if 0 <= t - by[0] < frames:
                    off -= size * shapes[c, near[0], t - by[0]]
                parts[b, t, c] = abs(off)
                left[b, c] += off * off
            left[b, c] = np.sqrt(left[b, c])
    return left, parts
