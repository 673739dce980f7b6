"""Rows are read as copies, with what no arithmetic can bear taken out."""

import numpy as np
import pytest

from tocsin.detectors.rows import newest
from tocsin.pipeline.types import Batch


def _one(*values: float) -> Batch:
    return Batch(np.array([0]), np.array([0]), np.array([[values]]))


def test_infinities_are_missing() -> None:
    frame = newest(_one(1.0, np.inf, -np.inf), 1, (3,)).frame
    np.testing.assert_array_equal(frame, [[1.0, np.nan, np.nan]])


@pytest.mark.parametrize(
    ("value", "read"), [(1e300, 1e150), (-1e300, -1e150), (1e-300, 0.0), (1e149, 1e149)]
)
def test_magnitudes_whose_square_is_no_number_are_cut(value: float, read: float) -> None:
    assert newest(_one(value), 1, (1,)).frame == read


def test_the_newest_frame_is_read_and_the_input_kept() -> None:
    values = np.array([[[1.0], [np.inf]], [[3.0], [4.0]]])
    batch = Batch(np.array([0, 1]), np.array([0, 0]), values.copy())
    rows = newest(batch, 2, (1,))
    np.testing.assert_array_equal(rows.frame, [[np.nan], [4.0]])
    np.testing.assert_array_equal(batch.values, values)
    assert not np.shares_memory(rows.key, batch.key)


@pytest.mark.parametrize("dtype", ["<f4", ">f8", ">f4"])
def test_any_float_is_read(dtype: str) -> None:
    values = np.array([[[0.5, 2.0]]], dtype=dtype)
    frame = newest(Batch(np.array([0]), np.array([0]), values), 1, (2,)).frame
    assert frame.dtype == np.float64
    np.testing.assert_array_equal(frame, [[0.5, 2.0]])
