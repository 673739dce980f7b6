"""Even tails are rarely doubted, uneven ones soon, and other rows are not looked at."""

from collections import Counter, defaultdict
from typing import Any

import numpy as np
import pytest
from oracles.calibration import jumper_bets

from tocsin.pipeline.calibration.drift import DriftState, DriftWatch, Tails, open_before
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.incidents import Incident, State
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.state import same
from tocsin.pipeline.types import BoolArray, FloatArray


def started(watch: DriftWatch, keys: int = 1) -> DriftState:
    state = watch.start()
    grow(state, keys)
    return state


def rows_of(tail: FloatArray, alpha: float = 0.0) -> Tails:
    """Tails (T, K), a tick a row."""
    key = np.tile(np.arange(tail.shape[1]), len(tail))
    return Tails(key, tail.ravel(), np.full(tail.size, alpha), np.zeros(tail.size, dtype=bool))


def doubted(watch: DriftWatch, tail: FloatArray, alpha: float = 0.0) -> BoolArray:
    """Where (T, K) a series is in doubt."""
    state = started(watch, tail.shape[1])
    return watch.advance(state, rows_of(tail, alpha)).reshape(tail.shape)


def slowly(watch: DriftWatch, rows: Tails) -> list[bool]:
    """The rule, row by row: the jumper's value anew for each bet, and a plain count."""
    found: list[bool] = []
    since, doubt = Counter[int](), Counter[int]()
    tails, evidence = defaultdict[int, list[float]](list), defaultdict[int, float](float)
    columns = (rows.key, rows.tail, rows.alpha, rows.aside)
    for key, tail, alpha, aside in zip(*(each.tolist() for each in columns), strict=True):
        if tail < alpha:
            since[key] = 0
        elif tail >= alpha and not aside:
            since[key] += 1
        if since[key] == watch.every_rows:
            since[key] = 0
            tails[key].append((tail - alpha) / (1 - alpha))
            worth = [1.0, *jumper_bets(tails[key], 0.01)]
            evidence[key] = (1 + evidence[key]) * worth[-1] / worth[-2]
            doubt[key] = max(doubt[key] - 1, 0)
            if evidence[key] >= watch.patience:
                evidence[key], doubt[key] = 0.0, watch.quiet
        found.append(doubt[key] > 0)
    return found


def mixed(seed: int) -> Tails:
    """Rows of three series in any order: some have no tail, some are aside or under their level."""
    rng = np.random.default_rng(seed)
    tail = rng.random(300) ** np.where(np.arange(300) > 100, 2.5, 1.0)
    tail[rng.random(300) < 0.1] = np.nan
    alpha = rng.choice([np.nan, 0.0, 0.02, 0.2], 300, p=[0.02, 0.48, 0.4, 0.1])
    return Tails(rng.integers(0, 3, 300), tail, alpha, rng.random(300) < 0.1)


def revision(state: State) -> Incident:
    """An anomaly's revision, of which only the state counts."""
    return Incident(
        id="1", revision=1, state=state, kind="anomaly", series="a", started_at=0, opened_at=0,
        ended_at=None, peak_at=0, score=1.0, tail=0.1, alpha=0.2, severity=1.0, level="warning",
        rows=1, channels=(), reason="",
    )  # fmt: skip


@pytest.mark.parametrize("every", [1, 3])
def test_the_watch_is_the_rule_row_by_row(every: int) -> None:
    watch = DriftWatch(patience=30.0, every_rows=every, quiet=7)
    found = watch.advance(started(watch, 3), mixed(1)).tolist()
    assert found == slowly(watch, mixed(1))
    assert 0 < sum(found) < len(found)


@pytest.mark.parametrize("every", [1, 4])
def test_no_cut_changes_a_bit(every: int) -> None:
    watch, rows = DriftWatch(patience=30.0, every_rows=every, quiet=7), mixed(2)
    whole = started(watch, 3)
    wanted = watch.advance(whole, rows)
    for step in (1, 7, 300):
        state, found = started(watch, 3), []
        for first in range(0, 300, step):
            at = slice(first, first + step)
            part = Tails(rows.key[at], rows.tail[at], rows.alpha[at], rows.aside[at])
            found.append(watch.advance(state, part))
        np.testing.assert_array_equal(np.concatenate(found), wanted)
        assert same(state, whole)


def test_even_tails_are_doubted_no_more_often_than_promised() -> None:
    watch = DriftWatch(patience=200.0, every_rows=1, quiet=1)
    found = doubted(watch, np.random.default_rng(3).random((3000, 200)))
    # With a quiet of 1, a doubt lasts for one tail; a mean of about 2600 in all.
    assert 0.7 * found.size / 200 < found.sum() < 1.05 * found.size / 200


