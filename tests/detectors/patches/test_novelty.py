"""The room stays bounded, keeps what covers most, and knows its gaps."""

import numpy as np

from tocsin.detectors.patches.novelty import Door, Room, walk
from tocsin.pipeline.types import FloatArray

WIDTH = 19


def room_of(places: int, channels: int = 1) -> Room:
    far = np.full(places, np.inf)
    return Room(np.full((places, channels, WIDTH), np.nan), far, far.copy())


def at(*places: float) -> FloatArray:
    """Points (B, 1, 19) on a line."""
    points = np.zeros((len(places), 1, WIDTH))
    points[:, 0, 0] = places
    return points


def distances_to_origin(points: FloatArray) -> FloatArray:
    """What a memory of one point at the origin gives: (B, 2, 3)."""
    best = np.full((len(points), 2, 3), np.inf)
    best[:, :, 0] = (points**2).sum(axis=2)
    return best


def walked(room: Room, used: int, points: FloatArray, limit: float = 1.0) -> int:
    door = Door(limit, np.ones(points.shape[1], dtype=np.bool_))
    return walk(points, distances_to_origin(points), room, used, door)


def test_what_is_near_to_what_is_known_is_not_admitted() -> None:
    room = room_of(4)
    assert walked(room, 0, at(0.5, -0.9, 3.0, 3.4, -3.0)) == 2
    assert room.points[:2, 0, 0].tolist() == [3.0, -3.0]


def test_the_most_redundant_gives_way_when_the_room_is_full() -> None:
    room = room_of(3)
    used = walked(room, 0, at(10.0, 12.0, 20.0, -15.0))
    assert used == 3
    assert sorted(room.points[:, 0, 0].tolist()) in ([-15.0, 10.0, 20.0], [-15.0, 12.0, 20.0])


def test_a_point_that_adds_less_than_all_that_is_there_is_turned_away() -> None:
    room = room_of(2)
    walked(room, 0, at(10.0, -10.0))
    walked(room, 2, at(12.0))
    assert room.points[:, 0, 0].tolist() == [10.0, -10.0]


def test_gaps_are_those_of_a_plain_comparison() -> None:
    rng = np.random.default_rng(0)
    room, used = room_of(12), 0
    for point in rng.normal(scale=3.0, size=(300, 1, 1, WIDTH)):
        used = walked(room, used, point)
    points = room.points[:, 0]
    for i, point in enumerate(points):
        others = np.delete(points, i, axis=0)
        squared = np.append(((others - point) ** 2).sum(axis=1), (point**2).sum())
        np.testing.assert_allclose(room.gap[i], squared.min(), rtol=1e-12)


def test_a_closed_door_admits_nobody() -> None:
    room = room_of(3)
    points = at(5.0)
    assert walk(points, distances_to_origin(points), room, 0, None) == 0
    assert np.isnan(room.points).all()


def test_a_room_brings_points_nearer() -> None:
    room = room_of(3)
    walked(room, 0, at(5.0))
    points = at(5.5)
    best = distances_to_origin(points)
    walk(points, best, room, 1, None)
    np.testing.assert_allclose(best[0, 1], [0.25, 5.5**2, np.inf])
