"""Health tells silence, stuck channels, values out of range and blind detectors, by the rows."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import pipeline_health as oracle

from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.health import Health, HealthState, Limits, Seen
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.order import NEVER
from tocsin.pipeline.state import same
from tocsin.pipeline.types import BoolArray, FloatArray, IntArray

Columns = tuple[IntArray, IntArray, FloatArray]

STEPS = st.sampled_from([1, 1, 1, 2, 9, 60])
VALUES = st.sampled_from([0.0, 0.0, 1.0, np.nan])
ROWS = st.lists(st.tuples(st.integers(0, 2), STEPS, VALUES, VALUES), max_size=60)
RULES = st.sampled_from(
    [
        Health(stale_intervals=3.0, stuck_rows=3),
        Health(stale_after_ns=7),
        Health(stale_after_ns=0, stuck_rows=0),
    ]
)
CUTS = st.lists(st.integers(0, 60), max_size=5)


def as_columns(rows: list[tuple[int, int, float, float]]) -> Columns:
    """Rows in the order they are judged, one clock for all."""
    key = np.array([key for key, *_ in rows], dtype=np.int64)
    time = np.cumsum([step for _, step, *_ in rows], dtype=np.int64)
    return key, time, np.array([frame for _, _, *frame in rows]).reshape(-1, 2)


def started(rule: Health, item: tuple[int, ...] = (2,), keys: int = 3) -> HealthState:
    state = rule.start(item)
    grow(state, keys)
    return state


def cut(columns: Columns, first: int, last: int) -> Columns:
    """Some of the rows."""
    key, time, values = columns
    return key[first:last], time[first:last], values[first:last]


def observed(rule: Health, state: HealthState, columns: Columns, cuts: list[int]) -> list[Seen]:
    rows, clock = len(columns[0]), NEVER
    edges = [0, *sorted(min(cut, rows) for cut in cuts), rows]
    found = []
    for first, last in pairwise(edges):
        key, time, values = cut(columns, first, last)
        found.append(rule.observe(state, clock, key, time, values))
        clock = max(clock, int(time.max(initial=NEVER)))
    return found


def joined(parts: list[Seen], column: str) -> Any:
    return np.concatenate([getattr(part, column) for part in parts])


def alone(rule: Health, state: HealthState, values: list[float], first: int = 0) -> Seen:
    """One key's rows, one a nanosecond, of one channel."""
    rows = len(values)
    time = np.arange(first, first + rows)
    frames = np.array(values, dtype=np.float64)[:, None]
    return rule.observe(state, first - 1, np.zeros(rows, dtype=np.int64), time, frames)


@given(ROWS, RULES)
def test_rows_are_seen_as_by_hand(rows: list[tuple[int, int, float, float]], rule: Health) -> None:
    columns = as_columns(rows)
    parts = observed(rule, started(rule), columns, [])
    wanted = oracle.seen(rule, *columns)
    np.testing.assert_allclose(joined(parts, "interval"), [interval for interval, *_ in wanted])
    assert joined(parts, "silent_from").tolist() == [since for _, since, _ in wanted]
    assert joined(parts, "stuck").tolist() == [stuck for *_, stuck in wanted]


@given(st.lists(st.tuples(st.integers(1, 24), VALUES), max_size=90))
def test_the_adaptive_stuck_rule_is_that_reckoned_by_hand(runs: list[tuple[int, float]]) -> None:
    lively = [float(row % 2) for row in range(60)]
    values = lively + [value for length, value in runs for _ in range(length)]
    rule = Health()
    key = np.zeros(len(values), dtype=np.int64)
    columns = key, np.arange(len(values)), np.array(values)[:, None]
    parts = observed(rule, started(rule, (1,)), columns, [])
    assert joined(parts, "stuck").tolist() == [stuck for *_, stuck in oracle.seen(rule, *columns)]


@given(ROWS, RULES, CUTS)
def test_any_cut_sees_the_same(
    rows: list[tuple[int, int, float, float]], rule: Health, cuts: list[int]
) -> None:
    columns = as_columns(rows)
    whole, pieces = started(rule), started(rule)
    one, other = observed(rule, whole, columns, []), observed(rule, pieces, columns, cuts)
    for column in ("interval", "silent_from", "stuck", "out_of_range"):
        np.testing.assert_array_equal(joined(other, column), joined(one, column))
    assert same(pieces, whole)


SCORED = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from([1.0, np.nan]), st.sampled_from([1.0, np.nan])),
    max_size=60,
)


def judged(rule: Health, rows: list[tuple[int, float, float]], cuts: list[int]) -> BoolArray:
    """Whether rows of (key, value, score) are of a blind detector."""
    state = started(rule, (1,))
    table = np.array(rows).reshape(-1, 3)
    edges = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    parts = [
        rule.judge(state, part[:, 0].astype(np.int64), part[:, 1:2], part[:, 2])
        for part in (table[a:b] for a, b in pairwise(edges))
    ]
    return np.concatenate(parts)


