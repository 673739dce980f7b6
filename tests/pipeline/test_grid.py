"""A grid gives one row a step, gathered and filled as it says, however the rows are cut."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import pipeline_grid as oracle

from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.grid import Grid, GridState
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.state import same
from tocsin.pipeline.types import FloatArray, IntArray

Columns = tuple[IntArray, IntArray, FloatArray]

VALUES = st.sampled_from([np.nan, 0.0, -1.5, 0.1, 0.7, 1e6])
ROWS = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 30), VALUES, VALUES), max_size=40)
RULES = st.builds(
    Grid,
    every_ns=st.just(10),
    gather=st.sampled_from(["mean", "last", "min", "max", "sum"]),
    fill=st.sampled_from(["missing", "hold", "skip"]),
    most=st.sampled_from([0, 2, 100]),
)


def as_columns(rows: list[tuple[int, int, float, float]]) -> Columns:
    """Rows whose keys each have newer times from row to row."""
    now = dict.fromkeys(range(3), -25)
    times = []
    for key, step, *_ in rows:
        now[key] += step
        times.append(now[key])
    key = np.array([key for key, *_ in rows], dtype=np.int64)
    values = np.array([frame for _, _, *frame in rows], dtype=np.float64).reshape(-1, 2)
    return key, np.array(times, dtype=np.int64), values


def started(rule: Grid, item: tuple[int, ...] = (2,)) -> GridState:
    state = rule.start(item)
    grow(state, 3)
    return state


def cut(columns: Columns, first: int, last: int) -> Columns:
    """Some of the rows."""
    key, time, values = columns
    return key[first:last], time[first:last], values[first:last]


def given_rows(rule: Grid, columns: Columns, cuts: list[int]) -> tuple[Columns, GridState]:
    """What a run gives, its open steps last."""
    state = started(rule, columns[2].shape[1:])
    rows = len(columns[0])
    edges = [0, *sorted(min(cut, rows) for cut in cuts), rows]
    parts = [rule.advance(state, *cut(columns, first, last)) for first, last in pairwise(edges)]
    parts.append(rule.drain(state, np.arange(3)))
    key, time, values = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return (key, time, values), state


def of_one(*rows: tuple[int, float]) -> Columns:
    """One key's rows of (time, value)."""
    time = np.array([at for at, _ in rows], dtype=np.int64)
    values = np.array([[value] for _, value in rows])
    return np.zeros(len(rows), dtype=np.int64), time, values


def played(rule: Grid, *rows: tuple[int, float]) -> list[tuple[int, float]]:
    """One key's rows of (time, value) on the grid, the open step last."""
    (_, time, values), _ = given_rows(rule, of_one(*rows), [])
    return list(zip(time.tolist(), values[:, 0].tolist(), strict=True))


@given(ROWS, RULES)
def test_steps_are_those_gathered_by_hand(
    rows: list[tuple[int, int, float, float]], rule: Grid
) -> None:
    columns = as_columns(rows)
    (key, time, values), _ = given_rows(rule, columns, [])
    wanted = oracle.gridded(rule, *columns)
    assert key.tolist() == [which for which, _, _ in wanted]
    assert time.tolist() == [at for _, at, _ in wanted]
    frames = np.array([frame for *_, frame in wanted]).reshape(-1, 2)
    np.testing.assert_array_equal(values, frames)


@given(ROWS, RULES, st.lists(st.integers(0, 40), max_size=5))
def test_any_cut_gives_the_same_steps_and_state(
    rows: list[tuple[int, int, float, float]], rule: Grid, cuts: list[int]
) -> None:
    columns = as_columns(rows)
    whole, state = given_rows(rule, columns, [])
    pieces, other = given_rows(rule, columns, cuts)
    for one, two in zip(whole, pieces, strict=True):
        np.testing.assert_array_equal(one, two)
    assert same(state, other)


def test_a_step_is_stamped_with_its_end() -> None:
    assert played(Grid(10), (0, 1.0), (9, 3.0), (10, 5.0)) == [(10, 2.0), (20, 5.0)]


def test_a_step_is_given_when_a_later_one_begins() -> None:
    rule = Grid(10)
    state = started(rule, (1,))
    assert len(rule.advance(state, *of_one((0, 1.0), (5, 2.0)))[0]) == 0
    assert rule.advance(state, *of_one((10, 3.0)))[1].tolist() == [10]


@pytest.mark.parametrize(
    ("gather", "wanted"), [("mean", 2.0), ("last", 1.0), ("min", 1.0), ("max", 4.0), ("sum", 6.0)]
)
def test_present_values_are_gathered_as_the_setting_says(gather: Any, wanted: float) -> None:
    rows = ((0, 4.0), (1, 1.0), (2, np.nan), (3, 1.0))
    assert played(Grid(10, gather=gather), *rows) == [(10, wanted)]


def test_a_channel_with_no_value_in_a_step_is_missing() -> None:
    values = played(Grid(10, gather="sum"), (0, np.nan), (10, 1.0))
    np.testing.assert_array_equal(values, [(10, np.nan), (20, 1.0)])


def test_empty_steps_are_filled_with_missing_values() -> None:
    values = played(Grid(10), (0, 1.0), (30, 2.0))
    np.testing.assert_array_equal(values, [(10, 1.0), (20, np.nan), (30, np.nan), (40, 2.0)])


def test_empty_steps_can_hold_the_last_row() -> None:
    values = played(Grid(10, fill="hold"), (0, 1.0), (12, np.nan), (30, 2.0))
    np.testing.assert_array_equal(values, [(10, 1.0), (20, np.nan), (30, 1.0), (40, 2.0)])


def test_empty_steps_can_be_skipped() -> None:
    assert played(Grid(10, fill="skip"), (0, 1.0), (30, 2.0)) == [(10, 1.0), (40, 2.0)]


def test_a_silence_longer_than_the_most_is_not_filled() -> None:
    rule = Grid(10, most=2)
    assert len(played(rule, (0, 1.0), (30, 2.0))) == 4
    assert played(rule, (0, 1.0), (40, 2.0)) == [(10, 1.0), (50, 2.0)]


def test_infinite_values_are_gathered_quietly() -> None:
    values = played(Grid(10), (0, np.inf), (1, -np.inf), (10, 1.0))
    np.testing.assert_array_equal(values, [(10, np.nan), (20, 1.0)])


def test_a_drained_grid_has_no_open_step() -> None:
    rule = Grid(10)
    state = started(rule, (1,))
    rule.advance(state, *of_one((0, 1.0)))
    assert rule.drain(state, np.arange(3))[1].tolist() == [10]
    assert rule.drain(state, np.arange(3))[1].tolist() == []


def test_images_are_gathered_pixel_by_pixel() -> None:
    rule = Grid(10)
    frames = np.arange(8.0).reshape(2, 2, 2)
    columns = np.zeros(2, dtype=np.int64), np.array([0, 1]), frames
    (_, _, values), _ = given_rows(rule, columns, [])
    np.testing.assert_array_equal(values, [frames.mean(axis=0)])


@pytest.mark.parametrize("settings", [{"every_ns": 0}, {"every_ns": 10, "most": -1}])
def test_impossible_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="a grid needs every > 0 and most >= 0"):
        Grid(**settings)
