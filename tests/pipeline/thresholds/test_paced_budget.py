"""A level that is steered by what came."""

import numpy as np
import pytest
from oracles.pipeline_runs import Stream, play
from oracles.pipeline_scorers import Height

from tocsin.pipeline.calibrate import Conformal
from tocsin.pipeline.chain import Chain
from tocsin.pipeline.durations import parse_duration
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.events import Episodes
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.threshold import AlertBudget, FixedTail
from tocsin.pipeline.thresholds.forecast import History, expected_incidents
from tocsin.pipeline.thresholds.paced_budget import PacedBudget, PacedBudgetState
from tocsin.pipeline.types import FloatArray, IntArray, Spec

MINUTE, DAY, WEEK = (parse_duration(text) for text in ("1m", "1d", "1w"))


def begun(budget: PacedBudget, keys: int = 1) -> PacedBudgetState:
    state = budget.start()
    grow(state, keys)
    return state


def level(budget: PacedBudget, state: PacedBudgetState, time: IntArray, key: int = 0) -> FloatArray:
    rows = len(time)
    return budget.alpha(state, np.full(rows, key), time, np.full(rows, float(MINUTE)))


def counted(tail: FloatArray, budget: PacedBudget | AlertBudget | FixedTail) -> int:
    rows = len(tail)
    past = History(np.zeros(rows, dtype=np.int64), np.arange(rows) * MINUTE, tail)
    return expected_incidents(past, budget, Episodes(close_rows=1)).incidents


def test_it_begins_where_independent_rows_would_raise_the_budget() -> None:
    budget = PacedBudget("7/week")
    time = np.array([0, DAY, 30 * DAY])
    assert level(budget, begun(budget), time).tolist() == pytest.approx([1 / 1440] * 3)


def test_an_incident_takes_it_down_and_time_takes_it_up_again() -> None:
    budget = PacedBudget("1/day", gain=2.0, up=0.5)
    state = begun(budget)
    budget.opened(state, 0, 0)
    found = level(budget, state, np.array([0, DAY // 2, DAY, 9 * DAY])) * 1440
    assert found.tolist() == pytest.approx([0.01, 0.1, 1.0, 10**0.5])


def test_it_is_never_above_most() -> None:
    budget = PacedBudget("900/day", most=0.02, up=3.0)
    state = begun(budget)
    budget.opened(state, 0, 0)
    assert level(budget, state, np.array([WEEK])).tolist() == [0.02]


@pytest.mark.parametrize("gain", [0.5, 2.0])
def test_no_data_opens_more_incidents_than_it_promises(gain: float) -> None:
    tail = np.full(3 * 10_080, 0.5)
    tail[20::20] = 1e-12  # the smallest there is, every twenty minutes
    budget = PacedBudget("7/week", gain=gain, up=0.5, down=12.0)
    assert counted(tail, budget) <= 7 * 3 + 12.5 / gain + 1
    assert counted(tail, AlertBudget("7/week")) <= 7 * 3 + 7 + 18
    assert counted(tail, FixedTail(1e-6)) > 1000


def test_series_have_a_pace_of_their_own() -> None:
    budget = PacedBudget("1/day")
    state = begun(budget, keys=2)
    budget.opened(state, 1, 0)
    now = np.array([MINUTE])
    assert level(budget, state, now, key=0)[0] > 50 * level(budget, state, now, key=1)[0]


def test_the_cut_into_batches_does_not_matter() -> None:
    values = np.random.default_rng(4).gumbel(size=(1500, 1))
    stream = Stream(["s0"] * 1500, np.arange(1500) * MINUTE, values)
    chain = Chain(
        Spec((1,)),
        Height(),
        calibrator=Conformal(history=300, alone=100, extremes=False),
        threshold=PacedBudget("40/day", most=0.05),
        episodes=Episodes(close_rows=2),
    )
    assert chain.in_bulk
    whole, cut = play(chain, stream), play(chain, stream, [0, 7, 400, 401, 1200, 1500])
    np.testing.assert_array_equal(whole.verdicts.alpha, cut.verdicts.alpha)
    assert len(np.unique(whole.verdicts.alpha[300:])) > 100


@pytest.mark.parametrize(
    "settings", [{"most": 1.0}, {"gain": 0.0}, {"up": -0.1}, {"down": 0.0}, {"budget": "often"}]
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, float | str]) -> None:
    with pytest.raises(ConfigError):
        PacedBudget(**settings)  # type: ignore[arg-type] # of several types
