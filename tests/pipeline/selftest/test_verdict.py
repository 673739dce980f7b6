"""The verdict follows from the scores: what stands out, what is tied, and how sure that is."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.selftest.faults import KINDS, Fault
from tocsin.pipeline.selftest.settings import SelfTest
from tocsin.pipeline.selftest.shadow import Replay
from tocsin.pipeline.selftest.verdict import Bar, Examination, examine, most_of_the_blind
from tocsin.pipeline.types import FloatArray

BAR = Bar(0.5, 1e-6)
ROWS, TRIALS = 60, 20
PLACE, HEIGHT = np.array([0]), np.array([8.0])


def replayed(rise: float = 50.0, seed: int = 0) -> tuple[list[Fault], Replay]:
    """Ordinary scores of 60 rows, and 20 gross spikes that raise the score of their row."""
    rng = np.random.default_rng(seed)
    untouched = rng.exponential(size=ROWS)
    faults = [
        Fault("spike", row, row + 1, PLACE, HEIGHT, gross=True) for row in range(5, 5 + TRIALS)
    ]
    score = np.tile(untouched, (TRIALS + 2, 1))
    for nth, fault in enumerate(faults):
        score[2 + nth, fault.first] += rise
    return faults, Replay(score, np.exp(-score))


def examined(faults: list[Fault], replay: Replay, alpha: float = 1e-4) -> Examination:
    return examine(0, faults, replay, np.full(replay.score.shape[1], alpha), BAR)


def test_faults_that_stand_out_are_seen_and_found() -> None:
    one = examined(*replayed())
    assert (one.state, one.gross, one.mute) == ("healthy", (TRIALS, TRIALS, TRIALS), False)


def test_faults_that_change_nothing_are_not_seen() -> None:
    one = examined(*replayed(rise=0.0))
    assert (one.state, one.gross[:2]) == ("blind", (TRIALS, 0))


def test_faults_that_lower_the_score_are_not_seen() -> None:
    assert examined(*replayed(rise=-50.0)).state == "blind"


def test_faults_that_are_seen_but_raise_no_alarm_are_mute() -> None:
    one = examined(*replayed(), alpha=1e-40)
    assert (one.state, one.mute, one.gross[2]) == ("healthy", True, 0)


def test_too_few_faults_with_an_opinion_show_nothing() -> None:
    faults, replay = replayed(rise=0.0)
    replay.score[2:12] = np.nan
    one = examined(faults, replay)
    assert (one.state, one.gross[0]) == ("unknown", TRIALS - 10)


def test_no_opinion_at_all_is_unknown() -> None:
    faults, replay = replayed()
    nothing = np.full_like(replay.score, np.nan)
    one = examined(faults, Replay(nothing, nothing))
    assert one.state == "unknown"
    assert math.isnan(one.ties)
    assert math.isnan(one.spread)
    assert math.isnan(one.stability)


def test_detector_that_scores_now_and_then_is_heard_at_its_next_score() -> None:
    faults, replay = replayed(rise=0.0)
    late = np.arange(ROWS) % 10 != 9
    replay.score[:, late] = np.nan
    for nth, fault in enumerate(faults):
        replay.score[2 + nth, fault.first // 10 * 10 + 9] += 50.0
    assert examined(faults, replay).gross[1] == TRIALS


def test_rows_that_alarm_themselves_make_no_verdict_of_blind() -> None:
    faults, replay = replayed(rise=0.0)
    replay.tail[:, 40:50] = 1e-9
    assert examined(faults, replay).state == "unknown"


def test_one_odd_row_among_the_untouched_does_not_hide_the_faults() -> None:
    faults, replay = replayed()
    replay.score[:, 50] = 1e6
    assert examined(faults, replay).state == "healthy"


def test_infinite_scores_stand_out() -> None:
    assert examined(*replayed(rise=np.inf)).state == "healthy"


def test_rounding_does_not_stand_out() -> None:
    faults, replay = replayed(rise=0.0)
    flat = np.full_like(replay.score, 0.69)
    for nth, fault in enumerate(faults):
        flat[2 + nth, fault.first] = np.nextafter(0.69, 1)
    one = examined(faults, Replay(flat, replay.tail))
    assert (one.state, one.ties, one.spread) == ("blind", 1.0, 0.0)


def test_known_faults_are_counted_by_kind_and_have_no_say() -> None:
    faults, replay = replayed()
    score = np.vstack([replay.score, replay.score[:1]])
    one = examined(
        [*faults, Fault("drift", 10, 34, PLACE, HEIGHT, gross=False)], Replay(score, score)
    )
    assert one.tested.tolist() == [int(kind == "drift") for kind in KINDS]
    assert one.seen.sum() == 0
    assert one.gross[0] == TRIALS


def test_expected_and_seen_alarms_are_of_the_untouched_rows() -> None:
    faults, replay = replayed()
    replay.tail[0, 7] = 1e-9
    one = examined(faults, replay, alpha=1e-3)
    assert one.expected == pytest.approx(ROWS * 1e-3)
    assert one.alarms == 1 + int((np.exp(-replay.score[0]) < 1e-3).sum())


def test_unknown_alarm_level_is_neither_expected_nor_mute() -> None:
    one = examined(*replayed(), alpha=math.nan)
    assert (one.expected, one.alarms, one.mute) == (0.0, 0, False)


def brute_rank_correlation(one: FloatArray, other: FloatArray) -> float:
    def ranks(values: FloatArray) -> FloatArray:
        return np.array(
            [sum(v < value for v in values) + (sum(v == value for v in values) + 1) / 2
             for value in values]
        )  # fmt: skip

    return float(np.corrcoef(ranks(one), ranks(other))[0, 1])


@pytest.mark.parametrize("seed", range(4))
def test_stability_is_the_rank_correlation(seed: int) -> None:
    rng = np.random.default_rng(seed)
    faults, replay = replayed(seed=seed)
    replay.score[0], replay.score[1] = rng.integers(9, size=(2, ROWS))
    want = brute_rank_correlation(replay.score[0], replay.score[1])
    assert examined(faults, replay).stability == pytest.approx(want)


@given(trials=some.integers(1, 60), healthy=some.floats(0.05, 0.95), log=some.floats(-9, -1))
def test_bar_is_the_largest_count_within_the_rate(trials: int, healthy: float, log: float) -> None:
    rate = 10.0**log
    most = most_of_the_blind(trials, Bar(healthy, rate))

    def upto(count: int) -> float:
        terms = (math.comb(trials, n) * healthy**n * (1 - healthy) ** (trials - n)
                 for n in range(count + 1))  # fmt: skip
        return math.fsum(terms)

    assert upto(most) <= rate * (1 + 1e-9)
    assert upto(most + 1) > rate * (1 - 1e-9)


@pytest.mark.parametrize(
    "wrong",
    [{"every_ns": -1}, {"trials": 0}, {"rows": 20}, {"rate": 0.0}, {"size": 200.0}, {"seed": -1}],
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        SelfTest(**wrong)  # type: ignore[arg-type] # wrong on purpose