@given(SCORED, CUTS)
def test_blind_rows_are_those_counted_by_hand(
    rows: list[tuple[int, float, float]], cuts: list[int]
) -> None:
    rule = Health(blind_rows=2)
    table = np.array(rows).reshape(-1, 3)
    wanted = oracle.blind(rule, table[:, 0].astype(np.int64), table[:, 1:2], table[:, 2])
    assert judged(rule, rows, cuts).tolist() == wanted


def test_warming_up_is_not_blindness() -> None:
    assert not judged(Health(blind_rows=1), [(0, 1.0, np.nan)] * 9, []).any()


def test_missing_input_is_not_blindness() -> None:
    rows = [(0, 1.0, 1.0), *[(0, np.nan, np.nan)] * 9]
    assert not judged(Health(blind_rows=1), rows, []).any()


def test_one_score_ends_blindness() -> None:
    rows = [(0, 1.0, 1.0), *[(0, 1.0, np.nan)] * 3, (0, 1.0, 1.0)]
    assert judged(Health(blind_rows=1), rows, []).tolist() == [False, False, True, True, False]


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng: rng.random(3000) < 0.5,
        lambda rng: rng.random(3000) < 0.02,
        lambda rng: np.cumsum(rng.random(3000) < 0.03) % 2,
    ],
    ids=["coin", "rare pulses", "random switch"],
)
@pytest.mark.parametrize("seed", range(5))
def test_the_adaptive_stuck_rule_leaves_binary_channels_alone(draw: Any, seed: int) -> None:
    values = draw(np.random.default_rng(seed)).astype(float).tolist()
    rule = Health()
    assert not alone(rule, started(rule, (1,)), values).stuck.any()


def test_a_lively_channel_that_stops_is_stuck_after_twenty_rows() -> None:
    rule = Health()
    noise = np.random.default_rng(0).normal(size=60).tolist()
    stuck = alone(rule, started(rule, (1,)), [*noise, *[noise[-1]] * 25]).stuck
    assert np.flatnonzero(stuck).tolist() == list(range(60 + 20, 60 + 25))


def test_missing_rows_before_the_first_value_are_no_run_without_a_change() -> None:
    rule = Health()
    noise = np.random.default_rng(0).normal(size=60).tolist()
    stuck = alone(rule, started(rule, (1,)), [np.nan] * 100 + noise + [noise[-1]] * 25).stuck
    assert np.flatnonzero(stuck).tolist() == list(range(160 + 20, 160 + 25))


def test_a_channel_that_was_never_lively_is_not_stuck() -> None:
    rule = Health()
    assert not alone(rule, started(rule, (1,)), [1.0] * 500).stuck.any()


def test_a_stated_number_of_rows_makes_a_channel_stuck() -> None:
    rule = Health(stuck_rows=3)
    stuck = alone(rule, started(rule, (1,)), [1.0, 2.0, 2.0, np.nan, 2.0, 3.0]).stuck
    assert stuck.tolist() == [False, False, False, False, True, False]


def test_any_channel_makes_its_row_stuck() -> None:
    rule = Health(stuck_rows=2)
    frames = np.array([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]])
    seen = rule.observe(started(rule), NEVER, np.zeros(3, dtype=np.int64), np.arange(3), frames)
    assert seen.stuck.tolist() == [False, False, True]


def test_the_last_matching_limit_is_in_force() -> None:
    rule = Health(
        limits=(
            Limits(channel="temp*", low=0.0, high=10.0),
            Limits(series="oven-*", channel="temp", high=900.0),
            Limits(series="fridge", channel="*", low=-40.0, high=-1.0),
        )
    )
    state = started(rule)
    for key, series in enumerate(("pump", "oven-1")):
        rule.enlist(state, key, series, ("temp", "flow"))
    key = np.array([0, 0, 1, 1])
    frames = np.array([[10.0, 1e9], [11.0, 0.0], [899.0, 0.0], [901.0, np.nan]])
    seen = rule.observe(state, NEVER, key, np.arange(4), frames)
    assert seen.out_of_range.tolist() == [False, True, False, True]


def test_infinite_values_are_outside_any_range() -> None:
    rule = Health(limits=(Limits(low=0.0, high=1.0),))
    state = started(rule, (1,))
    rule.enlist(state, 0, "pump", ("temp",))
    assert alone(rule, state, [np.inf, 0.5, -np.inf, np.nan]).out_of_range.tolist() == [
        True,
        False,
        True,
        False,
    ]


def test_a_series_may_have_its_own_patience() -> None:
    rule = Health(stale_after_ns=5, limits=(Limits(series="slow", stale_after_ns=50),))
    state = started(rule, (1,))
    for key, series in enumerate(("quick", "slow")):
        rule.enlist(state, key, series, ("c0",))
    rule.observe(state, NEVER, np.array([0, 1]), np.array([0, 0]), np.zeros((2, 1)))
    assert [keys.tolist() for keys in rule.silent(state, 20, 2, idle=True)] == [[0], [5]]
    assert [keys.tolist() for keys in rule.silent(state, 51, 2, idle=True)] == [[0, 1], [5, 50]]


