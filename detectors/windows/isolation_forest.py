"""How few random cuts set a window apart from clean windows."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from tocsin.detectors.compiled import compiled
from tocsin.detectors.rows import need
from tocsin.detectors.trained import Trained
from tocsin.detectors.windows.prepared import Embedding, blamed, embedded, embedding, judged
from tocsin.pipeline.types import FloatArray, IntArray, Traits

_FEWEST = 2  # training windows
_EULER = 0.5772156649015329
_LEAST = 1e-3  # of the widest coordinate; none counts as narrower


class Trees(NamedTuple):
    """Isolation trees of one size as flat arrays; tree i has the nodes from i x nodes on."""

    child: IntArray  # (trees, nodes, 2), left and right; -1 below a leaf
    slope: IntArray  # (trees, nodes), which hyperplane cuts
    cut: FloatArray  # (trees, nodes), and where
    reach: FloatArray  # (trees, nodes, 2), lowest and highest of the rows here along its normal
    rows: FloatArray  # (trees, nodes), how many of the sample came here


class ForestModel(NamedTuple):
    """How windows become points, the hyperplanes that cut, and the trees."""

    into: Embedding
    size: FloatArray  # (k,), of each coordinate in training
    planes: FloatArray  # (k, planes), their unit normals
    trees: Trees
    waiting: FloatArray  # (trees, nodes), cuts still to be expected among the rows of a leaf
    usual: float  # cuts to set an ordinary row apart


@dataclass(frozen=True, slots=True)
class IsolationForestWindows(Trained[ForestModel | None]):
    """The extended isolation forest's score of a window, 0 to 1, about 0.5 where ordinary.

    The windows of all channels side by side, each channel in its training standard deviations, are
    points; windows of more than `dimensions` numbers are first brought to that many principal
    directions and the length of what these leave over. Coordinates are divided by their training
    deviation. `trees` trees each cut a sample of `sample` training windows by hyperplanes, of which
    there are `planes` of random slope, at random places, until each is alone; a window that few
    cuts set apart is strange. Sloping cuts look at all coordinates, so that a fault in a single one
    is seen by all of them. A window beyond the rows that it meets is set apart with the chance that
    a cut at random between them and it would have fallen in the gap, as in a random cut forest; so
    what is farther out scores higher.

    Gaps hold the last value; a window without a value in its newest row, or in half of its rows,
    has no opinion. `blame` is what the cuts on the way narrowed down, in bits a tree, by the values
    that make up what was cut.

    Finds windows beyond the ordinary in some direction, and sparse modes. Misses holes between the
    modes, and faults that are small in all directions.

    Offline, a row has the mean score of the windows that cover it.

    Cost a row: about `trees` x log2 `sample` steps, and (T C + `planes`) x `dimensions`. Memory a
    key: 8 x `memory` x C bytes, and 128 x `trees` x `sample` of the model. Shift and scale leave
    the scores alone.

    References: Liu, Ting and Zhou, Isolation forest, 2008, doi:10.1109/ICDM.2008.17; Hariri, Kind
    and Brunner, Extended isolation forest, 2021, doi:10.1109/TKDE.2019.2947676; Guha, Mishra, Roy
    and Schrijvers, Robust random cut forest based anomaly detection on streams, 2016,
    ISBN 978-1-5108-2900-8, for what lies beyond the rows.

    >>> wave = np.sin(np.arange(400) / 3) + np.random.default_rng(0).normal(0, 0.05, 400)
    >>> scorer = IsolationForestWindows(window=16)
    >>> model = scorer.model(wave[:, None])
    >>> windows = np.stack([wave[100:116], wave[100:116] + 1.0])[:, :, None]
    >>> scorer.measure(model, windows)[0].round(1).tolist()
    [0.5, 0.8]
    """

    window: int = 32
    trees: int = 100
    sample: int = 256
    planes: int = 64
    dimensions: int = 16
    seed: int = 0

    traits: ClassVar[Traits] = Traits(
        stochastic=True, detects=frozenset({"spike", "level_shift", "variance_burst"})
    )

    def check(self) -> None:
        super(IsolationForestWindows, self).check()
        need(self.window >= 2, "window", "2 or more", self.window)
        need(self.trees >= 1, "trees", "1 or more", self.trees)
        need(self.sample >= 2, "sample", "2 or more", self.sample)
        need(self.planes >= 1, "planes", "1 or more", self.planes)
        need(self.dimensions >= 1, "dimensions", "1 or more", self.dimensions)

    @property
    def frames(self) -> int:
        return self.window

    def model(self, rows: FloatArray) -> ForestModel | None:
        into, points = embedding(rows, self.frames, self.dimensions)
        if len(points) < _FEWEST:
            return None
        rng = np.random.default_rng(self.seed)
        size = points.std(axis=0)
        size = np.maximum(size, _LEAST * size.max() or 1.0)
        planes = rng.standard_normal((points.shape[1], self.planes))
        planes /= np.sqrt((planes**2).sum(axis=0))
        sample = min(self.sample, len(points))
        trees = self._planted(_against(points, size, planes), sample, rng)
        usual = float(expected_cuts(np.array([sample]))[0])
        return ForestModel(into, size, planes, trees, expected_cuts(trees.rows), usual)

    def measure(
        self, model: ForestModel | None, windows: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        value, blame = np.full(len(windows), np.nan), np.zeros(windows.shape)
        ready = judged(windows)
        if model is None or not ready.size:
            return value, blame
        points = embedded(windows[ready], model.into)
        sides = _against(points, model.size, model.planes)
        cuts, bits = _walked(sides, model.trees, model.waiting)
        value[ready] = 2.0 ** (-cuts / model.usual)
        parts = _by_coordinate(points / model.size, model.planes, bits)
        blame[ready] = blamed(windows[ready], model.into, parts)
        return value, blame

    def _planted(self, sides: FloatArray, sample: int, rng: np.random.Generator) -> Trees:
        """Trees of samples of points, given on which side (N, planes) of the planes they lie."""
        shape = (self.trees, 2 * sample - 1)
        child = np.full((*shape, 2), -1, dtype=np.int64)
        slope = np.zeros(shape, dtype=np.int64)
        trees = Trees(child, slope, np.zeros(shape), np.zeros((*shape, 2)), np.zeros(shape))
        deepest = int(np.ceil(np.log2(sample)))
        for tree in range(self.trees):
            chosen = rng.choice(len(sides), sample, replace=False)
            _grow(sides[chosen], rng.random((shape[1], 2)), trees, tree, deepest)
        return trees


def expected_cuts(rows: FloatArray | IntArray) -> FloatArray:
    """The mean number of random cuts that set one of so many rows (...) apart.

    >>> expected_cuts(np.array([1, 2, 256])).round(2).tolist()
    [0.0, 1.0, 10.24]
    """
    more = np.maximum(rows, 3.0)
    many = 2.0 * (np.log(more - 1.0) + _EULER) - 2.0 * (more - 1.0) / more
    return np.asarray(np.where(rows <= 1, 0.0, np.where(rows == 2, 1.0, many)))


@compiled
def _against(points: FloatArray, size: FloatArray, planes: FloatArray) -> FloatArray:
    """Where points (B, k) lie along the normals of planes (k, P), row by row."""
    along = np.zeros((len(points), planes.shape[1]))
    for b in range(len(points)):
        for i in range(points.shape[1]):
            for p in range(planes.shape[1]):
                along[b, p] += points[b, i] / size[i] * planes[i, p]
    return along


@compiled
def _grow(sides: FloatArray, chance: FloatArray, trees: Trees, tree: int, deepest: int) -> None:
    """Write one tree of a sample (N, planes); `chance` (nodes, 2) chooses plane and place."""
    place = np.zeros(len(sides), dtype=np.int64)  # the node where each row is
    depth = np.zeros(trees.cut.shape[1], dtype=np.int64)
    trees.rows[tree, 0] = len(sides)
    used, node = 1, 0
    while node < used:
        plane = int(chance[node, 0] * sides.shape[1])
        low, high = np.inf, -np.inf
        for n in range(len(sides)):
            if place[n] == node:
                low, high = min(low, sides[n, plane]), max(high, sides[n, plane])
        cut = low + chance[node, 1] * (high - low)
        trees.slope[tree, node], trees.cut[tree, node] = plane, cut
        trees.reach[tree, node, 0], trees.reach[tree, node, 1] = low, high
        if depth[node] < deepest and low <= cut < high:
            for side in range(2):
                trees.child[tree, node, side] = used + side
                depth[used + side] = depth[node] + 1
            for n in range(len(sides)):
                if place[n] == node:
                    place[n] = used if sides[n, plane] <= cut else used + 1
                    trees.rows[tree, place[n]] += 1
            used += 2
        node += 1


@compiled
def _walked(sides: FloatArray, trees: Trees, waiting: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean number of cuts (B,) to set rows apart, and bits by plane (B, planes), row by row."""
    count = len(trees.cut)
    cuts, bits = np.zeros(len(sides)), np.zeros(sides.shape)
    for b in range(len(sides)):
        for tree in range(count):
            node, still = 0, 1.0 / count  # the chance that no cut has set it apart yet
            while trees.rows[tree, node] > 1.0:
                plane = trees.slope[tree, node]
                low, high = trees.reach[tree, node]
                at = sides[b, plane]
                gap = max(low - at, at - high, 0.0)
                alone = still * gap / (gap + high - low) if gap > 0.0 else 0.0
                still -= alone
                bits[b, plane] += alone * np.log2(trees.rows[tree, node])
                cuts[b] += alone
                if trees.child[tree, node, 0] < 0:
                    break
                after = trees.child[tree, node, 0 if at <= trees.cut[tree, node] else 1]
                share = trees.rows[tree, node] / trees.rows[tree, after]
                bits[b, plane] += still * np.log2(share)
                cuts[b] += still
                node = after
            cuts[b] += still * waiting[tree, node]
    return cuts, bits


@compiled
def _by_coordinate(points: FloatArray, planes: FloatArray, bits: FloatArray) -> FloatArray:
    """Bits by plane (B, P) handed to the coordinates (B, k), by their part in the plane's sum."""
    parts = np.zeros(points.shape)
    for b in range(len(points)):
        for p in range(planes.shape[1]):
            whole = 0.0
            for i in range(points.shape[1]):
                whole += abs(points[b, i] * planes[i, p])
            if whole > 0.0:
                for i in range(points.shape[1]):
                    parts[b, i] += bits[b, p] * abs(points[b, i] * planes[i, p]) / whole
    return parts
