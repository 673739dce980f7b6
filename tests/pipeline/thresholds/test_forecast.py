"""Incidents a week, told before a threshold is set."""

import numpy as np
import pytest
from oracles.pipeline_runs import Stream, play
from oracles.pipeline_scorers import Height

from tocsin.pipeline.calibrate import Conformal
from tocsin.pipeline.chain import Chain
from tocsin.pipeline.durations import parse_duration
from tocsin.pipeline.errors import TocsinError
from tocsin.pipeline.events import Episodes
from tocsin.pipeline.threshold import AlertBudget, FixedTail
from tocsin.pipeline.thresholds.contamination_tail import ContaminationTail
from tocsin.pipeline.thresholds.forecast import History, expected_incidents, settled
from tocsin.pipeline.types import FloatArray, Spec

MINUTE, WEEK = parse_duration("1m"), parse_duration("1w")


def tails(rows: int, seed: int, memory: float = 0.0) -> FloatArray:
    """Tails, by rank, of an autoregressive series."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=rows)
    score = np.empty(rows)
    last = 0.0
    for row in range(rows):
        last = memory * last + noise[row]
        score[row] = last
    return (rows - np.argsort(np.argsort(score))) / rows * 0.999999


def history(tail: FloatArray, key: int = 0) -> History:
    rows = len(tail)
    return History(np.full(rows, key), np.arange(rows) * MINUTE, tail)


@pytest.mark.parametrize("memory", [0.0, 0.9])
@pytest.mark.parametrize("threshold", [FixedTail(0.0005), AlertBudget("7/week")])
def test_the_rate_of_autocorrelated_scores_is_told_within_a_factor_2(
    memory: float, threshold: FixedTail | AlertBudget
) -> None:
    rules = Episodes(close_rows=3)
    past = history(tails(10_080, 1, memory))
    told = expected_incidents(past, threshold, rules)
    came = expected_incidents(history(tails(16 * 10_080, 2, memory)), threshold, rules)
    assert came.wider == 1
    assert came.a_week / 2 < told.a_week < came.a_week * 2


def test_a_rate_too_rare_to_count_is_reckoned_from_wider_levels() -> None:
    told = expected_incidents(history(tails(20_160, 3)), FixedTail(5e-5), Episodes(close_rows=1))
    assert told.wider > 1
    assert 0.5 / 2 < told.a_week < 0.5 * 2
    assert told.low < 0.504 < told.high


def test_the_count_is_that_of_the_pipeline() -> None:
    stream = Stream(
        ["s0"] * 1500,
        np.arange(1500) * MINUTE,
        np.random.default_rng(4).gumbel(size=(1500, 1)),
    )
    rules = Episodes(close_rows=2, merge_gap_ns=5 * MINUTE, open_after_ns=0)
    for threshold in (FixedTail(0.02), AlertBudget("40/day", most=0.05)):
        chain = Chain(
            Spec((1,)),
            Height(),
            calibrator=Conformal(history=300, alone=100, extremes=False),
            threshold=threshold,
            episodes=rules,
        )
        run = play(chain, stream)
        opened = [each for each in run.of("anomaly") if (each.state, each.revision) == ("open", 1)]
        judged = History(run.verdicts.key, run.verdicts.time, run.verdicts.tail)
        told = expected_incidents(judged, threshold, rules)
        assert told.incidents == len(opened) > 10


def test_incidents_that_last_longer_than_a_chunk_are_one() -> None:
    tail = tails(15_000, 5)
    tail[2000:9000] = 1e-9
    rules = Episodes()
    one = np.where(tail == 1e-9, 1e-9, 0.5)
    assert expected_incidents(history(one), FixedTail(0.005), rules).incidents == 1


def test_series_add_up_and_their_lengths_too() -> None:
    one, other = tails(10_080, 6), tails(10_080, 7)
    both = History(
        np.repeat([0, 5], 10_080),
        np.tile(np.arange(10_080) * MINUTE, 2),
        np.concatenate([one, other]),
    )
    rules = Episodes(close_rows=1)
    apart = [expected_incidents(history(each), FixedTail(0.01), rules) for each in (one, other)]
    found = expected_incidents(both, FixedTail(0.01), rules)
    assert found.incidents == sum(each.incidents for each in apart)
    assert found.weeks == pytest.approx(2, rel=0.001)
    assert found.series == 2


def test_a_threshold_that_learns_is_judged_row_by_row() -> None:
    rules = Episodes(close_rows=1)
    rule = ContaminationTail(expected=0.05, rows=200, most=0.02)
    found = expected_incidents(history(tails(1500, 8)), rule, rules)
    assert found.incidents > 0


def test_no_incident_still_has_an_upper_end() -> None:
    found = expected_incidents(history(np.full(10_080, 0.5)), FixedTail(0.001), Episodes())
    assert (found.a_week, found.low) == (0.0, 0.0)
    assert found.high > 0


def test_a_history_without_opinions_is_refused() -> None:
    with pytest.raises(TocsinError, match="has no tail"):
        expected_incidents(history(np.full(50, np.nan)), FixedTail(0.01), Episodes())
    with pytest.raises(TocsinError, match="for each row"):
        History(np.zeros(2, int), np.zeros(3, int), np.zeros(3))


def test_a_history_too_short_to_tell_leaves_the_budget_standing() -> None:
    silent = expected_incidents(history(np.full(1440, 0.5)), AlertBudget("7/week"), Episodes())
    told = silent.under(7.0)
    assert told.a_week == pytest.approx(3.5, rel=0.01)
    assert 0 < told.low < 3.5 < told.high


def test_a_long_history_outweighs_the_budget() -> None:
    busy = expected_incidents(history(tails(50_400, 9)), FixedTail(0.01), Episodes(close_rows=1))
    assert busy.under(2.0).a_week == pytest.approx(busy.a_week, rel=0.15)


def test_settling_leaves_out_the_first_opinions_and_never_more_than_half() -> None:
    tail = tails(100, 10)
    tail[:10] = np.nan
    both = History(np.repeat([0, 1], 100), np.tile(np.arange(100), 2), np.tile(tail, 2))
    assert np.isnan(settled(both, 20).tail).reshape(2, 100).sum(axis=1).tolist() == [30, 30]
    assert np.isnan(settled(both, 500).tail).reshape(2, 100).sum(axis=1).tolist() == [55, 55]
