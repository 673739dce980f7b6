"""How far out a row lies in the worst of many random directions."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from tocsin.detectors.compiled import compiled
from tocsin.detectors.rows import need
from tocsin.detectors.scaling import Scale, robust_scale, scaled
from tocsin.detectors.trained import Trained
from tocsin.pipeline.types import FloatArray, IntArray, Traits

_FEWEST = 2  # training rows
_LEAST = 1e-3  # spreads of a channel; no direction counts as narrower
_NORMAL = 1.4826  # standard deviations of a normal law in its median absolute deviation
_SEED = 0  # of the directions; not a setting, as with one channel all directions are the same


class ProjectionModel(NamedTuple):
    """Where the channels lie, the directions, and median and spread of the rows along each."""

    scale: Scale
    directions: FloatArray  # (C, P), of length 1
    middle: FloatArray  # (P,)
    spread: FloatArray  # (P,)


@dataclass(frozen=True, slots=True)
class ProjectionOutlyingness(Trained[ProjectionModel | None]):
    """How far a row lies from the median, in median absolute deviations, in its worst directions.

    The channels, in robust spreads, are projected on `projections` directions that are drawn at
    random, the same in every run. The score is the mean of the `share` of directions in which the
    row lies farthest out: 0 takes the single worst, which is the outlyingness of Stahel and Donoho,
    1 the mean of all. Half the training rows may be anything. The deep form, which learns an
    encoder before it projects, is not part of this. A missing channel counts as usual; a row
    without any value has no opinion. `blame` is each channel's mean part of those projections.

    Finds rows far out and rows that break the channels' linear relations, even when the training
    rows hold many faults. Misses holes between modes, what is strange only in its order in time,
    and, with many channels, relations that few random directions show.

    Offline the score is the same: a row is judged by itself.

    Cost a row: C `projections`. Memory a key: 8 x `memory` x C bytes, and 8 C `projections` of the
    model. Shift and scale leave the scores alone.

    References: Donoho and Gasko, Breakdown properties of location estimates based on halfspace
    depth and projected outlyingness, 1992, doi:10.1214/aos/1176348890; Bauw et al., Deep random
    projection outlyingness, 2021, arXiv:2106.15307, for means of many directions.

    >>> from tocsin.pipeline.types import Batch, Spec
    >>> rng = np.random.default_rng(0)
    >>> both = rng.normal(size=(500, 1, 1)) + 0.1 * rng.normal(size=(500, 1, 2))
    >>> scorer = ProjectionOutlyingness()
    >>> state = scorer.fit(Spec((2,)), [Batch(np.zeros(500, dtype=int), np.arange(500), both)])
    >>> odd = Batch(np.zeros(2, dtype=int), np.arange(2), np.array([[[1.0, 1]], [[1, -1]]]))
    >>> scorer.score(state, odd).value.round(1).tolist()
    [1.0, 13.3]
    """

    projections: int = 500
    share: float = 0.02

    traits: ClassVar[Traits] = Traits(
        detects=frozenset({"spike", "level_shift", "variance_burst", "broken_correlation"})
    )

    def check(self) -> None:
        super(ProjectionOutlyingness, self).check()
        need(self.projections >= 1, "projections", "1 or more", self.projections)
        need(0 <= self.share <= 1, "share", "in 0 to 1", self.share)

    def model(self, rows: FloatArray) -> ProjectionModel | None:
        scale = robust_scale(rows)
        points = np.nan_to_num(scaled(rows[~np.isnan(rows).all(axis=1)], scale))
        if len(points) < _FEWEST:
            return None
        rng = np.random.default_rng(_SEED)
        chosen = rng.standard_normal((points.shape[1], self.projections))
        chosen /= np.sqrt((chosen**2).sum(axis=0))
        along = points @ chosen  # (N, P)
        middle = np.median(along, axis=0)
        spread = _NORMAL * np.median(np.abs(along - middle), axis=0)
        spread = np.where(spread > _LEAST, spread, along.std(axis=0))
        return ProjectionModel(scale, chosen, middle, np.where(spread > _LEAST, spread, 1.0))

    def measure(
        self, model: ProjectionModel | None, windows: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        value, blame = np.full(len(windows), np.nan), np.zeros(windows.shape)
        known = np.flatnonzero(~np.isnan(windows[:, -1]).all(axis=1))
        if model is None or not known.size:
            return value, blame
        points = np.nan_to_num(scaled(windows[known, -1], model.scale))
        apart = _projected(points, model.directions, model.middle, model.spread)
        count = max(1, round(self.share * self.projections))
        worst = np.argsort(-apart, axis=1, kind="stable")[:, :count].astype(np.int64)
        value[known], blame[known, -1] = _worst(points, apart, worst, model)
        return value, blame


@compiled
def _projected(
    points: FloatArray, chosen: FloatArray, middle: FloatArray, spread: FloatArray
) -> FloatArray:
    """Distance from the median along each direction, in spreads (B, P), row by row."""
    apart = np.zeros((len(points), chosen.shape[1]))
    for b in range(len(points)):
        for c in range(points.shape[1]):
            for p in range(chosen.shape[1]):
                apart[b, p] += points[b, c] * chosen[c, p]
        for p in range(chosen.shape[1]):
            apart[b, p] = abs(apart[b, p] - middle[p]) / spread[p]
    return apart


@compiled
def _worst(
    points: FloatArray, apart: FloatArray, worst: IntArray, model: ProjectionModel
) -> tuple[FloatArray, FloatArray]:
    """Mean over the worst directions (B,), and each channel's mean part (B, C), row by row."""
    value, parts = np.zeros(len(points)), np.zeros(points.shape)
    for b in range(len(points)):
        for p in worst[b]:
            value[b] += apart[b, p] / worst.shape[1]
            for c in range(points.shape[1]):
                part = abs(points[b, c] * model.directions[c, p]) / model.spread[p]
                parts[b, c] += part / worst.shape[1]
    return value, parts
