"""Half-space trees: how thinly a random partition of space was peopled of late."""

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.detectors.compiled import compiled
from tocsin.detectors.rows import Rows, channels, need, newest
from tocsin.pipeline.keyed import per_key
from tocsin.pipeline.types import Batch, FloatArray, IntArray, Scores, Spec, Traits

MassArray = NDArray[np.int16]

_SPARSE = 0.1  # the paper's sizeLimit: a node with a smaller share of the window ends the descent
_HEARD = 0.1  # the share of a window that a channel must be observed in to have a range


@dataclass(slots=True)
class HalfSpaceTreesState:
    """The trees, which all keys share, and each key's window, ranges and masses.

    Node n of a tree has the children 2 n + 1 (below the threshold) and 2 n + 2.
    """

    channel: IntArray  # (trees, inner nodes), what an inner node splits
    threshold: FloatArray  # (trees, inner nodes), where, on the channel's range
    window: FloatArray = per_key(np.nan)  # (K, window, C), the rows being gathered
    low: FloatArray = per_key(np.nan)  # (K, C), the range of the window before
    high: FloatArray = per_key(np.nan)  # (K, C)
    mass: MassArray = per_key(0)  # (K, trees, nodes), how many of its rows came by
    seen: IntArray = per_key(0)  # (K,), rows learned


@dataclass(frozen=True, slots=True)
class HalfSpaceTrees:
    """How thinly the newest frame's place in space was peopled in the last full window.

    Each tree halves space `depth` times, on channels and at places drawn from `seed`. When a key
    has learned `window` rows, each channel is brought to [0, 1] by its range in them, and every
    node counts the rows that pass through it: its mass. A frame goes down each tree until a node
    holds less than a tenth of the window; its density there is the paper's mass * 2 ** level,
    averaged over the trees. The score turns that round: log2 of the densest that can be (`window` *
    2 ** `depth`) over the density found, in bits; `depth` is the score of evenly spread rows.

    Beyond a channel's range the trees see nothing, so the share e of the range by which the worst
    channel overshoots takes part: density is multiplied by max(0, 1 - e) / (1 + e), and none at all
    counts as one row in one tree. Hence a farther frame is never less strange. A channel that has
    not moved scores inf when it moves; where none has, an unmoved frame scores 0.

    `blame` is, for each channel, the mean over the trees of the shares of mass lost at its splits
    (0 where a half holds its half or more, 1 where it is empty), and its overshoot e.

    Finds spikes, and level shifts and variance bursts until they fill a window, in any shape of
    cloud. Misses order in time, and a change of one channel among many that stays in its range.

    NaN and infinities are missing: a split on them is passed on the heavier side. A channel has a
    range once a window holds it in a tenth of its rows. The score is NaN before the first `window`
    rows, and while no observed channel has a range. Only the newest frame of a batch's window is
    read; older frames get blame 0.

    Cost a row: `trees` * `depth` steps to score and as many to learn, the latter all at once each
    `window` rows. Memory a key: 8 (`window` + 2) C + 2 `trees` (2 ** (`depth` + 1) - 1) + 8 bytes.
    Shift and scale leave the ranking alone, but for rounding at a split.

    Reference: Tan, Ting and Liu, Fast anomaly detection for streaming data, IJCAI 2011,
    doi:10.5591/978-1-57735-516-8/IJCAI11-254. Ranges by the window and the overshoot are ours; the
    paper takes values in [0, 1] for granted.

    >>> from tocsin.pipeline.keyed import grow
    >>> scorer = HalfSpaceTrees(trees=5, depth=3, window=4)
    >>> state = scorer.start(Spec(item=(1,)))
    >>> grow(state, 1)
    >>> values = np.array([0.0, 1.0, 2.0, 1.0, 1.0, 9.0]).reshape(6, 1, 1)
    >>> batch = Batch(np.zeros(6, dtype=np.int64), np.arange(6), values)
    >>> scorer.advance(state, batch).value.round(1)
    array([nan, nan, nan, nan, 1. , 9.5])
    """

    trees: int = 25
    depth: int = 8
    window: int = 250
    seed: int = 0

    traits: ClassVar[Traits] = Traits(stochastic=True, detects=frozenset({"spike", "level_shift"}))
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        need(self.trees >= 1, "trees", "at least 1", self.trees)
        need(1 <= self.depth <= 16, "depth", "1 to 16", self.depth)
        most = np.iinfo(np.int16).max
        need(2 <= self.window <= most, "window", f"2 to {most} rows", self.window)
        need(self.seed >= 0, "seed", "0 or more", self.seed)

    @property
    def warmup(self) -> int:
        return self.window

    def start(self, spec: Spec) -> HalfSpaceTreesState:
        width = channels(spec)
        channel, threshold = _forest(self, width)
        return HalfSpaceTreesState(
            channel=channel,
            threshold=threshold,
            window=np.empty((0, self.window, width)),
            low=np.empty((0, width)),
            high=np.empty((0, width)),
            mass=np.empty((0, self.trees, 2 ** (self.depth + 1) - 1), dtype=np.int16),
            seen=np.empty(0, dtype=np.int64),
        )

    def score(self, state: HalfSpaceTreesState, batch: Batch) -> Scores:
        return _play(state, batch, scores=True, learns=False)

    def learn(self, state: HalfSpaceTreesState, batch: Batch) -> None:
        _play(state, batch, scores=False, learns=True)

    def advance(self, state: HalfSpaceTreesState, batch: Batch) -> Scores:
        return _play(state, batch, scores=True, learns=True)


