"""The whole chain: faults change nothing but what they must, and each is told once."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from oracles.pipeline_chains import PLAIN
from oracles.pipeline_runs import (
    SECOND,
    Run,
    Stream,
    cuts,
    expect_same,
    play,
    resume,
    troubled,
)
from oracles.pipeline_scorers import (
    MUTE,
    TRIP,
    Height,
    Muting,
    Spread,
    Tripping,
)

from tocsin.pipeline.acceptance import accept
from tocsin.pipeline.calibrate import Conformal
from tocsin.pipeline.chain import start
from tocsin.pipeline.events import Episodes
from tocsin.pipeline.gate import Gate
from tocsin.pipeline.grid import Grid
from tocsin.pipeline.order import Order
from tocsin.pipeline.state import same
from tocsin.pipeline.step import close, idle, step
from tocsin.pipeline.threshold import FixedTail


def noise(ticks: int, keys: int = 3, seed: int = 0) -> Stream:
    """Calm rows of a few series, one a second; a tick's rows stand together."""
    values = np.random.default_rng(seed).normal(size=(ticks * keys, 2))
    time = np.repeat(np.arange(ticks) * SECOND, keys)
    return Stream([f"s{key}" for key in range(keys)] * ticks, time, values)


def of_series(run: Run, key: int) -> tuple[Any, ...]:
    rows = run.verdicts.key == key
    return run.verdicts.score[rows], run.verdicts.tail[rows], run.verdicts.alarm[rows]


@pytest.mark.parametrize("scorer", [Tripping(), Tripping(on_score=False)], ids=["score", "learn"])
@pytest.mark.parametrize("fast", [True, False])
def test_a_series_that_its_detector_raises_on_leaves_the_others_alone(
    scorer: Tripping, *, fast: bool
) -> None:
    calm, harmed = noise(200), noise(200)
    harmed.values[[301, 304, 451]] = TRIP  # rows of s1
    chain = replace(PLAIN, scorer=scorer, gate=Gate(learn="always"))
    with_trouble, without = play(chain, harmed, fast=fast), play(chain, calm, fast=fast)
    for key in (0, 2):
        for found, wanted in zip(
            of_series(with_trouble, key), of_series(without, key), strict=True
        ):
            np.testing.assert_array_equal(found, wanted)


def test_a_detector_that_raises_opens_an_incident_that_ends_when_it_works_again() -> None:
    stream = noise(200)
    stream.values[[301, 304]] = TRIP  # rows of s1, seconds 100 and 101
    run = play(replace(PLAIN, scorer=Tripping()), stream)
    opened, resolved = run.of("detector_failed")
    assert (opened.series, opened.state, opened.started_at) == ("s1", "open", 100 * SECOND)
    assert (resolved.state, resolved.rows) == ("resolved", 2)
    assert np.isnan(of_series(run, 1)[0][[100, 101]]).all()
    assert not np.isnan(of_series(run, 1)[0][102])


def test_a_detector_that_raises_while_learning_is_told_with_the_series_next_row() -> None:
    stream = noise(200)
    stream.values[301] = TRIP  # s1 at second 100
    run = play(replace(PLAIN, scorer=Tripping(on_score=False), gate=Gate(learn="always")), stream)
    opened, resolved = run.of("detector_failed")
    assert (opened.series, opened.state, opened.started_at) == ("s1", "open", 101 * SECOND)
    assert (resolved.state, resolved.rows) == ("resolved", 1)


def test_a_stuck_channel_is_named() -> None:
    stream = noise(200)
    stream.values[1::3, 1][100:] = 0.5  # the second channel of s1 from second 100 on
    opened, *_ = play(PLAIN, stream).of("stuck")
    name = PLAIN.spec.channel_names()[1]
    assert (opened.series, opened.channels) == ("s1", ((name, 1.0),))
    assert opened.reason == f"{name} has been 0.5 since 1970-01-01T00:01:40Z, 21 rows over 20s"
    assert opened.readings == ((0.5, None, None),)


def test_a_detector_that_loses_its_opinion_is_blind() -> None:
    stream = noise(200)
    stream.values[1::3][100:] = MUTE  # s1 from second 100 on
    run = play(replace(PLAIN, scorer=Muting()), stream)
    (opened,) = run.of("blind")
    assert (opened.series, opened.state) == ("s1", "open")
    assert opened.started_at == (100 + PLAIN.health.blind_rows) * SECOND


def test_a_detector_that_warms_up_is_not_blind() -> None:
    assert play(replace(PLAIN, scorer=Spread(warmup=150)), noise(120)).of("blind") == []


def lasting_fault() -> Stream:
    """One series whose level moves for good at second 300."""
    stream = noise(600, keys=1)
    stream.values[300:] += 30.0
    return stream


FAULTY = replace(
    PLAIN,
    threshold=FixedTail(0.001),
    gate=Gate(at_most_ns=60 * SECOND),
    episodes=Episodes(close_rows=5),
)


