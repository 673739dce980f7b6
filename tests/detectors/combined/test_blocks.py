"""Means of blocks are plain means, and a flat stretch stays flat."""

import numpy as np
import pytest
from oracles import combined

from tocsin.detectors.combined.blocks import blocks, blocks_at_offsets, spread_back, whole_blocks


@pytest.mark.parametrize(("scale", "frames"), [(1, 3), (2, 3), (5, 1)])
def test_blocks_are_means_of_the_rows_that_are_there(scale: int, frames: int) -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(30, 2))
    rows[rng.random(rows.shape) < 0.3] = np.nan
    windows = np.stack([rows[i : i + 10] for i in range(21)])  # (21, 10, 2)
    seen = blocks(windows, scale, frames)
    wanted = [combined.block_means(rows, i + 9, scale, frames) for i in range(21)]
    assert np.isnan(seen).any()
    np.testing.assert_allclose(seen, wanted, rtol=1e-12)


def test_a_flat_stretch_with_holes_stays_exactly_flat() -> None:
    windows = np.full((1, 12, 1), 0.1)
    windows[0, [1, 7], 0] = np.nan
    assert np.unique(blocks(windows, 4, 3)).tolist() == [0.1]


def test_a_short_last_block_is_there_if_half_of_it_is() -> None:
    rows = np.arange(6.0)[:, None]
    assert whole_blocks(rows, 4).ravel().tolist() == [1.5, 4.5]
    assert np.isnan(whole_blocks(rows[:5], 4)[1, 0])


def test_blocks_at_all_offsets_are_parted() -> None:
    seen = blocks_at_offsets(np.arange(5.0)[:, None], 2).ravel()
    np.testing.assert_array_equal(seen, [0.5, 2.5, np.nan, 1.5, 3.5])
    assert blocks_at_offsets(np.empty((0, 2)), 3).shape[1] == 2


def test_blame_of_blocks_goes_to_their_rows() -> None:
    result = np.zeros((1, 5, 1))
    spread_back(np.array([[[2.0], [4.0]]]), 2, result)
    assert result.ravel().tolist() == [0.0, 1.0, 1.0, 2.0, 2.0]
