import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.evaluation.downsample import breaks, lone, thin, within_reach
from tocsin.pipeline.errors import TocsinError

NUMBER = st.floats(-1e9, 1e9) | st.just(float("nan")) | st.sampled_from([np.inf, -np.inf])
SERIES = st.lists(NUMBER, max_size=300).map(lambda numbers: np.array(numbers, dtype=float))
POINTS = st.integers(5, 120)


@given(SERIES, POINTS)
def test_no_more_points_than_asked_for_in_rising_order(values, points):
    kept = thin(values, points)
    assert len(kept) <= points
    assert (np.diff(kept) > 0).all()


@given(SERIES, POINTS)
def test_a_short_series_is_kept_whole(values, points):
    if len(values) <= points:
        assert thin(values, points).tolist() == list(range(len(values)))


@given(SERIES, POINTS)
def test_first_and_last_stay(values, points):
    kept = thin(values, points)
    if len(values):
        assert kept[0] == 0
        assert kept[-1] == len(values) - 1


@given(SERIES, POINTS)
def test_smallest_and_largest_stay(values, points):
    known = values[~np.isnan(values)]
    kept = values[thin(values, points)]
    if known.size:
        assert np.nanmin(kept) == known.min()
        assert np.nanmax(kept) == known.max()


@given(st.integers(100, 2000), st.integers(5, 90), st.data())
def test_a_gap_as_long_as_a_bin_is_never_bridged(rows, points, data):
    width = -(-rows // ((points - 2) // 3))
    start = data.draw(st.integers(0, rows - 1))
    values = np.sin(np.arange(rows) / 7)
    values[start : start + width] = np.nan
    kept = thin(values, points)
    inside = (kept >= start) & (kept < start + width)
    assert inside.any()
    assert np.isnan(values[kept[inside]]).all()


@given(st.integers(50, 3000), st.integers(20, 400), st.data())
def test_the_extremes_of_every_stretch_between_points_are_drawn(rows, points, data):
    seed = data.draw(st.integers(0, 2**32 - 1))
    values = np.random.default_rng(seed).standard_cauchy(rows)
    kept = thin(values, points)
    width = -(-rows // ((points - 2) // 2)) if rows > points else 1
    for first in range(0, rows, width):
        stretch = values[first : first + width]
        drawn = values[kept[(kept >= first) & (kept < first + width)]]
        assert (drawn.min(), drawn.max()) == (stretch.min(), stretch.max())


def test_too_few_points_are_refused():
    with pytest.raises(TocsinError, match="at least 5 points"):
        thin(np.zeros(10), 4)


@given(SERIES)
def test_within_reach_leaves_finite_values_alone_and_no_infinity(values):
    reached = within_reach(values)
    finite = np.isfinite(values)
    assert (reached[finite] == values[finite]).all()
    assert not np.isinf(reached).any()
    assert (np.isnan(reached) == np.isnan(values)).all()


def test_an_infinite_score_is_drawn_above_all_others():
    reached = within_reach(np.array([3.0, np.inf, 7.0, -np.inf]))
    assert reached[1] > 7.0
    assert reached[3] < 3.0


@given(SERIES)
def test_lone_values_are_those_no_line_segment_touches(values):
    known = np.isfinite(values)
    touched = set()
    for i in range(len(values) - 1):
        if known[i] and known[i + 1]:
            touched |= {i, i + 1}
    expected = [bool(known[i]) and i not in touched for i in range(len(values))]
    assert lone(values).tolist() == expected


def test_a_curve_breaks_at_every_pause_between_the_kept_rows():
    steps = np.ones(1000, dtype=np.int64)
    steps[[400, 402, 700]] = 50
    time = np.concatenate(([0], np.cumsum(steps)))
    kept = np.array([0, 300, 405, 700, 701, 1000])
    assert breaks(time, kept).tolist() == [2, 4]
    assert breaks(time, np.arange(1001)).tolist() == [401, 403, 701]


@pytest.mark.parametrize("steps", [[], [0, 0], [7], [1, 5, 1, 5], [0, 3, 0, 3, 0]])
def test_steps_of_a_usual_length_break_no_curve(steps):
    time = np.concatenate(([0], np.cumsum(np.array(steps, dtype=np.int64))))
    assert not breaks(time, np.arange(len(time))).size
    assert not breaks(time[:0], np.arange(0)).size


def test_rows_at_random_times_are_one_curve():
    steps = np.random.default_rng(0).exponential(1e9, 5000).astype(np.int64)
    assert not breaks(np.cumsum(steps), np.arange(5000)).size