def test_even_tails_above_their_level_count_as_even() -> None:
    watch = DriftWatch(patience=200.0, every_rows=1, quiet=1)
    even = np.random.default_rng(4).random((1000, 50))
    squeezed = 0.25 + 0.75 * even
    wanted = doubted(watch, even)
    np.testing.assert_array_equal(doubted(watch, squeezed, 0.25), wanted)
    assert doubted(watch, squeezed).sum() > 5 * wanted.sum()


@pytest.mark.parametrize(("power", "what"), [(2.0, "smaller"), (0.5, "larger")])
def test_tails_that_have_become_smaller_or_larger_are_doubted(power: float, what: str) -> None:
    tail = np.random.default_rng(5).random((700, 20))
    tail[300:] **= power
    found = doubted(DriftWatch(patience=1e4, every_rows=1), tail)
    assert not found[:300].any()
    assert found[600].all(), what


def test_one_row_in_so_many_is_looked_at() -> None:
    tail = np.full((100, 1), 0.9)
    tail[9::10] = 0.01
    ten = doubted(DriftWatch(patience=20.0, every_rows=10), tail)
    np.testing.assert_array_equal(
        ten[9::10], doubted(DriftWatch(patience=20.0, every_rows=1), tail[9::10])
    )
    assert not ten[:9].any()


def test_the_count_begins_again_after_a_row_under_its_level() -> None:
    watch = DriftWatch(every_rows=4)
    state = started(watch)
    watch.advance(state, rows_of(np.array([[0.5], [0.5], [0.5], [0.001], [0.5]]), alpha=0.01))
    assert (state.since[0], state.evidence[0]) == (1, 0.0)


@pytest.mark.parametrize("row", [(np.nan, 0.1, False), (0.5, np.nan, False), (0.5, 0.1, True)])
def test_rows_that_tell_nothing_change_nothing(row: tuple[float, float, bool]) -> None:
    watch = DriftWatch(every_rows=2)
    state, before = started(watch), started(watch)
    for each in (state, before):
        watch.advance(each, rows_of(np.array([[0.2], [0.3], [0.4]])))
    tail, alpha, aside = row
    one = Tails(np.zeros(1, np.int64), np.array([tail]), np.array([alpha]), np.array([aside]))
    watch.advance(state, one)
    assert same(state, before)
    watch.advance(state, Tails(one.key[:0], one.tail[:0], one.alpha[:0], one.aside[:0]))
    assert same(state, before)


def test_a_doubt_ends_so_many_tails_after_the_evidence_last_ran_over() -> None:
    watch = DriftWatch(patience=90.0, every_rows=1, quiet=10)
    tail = np.concatenate([np.full(40, 0.1), np.full(80, 0.5)])[:, None]
    found = doubted(watch, tail)[:, 0]
    state, evidence = started(watch), list[float]()
    for row in tail:
        watch.advance(state, rows_of(row[None]))
        evidence.append(float(state.evidence[0]))
    assert max(evidence) < 90.0
    raised = [row for row, value in enumerate(evidence) if value == 0.0]
    wanted = [any(row - 10 < each <= row for each in raised) for row in range(len(tail))]
    assert found.tolist() == wanted
    assert False in wanted[raised[0] :]


def test_a_shorter_quiet_ends_a_doubt_sooner() -> None:
    long, short = (DriftWatch(patience=20.0, every_rows=1, quiet=quiet) for quiet in (500, 3))
    state = started(long)
    assert long.advance(state, rows_of(np.full((9, 1), 0.05)))[-1]
    found = short.advance(state, rows_of(np.full((4, 1), 0.5)))
    assert found.tolist() == [True, True, False, False]


def test_an_anomaly_is_open_from_the_row_after_it_opens_to_the_one_that_resolves_it() -> None:
    key = np.array([0, 1, 0, 1, 0, 1, 0])
    told = [(2, revision("open")), (2, revision("revised"))]
    told += [(3, revision("resolved")), (6, revision("resolved"))]
    begun = key == 1
    found = open_before(key, begun, told)
    assert found.tolist() == [False, True, False, True, True, False, True]
    assert open_before(key, begun, []).tolist() == begun.tolist()


@pytest.mark.parametrize(
    "settings", [{"patience": 1.0}, {"patience": np.inf}, {"every_rows": 0}, {"quiet": 0}], ids=str
)
def test_impossible_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="a drift watch needs"):
        DriftWatch(**settings)
