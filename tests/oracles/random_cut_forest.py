"""A random cut forest of one key, slowly: trees of objects, boxes measured anew at each look."""

from dataclasses import dataclass, field

import numpy as np

from tocsin.detectors.classical.cut_forest_kernel import uniform
from tocsin.pipeline.types import FloatArray


@dataclass
class Node:
    """A leaf with equal points, or a cut with what lies on either side."""

    points: list[int]  # the slots below
    axis: int = -1
    cut: float = np.nan
    sides: list["Node"] = field(default_factory=list)


def codisp(root: Node, slot: int) -> float:
    """The most points beside a subtree that holds the slot, per point in it."""
    most, node = 0.0, root
    while node.sides:
        own = next(side for side in node.sides if slot in side.points)
        other = next(side for side in node.sides if side is not own)
        most = max(most, len(other.points) / len(own.points))
        node = own
    return most


def lengths(node: Node, points: FloatArray, weight: FloatArray) -> FloatArray:
    """The sides (D,) of a node's box in spreads."""
    return np.ptp(points[node.points], axis=0) * weight


def placements(
    root: Node, points: FloatArray, slot: int, weight: FloatArray
) -> list[tuple[float, FloatArray, float]]:
    """All that can come of inserting a stored point: odds, their parts by axis (D,), and codisp."""
    found: list[tuple[float, FloatArray, float]] = []
    reach, beside, node = 1.0, 0.0, root
    while True:
        both = Node([*node.points, slot])
        longer = lengths(both, points, weight) - lengths(node, points, weight)
        whole = float(lengths(both, points, weight).sum())
        if longer.sum() > 0:
            odds = reach * longer / whole
            found.append((float(odds.sum()), odds, max(beside, float(len(node.points)))))
            reach -= float(odds.sum())
        if not node.sides:
            if not longer.sum() > 0:
                found.append((reach, np.zeros(points.shape[1]), beside))
            return found
        side = 0 if points[slot, node.axis] <= node.cut else 1
        other = node.sides[1 - side]
        node = node.sides[side]
        beside = max(beside, len(other.points) / (len(node.points) + 1))


def inserted(
    node: Node | None, points: FloatArray, slot: int, weight: FloatArray, mark: tuple[int, ...]
) -> Node:
    """The tree with one more stored point; `mark`: seed, tree, row and level of the draw."""
    if node is None:
        return Node([slot])
    both = Node([*node.points, slot])
    longer = lengths(both, points, weight) - lengths(node, points, weight)
    drawn = uniform(*mark) * lengths(both, points, weight).sum()
    if drawn < longer.sum():
        axis = int(np.flatnonzero(np.cumsum(longer) > drawn)[0])
        share = (drawn - longer[:axis].sum()) / longer[axis]
        x = points[slot, axis]
        low, high = points[node.points, axis].min(), points[node.points, axis].max()
        both.axis = axis
        if x < low:
            both.cut, both.sides = x + share * (low - x), [Node([slot]), node]
        else:
            both.cut, both.sides = high + share * (x - high), [node, Node([slot])]
        return both
    if node.sides:
        side = 0 if points[slot, node.axis] <= node.cut else 1
        both.axis, both.cut, both.sides = node.axis, node.cut, list(node.sides)
        deeper = (*mark[:3], mark[3] + 1)
        both.sides[side] = inserted(node.sides[side], points, slot, weight, deeper)
    return both


def removed(node: Node, slot: int) -> Node | None:
    """The tree without one of its points."""
    if not node.sides:
        rest = [other for other in node.points if other != slot]
        return Node(rest) if rest else None
    side = 0 if slot in node.sides[0].points else 1
    left = removed(node.sides[side], slot)
    if left is None:
        return node.sides[1 - side]
    sides = [left, node.sides[1]] if side == 0 else [node.sides[0], left]
    return Node([other for other in node.points if other != slot], node.axis, node.cut, sides)


def weights(points: FloatArray, width: int) -> FloatArray:
    """One over the spread of each channel, for each coordinate (D,); no channel may be flat."""
    newest = np.sort(points[:, -width:], axis=0)
    count = len(points)
    spread = (newest[3 * count // 4] - newest[count // 4]) / 1.349
    return np.tile(1.0 / spread, points.shape[1] // width)


def scores(
    rows: FloatArray, width: int, settings: tuple[int, int, int, int]
) -> tuple[FloatArray, FloatArray]:
    """Score (N,) and blame (N, D) of points (N, D) in turn.

    `settings` are trees, samples, memory and seed.
    """
    trees, samples, memory, seed = settings
    score, blame = np.full(len(rows), np.nan), np.zeros(rows.shape)
    forest: list[Node | None] = [None] * trees
    points = np.vstack([rows[:samples], np.zeros((1, rows.shape[1]))])  # the last: to be scored
    weight = weights(points[:-1], width)
    for slot in range(samples):
        for t in range(trees):
            forest[t] = inserted(forest[t], points, slot, weight, (seed, t, slot, 0))
    for n in range(samples, len(rows)):
        points[-1] = rows[n]
        ways = [way for tree in forest if tree for way in placements(tree, points, samples, weight)]
        score[n] = sum(odds * height for odds, _, height in ways) / trees
        blame[n] = sum(parts * height for _, parts, height in ways) / trees
        slot = entered(n, samples, memory, seed)
        if slot >= 0:
            kept = [removed(tree, slot) if tree else None for tree in forest]
            points[slot] = rows[n]
            mark = [(seed, t, n, 0) for t in range(trees)]
            forest = [inserted(kept[t], points, slot, weight, mark[t]) for t in range(trees)]
        if (n + 1) % samples == 0:
            weight = weights(points[:-1], width)
    return score, blame


def entered(row: int, samples: int, memory: int, seed: int) -> int:
    """The slot that a row takes, or -1."""
    if not memory:
        return row % samples
    enters = uniform(seed, -2, row, 0) * min(row + 1, memory) < samples
    return int(uniform(seed, -1, row, 0) * samples) if enters else -1
