"""Half-space trees, slowly: trees of Python objects, walked one row at a time."""

import math
from dataclasses import dataclass

import numpy as np

from tocsin.pipeline.types import FloatArray, IntArray


@dataclass
class Node:
    """A cell of space, the rows of the last window in it, and its halves."""

    channel: int = 0
    threshold: float = 0.0
    below: "Node | None" = None
    above: "Node | None" = None
    mass: int = 0


def planted(channel: IntArray, threshold: FloatArray, at: int = 0) -> Node:
    """The tree of one row of the scorer's arrays (inner nodes,)."""
    if at >= len(channel):
        return Node()
    halves = (planted(channel, threshold, 2 * at + 1), planted(channel, threshold, 2 * at + 2))
    return Node(int(channel[at]), float(threshold[at]), *halves)


def cleared(node: Node | None) -> None:
    """Set all masses to 0."""
    if node is not None:
        node.mass = 0
        cleared(node.below)
        cleared(node.above)


def step(node: Node, place: FloatArray) -> Node:
    """The half that the row belongs to; the heavier one where its value is missing."""
    assert node.below is not None
    assert node.above is not None
    value = place[node.channel]
    if np.isnan(value):
        return node.above if node.below.mass < node.above.mass else node.below
    return node.below if value < node.threshold else node.above


def scores(
    values: FloatArray, forest: tuple[IntArray, FloatArray], window: int
) -> tuple[FloatArray, FloatArray]:
    """Score (N,) and blame (N, C) of rows (N, C) in turn.

    `forest` holds the channels and the thresholds, (trees, inner nodes) each.
    """
    roots = [planted(*tree) for tree in zip(*forest, strict=True)]
    score, blame = np.full(len(values), np.nan), np.zeros(values.shape)
    gathered: list[FloatArray] = []
    low = high = np.full(values.shape[1], np.nan)
    for n, row in enumerate(values):
        value = np.where(np.isfinite(row), row, np.nan)
        place = np.array([_scaled(*one) for one in zip(value, low, high, strict=True)])
        if not np.isnan(place).all():
            score[n] = _score(roots, place, window, blame[n])
        if not np.isnan(value).all():
            gathered.append(value)
        if len(gathered) == window:
            low, high = _ranges(np.array(gathered))
            _relearn(roots, np.array(gathered), low, high)
            gathered = []
    return score, blame


def _score(roots: list[Node], place: FloatArray, window: int, blame: FloatArray) -> float:
    over = np.maximum(0.0, np.maximum(-place, place - 1.0))
    blame += np.nan_to_num(over, nan=0.0, posinf=np.inf)
    densities = [_density(root, place, window, blame, len(roots)) for root in roots]
    most = float(np.nanmax(over))
    density = sum(densities) / len(roots) * max(0.0, 1.0 - most)
    densest = window * 2.0 ** (_depth(roots[0]) - 1)
    return math.log2(densest * (1.0 + most) / max(density, 1.0 / len(roots)))


def _density(node: Node, place: FloatArray, window: int, blame: FloatArray, trees: int) -> float:
    level = 0
    while node.below is not None and node.mass >= 0.1 * window:
        child = step(node, place)
        blame[node.channel] += max(0.0, (node.mass - 2 * child.mass) / node.mass) / trees
        node, level = child, level + 1
    return node.mass * 2.0**level


def _relearn(roots: list[Node], rows: FloatArray, low: FloatArray, high: FloatArray) -> None:
    for root in roots:
        cleared(root)
        for row in rows:
            place = np.array([_scaled(*one) for one in zip(row, low, high, strict=True)])
            node = root
            node.mass += 1
            while node.below is not None:
                node = step(node, place)
                node.mass += 1


def _ranges(rows: FloatArray) -> tuple[FloatArray, FloatArray]:
    heard = np.isfinite(rows).sum(axis=0)
    known = heard >= max(1.0, 0.1 * len(rows))
    low = np.where(known, np.fmin.reduce(rows), np.nan)
    return low, np.where(known, np.fmax.reduce(rows), np.nan)


def _scaled(value: float, low: float, high: float) -> float:
    if np.isnan(value) or np.isnan(low):
        return np.nan
    if low == high:
        return 0.5 if value == low else np.copysign(np.inf, value - low)
    return (value - low) / (high - low)


def _depth(node: Node | None) -> int:
    return 0 if node is None else 1 + _depth(node.below)
