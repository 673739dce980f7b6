"""A patch's statistics are those of the slow version, however the patches come."""

import numpy as np
import pytest
from oracles.patches import described

from tocsin.detectors.patches.features import patch_features, window_features
from tocsin.pipeline.types import FloatArray

WIDTHS = (8, 16, 32)


def line(rows: int, seed: int) -> FloatArray:
    """Rows of one channel (N,) that hold a flat stretch, a wild value and repeated values."""
    values = np.random.default_rng(seed).normal(size=rows).round(1)
    values[rows // 3 : rows // 3 + 40] = 0.7
    values[rows // 2] = -50.0
    return values


@pytest.mark.parametrize("width", [6, 8, 33])
@pytest.mark.parametrize("stride", [1, 3, 50])
def test_patches_are_described_as_in_the_slow_version(width: int, stride: int) -> None:
    values = line(300, seed=width)
    first = np.arange(0, len(values) - width + 1, stride)
    slow = [described(values[t : t + width]) for t in first.tolist()]
    np.testing.assert_allclose(patch_features(values, width, first), slow, rtol=1e-9, atol=1e-9)


def test_a_patch_is_described_the_same_to_the_bit_whatever_came_before() -> None:
    values = line(200, seed=1)
    every = patch_features(values, 16, np.arange(185))
    for t in (0, 50, 99, 184):
        np.testing.assert_array_equal(
            patch_features(values[t : t + 16], 16, np.arange(1))[0], every[t]
        )


def test_windows_are_described_as_their_newest_patches() -> None:
    values = np.stack([line(150, seed=2), line(150, seed=3)], axis=1)
    windows = np.stack([values[t : t + 40] for t in range(111)])
    found = window_features(windows, WIDTHS)
    for s, width in enumerate(WIDTHS):
        for c in range(2):
            patches = patch_features(values[:, c], width, np.arange(40 - width, 151 - width))
            np.testing.assert_array_equal(found[:, c, s], patches)


def test_windows_in_any_order_are_described_the_same_to_the_bit() -> None:
    values = line(150, seed=4)
    windows = np.stack([values[t : t + 32, None] for t in range(119)])
    order = np.random.default_rng(0).permutation(len(windows))
    whole = window_features(windows, WIDTHS)
    np.testing.assert_array_equal(window_features(windows[order], WIDTHS), whole[order])
    np.testing.assert_array_equal(window_features(windows[60:61], WIDTHS), whole[60:61])
