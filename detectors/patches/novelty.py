"""Patches admitted after training, to a room of fixed size: the most redundant gives way."""

from typing import NamedTuple

import numpy as np

from tocsin.detectors.compiled import compiled
from tocsin.pipeline.types import BoolArray, FloatArray


class Room(NamedTuple):
    """R places for points of one width, changed in place; squared distances over all channels."""

    points: FloatArray  # (R, C, D)
    lone: FloatArray  # (R,) to the nearest point of training
    gap: FloatArray  # (R,) to the nearest of all other points


class Door(NamedTuple):
    """Who may enter: points farther than `limit`, squared, that have all `live` channels (C,)."""

    limit: float
    live: BoolArray


def walk(points: FloatArray, best: FloatArray, room: Room, used: int, door: Door | None) -> int:
    """Take the room's points into the nearest distances of points (B, C, D), one after the other.

    `best` (B, C + 1, 3) holds the squared distances to the points of training, and then those to
    the room's as well. With a door, each point is admitted before the next is looked at: if it is
    farther than usual from every point there is. When all R places are taken, it takes the place of
    the one that lies nearest to any other, unless it lies nearer itself. Gives the number of places
    that are taken. O(R C D) a point.
    """
    closed = Door(np.inf, np.empty(0, dtype=np.bool_))
    return int(_walk(np.ascontiguousarray(points), best, room, used, door or closed))


@compiled
def _walk(points: FloatArray, best: FloatArray, room: Room, used: int, door: Door) -> int:
    last = points.shape[1]
    for b in range(len(points)):
        lone = best[b, last, 0]
        for m in range(used):
            _compare(points[b], room.points[m], best[b])
        gap = best[b, last, 0]
        if not door.limit < gap < np.inf or _lacks(points[b], door.live):
            continue
        if used < len(room.points):
            used += 1
            _seat(room, points[b], used - 1, used, lone)
        else:
            place = _lowest(room.gap)
            if gap > room.gap[place]:
                _seat(room, points[b], place, used, lone)
    return used


@compiled
def _compare(query: FloatArray, point: FloatArray, best: FloatArray) -> None:
    """Take one point (C, D) into the three nearest of a query, apart and together."""
    joint, known = 0.0, 0
    for c in range(len(query)):
        if np.isnan(query[c, 0]):
            continue
        off = 0.0
        for d in range(query.shape[1]):
            gap = query[c, d] - point[c, d]
            off += gap * gap
        joint += off
        known += 1
        _rank(best[c], off)
    if known:
        _rank(best[len(query)], joint / known)


@compiled
def _rank(best: FloatArray, value: float) -> None:
    for k in range(len(best)):
        if value < best[k]:
            value, best[k] = best[k], value


@compiled
def _lacks(point: FloatArray, live: BoolArray) -> bool:
    missing = 0
    for c in range(len(point)):
        missing += live[c] and np.isnan(point[c, 0])
    return missing > 0


@compiled
def _lowest(values: FloatArray) -> int:
    place = 0
    for i in range(len(values)):
        if values[i] < values[place]:
            place = i
    return place


@compiled
def _seat(room: Room, point: FloatArray, place: int, used: int, lone: float) -> None:
    """Put a point in a place; the gaps of the others follow."""
    evicts = room.gap[place] < np.inf
    orphan = np.zeros(used, dtype=np.bool_)
    for j in range(used):
        # Who lay nearest to the point that leaves has to look for another neighbour.
        orphan[j] = evicts and _apart(room.points[j], room.points[place]) <= room.gap[j]
    for c in range(point.shape[0]):
        for d in range(point.shape[1]):
            room.points[place, c, d] = point[c, d]
    room.lone[place] = lone
    for j in range(used):
        if j == place:
            continue
        if orphan[j]:
            room.gap[j] = _nearest_of(room, j, used)
        room.gap[j] = min(room.gap[j], _apart(room.points[j], point))
    room.gap[place] = _nearest_of(room, place, used)


@compiled
def _nearest_of(room: Room, place: int, used: int) -> float:
    found = float(room.lone[place])
    for j in range(used):
        if j != place:
            found = min(found, _apart(room.points[j], room.points[place]))
    return found


@compiled
def _apart(one: FloatArray, other: FloatArray) -> float:
    """The mean over the channels of the squared distance of two points (C, D)."""
    total, known = 0.0, 0
    for c in range(len(one)):
        if np.isnan(one[c, 0]):
            continue
        known += 1
        for d in range(one.shape[1]):
            step = one[c, d] - other[c, d]
            total += step * step
    return total / known
