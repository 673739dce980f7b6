"""How much more thinly peopled a window's surroundings are than those of its neighbours."""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from scipy.spatial import KDTree

from tocsin.detectors.rows import need
from tocsin.detectors.trained import Trained
from tocsin.detectors.windows.prepared import Embedding, blamed, embedded, embedding, judged
from tocsin.pipeline.types import FloatArray, IntArray, Traits

_FEWEST = 3  # training windows
_LEAST = 1e-3  # of the usual reach; neighbours count as no nearer


class LofModel(NamedTuple):
    """The training windows as points, how far each reaches, and how densely each lives."""

    into: Embedding
    points: FloatArray  # (N, k)
    tree: Any  # KDTree, whose stubs know one neighbour alone
    reach: FloatArray  # (N,), distance to the last of the neighbours
    density: FloatArray  # (N,)
    least: float  # reach


@dataclass(frozen=True, slots=True)
class LofWindows(Trained[LofModel | None]):
    """The local outlier factor of a window among the training windows.

    The windows of all channels side by side, each channel in its training standard deviations, are
    points; windows of more than `dimensions` numbers are first brought to that many principal
    directions and the length of what these leave over. The score is the density of the `neighbours`
    nearest training windows over that of the window itself, both by reachability distance: 1 is
    ordinary. Neighbours that lie nearer than a thousandth of the usual reach count as that far.

    Gaps hold the last value; a window without a value in its newest row, or in half of its rows,
    has no opinion. `blame` is the window's distance from its neighbours' mean, by value.

    Finds windows unlike any seen, also where the series has dense and sparse modes. Misses faults
    that came several times in training: they are neighbours of each other.

    Offline, a row has the mean score of the windows that cover it.

    Cost a row: a tree search among `memory` points of `dimensions`, and T C `dimensions`. Memory a
    key: 8 x `memory` x C bytes, and 16 x `memory` x `dimensions` of the model. Shift and scale
    leave the scores alone.

    Reference: Breunig, Kriegel, Ng and Sander, LOF: identifying density-based local outliers, 2000,
    doi:10.1145/342009.335388.

    >>> wave = np.sin(np.arange(400) / 3) + np.random.default_rng(0).normal(0, 0.05, 400)
    >>> scorer = LofWindows(window=16)
    >>> model = scorer.model(wave[:, None])
    >>> windows = np.stack([wave[100:116], wave[100:116] + 1.0])[:, :, None]
    >>> scorer.measure(model, windows)[0].round(1).tolist()
    [1.0, 7.3]
    """

    window: int = 32
    neighbours: int = 20
    dimensions: int = 16

    traits: ClassVar[Traits] = Traits(detects=frozenset({"spike", "level_shift", "variance_burst"}))

    def check(self) -> None:
        super(LofWindows, self).check()
        need(self.window >= 2, "window", "2 or more", self.window)
        need(self.neighbours >= 1, "neighbours", "1 or more", self.neighbours)
        need(self.dimensions >= 1, "dimensions", "1 or more", self.dimensions)

    @property
    def frames(self) -> int:
        return self.window

    def model(self, rows: FloatArray) -> LofModel | None:
        into, points = embedding(rows, self.frames, self.dimensions)
        if len(points) < _FEWEST:
            return None
        tree: Any = KDTree(points)
        count = min(self.neighbours, len(points) - 1)
        # Each point is left out of its own neighbours, wherever among equals it was found.
        apart, near = tree.query(points, k=list(range(1, count + 2)))
        apart, near = _others(apart, near)
        reach = apart[:, -1]
        least = _LEAST * float(reach.mean()) or 1.0
        return LofModel(into, points, tree, reach, _density(apart, reach[near], least), least)

    def measure(self, model: LofModel | None, windows: FloatArray) -> tuple[FloatArray, FloatArray]:
        value, blame = np.full(len(windows), np.nan), np.zeros(windows.shape)
        ready = judged(windows)
        if model is None or not ready.size:
            return value, blame
        points = embedded(windows[ready], model.into)
        count = min(self.neighbours, len(model.points) - 1)
        apart, near = model.tree.query(points, k=list(range(1, count + 1)))
        density = _density(apart, model.reach[near], model.least)
        value[ready] = model.density[near].mean(axis=1) / density
        middle = model.points[near].mean(axis=1)
        blame[ready] = blamed(windows[ready], model.into, np.abs(points - middle))
        return value, blame


def _others(apart: FloatArray, near: IntArray) -> tuple[FloatArray, IntArray]:
    """Distances and neighbours (N, k) of N points without themselves, from k + 1 with them."""
    itself = near == np.arange(len(near))[:, None]
    itself[~itself.any(axis=1), -1] = True  # among more equals than neighbours: drop any
    shape = (len(near), near.shape[1] - 1)
    return apart[~itself].reshape(shape), near[~itself].reshape(shape)


def _density(apart: FloatArray, reach: FloatArray, least: float) -> FloatArray:
    """Local reachability density (B,) from distances to neighbours (B, k) and their reach."""
    return np.asarray(1.0 / np.maximum(np.maximum(apart, reach).mean(axis=1), least))
