"""The search finds the nearest points that comparing with every point finds."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tocsin.detectors.patches.neighbours import laid_out, nearest, nearest_others
from tocsin.pipeline.types import FloatArray


def drawn(count: int, channels: int, seed: int) -> FloatArray:
    """Points (M, C, 19) in a few clusters, some of them repeated."""
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(count, channels, 19)) + 4.0 * rng.integers(3, size=(count, 1, 1))
    points[count // 2 :: 7] = points[0]
    return points


def compared(points: FloatArray, query: FloatArray, allowed: NDArray[np.bool_]) -> FloatArray:
    """The three smallest squared distances (C + 1, 3), by comparing with every point."""
    squared = ((points[allowed] - query) ** 2).sum(axis=2)
    both = np.column_stack([squared, squared.mean(axis=1)])
    both = np.vstack([both, np.full((3, both.shape[1]), np.inf)])
    return np.sort(both, axis=0)[:3].T


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("count", [2, 64, 300])
def test_the_nearest_points_are_found(channels: int, count: int) -> None:
    points, queries = drawn(count, channels, seed=1), drawn(40, channels, seed=2)
    queries[7] *= 1e6
    found = nearest(laid_out(points, np.arange(count)), queries)
    everyone = np.ones(count, dtype=np.bool_)
    slow = np.stack([compared(points, query, everyone) for query in queries])
    np.testing.assert_allclose(found, slow, rtol=1e-10)


@pytest.mark.parametrize("channels", [1, 3])
def test_points_near_in_time_are_left_out(channels: int) -> None:
    points, row = drawn(200, channels, seed=3), np.arange(200) * 2
    found = nearest_others(laid_out(points, row), points, row, 10)
    slow = [compared(points, points[i], np.abs(row - row[i]) >= 10) for i in range(200)]
    np.testing.assert_allclose(found, slow, rtol=1e-10)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_query_is_answered_the_same_to_the_bit_in_any_company(channels: int) -> None:
    points, queries = drawn(300, channels, seed=4), drawn(50, channels, seed=5)
    memory = laid_out(points, np.arange(300))
    whole = nearest(memory, queries)
    np.testing.assert_array_equal(nearest(memory, queries[::-1]), whole[::-1])
    np.testing.assert_array_equal(nearest(memory, queries[20:21]), whole[20:21])


def test_a_channel_that_is_missing_is_left_out_of_the_joint_distance() -> None:
    points, queries = drawn(100, 3, seed=6), drawn(5, 3, seed=7)
    queries[:, 1] = np.nan
    found = nearest(laid_out(points, np.arange(100)), queries)
    others = nearest(laid_out(points[:, ::2], np.arange(100)), queries[:, ::2])
    np.testing.assert_allclose(found[:, [0, 2, 3]], others, rtol=1e-12)
    assert np.isinf(found[:, 1]).all()
