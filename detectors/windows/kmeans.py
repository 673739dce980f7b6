"""The distance of a window from the nearest of the mean windows of clean data."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from tocsin.detectors.compiled import compiled
from tocsin.detectors.rows import need
from tocsin.detectors.scaling import Scale
from tocsin.detectors.trained import Trained
from tocsin.detectors.windows.prepared import in_spreads, judged, learnt
from tocsin.pipeline.types import FloatArray, IntArray, Traits

_ROUNDS = 50  # of moving the centres
_LEAST = 1e-3  # spreads a value; an ordinary distance counts as no smaller


class KMeansModel(NamedTuple):
    """Where the channels lie, the mean windows, and what an ordinary distance is."""

    scale: Scale
    centres: FloatArray  # (k, D)
    usual: float


@dataclass(frozen=True, slots=True)
class KMeansWindows(Trained[KMeansModel | None]):
    """How far a window lies from the nearest of `clusters` mean windows of the training data.

    The windows of all channels side by side, each channel in its training standard deviations, are
    put into clusters by k-means. The score is the Euclidean distance to the nearest centre, over
    the median of that distance on the training windows: 1 is ordinary.

    Gaps hold the last value; a window without a value in its newest row, or in half of its rows,
    has no opinion. `blame` is each value's distance from the nearest centre.

    Finds windows unlike any usual one: spikes, unusual shapes, levels and combinations of channels,
    also where there are several modes of operation. Misses small faults in a noisy series, and a
    usual shape begun at an unusual moment.

    Offline, a row has the mean score of the windows that cover it.

    Cost a row: T C `clusters`. Memory a key: 8 x `memory` x C bytes, and 8 T C `clusters` of the
    model. Shift and scale leave the scores alone.

    References: Yairi, Kato and Hori, Fault detection by mining association rules from house-keeping
    data, 2001, for the idea; Arthur and Vassilvitskii, k-means++: the advantages of careful
    seeding, 2007, ISBN 978-0-89871-624-5, for where the centres begin.

    >>> wave = np.sin(np.arange(400) / 3) + np.random.default_rng(0).normal(0, 0.05, 400)
    >>> scorer = KMeansWindows(window=16)
    >>> model = scorer.model(wave[:, None])
    >>> windows = np.stack([wave[100:116], wave[100:116] + 1.0])[:, :, None]
    >>> scorer.measure(model, windows)[0].round(1).tolist()
    [1.0, 14.0]
    """

    window: int = 32
    clusters: int = 20
    seed: int = 0

    traits: ClassVar[Traits] = Traits(
        stochastic=True, detects=frozenset({"spike", "level_shift", "variance_burst"})
    )

    def check(self) -> None:
        super(KMeansWindows, self).check()
        need(self.window >= 2, "window", "2 or more", self.window)
        need(self.clusters >= 1, "clusters", "1 or more", self.clusters)

    @property
    def frames(self) -> int:
        return self.window

    def model(self, rows: FloatArray) -> KMeansModel | None:
        scale, windows = learnt(rows, self.frames)
        if not len(windows):
            return None
        points = windows.reshape(len(windows), -1)
        centres = _clustered(points, self.clusters, np.random.default_rng(self.seed))
        apart, _ = _nearest(points, centres)
        least = _LEAST * np.sqrt(points.shape[1])
        return KMeansModel(scale, centres, max(float(np.median(apart)), least))

    def measure(
        self, model: KMeansModel | None, windows: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        value, blame = np.full(len(windows), np.nan), np.zeros(windows.shape)
        ready = judged(windows)
        if model is None or not ready.size:
            return value, blame
        points = in_spreads(windows[ready], model.scale).reshape(len(ready), -1)
        apart, near = _nearest(points, model.centres)
        value[ready] = apart / model.usual
        off = np.abs(points - model.centres[near]) / model.usual
        blame[ready] = off.reshape(-1, *windows.shape[1:])
        return value, blame


def _clustered(points: FloatArray, clusters: int, rng: np.random.Generator) -> FloatArray:
    """Centres (k, D) of points (N, D): k-means++, then Lloyd's rounds."""
    centres = _seeded(points, min(clusters, len(points)), rng)
    member = np.full(len(points), -1)
    for _ in range(_ROUNDS):
        near = (_squares(centres) - 2 * points @ centres.T).argmin(axis=1)
        if (near == member).all():
            break
        member = near
        for k in range(len(centres)):
            if (member == k).any():
                centres[k] = points[member == k].mean(axis=0)
    return centres


def _seeded(points: FloatArray, clusters: int, rng: np.random.Generator) -> FloatArray:
    """Points to begin with, each drawn by its squared distance from those before it."""
    chosen = [int(rng.integers(len(points)))]
    apart = ((points - points[chosen[0]]) ** 2).sum(axis=1)
    while len(chosen) < clusters and apart.sum() > 0:
        chosen.append(int(rng.choice(len(points), p=apart / apart.sum())))
        apart = np.minimum(apart, ((points - points[chosen[-1]]) ** 2).sum(axis=1))
    return points[chosen]


def _squares(points: FloatArray) -> FloatArray:
    return np.asarray((points**2).sum(axis=1), dtype=np.float64)


@compiled
def _nearest(points: FloatArray, centres: FloatArray) -> tuple[FloatArray, IntArray]:
    """Distance (B,) to the nearest centre, and which it is, row by row."""
    rows, size = points.shape
    apart, near = np.full(rows, np.inf), np.zeros(rows, dtype=np.int64)
    for b in range(rows):
        for k in range(len(centres)):
            total = 0.0
            for i in range(size):
                off = points[b, i] - centres[k, i]
                total += off * off
            if total < apart[b]:
                apart[b] = total
                near[b] = k
        apart[b] = np.sqrt(apart[b])
    return apart, near
