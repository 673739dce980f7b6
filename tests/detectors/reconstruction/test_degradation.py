"""Each way to spoil a window does what its rule says, and nothing to any other value."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.degradation import longer, ramp_window, shorter, soft

from tocsin.detectors.reconstruction.degradation import (
    TOP,
    Span,
    blend,
    flipped,
    lengthened,
    peak,
    shortened,
    soft_replacement,
    uniform_replacement,
)
from tocsin.pipeline.errors import TocsinError
from tocsin.pipeline.types import FloatArray, IntArray

ROWS, WIDTH = 40, 4
SEEDS = st.integers(0, 2**16)
SPANS = st.integers(0, ROWS - 1).flatmap(
    lambda start: st.builds(Span, st.just(start), st.integers(1, ROWS - start))
)
COLUMNS = st.lists(st.integers(0, WIDTH - 1), min_size=1, unique=True).map(np.array)
SOME = settings(max_examples=30, deadline=None, derandomize=True)


def untouched(before: FloatArray, after: FloatArray, span: Span, columns: IntArray) -> bool:
    """Whether every value but those of the span in the columns is the same, to the bit."""
    inside = np.zeros(before.shape, dtype=np.bool_)
    inside[span.start : span.stop, columns] = True
    return bool((before == after)[~inside].all())


@SOME
@given(length=st.integers(1, 300))
def test_a_blend_is_a_trapezoid_up_to_seven_tenths(length: int) -> None:
    share = blend(length)
    ramp = max(1, length // 10)
    assert share.shape == (length,)
    assert share == pytest.approx(share[::-1])
    assert (share > 0).all()
    assert share.max() <= TOP
    if length >= 2 * ramp:
        assert share[ramp - 1 : length - ramp + 1] == pytest.approx(TOP)
    assert np.diff(share[:ramp]) == pytest.approx(TOP / ramp)


@SOME
@given(span=SPANS, columns=COLUMNS, seed=SEEDS)
def test_a_soft_replacement_blends_its_span_and_touches_nothing_else(
    span: Span, columns: IntArray, seed: int
) -> None:
    window = ramp_window(ROWS, WIDTH, seed)
    rng = np.random.default_rng(seed)
    foreign = rng.random((span.length, len(columns)))
    hard = rng.random(len(columns)) < 0.5
    found = soft_replacement(window, span, columns, foreign, hard)
    assert found == pytest.approx(soft(window, span.start, columns, foreign, hard))
    assert untouched(window, found, span, columns)
    part = found[span.start : span.stop, columns]
    assert np.array_equal(part[:, hard], foreign[:, hard])
    own = window[span.start : span.stop, columns]
    assert (part >= np.minimum(own, foreign) - 1e-12).all()
    assert (part <= np.maximum(own, foreign) + 1e-12).all()


@pytest.mark.parametrize("in_time", [True, False])
@pytest.mark.parametrize("in_value", [True, False])
def test_a_flip_undoes_itself_and_stays_in_the_range(in_time: bool, in_value: bool) -> None:
    values = ramp_window(11, 3, seed=0)
    once = flipped(values, in_time=in_time, in_value=in_value)
    assert flipped(once, in_time=in_time, in_value=in_value) == pytest.approx(values)
    assert ((once >= 0) & (once <= 1)).all()
    assert np.array_equal(once, values) == (not in_time and not in_value)


@SOME
@given(span=SPANS, columns=COLUMNS, seed=SEEDS)
def test_a_uniform_replacement_stands_still_at_its_levels(
    span: Span, columns: IntArray, seed: int
) -> None:
    window = ramp_window(ROWS, WIDTH, seed)
    levels = np.random.default_rng(seed).random(len(columns))
    found = uniform_replacement(window, span, columns, levels)
    assert (found[span.start : span.stop, columns] == levels).all()
    assert untouched(window, found, span, columns)


@SOME
@given(row=st.integers(0, ROWS - 1), columns=COLUMNS, seed=SEEDS)
def test_a_peak_is_one_row_near_the_far_end_of_the_range(
    row: int, columns: IntArray, seed: int
) -> None:
    window = ramp_window(ROWS, WIDTH, seed)
    depth = np.random.default_rng(seed).random(len(columns))
    found = peak(window, row, columns, depth)
    assert untouched(window, found, Span(row, 1), columns)
    for k, c in enumerate(columns.tolist()):
        want = 1 - 0.1 * depth[k] if window[row, c] < 0.5 else 0.1 * depth[k]
        assert found[row, c] == want
        assert abs(found[row, c] - window[row, c]) >= 0.4


@SOME
@given(span=SPANS, columns=COLUMNS, factor=st.integers(2, 4), seed=SEEDS)
def test_a_lengthened_stretch_holds_each_row_several_times(
    span: Span, columns: IntArray, factor: int, seed: int
) -> None:
    window = ramp_window(ROWS, WIDTH, seed)
    found = lengthened(window, span, columns, factor)
    assert untouched(window, found, span, columns)
    for c in columns.tolist():
        want = longer(window, span.start, span.length, c, factor)
        assert np.array_equal(found[:, c], want[:, c])


@SOME
@given(
    start=st.integers(0, 20),
    length=st.integers(1, 5),
    columns=COLUMNS,
    factor=st.integers(2, 4),
    seed=SEEDS,
)
def test_a_shortened_stretch_leaves_rows_out(
    start: int, length: int, columns: IntArray, factor: int, seed: int
) -> None:
    window, span = ramp_window(ROWS, WIDTH, seed), Span(start, length)
    found = shortened(window, span, columns, factor)
    assert untouched(window, found, span, columns)
    for c in columns.tolist():
        want = shorter(window, start, length, c, factor)
        assert np.array_equal(found[:, c], want[:, c])


def every_way(window: FloatArray, span: Span) -> list[Callable[[], Any]]:
    columns, one = np.array([0]), np.ones(1)
    foreign = np.zeros((span.length, 1))
    return [
        lambda: soft_replacement(window, span, columns, foreign, np.array([False])),
        lambda: uniform_replacement(window, span, columns, one),
        lambda: peak(window, span.start, columns, one),
        lambda: lengthened(window, span, columns, 2),
        lambda: shortened(window, span, columns, 2),
    ]


def test_no_way_changes_what_it_is_given() -> None:
    window = ramp_window(ROWS, WIDTH, seed=1)
    for way in every_way(window, Span(3, 6)):
        found = way()
        assert not np.array_equal(found, window)
        assert not np.shares_memory(found, window)
    assert np.array_equal(window, ramp_window(ROWS, WIDTH, seed=1))


def test_a_span_beyond_the_window_is_refused() -> None:
    window = ramp_window(ROWS, WIDTH, seed=1)
    for way in (*every_way(window, Span(ROWS, 1)), *every_way(window, Span(-1, 3))):
        with pytest.raises(TocsinError, match="of a window of 40"):
            way()


def test_a_shortened_stretch_needs_rows_to_leave_out() -> None:
    with pytest.raises(TocsinError, match="rows 30 to 48 of a window of 40"):
        shortened(ramp_window(ROWS, WIDTH, seed=1), Span(30, 10), np.array([0]), 2)
