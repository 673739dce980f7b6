"""Series become windows of averaged rows."""

import numpy as np
import pytest

from tocsin.detectors.context.blocks import ages, ending, from_the_start, in_patches, spans


def test_blocks_end_at_the_newest_row() -> None:
    series = np.arange(11.0)[None]
    np.testing.assert_allclose(ending(series, 3, 2), [[5.5, 7.5, 9.5]])


def test_missing_rows_are_left_out_of_a_block() -> None:
    series = np.array([[1.0, np.nan, np.nan, np.nan, 4.0, 8.0]])
    np.testing.assert_allclose(ending(series, 3, 2), [[1.0, np.nan, 6.0]])


def test_the_last_block_may_be_short() -> None:
    np.testing.assert_allclose(from_the_start(np.arange(5.0), 2), [0.5, 2.5, 4.0])


def test_a_block_of_huge_values_has_a_mean() -> None:
    assert ending(np.full((1, 4), 1e308), 1, 4)[0, 0] == 1e308


def test_an_age_counts_from_the_first_row_that_is_there() -> None:
    nan = np.nan
    series = np.array([[nan, 1.0, nan, nan], [nan, nan, nan, nan], [1.0, 2.0, 3.0, 4.0]])
    assert ages(series).tolist() == [3, 0, 4]


@pytest.mark.parametrize("length", [5, 64, 65, 100, 128, 300])
def test_windows_cover_every_point(length: int) -> None:
    covered = np.zeros(length, dtype=int)
    for first, end in spans(length, 64, 32):
        assert end - first == min(length, 64)
        covered[first:end] += 1
    assert covered.min() >= 1
    assert covered.max() <= 3


def test_missing_points_in_front_make_whole_patches() -> None:
    window = in_patches(np.ones(20))
    assert len(window) == 32
    assert np.isnan(window[:12]).all()
