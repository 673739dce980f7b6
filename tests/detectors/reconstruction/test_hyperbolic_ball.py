"""Distances and radii in the ball equal the textbook's, and stay apart where those round off."""

import numpy as np
import pytest
from oracles.hyperbolic import added, distance, point

from tocsin.detectors.reconstruction.hyperbolic_ball import distances, led, radii, shares
from tocsin.pipeline.types import FloatArray

EDGE = float(np.arctanh(1 - 1e-5))  # length of the vector to a point so near the edge

ONE = np.array([[0.3, -0.2, 0.5], [2.0, 1.0, -3.0]])
OTHER = np.array([[0.1, 0.4, 0.5], [2.0, 1.5, -3.0]])


def vectors(seed: int) -> FloatArray:
    """Vectors (200, 3) of all lengths up to the edge."""
    rng = np.random.default_rng(seed)
    ways = rng.normal(size=(200, 3))
    lengths = EDGE * rng.random(200) ** 2
    return ways / np.linalg.norm(ways, axis=1)[:, None] * lengths[:, None]


def test_distances_are_the_textbook_ones() -> None:
    one, other = vectors(0), vectors(1)
    wanted = [distance(point(u), point(v)) for u, v in zip(one, other, strict=True)]
    assert distances(one, other) == pytest.approx(np.array(wanted), rel=1e-10)


def test_distances_of_close_points_are_the_textbook_ones() -> None:
    one = vectors(2)
    other = one + 1e-3 * np.random.default_rng(3).normal(size=one.shape)
    wanted = [distance(point(u), point(v)) for u, v in zip(one, other, strict=True)]
    assert distances(one, other) == pytest.approx(np.array(wanted), rel=1e-8)


def test_distances_and_radii_equal_those_of_another_library() -> None:
    # Of geoopt 0.5.1, PoincareBall(c=1): dist and the norm of expmap0.
    assert distances(ONE, OTHER) == pytest.approx([1.4882130802261668, 9.726241136186824], 1e-10)
    assert radii(ONE) == pytest.approx([0.5486454669659127, 0.998875851956666], 1e-12)


def test_the_sum_of_points_equals_that_of_another_library() -> None:
    # Of geoopt 0.5.1, mobius_add.
    wanted = [0.35362066058106434, -0.03232128011200531, 0.7346719297365627]
    assert added(point(ONE[0]), point(OTHER[0])).astype(float) == pytest.approx(wanted, abs=1e-12)


def test_moving_both_points_by_one_other_leaves_their_distance() -> None:
    by = point(np.array([0.4, -0.3, 0.2]))
    one, other = vectors(4) / 4, vectors(5) / 4
    moved = [
        distance(added(by, point(u)), added(by, point(v))) for u, v in zip(one, other, strict=True)
    ]
    assert distances(one, other) == pytest.approx(np.array(moved), rel=1e-10)


def test_distances_are_symmetric_and_of_a_point_to_itself_nothing() -> None:
    assert distances(ONE, OTHER) == pytest.approx(distances(OTHER, ONE), rel=1e-14)
    assert not distances(ONE, ONE).any()
    assert not distances(np.zeros((1, 3)), np.zeros((1, 3))).any()


def test_points_too_near_the_edge_to_be_told_apart_keep_their_distance() -> None:
    far = np.array([[1.0, 0.0], [100.0, 0.0], [1e6, 0.0]])
    assert distances(far, 0 * far) == pytest.approx([2.0, 200.0, 2e6], rel=1e-12)
    aside = distances(far, far[:, ::-1].copy())
    assert np.isfinite(aside).all()
    # Far out at a right angle, the way leads by the origin but for log 2.
    assert aside[1:] == pytest.approx([400.0 - np.log(2.0), 4e6 - np.log(2.0)], rel=1e-12)


def test_a_row_is_led_and_shared_as_if_alone() -> None:
    rng = np.random.default_rng(6)
    values, turn, shift = rng.normal(size=(9, 5)), rng.normal(size=(5, 3)), rng.normal(size=3)
    found = led(values, turn, shift)
    assert found == pytest.approx(values @ turn + shift, abs=1e-12)
    assert np.array_equal(led(values[4:5], turn, shift)[0], found[4])
    share = shares(values)
    assert share == pytest.approx(values**2 / (values**2).sum(axis=1)[:, None], abs=1e-14)
    assert not shares(np.zeros((1, 5))).any()
