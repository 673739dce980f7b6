"""The robust random cut forest: how much a point's presence would change random trees."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tocsin.detectors.classical.cut_forest_kernel import walk
from tocsin.detectors.classical.cut_forest_state import Forest, ShortArray
from tocsin.detectors.gaps import filled
from tocsin.detectors.rows import Rows, channels, need, tidied
from tocsin.pipeline.errors import ConfigError, TocsinError
from tocsin.pipeline.keyed import per_key
from tocsin.pipeline.types import Batch, FloatArray, IntArray, Scores, Spec, Traits

_MOST = 8192  # points a tree; their numbers are kept in 16 bits
_LINKS = 5  # numbers that a node has: two children, the node above, points below, coordinate


@dataclass(slots=True)
class RandomCutForestState:
    """Each key's sample of points and its trees; `cut_forest_state` says how they are laid out."""

    points: FloatArray = per_key(np.nan)  # (K, n, D), D = frames * C
    twin: ShortArray = per_key(0)  # (K, n)
    copies: ShortArray = per_key(0)  # (K, n)
    weight: FloatArray = per_key(0.0)  # (K, C)
    links: ShortArray = per_key(0)  # (K, trees, n - 1, 5)
    cut: FloatArray = per_key(0.0)  # (K, trees, n - 1)
    bounds: ShortArray = per_key(0)  # (K, trees, n - 1, 2, D)
    above: ShortArray = per_key(0)  # (K, trees, n)
    heads: ShortArray = per_key(0)  # (K, trees, 2)
    seen: IntArray = per_key(0)  # (K,), rows learned


