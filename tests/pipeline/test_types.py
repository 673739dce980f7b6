"""Batches and specs refuse shapes that do not fit, and cut as they promise."""

import numpy as np
import pytest

from tocsin.pipeline.errors import TocsinError
from tocsin.pipeline.types import Batch, Spec


def test_a_batch_has_as_many_rows_as_keys() -> None:
    assert len(Batch(np.arange(3), np.arange(3), np.zeros((3, 1, 2)))) == 3


@pytest.mark.parametrize(
    ("keys", "times", "rows"), [((2,), (3,), 2), ((2,), (2,), 3), ((2, 1), (2,), 2)]
)
def test_columns_of_different_lengths_are_refused(
    keys: tuple[int, ...], times: tuple[int, ...], rows: int
) -> None:
    key, time = np.zeros(keys, dtype=np.int64), np.zeros(times, dtype=np.int64)
    with pytest.raises(TocsinError, match="a batch needs key"):
        Batch(key, time, np.zeros((rows, 1, 1)))


def test_taken_rows_are_copies() -> None:
    batch = Batch(np.arange(3), np.arange(3), np.zeros((3, 1, 2)))
    batch.take(np.array([1])).values[...] = 7
    assert not batch.values.any()


def test_ticks_are_the_rows_of_each_time_in_turn() -> None:
    batch = Batch(np.array([0, 1, 0, 1, 2]), np.array([5, 5, 6, 9, 9]), np.zeros((5, 1, 1)))
    assert [tick.key.tolist() for tick in batch.ticks()] == [[0, 1], [0], [1, 2]]


def test_an_empty_batch_has_no_tick() -> None:
    none = np.empty(0, dtype=np.int64)
    assert list(Batch(none, none, np.empty((0, 1, 2))).ticks()) == []


@pytest.mark.parametrize(("item", "window"), [((), 1), ((0,), 1), ((2, -1), 1), ((2,), 0)])
def test_a_spec_of_nothing_is_refused(item: tuple[int, ...], window: int) -> None:
    with pytest.raises(TocsinError, match="a spec needs a positive item shape and window"):
        Spec(item, window)


def test_channel_names_must_match_the_channels() -> None:
    with pytest.raises(TocsinError, match=r"2 channel names .* for 3 channels"):
        Spec((3,), channels=("a", "b"))


def test_channels_have_given_names_or_numbered_ones() -> None:
    assert Spec((2,), channels=("flow", "heat")).channel_names() == ("flow", "heat")
    assert Spec((2,)).channel_names() == ("c0", "c1")


def test_images_have_no_channel_names() -> None:
    assert Spec((4, 4)).channel_names() == ()