@pytest.mark.parametrize("rule", [Health(), Health(stale_after_ns=70), Health(stale_intervals=4.5)])
@pytest.mark.parametrize("rows", [1, 9, 10, 200])
def test_silence_swept_is_the_silence_that_the_next_row_ends(rule: Health, rows: int) -> None:
    time = np.cumsum(np.random.default_rng(rows).integers(1, 20, rows))
    key, values = np.zeros(rows, dtype=np.int64), np.zeros((rows, 1))
    state = started(rule, (1,))
    rule.observe(state, NEVER, key, time, values)
    for later in (1, 50, 71, 500, 10_000):
        clock = int(time[-1]) + later
        swept = rule.silent(state, clock, 1, idle=True)[1].tolist()
        ended = started(rule, (1,))
        rule.observe(ended, NEVER, key, time, values)
        row = rule.observe(ended, clock, np.array([0]), np.array([clock]), np.zeros((1, 1)))
        assert [since for since in row.silent_from.tolist() if since != NEVER] == swept


def test_a_series_without_a_usual_interval_is_not_stale() -> None:
    rule = Health()
    state = started(rule, (1,))
    alone(rule, state, [1.0] * 9)
    assert len(rule.silent(state, 10**15, 1, idle=True)[0]) == 0


def test_staleness_can_be_turned_off() -> None:
    rule = Health(stale_after_ns=0)
    state = started(rule, (1,))
    alone(rule, state, [1.0] * 50)
    assert len(rule.silent(state, 10**15, 1, idle=True)[0]) == 0


def test_a_series_that_is_not_there_is_new() -> None:
    rule = Health()
    assert rule.status(started(rule, (1,)), 0, 2) == ["new", "new"]


def with_scores(rule: Health, values: list[float], scores: list[float]) -> HealthState:
    """The state after one key's rows, one a nanosecond from 0 on."""
    state = started(rule, (1,))
    rule.enlist(state, 0, "pump", ("c0",))
    alone(rule, state, values)
    key = np.zeros(len(values), dtype=np.int64)
    rule.judge(state, key, np.array(values)[:, None], np.array(scores))
    return state


@pytest.mark.parametrize(
    ("clock", "wanted"), [(20, "live"), (22, "live"), (23, "late"), (49, "late"), (50, "stale")]
)
def test_silence_goes_from_live_over_late_to_stale(clock: int, wanted: str) -> None:
    rule = Health()
    state = with_scores(rule, list(range(20)), [1.0] * 20)
    assert rule.status(state, clock, 1) == [wanted]


def test_a_series_without_a_score_yet_is_warming() -> None:
    rule = Health()
    state = with_scores(rule, list(range(20)), [np.nan] * 20)
    assert rule.status(state, 19, 1) == ["warming"]


def test_a_detector_that_falls_silent_is_blind() -> None:
    rule = Health(blind_rows=5)
    state = with_scores(rule, list(range(20)), [1.0] * 10 + [np.nan] * 10)
    assert rule.status(state, 19, 1) == ["blind"]


def test_a_flat_channel_is_stuck() -> None:
    rule = Health(stuck_rows=5)
    state = with_scores(rule, [1.0] * 20, [1.0] * 20)
    assert rule.status(state, 19, 1) == ["stuck"]


def test_a_value_outside_its_range_is_told() -> None:
    rule = Health(limits=(Limits(high=10.0),))
    state = with_scores(rule, list(range(20)), [1.0] * 20)
    assert rule.status(state, 19, 1) == ["out_of_range"]


def test_no_rows_change_nothing() -> None:
    rule = Health()
    state = started(rule)
    none = np.empty(0, dtype=np.int64)
    assert len(rule.observe(state, NEVER, none, none, np.empty((0, 2))).interval) == 0
    assert len(rule.judge(state, none, np.empty((0, 2)), np.empty(0))) == 0
    assert same(state, started(rule))


def test_pixels_are_watched_like_channels() -> None:
    rule = Health(stuck_rows=2)
    state = started(rule, (2, 2))
    frames = np.arange(12.0).reshape(3, 2, 2)
    frames[:, 1, 1] = 5.0
    seen = rule.observe(state, NEVER, np.zeros(3, dtype=np.int64), np.arange(3), frames)
    assert seen.stuck.tolist() == [False, False, True]


@pytest.mark.parametrize(
    "settings", [{"stale_after_ns": -1}, {"stuck_rows": -1}, {"blind_rows": 0}]
)
def test_impossible_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="need stale_after >= 0, stuck_rows >= 0"):
        Health(**settings)


def test_chosen_rows_are_taken_from_every_column() -> None:
    rule = Health(stuck_rows=1)
    seen = alone(rule, started(rule, (1,)), [float(row // 2) for row in range(20)])
    part = seen.take(slice(9, 12))
    assert part.stuck.tolist() == seen.stuck[9:12].tolist()
    np.testing.assert_array_equal(part.interval, seen.interval[9:12])
    assert part.silent_from.tolist() == seen.silent_from[9:12].tolist()
    assert part.out_of_range.tolist() == seen.out_of_range[9:12].tolist()