def _forest(settings: HalfSpaceTrees, width: int) -> tuple[IntArray, FloatArray]:
    """Channel and threshold of each inner node, drawn as in the paper's algorithm 1."""
    rng = np.random.default_rng(settings.seed)
    inner = 2**settings.depth - 1
    channel = rng.integers(width, size=(settings.trees, inner))
    middle = rng.random((settings.trees, width))  # s
    reach = 2.0 * np.maximum(middle, 1.0 - middle)  # sigma
    low = np.empty((settings.trees, inner, width))
    high = np.empty((settings.trees, inner, width))
    low[:, 0], high[:, 0] = middle - reach, middle + reach
    threshold = np.empty((settings.trees, inner))
    every = np.arange(settings.trees)
    for node in range(inner):
        split = channel[:, node]  # (trees,)
        half = (low[every, node, split] + high[every, node, split]) / 2.0
        threshold[:, node] = half
        for child in (2 * node + 1, 2 * node + 2):
            if child < inner:
                low[:, child], high[:, child] = low[:, node], high[:, node]
                (low if child % 2 == 0 else high)[every, child, split] = half
    return channel, threshold


def _play(state: HalfSpaceTreesState, batch: Batch, *, scores: bool, learns: bool) -> Scores:
    rows = newest(batch, len(state.seen), state.low.shape[1:])
    ranges = (state.window, state.low, state.high)
    _walk(
        _Model(state.channel, state.threshold, *ranges, state.mass, state.seen),
        rows,
        scores,
        learns,
    )
    return Scores(rows.value, rows.blame)


class _Model(NamedTuple):
    channel: IntArray  # (trees, inner nodes)
    threshold: FloatArray  # (trees, inner nodes)
    window: FloatArray  # (K, window, C)
    low: FloatArray  # (K, C)
    high: FloatArray  # (K, C)
    mass: MassArray  # (K, trees, nodes)
    seen: IntArray  # (K,)


class _Desk(NamedTuple):
    place: FloatArray  # (C,), a frame on the ranges of its channels
    path: IntArray  # (depth + 1, trees), the nodes that it passes


@compiled
def _walk(model: _Model, rows: Rows, scores: bool, learns: bool) -> None:  # noqa: FBT001 - a kernel
    window, width = model.window.shape[1:]
    trees, nodes = model.mass.shape[1:]
    levels = int(math.log2(nodes + 1))
    desk = _Desk(np.empty(width), np.zeros((levels, trees), dtype=np.int64))
    for row in range(len(rows.key)):
        key, frame = rows.key[row], rows.frame[row]
        if scores and model.seen[key] >= window:
            rows.value[row] = _score_row(model, key, frame, rows.blame[row, -1], desk)
        if learns and not np.isnan(frame).all():
            _learn_row(model, key, frame)


