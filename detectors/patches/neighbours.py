"""The nearest of many remembered points, exactly, in one pass over memory laid out for it."""

from typing import NamedTuple

import numpy as np

from tocsin.detectors.compiled import compiled
from tocsin.pipeline.types import FloatArray, IntArray

NEAREST = 3

_BLOCK = 64  # points that are looked at together: their coordinates stand side by side
_NOWHERE = 1e120  # a coordinate of the places in the last block that hold no point
_FAR = 1e200  # a squared distance that only such places have
_LENIENT = 1.0 - 1e-12  # times a bound: rounding must not hide a point
_LOOK = 5  # the coordinate after which a block that is too far already is left


class Memory(NamedTuple):
    """Points (M, C, D) in blocks of 64 that lie near each other, with the box around each."""

    blocks: FloatArray  # (M / 64 rounded up, C, D, 64)
    row: IntArray  # (M rounded up,) the row of the series at which each point was seen
    low: FloatArray  # (M / 64 rounded up, C, D)
    high: FloatArray


def laid_out(points: FloatArray, row: IntArray) -> Memory:
    """Points (M, C, D), seen at `row` (M,), so that a search can pass over most of them."""
    count, channels, size = points.shape
    parts = _split(np.nan_to_num(points.reshape(count, -1)), np.arange(count))
    padded = np.full((len(parts), _BLOCK, channels, size), _NOWHERE)
    seen = np.zeros((len(parts), _BLOCK), dtype=np.int64)
    for n, part in enumerate(parts):
        padded[n, : len(part)] = points[part]
        seen[n, : len(part)] = row[part]
    low = np.stack([points[part].min(axis=0) for part in parts])
    high = np.stack([points[part].max(axis=0) for part in parts])
    side_by_side = np.ascontiguousarray(padded.transpose(0, 2, 3, 1))
    return Memory(side_by_side, seen.ravel(), low, high)


def nearest(memory: Memory, queries: FloatArray) -> FloatArray:
    """Squared distances (B, C + 1, 3) of queries (B, C, D) to their nearest points, rising.

    The last of the C + 1 is the mean over the channels, to one and the same point. A channel that
    is NaN in a query is left out of it and has inf, as has a place for which there is no point.
    Each query is on its own: O(M C D), less by the blocks that are passed over.
    """
    best = np.full((len(queries), queries.shape[1] + 1, NEAREST), np.inf)
    queries = np.ascontiguousarray(queries)
    if queries.shape[1] == 1:
        _search_one(memory, queries[:, 0], best)
    else:
        _search(memory.blocks, queries, best)
    return best


def nearest_others(memory: Memory, queries: FloatArray, at: IntArray, apart: int) -> FloatArray:
    """As `nearest`, but points seen less than `apart` rows from a query, at row `at`, are left out.

    So a training patch is not compared with those that it overlaps.
    """
    best = np.full((len(queries), queries.shape[1] + 1, NEAREST), np.inf)
    where = np.ascontiguousarray(at)
    _search_others(memory.blocks, memory.row, np.ascontiguousarray(queries), where, apart, best)
    return best


