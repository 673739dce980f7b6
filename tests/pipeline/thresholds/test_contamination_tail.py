"""A level that follows how much of a series is anomalous."""

from dataclasses import replace

import numpy as np
import pytest
from oracles.pipeline_runs import Stream, play
from oracles.pipeline_scorers import Height

from tocsin.pipeline.calibrate import Conformal
from tocsin.pipeline.chain import Chain
from tocsin.pipeline.durations import parse_duration
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.thresholds.contamination_tail import ContaminationState, ContaminationTail
from tocsin.pipeline.types import FloatArray, Spec

MINUTE, DAY = parse_duration("1m"), parse_duration("1d")
KEY = np.zeros(1, dtype=np.int64)


def fed(rule: ContaminationTail, tails: FloatArray) -> ContaminationState:
    """The state after a row a minute."""
    state = rule.start()
    grow(state, 1)
    for row, tail in enumerate(tails):
        rule.observe(state, KEY, np.array([row * MINUTE]), np.array([tail]))
    return state


def mixed(share: float, rows: int, seed: int = 1) -> FloatArray:
    """Tails of which a share is anomalous."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random(rows) < share, rng.random(rows) ** 5, rng.random(rows))


@pytest.mark.parametrize("share", [0.02, 0.2])
def test_the_share_of_anomalous_rows_is_found(share: float) -> None:
    rule = ContaminationTail(expected=0.01, rows=50)
    now = np.array([8000 * MINUTE])
    state = fed(rule, mixed(share, 8000))
    assert rule.share(state, KEY, now)[0] == pytest.approx(share, rel=0.35)


def test_a_clean_series_has_a_small_share_and_hardly_alarms() -> None:
    rule = ContaminationTail()
    tails = np.random.default_rng(2).random(5000)
    state = fed(rule, tails)
    alpha = rule.alpha(state, KEY, np.array([5000 * MINUTE]), np.array([np.nan]))[0]
    assert 0 < alpha < 3e-4


def test_the_interval_holds_the_share_and_narrows() -> None:
    rule = ContaminationTail(expected=0.05, rows=20)
    widths = []
    for rows in (100, 5000):
        state, now = fed(rule, mixed(0.05, rows)), np.array([rows * MINUTE])
        low, high = rule.interval(state, KEY, now)
        assert low[0] < rule.share(state, KEY, now)[0] < high[0]
        widths.append(high[0] - low[0])
    assert widths[1] < widths[0] / 2


def test_the_share_of_false_alarms_is_that_of_the_setting() -> None:
    rule = ContaminationTail(expected=0.05, rows=100, false=0.2, sharpness=0.05, most=0.5)
    rng = np.random.default_rng(3)
    strange = rng.random(8000) < 0.05
    tails = np.where(strange, rng.random(8000) ** 20, rng.random(8000))
    alpha = rule.alpha(fed(rule, tails), KEY, np.array([8000 * MINUTE]), np.array([1.0]))[0]
    alarms = tails < alpha
    assert (alarms & ~strange).sum() / alarms.sum() == pytest.approx(0.2, abs=0.08)


def test_what_is_past_is_forgotten_by_event_time() -> None:
    rule = ContaminationTail(expected=0.01, rows=100, half_life="1d")
    state = fed(rule, np.full(500, 1e-9))
    after = [float(rule.share(state, KEY, np.array([days * DAY]))[0]) for days in (1, 5, 20)]
    assert after[0] > after[1] > after[2] == pytest.approx(0.01, rel=0.01)


def test_looking_changes_nothing_and_no_opinion_is_passed_over() -> None:
    rule = ContaminationTail()
    state = fed(rule, mixed(0.1, 50))
    before = (state.anomalous.copy(), state.normal.copy(), state.at.copy())
    rule.alpha(state, KEY, np.array([DAY]), np.array([1.0]))
    rule.interval(state, KEY, np.array([DAY]))
    rule.observe(state, KEY, np.array([DAY]), np.array([np.nan]))
    rule.opened(state, 0, DAY)
    assert [part.tolist() for part in before] == [
        state.anomalous.tolist(),
        state.normal.tolist(),
        state.at.tolist(),
    ]


def test_the_level_never_exceeds_the_most() -> None:
    rule = ContaminationTail(most=0.005)
    state = fed(rule, np.full(5000, 1e-12))
    assert rule.alpha(state, KEY, np.array([5000 * MINUTE]), np.array([1.0]))[0] == 0.005


def test_it_judges_a_stream() -> None:
    values = np.random.default_rng(5).gumbel(size=(800, 1))
    values[600:610] += 60.0
    stream = Stream(["s0"] * 800, np.arange(800) * MINUTE, values)
    chain = Chain(
        Spec((1,)),
        Height(),
        calibrator=Conformal(history=300, alone=100),
        threshold=ContaminationTail(expected=0.01),
    )
    run = play(chain, stream)
    assert run.verdicts.alarm[600:610].any()
    assert run.state.threshold.anomalous[0] > 1


@pytest.mark.parametrize("setting", ["expected", "false", "sharpness", "most"])
def test_shares_lie_between_0_and_1(setting: str) -> None:
    with pytest.raises(ConfigError, match="between 0 and 1"):
        replace(ContaminationTail(), **{setting: 1.0})


def test_a_half_life_is_longer_than_nothing() -> None:
    with pytest.raises(ConfigError, match="half life"):
        ContaminationTail(half_life="0s")