def test_a_lasting_fault_is_not_learned() -> None:
    run = play(FAULTY, lasting_fault())
    assert run.verdicts.alarm[300:].all()
    assert run.verdicts.score[-1] > 10
    fault = [each for each in run.of("anomaly") if each.started_at == 300 * SECOND]
    assert [each.state for each in fault] == ["open", "revised"]


def test_a_person_is_asked_about_a_lasting_fault() -> None:
    run = play(FAULTY, lasting_fault(), range(0, 601, 4))
    assert [each.asks for each in run.of("anomaly")[-2:]] == ["", "is this the new normal?"]


def test_an_accepted_level_is_learned_and_the_incident_ends() -> None:
    stream, state = lasting_fault(), start(FAULTY)
    resume(FAULTY, state, stream.part(0, 400))
    told = accept(FAULTY, state, "s0").incidents
    run = resume(FAULTY, state, stream.part(400, 600))
    assert [(each.state, each.started_at) for each in told] == [("resolved", 300 * SECOND)]
    assert told[0].reason.endswith("accepted as the new normal")
    assert not run.verdicts.alarm.any()
    assert not run.of("anomaly")


def test_with_a_gate_that_always_learns_a_level_becomes_normal_by_itself() -> None:
    run = play(replace(FAULTY, gate=Gate(learn="always")), lasting_fault())
    assert not run.verdicts.alarm[-20:].any()
    assert run.of("anomaly")[-1].state == "resolved"


def test_too_many_series_are_refused_and_the_others_go_on() -> None:
    stream = noise(100)
    chain = replace(PLAIN, max_series=2)
    run = play(chain, stream, cuts(len(stream), 7, seed=1))
    assert run.refused == [(row, "too_many_series") for row in range(2, 300, 3)]
    alone = play(PLAIN, Stream(*_without(stream, "s2")))
    for key in (0, 1):
        for found, wanted in zip(of_series(run, key), of_series(alone, key), strict=True):
            np.testing.assert_array_equal(found, wanted)


def _without(stream: Stream, series: str) -> tuple[list[str], Any, Any]:
    kept = [row for row, name in enumerate(stream.series) if name != series]
    return [stream.series[row] for row in kept], stream.time[kept], stream.values[kept]


def test_refused_rows_are_told_by_their_place_in_the_input() -> None:
    chain = replace(PLAIN, max_series=1)
    rows = [("a", 5), ("b", 6), ("a", 5), ("a", 4), ("a", 7)]
    outcome = step(
        chain,
        start(chain),
        [series for series, _ in rows],
        np.array([time for _, time in rows]),
        np.zeros((5, 2)),
    )
    assert outcome.refused == [(1, "too_many_series"), (2, "duplicate"), (3, "late")]


def test_a_clock_that_ran_ahead_at_the_start_makes_no_other_series_stale() -> None:
    stream = noise(100)
    stream.time[7] += 300 * SECOND  # too early for a jump to be told from the usual step
    assert not play(PLAIN, stream).of("stale")


def test_a_series_that_falls_silent_is_told_once_in_any_cut() -> None:
    stream = silent_after(100)
    whole = play(PLAIN, stream)
    assert [(told.series, told.state) for told in whole.of("stale")] == [("s1", "open")]
    expect_same(whole, play(PLAIN, stream, range(len(stream) + 1)))


def silent_after(ticks: int) -> Stream:
    """Three series of which s1 falls silent; the others go on to second 200."""
    stream = noise(200)
    kept = [
        row
        for row, name in enumerate(stream.series)
        if name != "s1" or stream.time[row] < ticks * SECOND
    ]
    return Stream([stream.series[row] for row in kept], stream.time[kept], stream.values[kept])


def test_a_silent_series_opens_an_incident_while_the_others_go_on() -> None:
    (opened,) = play(PLAIN, silent_after(100)).of("stale")
    assert (opened.series, opened.state) == ("s1", "open")
    assert opened.started_at == (99 + 8) * SECOND


def test_a_silence_that_everybody_shares_is_found_by_the_clock_on_the_wall() -> None:
    stream = noise(100)
    state = start(PLAIN)
    resume(PLAIN, state, stream)
    assert idle(PLAIN, state, 105 * SECOND).incidents == []
    outcome = idle(PLAIN, state, 150 * SECOND)
    assert [each.series for each in outcome.incidents] == ["s0", "s1", "s2"]
    assert outcome.touched.tolist() == [0, 1, 2]
    assert len(outcome.verdicts) == 0
    assert idle(PLAIN, state, 160 * SECOND).incidents == []


def test_a_silence_has_one_id_whether_the_clock_or_a_row_tells_it() -> None:
    before = noise(100, keys=1)
    after = Stream(["s0"] * 2, np.array([150, 151]) * SECOND, np.zeros((2, 2)))
    watched, unwatched = start(PLAIN), start(PLAIN)
    for state in (watched, unwatched):
        resume(PLAIN, state, before)
    told = idle(PLAIN, watched, 120 * SECOND).incidents + resume(PLAIN, watched, after).incidents
    assert repr(told) == repr(resume(PLAIN, unwatched, after).incidents)
    assert [each.state for each in told if each.kind == "stale"] == ["open", "resolved"]


