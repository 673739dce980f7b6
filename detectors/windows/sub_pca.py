"""The distance of a window from the subspace in which clean windows move."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from tocsin.detectors.compiled import compiled
from tocsin.detectors.rows import need
from tocsin.detectors.scaling import Scale
from tocsin.detectors.trained import Trained
from tocsin.detectors.windows.prepared import directions, in_spreads, judged, leading, learnt
from tocsin.pipeline.types import FloatArray, Traits

_FEWEST = 2  # training windows
_MOST = 64  # directions of the subspace
_FLOOR = 1e-3  # of the mean variance of a direction: no direction counts as narrower


class SubPcaModel(NamedTuple):
    """The mean window, the directions of the subspace, and what a step along each is worth."""

    scale: Scale
    mean: FloatArray  # (D,)
    axes: FloatArray  # (D, k)
    inside: FloatArray  # (k,), worth of a squared step along each direction; 0: not counted
    outside: float  # of one out of the subspace
    alone: FloatArray  # (D,), of one of a single value


@dataclass(frozen=True, slots=True)
class SubPca(Trained[SubPcaModel | None]):
    """How unlikely a window is under a principal subspace of the training windows.

    The windows of all channels side by side, each channel in its training standard deviations, are
    points; their leading principal directions, at most 64, hold `variance` of their variance. With
    `weighted`, the score is the distance in which every leading direction counts by the inverse of
    its eigenvalue and what is left outside by the inverse of the mean of the remaining ones
    (probabilistic principal components), so that a step along a direction in which clean windows
    hardly move counts most. Without it, only the length left outside counts, and a step inside the
    subspace is not seen. Either is over its root mean square under the model of the training
    windows: 1 is ordinary. No direction counts as narrower than a thousandth of the mean one.

    Gaps hold the last value; a window without a value in its newest row, or in half of its rows,
    has no opinion. `blame` is each value's |z| given all others of the window, or, not weighted,
    its distance from the subspace.

    Finds spikes, unusual shapes and levels, lost rhythm and broken correlation. Misses several
    separate modes of operation, and faults as slow as the window is short.

    Offline, a row has the mean score of the windows that cover it.

    Cost a row: O(T C k), with k leading directions. Memory a key: 8 x `memory` x C bytes, and
    16 T C k of the model. Shift and scale leave the scores alone.

    References: Tipping and Bishop, Probabilistic principal component analysis, 1999,
    doi:10.1111/1467-9868.00196; Liu and Paparrizos, The elephant in the room, 2024,
    ISBN 979-8-3313-1438-5, for windows of a series.

    >>> wave = np.sin(np.arange(400) / 3) + np.random.default_rng(0).normal(0, 0.1, 400)
    >>> scorer = SubPca(window=16)
    >>> model = scorer.model(wave[:, None])
    >>> windows = np.stack([wave[100:116], wave[100:116] + 1.0])[:, :, None]
    >>> scorer.measure(model, windows)[0].round(1).tolist()
    [0.9, 9.7]
    """

    window: int = 32
    variance: float = 0.9
    weighted: bool = True

    traits: ClassVar[Traits] = Traits(
        detects=frozenset({"spike", "level_shift", "variance_burst", "broken_correlation"})
    )

    def check(self) -> None:
        super(SubPca, self).check()
        need(self.window >= 2, "window", "2 or more", self.window)
        need(0 < self.variance < 1, "variance", "above 0 and under 1", self.variance)

    @property
    def frames(self) -> int:
        return self.window

    def model(self, rows: FloatArray) -> SubPcaModel | None:
        scale, windows = learnt(rows, self.frames)
        if len(windows) < _FEWEST:
            return None
        points = windows.reshape(len(windows), -1)
        size = points.shape[1]
        mean = points.mean(axis=0)
        found = directions(points - mean)
        # One direction stays outside, or nothing could be.
        count = min(leading(found, self.variance), size - 1, _MOST)
        least = _FLOOR * found.total / size or 1.0
        held = np.maximum(found.variance[:count], least)
        axes = np.ascontiguousarray(found.axes[:, :count])
        left = max(found.total - float(found.variance[:count].sum()), 0.0)
        outside = 1.0 / max(left / (size - len(held)), least)
        # Over the number of counted directions, the mean square is 1.
        if self.weighted:
            inside, counted = 1.0 / held, size
        else:
            inside, counted = np.zeros(len(held)), size - len(held)
        alone = outside + (axes**2) @ (inside - outside)
        return SubPcaModel(scale, mean, axes, inside / counted, outside / counted, alone)

    def measure(
        self, model: SubPcaModel | None, windows: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        value, blame = np.full(len(windows), np.nan), np.zeros(windows.shape)
        ready = judged(windows)
        if model is None or not ready.size:
            return value, blame
        points = in_spreads(windows[ready], model.scale).reshape(len(ready), -1)
        square, pull = _distances(points, model.mean, model.axes, model.inside, model.outside)
        value[ready] = np.sqrt(square)
        size = points.shape[1] if self.weighted else points.shape[1] - len(model.inside)
        apart = np.abs(pull) * size / (np.sqrt(model.alone) if self.weighted else model.outside)
        blame[ready] = apart.reshape(-1, *windows.shape[1:])
        return value, blame


@compiled
def _distances(
    points: FloatArray, mean: FloatArray, axes: FloatArray, inside: FloatArray, outside: float
) -> tuple[FloatArray, FloatArray]:
    """Squared distances (B,) and their half gradients (B, D), row by row."""
    rows, size = points.shape
    kept = axes.shape[1]
    square, pull = np.zeros(rows), np.zeros((rows, size))
    for b in range(rows):
        total = 0.0
        along = np.zeros(kept)
        for i in range(size):
            off = points[b, i] - mean[i]
            total += off * off
            for j in range(kept):
                along[j] += off * axes[i, j]
        for j in range(kept):
            total -= along[j] * along[j]
            square[b] += inside[j] * along[j] * along[j]
            along[j] *= outside - inside[j]
        square[b] += outside * max(total, 0.0)
        for i in range(size):
            pull[b, i] = outside * (points[b, i] - mean[i])
            for j in range(kept):
                pull[b, i] -= axes[i, j] * along[j]
    return square, pull
