"""An alarm level that keeps to a budget, forgives with time, and does not mute a lasting fault."""

from dataclasses import dataclass

import numpy as np
import pytest
from oracles.pipeline_runs import SECOND, Stream, play, resume
from oracles.pipeline_scorers import Height

from tocsin.pipeline.calibrate import Conformal
from tocsin.pipeline.chain import Chain, start
from tocsin.pipeline.durations import parse_budget, parse_duration
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.events import Episodes
from tocsin.pipeline.extremes import SMALLEST
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.threshold import AlertBudget, AlertBudgetState, FixedTail
from tocsin.pipeline.types import Spec

KEY = np.array([0])
MINUTE, DAY = parse_duration("1m"), parse_duration("1d")


def started(rule: AlertBudget) -> AlertBudgetState:
    state = rule.start()
    grow(state, 3)
    return state


def level(rule: AlertBudget, state: AlertBudgetState, time: int, interval: float = MINUTE) -> float:
    return float(rule.alpha(state, KEY, np.array([time]), np.array([interval]))[0])


def test_a_fixed_level_is_the_same_for_every_row() -> None:
    rule = FixedTail(0.003)
    state = rule.start()
    rule.opened(state, 0, 5)
    interval = np.array([np.nan, 1.0, 2.0])
    assert rule.alpha(state, np.arange(3), np.arange(3), interval).tolist() == [0.003] * 3


@pytest.mark.parametrize("level", [0.0, 1.0, -0.1, float("nan")])
def test_a_fixed_level_lies_between_0_and_1(level: float) -> None:
    with pytest.raises(ConfigError, match="a fixed tail needs a level between 0 and 1"):
        FixedTail(level)


@pytest.mark.parametrize(
    ("budget", "interval", "wanted"),
    [
        ("1/day", MINUTE, 1 / 1440),
        ("2/day", MINUTE, 2 / 1440),
        ("2/week/asset", 10 * MINUTE, 2 / 1008),
        ("1/hour", SECOND, 1 / 3600),
    ],
)
def test_the_budget_becomes_a_level_by_the_interval(
    budget: str, interval: int, wanted: float
) -> None:
    rule = AlertBudget(budget)
    assert level(rule, started(rule), 0, interval) == pytest.approx(wanted)


def test_rare_rows_do_not_lift_the_level_above_the_most() -> None:
    rule = AlertBudget("1/day", most=0.02)
    assert level(rule, started(rule), 0, DAY) == 0.02


def test_an_unknown_interval_gives_no_level() -> None:
    rule = AlertBudget()
    assert np.isnan(level(rule, started(rule), 0, np.nan))


def test_incidents_within_the_budget_cost_nothing() -> None:
    rule = AlertBudget("3/day")
    state = started(rule)
    for _ in range(3):
        rule.opened(state, 0, 5)
    assert level(rule, state, 5) == pytest.approx(3 / 1440)


def test_incidents_beyond_the_budget_hold_the_level_back() -> None:
    rule = AlertBudget("1/day")
    state = started(rule)
    for _ in range(3):
        rule.opened(state, 0, 5)
    assert level(rule, state, 5) == pytest.approx(1 / 1440 / 27)


@pytest.mark.parametrize("budget", ["1/day", "7/week", "30/day"])
def test_no_data_opens_more_incidents_than_the_budget_and_a_few(budget: str) -> None:
    rule = AlertBudget(budget)
    state = started(rule)
    count, period, _ = parse_budget(budget)
    opened = 0
    for time in range(0, 60 * DAY, 10 * MINUTE):
        if level(rule, state, time, 10.0 * MINUTE) > SMALLEST:  # whatever there is alarms
            rule.opened(state, 0, time)
            opened += 1
        assert opened <= count / period * time + count + 18
    assert opened > count / period * 60 * DAY


def test_debt_is_paid_off_at_the_rate_of_the_budget() -> None:
    rule = AlertBudget("1/day")
    state = started(rule)
    for _ in range(3):
        rule.opened(state, 0, 0)
    assert level(rule, state, DAY) == pytest.approx(1 / 1440 / 8)
    assert level(rule, state, 2 * DAY) == pytest.approx(1 / 1440)
    rule.opened(state, 0, DAY)
    assert level(rule, state, DAY) == pytest.approx(1 / 1440 / 27)


def test_quiet_times_are_not_saved_up() -> None:
    rule = AlertBudget("1/day")
    state = started(rule)
    rule.opened(state, 0, 0)
    for _ in range(3):
        rule.opened(state, 0, 100 * DAY)
    assert level(rule, state, 100 * DAY) == pytest.approx(1 / 1440 / 27)


