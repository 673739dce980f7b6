"""Windows hold the newest frames of their own series, however the rows are cut."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import pipeline_grid as oracle

from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.state import same
from tocsin.pipeline.types import FloatArray, IntArray
from tocsin.pipeline.window import Window, WindowState

Columns = tuple[IntArray, IntArray, FloatArray]

ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from([1, 1, 2, 5, 6, 30])), min_size=1, max_size=40
)
RULES = st.builds(Window, length=st.integers(1, 5), gap_ns=st.sampled_from([0, 5]))


def as_columns(rows: list[tuple[int, int]], item: tuple[int, ...] = (1,)) -> Columns:
    """Rows numbered by their values; each key's times rise."""
    now = dict.fromkeys(range(4), 0)
    times = []
    for key, step in rows:
        now[key] += step
        times.append(now[key])
    numbers = np.arange(len(rows), dtype=np.float64).reshape(-1, *[1] * len(item))
    numbers[numbers % 7 == 3] = np.nan
    values = numbers + np.zeros(item)
    return np.array([key for key, _ in rows]), np.array(times), values


def started(rule: Window, item: tuple[int, ...] = (1,)) -> WindowState:
    state = rule.start(item)
    grow(state, 4)
    return state


def cut(columns: Columns, first: int, last: int) -> Columns:
    """Some of the rows."""
    key, time, values = columns
    return key[first:last], time[first:last], values[first:last]


def windows(rule: Window, state: WindowState, columns: Columns, cuts: list[int]) -> FloatArray:
    rows = len(columns[0])
    edges = [0, *sorted(min(cut, rows) for cut in cuts), rows]
    parts = [
        rule.advance(state, *cut(columns, first, last)).values for first, last in pairwise(edges)
    ]
    return np.concatenate(parts)


@given(ROWS, RULES)
def test_windows_are_those_kept_by_hand(rows: list[tuple[int, int]], rule: Window) -> None:
    columns = as_columns(rows)
    found = windows(rule, started(rule), columns, [])
    np.testing.assert_array_equal(found, oracle.windowed(rule, *columns))


@given(ROWS, RULES, st.lists(st.integers(0, 40), max_size=6))
def test_any_cut_gives_the_same_windows_and_state(
    rows: list[tuple[int, int]], rule: Window, cuts: list[int]
) -> None:
    columns = as_columns(rows)
    whole, pieces = started(rule), started(rule)
    np.testing.assert_array_equal(
        windows(rule, pieces, columns, cuts), windows(rule, whole, columns, [])
    )
    assert same(pieces, whole)


def test_frames_from_before_the_series_began_are_missing() -> None:
    found = windows(Window(3), started(Window(3)), as_columns([(0, 1), (0, 1)]), [])
    np.testing.assert_array_equal(found[:, :, 0], [[np.nan, np.nan, 0], [np.nan, 0, 1]])


def test_a_window_does_not_span_a_silence() -> None:
    rule = Window(3, gap_ns=5)
    found = windows(rule, started(rule), as_columns([(0, 1), (0, 1), (0, 6), (0, 5)]), [])
    np.testing.assert_array_equal(found[2, :, 0], [np.nan, np.nan, 2])
    np.testing.assert_array_equal(found[3, :2, 0], [np.nan, 2])


def test_a_first_row_is_no_silence_however_late_it_comes() -> None:
    rule = Window(2, gap_ns=5)
    found = windows(rule, started(rule), as_columns([(0, 30), (0, 1)]), [])
    np.testing.assert_array_equal(found[1, :, 0], [0, 1])


def test_images_keep_their_shape() -> None:
    rule = Window(2)
    columns = as_columns([(0, 1), (0, 1), (1, 1)], item=(3, 4))
    found = windows(rule, started(rule, (3, 4)), columns, [])
    assert found.shape == (3, 2, 3, 4)
    np.testing.assert_array_equal(found[1, 0], columns[2][0])


def test_windows_are_no_views_of_the_input() -> None:
    rule = Window(2)
    state = started(rule)
    columns = as_columns([(0, 1), (0, 1)])
    found = windows(rule, state, columns, [])
    columns[2][:] = 99
    assert found[1, :, 0].tolist() == [0, 1]
    assert state.ring[0, :, 0].tolist() == [1]


@pytest.mark.parametrize("length", [1, 3])
def test_no_rows_give_no_windows(length: int) -> None:
    rule = Window(length)
    none = np.empty(0, dtype=np.int64)
    batch = rule.advance(started(rule), none, none, np.empty((0, 1)))
    assert batch.values.shape == (0, length, 1)


@pytest.mark.parametrize("settings", [{"length": 0}, {"gap_ns": -1}])
def test_impossible_settings_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="a window needs length >= 1 and gap >= 0"):
        Window(**settings)
