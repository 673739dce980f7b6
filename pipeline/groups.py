"""Rows of a block, gathered by key: what the fast paths of per-key stages stand on."""

from dataclasses import dataclass

import numpy as np

from tocsin.pipeline.types import BoolArray, IntArray


@dataclass(frozen=True, slots=True)
class Groups:
    """A block's rows sorted by key, each key's rows in their order of arrival.

    `order` (N,) puts the block's rows into key order. `keys` (G,) are the distinct keys, `start`
    and `count` (G,) say where each key's rows stand in key order. `place` (N,) is the group of each
    row in key order and `round` (N,) its number within the group, from 0.
    """

    order: IntArray
    keys: IntArray
    start: IntArray
    count: IntArray
    place: IntArray
    round: IntArray

    def scatter(self, values: np.ndarray) -> np.ndarray:
        """Values in key order, put back into the block's order."""
        back = np.empty_like(values)
        back[self.order] = values
        return back


def group(key: IntArray) -> Groups:
    """Gather rows by key.

    >>> groups = group(np.array([7, 2, 7]))
    >>> groups.order.tolist(), groups.keys.tolist(), groups.round.tolist()
    ([1, 0, 2], [2, 7], [0, 0, 1])
    """
    order = np.argsort(key, kind="stable")
    keys, start, count = np.unique(key[order], return_index=True, return_counts=True)
    place = np.repeat(np.arange(len(keys)), count)
    return Groups(order, keys, start, count, place, np.arange(len(key)) - start[place])


def run_lengths(repeats: BoolArray, groups: Groups, before: IntArray) -> IntArray:
    """How many rows in a row, up to each one, have `repeats`; rows and result in key order.

    `repeats` (N, *any) says whether a row goes on as the row before it; `before` (G, *any) is the
    length each key came with. A row that does not repeat has length 0.
    """
    rows = np.arange(len(repeats)).reshape(-1, *[1] * (repeats.ndim - 1))
    first = groups.start[groups.place].reshape(rows.shape)
    broken = np.where(repeats, -1, rows)
    last_break = np.maximum.accumulate(broken, axis=0) if len(repeats) else broken
    inside = last_break >= first
    carried = rows - first + 1 + before[groups.place]
    return np.where(inside, rows - last_break, carried)
