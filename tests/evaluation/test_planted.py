"""Planted signals: what is ordinary stays so, and each fault is where it says it is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.evaluation.planted import (
    FAULTS,
    area_under_curve,
    can_plant,
    centre,
    ordinary,
    plant,
    spread,
    windows,
)
from tocsin.pipeline.errors import TocsinError
from tocsin.pipeline.types import FloatArray

ITEMS = [(3,), (1,), (24, 32), (5, 6), (10, 12, 3)]
START = 20


def correlation(channels: FloatArray) -> float:
    """Of the first two channels of (N, C)."""
    off = (channels - channels.mean(axis=0)) / channels.std(axis=0)
    return float((off[:, 0] * off[:, 1]).mean())


@pytest.mark.parametrize("item", ITEMS)
def test_ordinary_rows_have_the_stated_centre_and_spread(item: tuple[int, ...]) -> None:
    frames = ordinary(item, ticks=400, keys=2, seed=1)
    off = (frames - centre(item)) / spread(item)
    assert abs(off.mean()) < 0.1
    assert np.allclose(off.std(axis=(0, 1)), 1.0, atol=0.15)


def test_channels_are_correlated() -> None:
    frames = ordinary((2,), ticks=400, keys=1, seed=1)[:, 0]
    assert correlation(frames) > 0.9


@pytest.mark.parametrize(
    ("fault", "item"),
    [(fault, item) for fault in FAULTS for item in ITEMS if can_plant(fault, item)],
)
def test_a_fault_changes_wrong_rows_and_none_before_it(fault: str, item: tuple[int, ...]) -> None:
    frames = ordinary(item, ticks=60, keys=3, seed=2)
    kept = frames.copy()
    faulty, wrong = plant(frames, fault, start=START, seed=2)
    changed = (faulty != frames).reshape(60, 3, -1).any(axis=2)
    assert np.array_equal(frames, kept)
    assert not changed[:START].any()
    assert not wrong[:START].any()
    assert wrong.any(axis=0).all()
    assert changed[wrong].all()


def test_a_fault_moves_one_channel_of_each_key() -> None:
    frames = ordinary((4,), ticks=60, keys=5, seed=3)
    faulty, _ = plant(frames, "level_shift", start=START, seed=3)
    moved = (faulty != frames).any(axis=0)
    assert moved.sum(axis=1).tolist() == [1] * 5


def test_a_stuck_channel_repeats_itself() -> None:
    faulty, wrong = plant(ordinary((1,), ticks=60, keys=1, seed=4), "stuck", start=START, seed=4)
    assert np.ptp(faulty[START:]) == 0
    assert not wrong[START + 1, 0]


def test_a_broken_correlation_keeps_each_channel_ordinary() -> None:
    frames = ordinary((2,), ticks=2000, keys=1, seed=5)
    faulty, _ = plant(frames, "broken_correlation", start=0, seed=5)
    assert correlation(faulty[:, 0]) < -0.9
    assert np.allclose(faulty.std(axis=(0, 1)), spread((2,)), rtol=0.1)


def test_a_correlation_of_one_channel_cannot_be_broken() -> None:
    with pytest.raises(TocsinError, match="two channels"):
        plant(ordinary((1,), ticks=30, keys=1, seed=6), "broken_correlation", start=5, seed=6)


def test_an_unknown_fault_is_refused_with_the_known_ones() -> None:
    with pytest.raises(TocsinError, match="'spikes'; there are spike, level_shift"):
        plant(ordinary((1,), ticks=30, keys=1, seed=6), "spikes", start=5, seed=6)


def test_windows_overlap_and_end_at_their_tick() -> None:
    frames = np.arange(10.0).reshape(5, 2, 1)
    batch = windows(frames, 3)
    assert batch.key.tolist() == [0, 1] * 3
    assert batch.values[0].ravel().tolist() == [0.0, 2.0, 4.0]
    assert batch.values[-1].ravel().tolist() == [5.0, 7.0, 9.0]
    assert np.unique(batch.time).size == 3


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5).map(float)), min_size=1, max_size=30))
def test_the_area_is_the_share_of_pairs_in_the_right_order(rows: list[tuple[bool, float]]) -> None:
    wrong, score = np.array([bad for bad, _ in rows]), np.array([value for _, value in rows])
    pairs = [(bad, good) for bad in score[wrong] for good in score[~wrong]]
    area = area_under_curve(wrong, score)
    if not pairs:
        assert np.isnan(area)
        return
    counted = sum(1.0 if bad > good else 0.5 if bad == good else 0.0 for bad, good in pairs)
    assert area == pytest.approx(counted / len(pairs))