def test_a_series_heard_again_resolves_its_silence() -> None:
    stream = noise(200)
    gone = (np.array(stream.series) == "s1") & (stream.time // SECOND // 40 == 2)
    kept = np.flatnonzero(~gone)
    heard = Stream([stream.series[row] for row in kept], stream.time[kept], stream.values[kept])
    opened, resolved = play(PLAIN, heard).of("stale")
    assert (opened.state, resolved.state) == ("open", "resolved")
    assert resolved.ended_at == 120 * SECOND
    assert resolved.id == opened.id


def test_a_fault_in_one_series_leaves_the_others_alone() -> None:
    calm, harmed = noise(200), noise(200)
    harmed.values[1::3][100:150] += 30.0
    chain = replace(PLAIN, calibrator=Conformal(history=60, alone=10, least=10))
    for key in (0, 2):
        for found, wanted in zip(
            of_series(play(chain, harmed), key), of_series(play(chain, calm), key), strict=True
        ):
            np.testing.assert_array_equal(found, wanted)


def test_missing_rows_neither_keep_nor_end_an_incident() -> None:
    stream = noise(200, keys=1)
    stream.values[100:103] += 50.0
    stream.values[103:150] = np.nan
    run = play(FAULTY, stream)
    fault = [each for each in run.of("anomaly") if each.started_at == 100 * SECOND]
    assert [each.state for each in fault] == ["open", "resolved"]
    assert fault[-1].ended_at == 102 * SECOND
    assert fault[-1].rows == 3
    assert np.isnan(run.verdicts.tail[103:150]).all()


def test_a_late_row_joins_the_open_tick() -> None:
    rows = [("a", 5), ("b", 5), ("a", 6), ("b", 4), ("c", 3)]
    outcome = step(
        PLAIN,
        start(PLAIN),
        [series for series, _ in rows],
        np.array([time for _, time in rows]),
        np.zeros((5, 2)),
    )
    assert outcome.refused == [(3, "late")]
    assert outcome.verdicts.time.tolist() == [5, 5, 6, 3]


def test_nothing_in_is_nothing_out() -> None:
    state = start(PLAIN)
    none = np.empty(0, dtype=np.int64)
    outcome = step(PLAIN, state, [], none, np.empty((0, 2)))
    assert (len(outcome.verdicts), outcome.incidents, outcome.refused) == (0, [], [])
    assert same(state, start(PLAIN))


def test_closing_judges_what_waits() -> None:
    chain = replace(PLAIN, scorer=Height(), order=Order(lateness_ns=10), grid=Grid(5))
    state = start(chain)
    outcome = step(chain, state, ["a", "a"], np.array([0, 7]), np.ones((2, 2)))
    assert len(outcome.verdicts) == 0
    assert close(chain, state).verdicts.time.tolist() == [5, 10]
    assert len(close(chain, state).verdicts) == 0


@pytest.mark.parametrize("name", ["moving_z", "ewma"])
def test_real_detectors_go_through_fast_and_slow_alike(name: str) -> None:
    ewma = pytest.importorskip("tocsin.detectors.classical.ewma")
    moving_z = pytest.importorskip("tocsin.detectors.classical.moving_z")
    scorer = {"moving_z": moving_z.MovingZ, "ewma": ewma.Ewma}[name]()
    chain = replace(PLAIN, scorer=scorer)
    stream = troubled(10, disorder=True)
    slow = play(chain, stream, fast=False)
    assert slow.of("anomaly")
    expect_same(slow, play(chain, stream, cuts(len(stream), 20, seed=10)))


def test_a_flat_channel_that_jumps_is_named() -> None:
    ewma = pytest.importorskip("tocsin.detectors.classical.ewma")
    stream = noise(300, keys=1)
    stream.values[:, 1] = 4.0
    stream.values[250:, 1] = 5.0
    run = play(replace(FAULTY, scorer=ewma.Ewma()), stream)
    fault = [each for each in run.of("anomaly") if each.started_at == 250 * SECOND]
    assert fault[0].channels[0] == ("c1", 1.0)


def test_closing_touches_what_it_learns() -> None:
    stream = noise(50)
    state = start(PLAIN)
    step(PLAIN, state, stream.series, stream.time, stream.values)
    assert close(PLAIN, state).touched.tolist() == [0, 1, 2]


def test_rows_that_waited_long_enough_are_judged_as_they_would_have_been() -> None:
    chain = replace(PLAIN, order=Order(lateness_ns=5 * SECOND))
    stream = noise(100)
    whole = play(chain, stream)
    state = start(chain)
    told = step(chain, state, stream.series, stream.time, stream.values)
    assert len(told.verdicts) < len(stream)
    early = idle(chain, state, 99 * SECOND + 4 * SECOND)
    assert len(early.verdicts) == len(early.touched) == 0
    late = idle(chain, state, 99 * SECOND + 5 * SECOND)
    assert len(told.verdicts) + len(late.verdicts) == len(stream)
    np.testing.assert_array_equal(late.verdicts.tail, whole.verdicts.tail[-len(late.verdicts) :])
