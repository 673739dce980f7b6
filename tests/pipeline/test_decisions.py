"""Between tail and incident: rules, silences, abstention, quarantine, and thresholds that look."""

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import pytest
from oracles.pipeline_runs import SECOND, Run, Stream, cuts, expect_same, play
from oracles.pipeline_scorers import Height, Spread
from oracles.pipeline_thresholds import Watching

from tocsin.pipeline.calibrate import Conformal
from tocsin.pipeline.chain import Chain
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.events import Episodes
from tocsin.pipeline.gate import Gate
from tocsin.pipeline.rules.abstention import Abstention
from tocsin.pipeline.rules.calendar import Calendar
from tocsin.pipeline.rules.silence import Silence
from tocsin.pipeline.rules.size import Size
from tocsin.pipeline.rules.stage import Rules
from tocsin.pipeline.rules.verdicts import (
    ALARM,
    DIRECTION,
    NO_OPINION,
    OFF_HOURS,
    SILENCED,
    SMALL,
    UNSURE,
)
from tocsin.pipeline.threshold import FixedTail
from tocsin.pipeline.types import FloatArray, IntArray, Spec

CHAIN = Chain(
    Spec((1,)),
    Spread(),
    calibrator=Conformal(history=200, alone=50, least=30),
    threshold=FixedTail(1e-6),
    episodes=Episodes(close_rows=3),
)
ROWS = 400


def stream(**faults: tuple[int, int, float]) -> Stream:
    """Noise from 49 to 51 every second; a fault, by the series' name, is (first, last, size)."""
    names = sorted(faults) or ["a"]
    values = np.random.default_rng(3).uniform(49.0, 51.0, size=(ROWS, len(names)))
    for column, name in enumerate(names):
        first, last, size = faults.get(name, (0, 0, 0.0))
        values[first:last, column] += size
    time = np.repeat(SECOND * np.arange(ROWS), len(names))
    return Stream(names * ROWS, time, values.reshape(-1, 1))


def verdicts(run: Run, first: int, last: int, key: int = 0) -> list[int]:
    """The verdicts of a stretch of one series, each once."""
    mine = run.verdicts.verdict[run.verdicts.key == key]
    return sorted(set(mine[first:last].tolist()))