@dataclass(frozen=True, slots=True)
class RandomCutForest:
    """How many points the newest ones would displace in trees of random cuts over past ones.

    The last `shingle` rows of all channels side by side are a point. Each of `trees` parts a sample
    of `samples` past points by random cuts: across a coordinate drawn with odds of how far the
    points spread along it, at a place drawn evenly. Points come into the trees and leave them as
    the stream goes on, each tree staying one that could have been drawn from its sample.

    The score is the collusive displacement of the newest point: the most, over the subtrees that
    would hold it, of the points beside that subtree per point in it. It is the mean over all cuts
    that could insert the point, in closed form, and over the trees; a few for ordinary rows,
    and `samples` for one apart from all. Coordinates count in spreads of their channel
    (interquartile range of the sample over 1.349), measured anew each `samples` rows.

    With `memory` 0 the sample is the newest rows. Otherwise it is drawn from the past: a row enters
    with odds `samples` / `memory` and takes a random place, so that rows stay for `memory` rows in
    the mean, and what lasts is learned more slowly.

    `blame` is the part of the score that comes from cuts across each value of the point.

    Finds spikes, level shifts, unusual shapes of the length of a shingle and broken correlation.
    Misses faults in one of very many channels, and what lasts once it fills the sample.

    NaN and infinities are missing: a value in a gap is the one before it, and a channel with none
    in the shingle takes no part. A row of nothing but NaN is not learned. A channel that has not
    moved in the sample counts as 10 spreads when it moves. The score is NaN in the first `samples`
    rows.

    Cost a row: about `trees` log(`samples`) D operations, D = `shingle` C, and some times that for
    a row that enters the sample. Memory a key: `samples` (8 D + 4) + 8 C + 8 + `trees` (2 `samples`
    + 4 + (`samples` - 1) (18 + 4 D)) bytes. Shift and scale leave the ranking alone.

    Reference: Guha, Mishra, Roy and Schrijvers, Robust random cut forest based anomaly detection
    on streams, ICML 2016, PMLR 48:2712-2721. The mean in closed form and the weights are ours.

    >>> from tocsin.pipeline.keyed import grow
    >>> scorer = RandomCutForest(trees=10, samples=64, shingle=1)
    >>> state = scorer.start(Spec(item=(1,)))
    >>> grow(state, 1)
    >>> values = np.random.default_rng(0).normal(size=(100, 1, 1))
    >>> values[-1] = 9.0
    >>> batch = Batch(np.zeros(100, dtype=np.int64), np.arange(100), values)
    >>> score = scorer.advance(state, batch).value
    >>> score[-3:].round(0).tolist()
    [3.0, 6.0, 51.0]
    """

    trees: int = 30
    samples: int = 256
    shingle: int = 4
    memory: int = 2560
    seed: int = 0

    traits: ClassVar[Traits] = Traits(stochastic=True, detects=frozenset({"spike", "level_shift"}))
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        need(self.trees >= 1, "trees", "at least 1", self.trees)
        need(4 <= self.samples <= _MOST, "samples", f"4 to {_MOST} points", self.samples)
        need(self.shingle >= 1, "shingle", "at least 1 row", self.shingle)
        fits = self.memory == 0 or self.memory >= self.samples
        need(fits, "memory", f"0 or at least {self.samples} rows, as the sample", self.memory)
        need(0 <= self.seed < 2**63, "seed", "0 or more and under 2**63", self.seed)

    @property
    def frames(self) -> int:
        return self.shingle

    @property
    def warmup(self) -> int:
        return self.samples

    def start(self, spec: Spec) -> RandomCutForestState:
        if spec.window < self.frames:
            raise ConfigError(
                f"RandomCutForest needs windows of {self.frames} rows; found {spec.window}"
            )
        width = channels(spec)
        size, short, nodes = self.shingle * width, np.int16, (0, self.trees, self.samples - 1)
        return RandomCutForestState(
            points=np.empty((0, self.samples, size)),
            twin=np.empty((0, self.samples), dtype=short),
            copies=np.empty((0, self.samples), dtype=short),
            weight=np.empty((0, width)),
            links=np.empty((*nodes, _LINKS), dtype=short),
            cut=np.empty(nodes),
            bounds=np.empty((*nodes, 2, size), dtype=short),
            above=np.empty((0, self.trees, self.samples), dtype=short),
            heads=np.empty((0, self.trees, 2), dtype=short),
            seen=np.empty(0, dtype=np.int64),
        )

    def score(self, state: RandomCutForestState, batch: Batch) -> Scores:
        return self._play(state, batch, scores=True, learns=False)

    def learn(self, state: RandomCutForestState, batch: Batch) -> None:
        self._play(state, batch, scores=False, learns=True)

    def advance(self, state: RandomCutForestState, batch: Batch) -> Scores:
        return self._play(state, batch, scores=True, learns=True)

    def _play(
        self, state: RandomCutForestState, batch: Batch, *, scores: bool, learns: bool
    ) -> Scores:
        points = self._points(state, batch)  # (B, D)
        key = np.array(batch.key, dtype=np.int64, order="C")
        rows = Rows(key, points, np.full(len(key), np.nan), np.zeros(points.shape))
        walk(forest_of(state), rows, (self.seed, self.memory), (scores, learns))
        blame = np.zeros(batch.values.shape)
        blame[:, -self.frames :] = rows.blame.reshape(len(key), self.frames, state.weight.shape[1])
        return Scores(rows.value, blame)

    def _points(self, state: RandomCutForestState, batch: Batch) -> FloatArray:
        """The newest frames of each row (B, D), gaps filled; refuses what would not fit."""
        width, room = state.weight.shape[1], len(state.seen)
        if batch.values.ndim != 3 or batch.values.shape[2] != width:
            raise TocsinError(f"values must be (B, T, {width}); found {batch.values.shape}")
        if batch.values.shape[1] < self.frames:
            raise TocsinError(f"{self.frames} frames are needed; found {batch.values.shape[1]}")
        if len(batch) and not 0 <= batch.key.min() <= batch.key.max() < room:
            raise TocsinError(
                f"keys {batch.key.min()} to {batch.key.max()} in a state with room for {room}"
            )
        windows = tidied(batch.values[:, -self.frames :])
        heard = ~np.isnan(windows[:, -1:]).all(axis=2, keepdims=True)  # (B, 1, 1)
        whole = np.where(heard, filled(windows, np.full(width, np.nan)), np.nan)
        return whole.reshape(len(batch), self.frames * width)


def forest_of(state: RandomCutForestState) -> Forest:
    """The state's arrays, for the compiled parts."""
    return Forest(
        state.points,
        state.twin,
        state.copies,
        state.weight,
        state.links,
        state.cut,
        state.bounds,
        state.above,
        state.heads,
        state.seen,
    )
