"""Rows leave in time order, cuts change nothing, and a broken clock stops nobody else."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import pipeline_order as oracle

from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.order import NEVER, Order, OrderState, tick_starts
from tocsin.pipeline.state import same

Row = tuple[int, int]

MOVES = st.sampled_from([0, 0, 1, 1, 1, 2, 7])  # of the stream's own time
OFFSETS = st.sampled_from([0] * 12 + [-1, -3, -30, 2, 50, 400])  # of one row from it
ROWS = st.lists(st.tuples(st.integers(0, 3), MOVES, OFFSETS), max_size=90)


def as_rows(moves: list[tuple[int, int, int]]) -> list[Row]:
    """Rows of (key, time); keys are numbered as they first appear, as the key table does."""
    ids: dict[int, int] = {}
    rows: list[Row] = []
    now = 1000
    for key, move, offset in moves:
        now += move
        rows.append((ids.setdefault(key, len(ids)), now + offset))
    return rows


def started(rule: Order) -> OrderState:
    state = rule.start((1,))
    grow(state, 8)
    return state


def admitted(
    rule: Order, state: OrderState, rows: list[Row], cuts: list[int]
) -> tuple[list[int], list[tuple[int, str]]]:
    """Rows let through, by their number, which is carried as the row's value; and the refused."""
    left: list[int] = []
    refused: list[tuple[int, str]] = []
    edges = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    for first, last in pairwise(edges):
        key = np.array([key for key, _ in rows[first:last]], dtype=np.int64)
        time = np.array([time for _, time in rows[first:last]], dtype=np.int64)
        numbers = np.arange(first, last, dtype=np.float64)[:, None]
        given_out = rule.admit(state, key, time, numbers)
        left += [int(number) for number in given_out.values[:, 0]]
        refused += [(first + row, why) for row, why in given_out.refused]
        assert given_out.key.tolist() == [rows[int(n)][0] for n in given_out.values[:, 0]]
        assert given_out.time.tolist() == [rows[int(n)][1] for n in given_out.values[:, 0]]
    return left, refused


def played(rule: Order, rows: list[Row]) -> tuple[list[int], list[tuple[int, str]]]:
    """All rows in two calls, of which the second may take the quick way, then drained."""
    state = started(rule)
    left, refused = admitted(rule, state, rows, [20])
    return left + [int(number) for number in rule.drain(state).values[:, 0]], refused


@given(ROWS, st.sampled_from([0, 0, 2, 5, 100]), st.integers(1, 4))
def test_rows_leave_as_the_rules_say(
    moves: list[tuple[int, int, int]], lateness: int, agree: int
) -> None:
    rows = as_rows(moves)
    rule = Order(lateness_ns=lateness, max_ahead_ns=40, agree=agree)
    assert played(rule, rows) == oracle.placed(rule, rows)


@given(ROWS, st.sampled_from([0, 3]), st.lists(st.integers(0, 90), max_size=6))
def test_any_cut_gives_the_same_order_refusals_and_state(
    moves: list[tuple[int, int, int]], lateness: int, cuts: list[int]
) -> None:
    rows = as_rows(moves)
    rule = Order(lateness_ns=lateness, max_ahead_ns=40)
    whole, pieces = started(rule), started(rule)
    assert admitted(rule, pieces, rows, cuts) == admitted(rule, whole, rows, [])
    assert same(pieces, whole)


@given(st.lists(st.integers(1, 20), min_size=20, max_size=60), st.integers(1, 3))
def test_orderly_rows_take_the_quick_way_to_the_same_state(steps: list[int], keys: int) -> None:
    times = np.cumsum(steps).tolist()
    rows = [(place % keys, time) for place, time in enumerate(times)]
    rule = Order(max_ahead_ns=1000)
    whole, one_by_one = started(rule), started(rule)
    admitted(rule, whole, rows[:16], [])
    assert admitted(rule, whole, rows[16:], [])[1] == []
    admitted(rule, one_by_one, rows, list(range(len(rows))))
    assert same(whole, one_by_one)


def test_rows_wait_for_older_ones_as_long_as_lateness_says() -> None:
    rule = Order(lateness_ns=10)
    state = started(rule)
    left, _ = admitted(rule, state, [(0, 100), (0, 95), (0, 109), (0, 110)], [])
    assert left == [1, 0]
    assert rule.drain(state).time.tolist() == [109, 110]


def test_drained_rows_leave_once() -> None:
    rule = Order(lateness_ns=10)
    state = started(rule)
    admitted(rule, state, [(0, 100)], [])
    assert len(rule.drain(state).key) == 1
    assert len(rule.drain(state).key) == 0


def test_a_drained_row_sent_again_is_a_duplicate() -> None:
    rule = Order(lateness_ns=10)
    state = started(rule)
    admitted(rule, state, [(0, 100)], [])
    rule.drain(state)
    assert admitted(rule, state, [(0, 100)], [])[1] == [(0, "duplicate")]


