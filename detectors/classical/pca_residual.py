"""What is left of a row outside the principal subspace of clean training rows."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from tocsin.detectors.compiled import compiled
from tocsin.detectors.rows import need
from tocsin.detectors.scaling import Scale, plain_scale, scaled
from tocsin.detectors.trained import Trained
from tocsin.detectors.windows.prepared import directions, leading
from tocsin.pipeline.types import FloatArray, Traits

_FEWEST = 2  # training rows
_FLOOR = 1e-3  # spreads; an ordinary residual counts as no smaller


class PcaResidualModel(NamedTuple):
    """Where the channels lie, the subspace they move in, and what an ordinary residual is."""

    scale: Scale
    axes: FloatArray  # (C, k)
    usual: float


@dataclass(frozen=True, slots=True)
class PcaResidual(Trained[PcaResidualModel | None]):
    """How far a row lies outside the subspace that holds most of the training rows' variance.

    Channels are in their training standard deviations. The fewest principal directions that hold
    `variance` of the variance are the subspace, one less than there are channels at most; a single
    channel so is measured from its mean. The score is the distance from the subspace over its root
    mean square on the training rows: 1 is ordinary. A missing channel counts as usual; a row
    without any value has no opinion. `blame` is each channel's own distance.

    Finds rows that break the usual linear relations of the channels. Misses rows that keep them,
    however far out, and what is strange only in its order in time.

    Offline the score is the same: a row is judged by itself.

    Cost a row: O(C k), with k directions. Memory a key: 8 x `memory` x C bytes, and 8 C k of the
    model. Shift and scale leave the scores alone.

    Reference: Jackson and Mudholkar, Control procedures for residuals associated with principal
    component analysis, 1979, doi:10.1080/00401706.1979.10489779.

    >>> from tocsin.pipeline.types import Batch, Spec
    >>> rng = np.random.default_rng(0)
    >>> both = rng.normal(size=(500, 1, 1)) + 0.1 * rng.normal(size=(500, 1, 2))
    >>> scorer = PcaResidual()
    >>> state = scorer.fit(Spec((2,)), [Batch(np.zeros(500, dtype=int), np.arange(500), both)])
    >>> odd = Batch(np.zeros(2, dtype=int), np.arange(2), np.array([[[2.0, 2]], [[1, -1]]]))
    >>> scorer.score(state, odd).value.round(1).tolist()
    [0.0, 14.3]
    """

    variance: float = 0.9

    traits: ClassVar[Traits] = Traits(detects=frozenset({"broken_correlation"}))

    def check(self) -> None:
        super(PcaResidual, self).check()
        need(0 < self.variance < 1, "variance", "above 0 and under 1", self.variance)

    def model(self, rows: FloatArray) -> PcaResidualModel | None:
        scale = plain_scale(rows)
        points = np.nan_to_num(scaled(rows[~np.isnan(rows).all(axis=1)], scale))
        if len(points) < _FEWEST:
            return None
        found = directions(points)
        count = min(leading(found, self.variance), points.shape[1] - 1)
        axes = np.ascontiguousarray(found.axes[:, :count])
        left = max(found.total - float(found.variance[:count].sum()), 0.0)
        return PcaResidualModel(scale, axes, max(float(np.sqrt(left)), _FLOOR))

    def measure(
        self, model: PcaResidualModel | None, windows: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        value, blame = np.full(len(windows), np.nan), np.zeros(windows.shape)
        known = np.flatnonzero(~np.isnan(windows[:, -1]).all(axis=1))
        if model is None or not known.size:
            return value, blame
        points = np.nan_to_num(scaled(windows[known, -1], model.scale))
        length, left = _outside(points, model.axes)
        value[known] = length / model.usual
        blame[known, -1] = left / model.usual
        return value, blame


@compiled
def _outside(points: FloatArray, axes: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Distance (B,) from the subspace, and of each channel (B, C), row by row."""
    rows, width = points.shape
    kept = axes.shape[1]
    length, left = np.zeros(rows), np.zeros((rows, width))
    for b in range(rows):
        along = np.zeros(kept)
        for i in range(width):
            for j in range(kept):
                along[j] += points[b, i] * axes[i, j]
        for i in range(width):
            off = points[b, i]
            for j in range(kept):
                off -= along[j] * axes[i, j]
            left[b, i] = abs(off)
            length[b] += off * off
        length[b] = np.sqrt(length[b])
    return length, left
