"""How window detectors read their windows: gaps filled, channels in spreads, few coordinates."""

from typing import NamedTuple

import numpy as np

from tocsin.detectors.compiled import compiled
from tocsin.detectors.gaps import filled
from tocsin.detectors.scaling import Scale, plain_scale, scaled
from tocsin.detectors.trained import training_windows
from tocsin.pipeline.types import FloatArray, IntArray

_ROUNDING = 1e-10  # of the largest variance: below it, a direction has none


def judged(windows: FloatArray) -> IntArray:
    """Which windows (B, T, C) can be judged: a value in the newest row and in half of the rows.

    >>> judged(np.array([[[1.0], [2.0]], [[1.0], [np.nan]], [[np.nan], [2.0]]])).tolist()
    [0, 2]
    """
    there = np.logical_not(np.asarray(np.isnan(windows).all(axis=2)))  # (B, T)
    return np.flatnonzero(there[:, -1] & (2 * there.sum(axis=1) >= there.shape[1]))


def in_spreads(windows: FloatArray, scale: Scale) -> FloatArray:
    """Windows (B, T, C) without gaps, each channel in spreads from its centre."""
    return scaled(filled(windows, scale.centre), scale)


def learnt(rows: FloatArray, frames: int) -> tuple[Scale, FloatArray]:
    """Mean and deviation of training rows (N, C), and their windows (B, frames, C) in spreads."""
    scale = plain_scale(rows)
    return scale, in_spreads(training_windows(rows, frames), scale)


class Directions(NamedTuple):
    """Orthogonal directions of a cloud of points, widest first, and the variance along each."""

    variance: FloatArray  # (k,), falling, above 0
    axes: FloatArray  # (D, k)
    total: float  # variance in all directions together


def directions(points: FloatArray) -> Directions:
    """The principal directions of points (N, D) about 0; as many as have any variance.

    O(N D min(N, D)).
    """
    count, size = points.shape
    total = float((points * points).sum()) / max(count, 1)
    if size <= count:
        variance, axes = np.linalg.eigh(points.T @ points / max(count, 1))
    else:
        variance, weights = np.linalg.eigh(points @ points.T / count)
        axes = points.T @ (weights / np.sqrt(count * np.maximum(variance, np.finfo(float).tiny)))
    order = np.argsort(-variance, kind="stable")
    kept = order[variance[order] > _ROUNDING * max(total, 0.0)]
    return Directions(variance[kept], np.ascontiguousarray(axes[:, kept]), total)


def leading(found: Directions, share: float) -> int:
    """How many directions hold `share` of the variance.

    >>> leading(Directions(np.array([3.0, 1.0]), np.eye(2), 4.0), 0.75)
    1
    """
    held = np.cumsum(found.variance)
    return int(np.searchsorted(held, share * found.total * (1 - 1e-9))) + 1 if held.size else 0


class Embedding(NamedTuple):
    """Windows as points of few coordinates: where the channels lie, and the directions kept.

    With more numbers in a window than are kept, the last coordinate is the length of what the
    directions leave over, so that nothing far away looks near.
    """

    scale: Scale
    mean: FloatArray  # (D,)
    axes: FloatArray  # (D, k)
    whole: bool  # whether the directions leave nothing over


def embedding(rows: FloatArray, frames: int, most: int) -> tuple[Embedding, FloatArray]:
    """An embedding of windows of training rows (N, C), and the windows' points in it.

    Windows of at most `most` numbers stay as they are; of longer ones, `most` principal directions
    are kept and the length of the rest.
    """
    scale, windows = learnt(rows, frames)
    size = frames * rows.shape[1]
    flat = windows.reshape(len(windows), size)
    mean = flat.mean(axis=0) if len(flat) else np.zeros(size)
    if size <= most:
        found = Embedding(scale, mean, np.eye(size), whole=True)
    else:
        axes = directions(flat - mean).axes[:, :most]
        found = Embedding(scale, mean, np.ascontiguousarray(axes), whole=False)
    return found, _placed(flat, found.mean, found.axes, found.whole)


def embedded(windows: FloatArray, into: Embedding) -> FloatArray:
    """The points (B, k) or (B, k + 1) of windows (B, T, C), each by itself."""
    flat = in_spreads(windows, into.scale).reshape(len(windows), -1)
    return _placed(flat, into.mean, into.axes, into.whole)


def blamed(windows: FloatArray, into: Embedding, parts: FloatArray) -> FloatArray:
    """Blame of coordinates (B, k) handed to the values (B, T, C) that made each coordinate.

    A coordinate's blame is shared out by how much of it each value makes up.
    """
    off = in_spreads(windows, into.scale).reshape(len(windows), -1) - into.mean
    kept = into.axes.shape[1]
    blame = _shared(off, into.axes, parts[:, :kept])
    if not into.whole:
        left = _left_over(off, into.axes)
        blame += left * parts[:, kept:]
    return blame.reshape(windows.shape)


@compiled
def _placed(flat: FloatArray, mean: FloatArray, axes: FloatArray, whole: bool) -> FloatArray:  # noqa: FBT001 - a kernel takes no keywords
    rows, size = flat.shape
    kept = axes.shape[1]
    points = np.zeros((rows, kept if whole else kept + 1))
    for b in range(rows):
        total = 0.0
        for i in range(size):
            off = flat[b, i] - mean[i]
            total += off * off
            for j in range(kept):
                points[b, j] += off * axes[i, j]
        if not whole:
            for j in range(kept):
                total -= points[b, j] * points[b, j]
            points[b, kept] = np.sqrt(max(total, 0.0))
    return points


@compiled
def _shared(off: FloatArray, axes: FloatArray, parts: FloatArray) -> FloatArray:
    """Parts (B, k) of the directions handed to the values (B, D) that make each up."""
    rows, size = off.shape
    blame = np.zeros((rows, size))
    for b in range(rows):
        weight = np.zeros(axes.shape[1])
        for i in range(size):
            for j in range(axes.shape[1]):
                weight[j] += abs(off[b, i] * axes[i, j])
        for i in range(size):
            for j in range(axes.shape[1]):
                if weight[j] > 0.0:
                    blame[b, i] += parts[b, j] * abs(off[b, i] * axes[i, j]) / weight[j]
    return blame


@compiled
def _left_over(off: FloatArray, axes: FloatArray) -> FloatArray:
    """Each value's share (B, D) of what the directions leave over."""
    rows, size = off.shape
    left = np.zeros((rows, size))
    for b in range(rows):
        along = np.zeros(axes.shape[1])
        for i in range(size):
            for j in range(axes.shape[1]):
                along[j] += off[b, i] * axes[i, j]
        weight = 0.0
        for i in range(size):
            left[b, i] = off[b, i]
            for j in range(axes.shape[1]):
                left[b, i] -= along[j] * axes[i, j]
            left[b, i] = abs(left[b, i])
            weight += left[b, i]
        for i in range(size):
            left[b, i] = left[b, i] / weight if weight > 0.0 else 0.0
    return left
