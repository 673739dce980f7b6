"""The distance of a row from the most similar rows of clean training data."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from tocsin.detectors.rows import need
from tocsin.detectors.scaling import Scale, plain_scale, scaled
from tocsin.detectors.trained import Trained
from tocsin.pipeline.types import FloatArray, Traits

_FEWEST = 2  # training rows


class KnnModel(NamedTuple):
    """Training rows in spreads, their search tree, and what an ordinary distance is."""

    scale: Scale
    rows: FloatArray  # (N, C)
    tree: cKDTree
    usual: float


@dataclass(frozen=True, slots=True)
class Knn(Trained[KnnModel | None]):
    """How far a row lies from its nearest neighbours among the training rows.

    Channels are divided by their training standard deviation. The score is the mean Euclidean
    distance to the `neighbours` nearest training rows, over the median of that distance among the
    training rows themselves, each left out of its own neighbours: 1 is ordinary. A missing channel
    counts as usual; a row without any value has no opinion.

    `blame` is each channel's root mean squared distance from those neighbours.

    Finds rows unlike any seen: spikes, shifts, new combinations of channels. Misses what is strange
    only in its order in time, and faults that the training rows hold. What lasts stays found, as
    nothing is learned after training.

    Cost a row: a tree search, O(C log N) with few channels and O(C N) with many. Memory a key:
    8 x `memory` x C bytes and as much for the tree. Shift and scale leave the scores alone.

    Reference: Ramaswamy, Rastogi and Shim, Efficient algorithms for mining outliers from large data
    sets, 2000, doi:10.1145/342009.335437.

    >>> from tocsin.pipeline.types import Batch, Spec
    >>> rng = np.random.default_rng(0)
    >>> rows = Batch(np.zeros(500, dtype=np.int64), np.arange(500), rng.normal(size=(500, 1, 2)))
    >>> scorer = Knn()
    >>> state = scorer.fit(Spec((2,)), [rows])
    >>> odd = Batch(np.zeros(2, dtype=np.int64), np.arange(2), np.array([[[0.0, 0]], [[5, 0]]]))
    >>> scorer.score(state, odd).value.round(1).tolist()
    [0.6, 19.6]
    """

    neighbours: int = 5

    traits: ClassVar[Traits] = Traits(
        detects=frozenset({"spike", "level_shift", "variance_burst", "broken_correlation"})
    )

    def check(self) -> None:
        super(Knn, self).check()
        need(self.neighbours >= 1, "neighbours", "1 or more", self.neighbours)

    def model(self, rows: FloatArray) -> KnnModel | None:
        scale = plain_scale(rows)
        points = np.nan_to_num(scaled(rows[~np.isnan(rows).all(axis=1)], scale))
        if len(points) < _FEWEST:
            return None
        tree = cKDTree(points)
        count = min(self.neighbours, len(points) - 1)
        apart = tree.query(points, k=list(range(2, count + 2)))[0].mean(axis=1)
        usual = float(np.median(apart)) or float(apart.mean()) or 1.0
        return KnnModel(scale, points, tree, usual)

    def measure(self, model: KnnModel | None, windows: FloatArray) -> tuple[FloatArray, FloatArray]:
        newest = windows[:, -1]
        value, blame = np.full(len(windows), np.nan), np.zeros(windows.shape)
        known = np.flatnonzero(~np.isnan(newest).all(axis=1))
        if model is None or not known.size:
            return value, blame
        points = np.nan_to_num(scaled(newest[known], model.scale))
        count = min(self.neighbours, len(model.rows))
        apart, near = model.tree.query(points, k=list(range(1, count + 1)))
        value[known] = apart.mean(axis=1) / model.usual
        off = (model.rows[near] - points[:, None]) ** 2  # (B, k, C)
        blame[known, -1] = np.sqrt(off.mean(axis=1)) / model.usual
        return value, blame
