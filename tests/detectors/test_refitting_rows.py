"""Rows in a ring, from which the windows that were learned are cut once more."""

import numpy as np
import pytest
from oracles.refitting import windows

from tocsin.detectors.recent_rows import (
    HEAD,
    RecentRows,
    copy_of,
    keep,
    mark_of,
    started,
    windows_of,
)
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.types import Batch, FloatArray


def ring(room: int, channels: int = 2) -> RecentRows:
    recent = started(room, channels)
    grow(recent, 1)
    return recent


def rows_with_gaps(rows: int, seed: int = 0) -> FloatArray:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows, 2))
    values[rng.random(values.shape) < 0.1] = np.nan
    values[rng.random(rows) < 0.1] = np.nan
    return values


def cut_again(recent: RecentRows, frames: int) -> Batch:
    return windows_of(*copy_of(recent, 0, frames), frames)


@pytest.mark.parametrize("frames", [1, 2, 6])
@pytest.mark.parametrize("seed", range(5))
def test_the_windows_that_were_learned_come_back(frames: int, seed: int) -> None:
    batch = windows(rows_with_gaps(80, seed), frames)
    learned = batch.take(np.random.default_rng(seed).random(80) < 0.8)
    recent = ring(1000)
    keep(recent, 0, learned.values, learned.time)
    again = cut_again(recent, frames)
    assert again.time.tolist() == learned.time.tolist()
    np.testing.assert_array_equal(again.values, learned.values)


def test_of_a_full_ring_the_newest_windows_come_back_whole() -> None:
    batch = windows(np.random.default_rng(0).normal(size=(90, 2)), 4)
    recent = ring(30)
    keep(recent, 0, batch.values, batch.time)
    again = cut_again(recent, 4)
    assert len(again) == 27
    np.testing.assert_array_equal(again.values, batch.values[-27:])


@pytest.mark.parametrize("frames", [1, 4])
def test_rows_kept_one_by_one_are_those_kept_together(frames: int) -> None:
    batch = windows(rows_with_gaps(100), frames).take(np.delete(np.arange(100), [50, 51, 70]))
    together, apart = ring(40), ring(40)
    keep(together, 0, batch.values, batch.time)
    for tick in batch.ticks():
        keep(apart, 0, tick.values, tick.time)
    for one, other in zip(copy_of(together, 0, frames), copy_of(apart, 0, frames), strict=True):
        np.testing.assert_array_equal(one, other)
    assert together.written[0] == apart.written[0]


def test_without_rows_there_are_no_windows() -> None:
    assert len(cut_again(ring(20), 3)) == 0


def test_the_mark_knows_rows_and_times() -> None:
    rows, time = np.ones((5, 2)), np.arange(5)
    marks = {mark_of(rows, time), mark_of(rows + 1, time), mark_of(rows, time + 1)}
    assert len(marks) == 3
    assert min(marks) > 0


def test_a_row_before_the_first_seam_is_only_context() -> None:
    batch = windows(np.random.default_rng(0).normal(size=(20, 2)), 3)
    late = batch.take(np.arange(10, 20))
    recent = ring(50)
    keep(recent, 0, late.values, late.time)
    time = copy_of(recent, 0, 3)[1]
    assert (time == HEAD).sum() == 2
    assert (time > HEAD).sum() == 10