@pytest.mark.parametrize("lateness", [0, 5])
def test_a_late_row_that_is_newer_than_its_series_last_joins(lateness: int) -> None:
    rows = [(0, 100), (1, 40), (0, 200), (1, 50), (1, 45)]
    left, refused = played(Order(lateness_ns=lateness), rows)
    assert 3 in left
    assert refused == [(4, "late")]


def test_a_repeated_row_is_refused_while_it_waits_too() -> None:
    assert played(Order(lateness_ns=10), [(0, 100), (0, 100)])[1] == [(1, "duplicate")]


def test_a_broken_clock_of_one_series_stops_nobody_else() -> None:
    rows: list[Row] = []
    for now in range(40):
        rows += [(0, now), (1, now), (2, now + 10_000 if now > 20 else now)]
    left, refused = played(Order(max_ahead_ns=100), rows)
    assert refused == [(row, "ahead") for row in range(65, 120, 3)]
    assert left == [row for row in range(120) if (row, "ahead") not in refused]


def test_after_a_gap_of_everybody_the_third_row_is_accepted() -> None:
    rows = [(now % 2, now) for now in range(40)]
    rows += [(now % 2, 10_000 + now) for now in range(40, 60)]
    left, refused = played(Order(max_ahead_ns=100), rows)
    assert refused == [(40, "ahead"), (41, "ahead")]
    assert left[-18:] == list(range(42, 60))


def test_rows_far_ahead_with_ordinary_ones_between_never_agree() -> None:
    rows = [(now % 2, now) for now in range(40)]
    for now in range(40, 60, 2):
        rows += [(0, now), (1, now), (0, 10_000 + now)]
    rule, ahead = Order(max_ahead_ns=100), range(42, 70, 3)
    edges = [edge for row in ahead for edge in (row, row + 1)]
    for cuts in ([], edges):
        assert admitted(rule, started(rule), rows, cuts)[1] == [(row, "ahead") for row in ahead]


def test_a_single_series_may_jump_ahead() -> None:
    rows = [(0, now) for now in range(40)] + [(0, 10_000)]
    assert played(Order(max_ahead_ns=100), rows)[1] == []


def test_jumps_that_the_stream_is_used_to_are_no_broken_clock() -> None:
    rows = [(now % 2, 1000 * now) for now in range(40)]
    rows += [(0, 48_000), (1, 48_500)]
    assert played(Order(max_ahead_ns=100), rows)[1] == []


def test_an_unsettled_partition_takes_any_jump() -> None:
    rows = [(0, 0), (1, 1), (0, 10_000), (1, 10_001)]
    assert played(Order(max_ahead_ns=100), rows)[1] == []


def test_no_rows_change_nothing() -> None:
    rule = Order()
    state = started(rule)
    assert len(rule.admit(state, np.empty(0, int), np.empty(0, int), np.empty((0, 1))).key) == 0
    assert same(state, started(rule))


def test_waiting_rows_are_bounded_by_lateness() -> None:
    rule = Order(lateness_ns=10)
    state = started(rule)
    admitted(rule, state, [(0, now) for now in range(500)], list(range(0, 500, 7)))
    assert len(state.wait_key) == 10


@pytest.mark.parametrize("settings", [{"lateness_ns": -1}, {"max_ahead_ns": 0}, {"agree": 0}])
def test_impossible_settings_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="need lateness >= 0, max_ahead > 0 and agree >= 1"):
        Order(**settings)


TICK_ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12)), max_size=30)


@given(TICK_ROWS, st.sampled_from([NEVER, 3, 20]), st.sets(st.integers(0, 3)))
def test_a_tick_begins_at_a_newer_time_or_a_key_it_has(
    rows: list[Row], clock: int, members: set[int]
) -> None:
    key = np.array([key for key, _ in rows], dtype=np.int64)
    time = np.array([time for _, time in rows], dtype=np.int64)
    found = tick_starts(clock, members, key, time)
    assert found.tolist() == oracle.tick_starts(clock, members, rows)
    assert found.dtype == np.int64


@given(TICK_ROWS, st.integers(0, 30))
def test_any_cut_begins_the_same_ticks(rows: list[Row], cut: int) -> None:
    whole = oracle.tick_starts(NEVER, set(), rows)
    head, tail = rows[:cut], rows[cut:]
    first = oracle.tick_starts(NEVER, set(), head)
    clock = max((time for _, time in head), default=NEVER)
    members = {key for key, _ in (head[first[-1] :] if first else head)}
    key = np.array([key for key, _ in tail], dtype=np.int64)
    time = np.array([time for _, time in tail], dtype=np.int64)
    rest = tick_starts(clock, members, key, time).tolist()
    assert first + [cut + start for start in rest] == whole