def opened(run: Run) -> list[tuple[str, int]]:
    return [
        (each.series, each.started_at // SECOND)
        for each in run.of("anomaly")
        if each.state == "open" and each.started_at >= 300 * SECOND
    ]


def ruled(**rules: Any) -> Chain:
    return replace(CHAIN, rules=Rules(**rules))


def test_verdicts_say_what_tail_and_level_say() -> None:
    run = play(CHAIN, stream(a=(300, 310, 30.0)))
    found = run.verdicts
    assert np.array_equal(found.verdict == ALARM, found.alarm)
    assert np.array_equal(found.verdict == NO_OPINION, np.isnan(found.tail))
    assert verdicts(run, 300, 310) == [ALARM]
    assert opened(run) == [("a", 300)]


@pytest.mark.parametrize(
    ("size", "rule", "wanted"),
    [
        (30.0, Size(direction="down"), DIRECTION),
        (-30.0, Size(direction="up"), DIRECTION),
        (30.0, Size(least=40.0), SMALL),
        (30.0, Size(least_share=0.8), SMALL),
        (30.0, Size(direction="up", least=20.0, least_share=0.5, high=100.0), ALARM),
    ],
)
def test_an_alarm_of_the_wrong_size_says_why_and_opens_nothing(
    size: float, rule: Size, wanted: int
) -> None:
    run = play(ruled(sizes=(rule,)), stream(a=(300, 301, size)))
    assert verdicts(run, 300, 301) == [wanted]
    assert opened(run) == ([("a", 300)] if wanted == ALARM else [])


def test_a_silence_opens_nothing_and_only_for_its_series() -> None:
    rules = {"silences": (Silence(290 * SECOND, 320 * SECOND, "a"),)}
    run = play(ruled(**rules), stream(a=(300, 310, 30.0), b=(300, 310, 30.0)))
    assert verdicts(run, 300, 310) == [SILENCED]
    assert opened(run) == [("b", 300)]


def test_a_fault_that_outlasts_its_silence_is_told_at_the_end_of_it() -> None:
    rules = {"silences": (Silence(290 * SECOND, 320 * SECOND),)}
    assert opened(play(ruled(**rules), stream(a=(300, 330, 30.0)))) == [("a", 320)]


def test_a_silence_that_keeps_learning_learns_the_change() -> None:
    rules = {"silences": (Silence(290 * SECOND, 360 * SECOND, learn="keep"),)}
    assert opened(play(ruled(**rules), stream(a=(300, ROWS, 30.0)))) == []


def test_an_incident_that_was_open_stays_open_through_a_silence() -> None:
    chain = ruled(silences=(Silence(305 * SECOND, 320 * SECOND),))
    fault = play(chain, stream(a=(300, 330, 30.0))).of("anomaly")
    fault = [each for each in fault if each.started_at == 300 * SECOND]
    assert [each.state for each in fault] == ["open", "resolved"]
    assert fault[-1].ended_at == 329 * SECOND


def test_nothing_is_learned_of_off_hours_that_freeze() -> None:
    calendar = Calendar(("thu 00:00-00:05", "thu 00:06-24:00"), learn="freeze")
    run = play(ruled(calendars=(calendar,)), stream(a=(300, 310, 30.0)))
    assert verdicts(run, 300, 310) == [OFF_HOURS]
    plain = play(CHAIN, stream())
    assert run.state.scorer.seen[0] == plain.state.scorer.seen[0] - 60


def test_rules_that_match_nothing_change_nothing() -> None:
    rules = Rules(
        sizes=(Size(series="x"),),
        calendars=(Calendar(series="x", holidays=("1970-01-01",)),),
        silences=(Silence(0, 999 * SECOND, "x"),),
    )
    found = stream(a=(300, 310, 30.0), b=(200, 205, -9.0))
    one, other = play(CHAIN, found), play(replace(CHAIN, rules=rules), found)
    np.testing.assert_array_equal(other.verdicts.verdict, one.verdicts.verdict)
    np.testing.assert_array_equal(other.verdicts.tail, one.verdicts.tail)
    assert repr(other.incidents) == repr(one.incidents)


LEVEL = replace(CHAIN, scorer=Height(), threshold=FixedTail(0.01))  # a value is its own score
NORMAL, ODD, STRANGE = 50.0, 50.85, 80.0  # with tails of about 0.5, 0.05, and nothing


def fading(*then: float) -> Stream:
    """Noise, one strange row at second 300, then forty rows that repeat these values, then calm."""
    found = stream()
    found.values[300:] = NORMAL
    found.values[300] = STRANGE
    found.values[301:341, 0] = np.resize(then, 40)
    return found


def fault_of(run: Run) -> list[tuple[str, int | None]]:
    """The states of the incident at second 300, with the second of its end."""
    return [
        (each.state, None if each.ended_at is None else each.ended_at // SECOND)
        for each in run.of("anomaly")
        if each.started_at == 300 * SECOND
    ]


@pytest.mark.parametrize(("factor", "ended"), [(1.0, 300), (20.0, 339)])
def test_rows_between_the_two_levels_keep_an_incident_open(factor: float, ended: int) -> None:
    chain = replace(LEVEL, episodes=Episodes(close_rows=3, close_factor=factor))
    run = play(chain, fading(NORMAL, NORMAL, ODD))
    assert fault_of(run)[-1] == ("resolved", ended)
    assert np.array_equal(run.verdicts.tail < run.verdicts.alpha, run.verdicts.alarm)


DOUBTING = replace(LEVEL, threshold=FixedTail(0.04), abstention=Abstention(0.9))


def test_a_row_near_the_level_is_cannot_say_and_opens_nothing() -> None:
    run = play(DOUBTING, stream(a=(300, 301, 30.0)))
    found = run.verdicts
    unsure = found.verdict == UNSURE
    assert (unsure & (found.tail < 0.04)).any()
    assert (unsure & (found.tail >= 0.04)).any()
    assert not unsure[found.tail > 0.2].any()
    assert not found.alarm[unsure].any()
    begun = {each.started_at for each in run.of("anomaly")}
    assert 300 * SECOND in begun
    assert not begun & set(found.time[unsure].tolist())


def test_rows_that_are_cannot_say_do_not_end_an_incident() -> None:
    doubtful = fading(50.77)  # a tail of 0.035
    run = play(DOUBTING, doubtful)
    assert verdicts(run, 301, 341) == [UNSURE]
    assert fault_of(run) == [("open", None), ("resolved", 300)]
    assert fault_of(play(DOUBTING, doubtful.part(0, 341))) == [("open", None)]
    assert fault_of(play(DOUBTING, fading(NORMAL).part(0, 341)))[-1] == ("resolved", 300)


class Sizeless(Conformal):
    """A calibrator that does not tell how many scores it has."""

    size: ClassVar[Any]

    def __getattribute__(self, name: str) -> Any:
        if name == "size":
            raise AttributeError(name)
        return super().__getattribute__(name)


def test_abstention_needs_a_calibrator_that_tells_its_size() -> None:
    with pytest.raises(ConfigError, match="which Sizeless does not tell"):
        replace(CHAIN, calibrator=Sizeless(), abstention=Abstention())


@pytest.mark.parametrize("certainty", [0.5, 1.0, float("nan")])
def test_a_certainty_that_is_none_is_refused(certainty: float) -> None:
    with pytest.raises(ConfigError, match=r"between 0\.5 and 1"):
        Abstention(certainty)


def slow_start() -> Stream:
    """A fault whose first rows are too small to alarm."""
    found = stream(a=(300, ROWS, 30.0))
    found.values[290:300, 0] = np.linspace(50.0, 51.0, 10)
    return found


def test_rows_in_quarantine_are_dropped_when_an_incident_opens() -> None:
    gate = Gate(learn="quarantine", quarantine_ns=20 * SECOND)
    run = play(replace(CHAIN, gate=gate), slow_start())
    frozen = play(CHAIN, slow_start())
    assert opened(run) == opened(frozen) == [("a", 300)]
    assert frozen.state.scorer.seen[0] >= 299
    assert run.state.scorer.seen[0] <= 280
    assert not len(run.state.waiting)


def test_calm_rows_are_learned_once_they_have_waited() -> None:
    gate = Gate(learn="quarantine", quarantine_ns=20 * SECOND)
    quiet, chain = stream(), replace(CHAIN, gate=gate)
    run = play(chain, quiet)
    assert len(run.state.waiting) == 20
    assert run.state.scorer.seen[0] == ROWS - 20
    plain = play(replace(chain, gate=Gate()), quiet.part(0, ROWS - 20))
    assert run.state.scorer.mean[0] == plain.state.scorer.mean[0]


@dataclass(frozen=True, slots=True)
class Noting(Watching):
    """`Watching`, with the same level for all, that notes what it is shown."""

    shown: Any = field(default=None, compare=False)

    def alpha(self, state: Any, key: IntArray, time: IntArray, interval: FloatArray) -> FloatArray:
        return np.full(len(key), self.level)

    def observe(self, state: Any, key: IntArray, time: IntArray, tail: FloatArray) -> None:
        self.shown.append((key.tolist(), time.tolist(), tail.tolist()))


@pytest.mark.parametrize("edges", [[0, 800], [0, 3, 4, 401, 800], list(range(801))])
def test_a_threshold_that_looks_is_shown_each_tick_once_and_whole(edges: list[int]) -> None:
    shown: list[Any] = []
    run = play(
        replace(CHAIN, threshold=Noting(0.004, shown)),
        stream(a=(300, 310, 30.0), b=(0, 0, 0)),
        edges,
    )
    assert [key for key, _, _ in shown] == [[0, 1]] * ROWS
    assert [time[0] for _, time, _ in shown] == [SECOND * tick for tick in range(ROWS)]
    np.testing.assert_array_equal(np.ravel([tail for _, _, tail in shown]), run.verdicts.tail)


SETTINGS: dict[str, Chain] = {
    "doubting": DOUBTING,
    "doubting, always": replace(DOUBTING, gate=Gate(learn="always")),
    "downward": ruled(sizes=(Size(direction="down", least_share=0.02),)),
    "night shift": ruled(calendars=(Calendar(("thu 00:00-00:05",), learn="freeze"),)),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_rules_and_doubts_give_the_same_in_bulk(name: str) -> None:
    found = stream(a=(300, 310, 30.0), b=(350, 352, -9.0), c=(100, 120, 2.0))
    slow = play(SETTINGS[name], found, fast=False)
    assert len(np.unique(slow.verdicts.verdict)) >= 3
    expect_same(slow, play(SETTINGS[name], found, cuts(len(found), 5, seed=1)))
