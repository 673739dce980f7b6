"""A threshold that bounds the share of false alarms among alarming blocks."""

import numpy as np
import pytest
from oracles.pipeline_runs import Stream, play, resume
from oracles.pipeline_scorers import Height

from tocsin.pipeline.calibrate import Conformal
from tocsin.pipeline.chain import Chain, start
from tocsin.pipeline.durations import parse_duration
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.state import same
from tocsin.pipeline.thresholds.fdr import LordPlusPlus, in_turn
from tocsin.pipeline.thresholds.online_fdr import OnlineFdr, OnlineFdrState
from tocsin.pipeline.types import FloatArray, Spec

MINUTE = parse_duration("1m")


def started(rule: OnlineFdr, keys: int = 1) -> OnlineFdrState:
    state = rule.start()
    grow(state, keys)
    return state


def level(rule: OnlineFdr, state: OnlineFdrState, time: int) -> float:
    return float(rule.alpha(state, np.zeros(1, int), np.array([time]), np.array([1.0 * MINUTE]))[0])


def feed(rule: OnlineFdr, state: OnlineFdrState, tails: FloatArray, first: int = 0) -> FloatArray:
    """The alarm level of each row, a row a minute."""
    levels = np.empty(len(tails))
    for row, tail in enumerate(tails):
        when = (first + row) * MINUTE
        levels[row] = level(rule, state, when)
        rule.observe(state, np.zeros(1, int), np.array([when]), np.array([tail]))
    return levels


@pytest.mark.parametrize("procedure", ["lord", "saffron", "e_lond"])
def test_a_block_is_one_test_of_its_smallest_tail(procedure: str) -> None:
    rule = OnlineFdr(0.2, "10m", procedure, memory=100)  # type: ignore[arg-type]  # a literal
    tails = np.random.default_rng(1).random(300)
    tails[95:130] *= 1e-7
    blocks = tails.reshape(-1, 10)
    p = np.minimum(blocks.min(axis=1) * 10, 1.0)
    wanted, alarms = in_turn(rule._rule(), p)
    found = feed(rule, started(rule), tails).reshape(-1, 10)
    assert found == pytest.approx(np.tile(wanted[:, None] / 10, 10), rel=1e-12)
    assert ((blocks < found).any(axis=1) == alarms).all()
    assert alarms.sum() >= 3


def test_asking_for_the_level_changes_nothing() -> None:
    rule = OnlineFdr(block="5m")
    state, twin = started(rule), started(rule)
    tails = np.random.default_rng(2).random(40)
    feed(rule, state, tails)
    feed(rule, twin, tails)
    for later in (41, 50, 500):
        level(rule, state, later * MINUTE)
    assert same(state, twin)


def test_a_gap_is_no_test() -> None:
    rule = OnlineFdr(block="10m")
    state = started(rule)
    feed(rule, state, np.full(10, 0.5))
    before = level(rule, state, 10 * MINUTE)
    assert level(rule, state, 10_000 * MINUTE) == before


def test_rows_without_a_tail_are_no_test() -> None:
    rule = OnlineFdr(block="10m")
    state = started(rule)
    feed(rule, state, np.full(100, np.nan))
    assert state.tests.tests[0] == 0


def test_a_series_calm_for_long_begins_anew() -> None:
    rule = OnlineFdr(0.2, "1m", restart=20)
    levels = feed(rule, started(rule), np.full(65, 0.9))
    first, _ = in_turn(LordPlusPlus(0.2, memory=20), np.full(20, 0.9))
    assert levels[:60] == pytest.approx(np.tile(first, 3))


def test_each_series_has_its_own_account() -> None:
    rule = OnlineFdr(0.2, "1m")
    state = started(rule, 3)
    key = np.arange(3)
    for row in range(30):
        tail = np.where(key == 1, 1e-9, 0.5)
        rule.observe(state, key, np.full(3, row * MINUTE), tail)
    levels = rule.alpha(state, key, np.full(3, 31 * MINUTE), np.full(3, 1.0 * MINUTE))
    assert levels[0] == levels[2] < levels[1]


def test_an_unknown_interval_gives_no_level() -> None:
    rule = OnlineFdr()
    levels = rule.alpha(started(rule), np.zeros(1, int), np.zeros(1, int), np.array([np.nan]))
    assert np.isnan(levels).all()


def test_most_alarming_blocks_of_a_stream_are_right() -> None:
    rng = np.random.default_rng(3)
    rule, key = OnlineFdr(0.2, "10m"), np.arange(40)
    state = started(rule, len(key))
    blocks = rng.random((60, len(key))) < 0.15  # strange ones
    alarms = np.zeros_like(blocks)
    for row in range(600):
        time = np.full(len(key), row * MINUTE)
        strange = blocks[row // 10]
        tail = np.where(strange, rng.random(len(key)) ** 10, rng.random(len(key)))
        alarms[row // 10] |= tail < rule.alpha(state, key, time, np.full(len(key), 1.0 * MINUTE))
        rule.observe(state, key, time, tail)
    right, wrong = int((alarms & blocks).sum()), int((alarms & ~blocks).sum())
    assert right > 100
    assert wrong <= 0.25 * (right + wrong)


def noise() -> Stream:
    values = np.random.default_rng(4).gumbel(size=(1200, 1))
    values[600:640] += 30.0
    values[900:930] += 30.0
    return Stream(["s0", "s1"] * 600, np.repeat(np.arange(600) * MINUTE, 2), values)


CHAIN = Chain(
    Spec((1,)),
    Height(),
    calibrator=Conformal(history=200, alone=100),
    threshold=OnlineFdr(0.3, "10m"),
)


def test_cuts_do_not_change_alarms_or_state() -> None:
    whole = play(CHAIN, noise())
    state = start(CHAIN)
    parts = [
        resume(CHAIN, state, noise().part(first, last))
        for first, last in ((0, 1), (1, 333), (333, 334), (334, 1200))
    ]
    alpha = np.concatenate([part.verdicts.alpha for part in parts])
    assert np.array_equal(alpha, whole.verdicts.alpha, equal_nan=True)
    assert whole.verdicts.alarm.any()


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match="false-discovery rate"):
        OnlineFdr(target=1.5)
    with pytest.raises(ConfigError, match="block longer than 0"):
        OnlineFdr(block="0s")