def _split(points: FloatArray, which: IntArray) -> list[IntArray]:
    """Halve the points (M, F) along their widest coordinate until no part is over a block."""
    if len(which) <= _BLOCK:
        return [which]
    mine = points[which]
    widest = int(np.ptp(mine, axis=0).argmax())
    order = mine[:, widest].argsort(kind="stable")
    blocks = -(-len(which) // _BLOCK)
    middle = blocks // 2 * _BLOCK
    return [
        *_split(points, which[order[:middle]]),
        *_split(points, which[order[middle:]]),
    ]


@compiled
def _search_one(memory: Memory, queries: FloatArray, best: FloatArray) -> None:
    """The search of one channel, (B, D): nearest box first, and no box that is too far."""
    count = len(memory.blocks)
    off, bound = np.empty(_BLOCK), np.empty(count)
    for b in range(len(queries)):
        query = queries[b]
        if np.isnan(query[0]):
            continue
        begin = _gaps_to_boxes(memory, query, bound)
        for n in range(-1, count):
            block = begin if n < 0 else n
            if n == begin or bound[block] * _LENIENT > best[b, 0, 2]:
                continue
            if _gaps(memory.blocks[block, 0], query, best[b, 0, 2], off):
                _keep(best[b, 0], off)
        for k in range(best.shape[2]):
            best[b, 1, k] = best[b, 0, k]


@compiled
def _gaps(block: FloatArray, query: FloatArray, bound: float, off: FloatArray) -> bool:
    """The squared distances of a query (D,) to a block (D, 64); False if left, all over a bound."""
    off[:] = 0.0
    for d in range(len(query)):
        q, line = query[d], block[d]
        for j in range(_BLOCK):
            gap = q - line[j]
            off[j] += gap * gap
        if d == _LOOK and not _any_below(off, bound):
            return False
    return True


@compiled
def _gaps_to_boxes(memory: Memory, query: FloatArray, bound: FloatArray) -> int:
    """The squared distance of a query (D,) to each block's box, in place; the nearest block."""
    begin = 0
    for n in range(len(bound)):
        low, high = memory.low[n, 0], memory.high[n, 0]
        total = 0.0
        for d in range(len(query)):
            gap = max(low[d] - query[d], 0.0, query[d] - high[d])
            total += gap * gap
        bound[n] = total
        if total < bound[begin]:
            begin = n
    return begin


@compiled
def _search(blocks: FloatArray, queries: FloatArray, best: FloatArray) -> None:
    """The search of several channels, apart and together."""
    channels = blocks.shape[1]
    off, joint = np.empty(_BLOCK), np.empty(_BLOCK)
    for b in range(len(queries)):
        known = _known(queries[b])
        for block in range(len(blocks)):
            joint[:] = 0.0
            for c in range(channels):
                if np.isnan(queries[b, c, 0]):
                    continue
                _gaps(blocks[block, c], queries[b, c], np.inf, off)
                for j in range(_BLOCK):
                    joint[j] += off[j] / known
                _keep(best[b, c], off)
            if known:
                _keep(best[b, channels], joint)


@compiled
def _search_others(
    blocks: FloatArray,
    row: IntArray,
    queries: FloatArray,
    at: IntArray,
    apart: int,
    best: FloatArray,
) -> None:
    channels = blocks.shape[1]
    off, joint = np.empty(_BLOCK), np.empty(_BLOCK)
    for b in range(len(queries)):
        known = _known(queries[b])
        for block in range(len(blocks)):
            joint[:] = 0.0
            for c in range(channels):
                if np.isnan(queries[b, c, 0]):
                    continue
                _gaps(blocks[block, c], queries[b, c], np.inf, off)
                for j in range(_BLOCK):
                    if abs(row[block * _BLOCK + j] - at[b]) < apart:
                        off[j] = np.inf
                    joint[j] += off[j] / known
                _keep(best[b, c], off)
            if known:
                _keep(best[b, channels], joint)


@compiled
def _known(query: FloatArray) -> float:
    """How many channels of a query (C, D) are there."""
    count = 0.0
    for c in range(len(query)):
        count += not np.isnan(query[c, 0])
    return count


@compiled
def _any_below(off: FloatArray, bound: float) -> bool:
    count = 0
    for j in range(_BLOCK):
        count += off[j] < bound
    return count > 0


@compiled
def _keep(best: FloatArray, off: FloatArray) -> None:
    """Keep the three smallest of what was kept and a block."""
    if _any_below(off, min(best[2], _FAR)):
        for j in range(_BLOCK):
            _keep_one(best, off[j])


@compiled
def _keep_one(best: FloatArray, value: float) -> None:
    if not value < min(best[2], _FAR):  # NaN is not kept
        return
    if value >= best[1]:
        best[2] = value
        return
    best[2] = best[1]
    if value < best[0]:
        best[1] = best[0]
        best[0] = value
    else:
        best[1] = value