@compiled
def _score_row(model: _Model, key: int, frame: FloatArray, blame: FloatArray, desk: _Desk) -> float:
    place = desk.place
    over = np.nan  # NaN until a channel has an opinion
    for c in range(len(frame)):
        place[c] = _scaled(frame[c], model.low[key, c], model.high[key, c])
        if not np.isnan(place[c]):
            blame[c] = max(0.0, -place[c], place[c] - 1.0)
            over = blame[c] if not blame[c] <= over else over
    if np.isnan(over):
        return np.nan
    trees, nodes = model.mass.shape[1:]
    mass = model.mass[key]
    _descend(model.channel, model.threshold, mass, desk)
    total = 0.0
    for tree in range(trees):
        total += _density(model.channel, mass, tree, desk.path, blame)
    least = 1.0 / trees
    density = max(total / trees * max(0.0, 1.0 - over), least)
    densest = model.window.shape[1] * ((nodes + 1) // 2)
    return math.log2(densest / density) + math.log2(1.0 + over)


@compiled
def _descend(channel: IntArray, threshold: FloatArray, mass: MassArray, desk: _Desk) -> None:
    """Write the nodes that a row would pass in each tree down to a leaf.

    Level by level, as the steps in different trees need not wait for each other.
    """
    place, path = desk.place, desk.path
    is_complete = not np.isnan(place).any()
    for level in range(len(path) - 1):
        for tree in range(path.shape[1]):
            node = path[level, tree]
            value = place[np.uint64(channel[tree, np.uint64(node)])]
            side = 0 if value < threshold[tree, np.uint64(node)] else 1
            if not is_complete and np.isnan(value):
                side = 1 if mass[tree, 2 * node + 1] < mass[tree, 2 * node + 2] else 0
            path[level + 1, tree] = 2 * node + 1 + side


@compiled
def _density(
    channel: IntArray, mass: MassArray, tree: int, path: IntArray, blame: FloatArray
) -> float:
    """Mass times 2 ** level where the descent ends; adds the mass lost on the way to `blame`."""
    trees = len(channel)
    held = mass[tree, 0]
    sparse = _SPARSE * held  # the root holds the window
    level, cells = 0, 1.0
    while level + 1 < len(path) and held >= sparse:
        c = np.uint64(channel[tree, np.uint64(path[level, tree])])
        passed = mass[tree, np.uint64(path[level + 1, tree])]
        lost = 1.0 - 2.0 * passed / held
        # Without a branch, as which half is the heavier cannot be foreseen.
        blame[c] += (lost if lost > 0.0 else 0.0) / trees  # noqa: FURB136 - max() branches
        level, cells, held = level + 1, 2.0 * cells, passed
    return float(held * cells)


@compiled
def _learn_row(model: _Model, key: int, frame: FloatArray) -> None:
    window = model.window.shape[1]
    model.window[key, model.seen[key] % window] = frame
    model.seen[key] += 1
    if model.seen[key] % window == 0:
        _settle(model, key)


@compiled
def _settle(model: _Model, key: int) -> None:
    """Take ranges and masses from the window that has just filled."""
    rows = model.window[key]  # (window, C)
    places = np.empty(rows.shape)
    for c in range(rows.shape[1]):
        model.low[key, c], model.high[key, c] = _range(rows[:, c])
        for row in range(len(rows)):
            places[row, c] = _scaled(rows[row, c], model.low[key, c], model.high[key, c])
    node = np.empty(len(rows), dtype=np.int64)
    for tree in range(len(model.channel)):
        _fill(model.channel[tree], model.threshold[tree], places, model.mass[key, tree], node)


@compiled
def _fill(
    channel: IntArray,
    threshold: FloatArray,
    places: FloatArray,
    mass: MassArray,
    node: IntArray,
) -> None:
    """Count the rows that pass each node of a tree, in the order in which they came.

    Level by level: what a row with a gap meets there is what the rows before it left, and the steps
    of different rows need not wait for each other. `node` (rows,) is room to work in.
    """
    mass[:] = 0
    mass[0] = len(places)
    node[:] = 0
    while node[0] < len(channel):
        for row in range(len(places)):
            at = np.uint64(node[row])
            left = 2 * node[row] + 1
            value = places[row, np.uint64(channel[at])]
            if np.isnan(value):
                child = left + (1 if mass[left] < mass[left + 1] else 0)
            else:
                child = left + (0 if value < threshold[at] else 1)
            mass[np.uint64(child)] += 1
            node[row] = child


@compiled
def _range(values: FloatArray) -> tuple[float, float]:
    """Least and greatest of `values` (window,); NaN where too few are observed."""
    low, high, heard = np.inf, -np.inf, 0
    for value in values:
        if not np.isnan(value):
            low, high, heard = min(low, value), max(high, value), heard + 1
    if heard == 0 or heard < _HEARD * len(values):
        return np.nan, np.nan
    return low, high


@compiled
def _scaled(value: float, low: float, high: float) -> float:
    """Where `value` stands on its range: 0 to 1 inside, NaN if missing or without a range."""
    if high > low or np.isnan(value) or np.isnan(low):
        return (value - low) / (high - low)
    if value == low:
        return 0.5
    return np.inf if value > low else -np.inf