def test_each_series_has_its_own_account() -> None:
    rule = AlertBudget("1/day")
    state = started(rule)
    for _ in range(4):
        rule.opened(state, 1, 0)
    levels = rule.alpha(state, np.arange(3), np.zeros(3, dtype=np.int64), np.full(3, 1.0 * MINUTE))
    assert levels[0] == levels[2] > 10 * levels[1]


def test_asking_for_the_level_changes_nothing() -> None:
    rule = AlertBudget("1/day")
    state = started(rule)
    rule.opened(state, 0, 0)
    before = state.debt.copy(), state.at.copy()
    level(rule, state, 5 * DAY)
    assert state.debt.tolist() == before[0].tolist()
    assert state.at.tolist() == before[1].tolist()


@pytest.mark.parametrize("most", [0.0, 1.0])
def test_the_highest_level_lies_between_0_and_1(most: float) -> None:
    with pytest.raises(ConfigError, match="highest level lies between 0 and 1"):
        AlertBudget(most=most)


def test_a_budget_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="is not a budget"):
        AlertBudget("often")


@dataclass(frozen=True)
class Days:
    """Incidents that a detector opens, day by day, when its tails are `eager` times too small."""

    eager: float
    days: int
    before: float = 1.0

    def opened(self, rule: AlertBudget) -> list[int]:
        """The count of each day; in the first half tails are `before` times too small."""
        state = started(rule)
        rng = np.random.default_rng(11)
        counts = [0] * self.days
        for row in range(1440 * self.days):
            factor = self.before if row < 720 * self.days else self.eager
            if rng.random() / factor < level(rule, state, row * MINUTE):
                rule.opened(state, 0, row * MINUTE)
                counts[row // 1440] += 1
        return counts


@pytest.mark.parametrize("eager", [20.0, 200.0])
def test_an_over_eager_detector_is_held_back(eager: float) -> None:
    counts = Days(eager, days=20, before=eager).opened(AlertBudget("2/day"))
    assert sum(counts) < 2 * 2 * 20
    assert sum(counts) > 20


def test_a_detector_that_comes_to_its_senses_recovers_its_level() -> None:
    rule = AlertBudget("2/day")
    counts = Days(1.0, days=24, before=50.0).opened(rule)
    honest = Days(1.0, days=24).opened(rule)
    assert sum(counts[-8:]) > sum(honest[-8:]) / 2


def noise(series: int, days: int, seed: int) -> Stream:
    """Stationary noise, a row a minute."""
    rows = 1440 * days
    values = np.random.default_rng(seed).gumbel(size=(rows * series, 1))
    time = np.repeat(np.arange(rows) * MINUTE, series)
    return Stream([f"s{key}" for key in range(series)] * rows, time, values)


def test_stationary_noise_opens_no_more_than_the_budget() -> None:
    series, days = 6, 8
    chain = Chain(Spec((1,)), Height(), threshold=AlertBudget("1/day"))
    run = play(chain, noise(series, days, seed=12))
    opened = [each for each in run.of("anomaly") if each.state == "open" and each.revision == 1]
    assert series * days / 8 < len(opened) <= series * days


def spiked(*spikes: int) -> Stream:
    """A flat series but for some rows that score 9."""
    values = np.zeros((500, 1))
    values[list(spikes)] = 9.0
    return Stream(["s0"] * 500, np.arange(500) * MINUTE, values)


BUDGET = Chain(
    Spec((1,)),
    Height(),
    calibrator=Conformal(extremes=False),
    threshold=AlertBudget("50/day"),
    episodes=Episodes(merge_gap_ns=20 * MINUTE),
)


def test_an_open_incident_keeps_the_level_it_opened_with() -> None:
    stream, state = spiked(*range(400, 500)), start(BUDGET)
    resume(BUDGET, state, stream.part(0, 405))
    state.threshold.debt[0] = 1e6
    run = resume(BUDGET, state, stream.part(405, 500))
    assert run.verdicts.alarm.all()
    assert len(set(run.verdicts.alpha.tolist())) == 1


def test_a_reopened_incident_costs_nothing_more() -> None:
    run = play(BUDGET, spiked(400, 410))
    assert [each.state for each in run.of("anomaly")] == ["open", "resolved"] * 2
    assert run.state.threshold.debt[0] == 1.0


def test_a_lasting_fault_is_one_incident_and_is_not_muted() -> None:
    stream = noise(1, 4, seed=13)
    stream.values[-1440:] += 40.0
    chain = Chain(Spec((1,)), Height(), threshold=AlertBudget("1/day"))
    run = play(chain, stream)
    fault = [each for each in run.of("anomaly") if each.started_at == stream.time[-1440]]
    assert {each.state for each in fault} <= {"open", "revised"}
    assert len({each.id for each in fault}) == 1
    assert run.verdicts.alarm[-1440:].all()
    assert run.state.threshold.debt[0] <= len({each.id for each in run.of("anomaly")})
