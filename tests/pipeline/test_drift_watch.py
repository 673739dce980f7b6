"""A watch on the calibrator tells of tails that are no longer even, and changes nothing else."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from oracles.pipeline_chains import CHAINS, PLAIN
from oracles.pipeline_runs import SECOND, Run, Stream, cuts, expect_same, play, resume, troubled
from oracles.pipeline_scorers import Crowd

from tocsin.pipeline.acceptance import accept
from tocsin.pipeline.blobs import decode, encode
from tocsin.pipeline.calibrate import Conformal
from tocsin.pipeline.calibration.conditional import Conditional
from tocsin.pipeline.calibration.drift import DriftState, DriftWatch
from tocsin.pipeline.chain import Chain, ChainState, NoState, start
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.events import ANOMALY, LANES, OPEN, UNCALIBRATED
from tocsin.pipeline.gate import Gate
from tocsin.pipeline.incidents import Incident
from tocsin.pipeline.rules.silence import Silence
from tocsin.pipeline.rules.stage import Rules
from tocsin.pipeline.snapshot import block_of, header, moved, restore, shared_part
from tocsin.pipeline.state import flatten, same
from tocsin.pipeline.step import step
from tocsin.pipeline.threshold import FixedTail
from tocsin.pipeline.types import Spec

KIND = "uncalibrated"
LIGHT = DriftWatch(patience=20.0, every_rows=2, quiet=8)  # on even tails it raises often
STEADY = Chain(
    Spec((1,)),
    Crowd(keep=0.99),  # has no spread of its own that could follow that of the rows
    calibrator=Conformal(history=2000, alone=50, extremes=False),
    threshold=FixedTail(2e-3),
    gate=Gate(learn="always"),
)
WATCH = DriftWatch(patience=1e4, every_rows=2, quiet=200)


def spread(rows: int, wider: int, until: int, seed: int = 0) -> Stream:
    """Noise of a series whose spread is twice as large from one row to another."""
    values = np.random.default_rng(seed).normal(size=(rows, 1))
    values[wider:until] *= 2
    return Stream(["s"] * rows, np.arange(rows) * SECOND, values)


def watched(state: ChainState) -> DriftState:
    assert isinstance(state.drift, DriftState)
    return state.drift


def other_incidents(run: Run) -> list[str]:
    """All that is told of anything else, less the groups, which the watch's incidents have too."""
    return [repr(replace(each, group="")) for each in run.incidents if each.kind != KIND]


def other_state(state: ChainState) -> dict[str, Any]:
    """Everything that is remembered, but for the watch and its lane."""
    found: dict[str, Any] = {}
    for path, part in flatten(state).items():
        if path.startswith("episodes.") and np.shape(part)[1:] == (len(LANES),):
            found[path] = np.delete(part, UNCALIBRATED, axis=1)
        elif not path.startswith(("drift.", "grouping.")):
            found[path] = part
    return found


@pytest.mark.parametrize("name", CHAINS)
def test_scores_verdicts_learning_and_other_incidents_are_as_without_it(name: str) -> None:
    stream = troubled(4, ticks=200, disorder=True)
    without = play(CHAINS[name], stream)
    run = play(replace(CHAINS[name], drift=LIGHT), stream)
    assert run.of(KIND)
    for column in ("key", "time", "score", "tail", "alpha", "alarm", "verdict"):
        one, other = getattr(run.verdicts, column), getattr(without.verdicts, column)
        np.testing.assert_array_equal(one, other, err_msg=column)
    assert other_incidents(run) == other_incidents(without)
    one, other = other_state(run.state), other_state(without.state)
    assert one.keys() == other.keys()
    assert [path for path in one if repr(one[path]) != repr(other[path])] == []


@pytest.mark.parametrize("name", ["plain", "late", "gaps", "rules", "grouped", "watched"])
def test_no_cut_and_no_path_changes_what_it_finds(name: str) -> None:
    chain, stream = replace(CHAINS[name], drift=LIGHT), troubled(5, ticks=160, disorder=True)
    whole = play(chain, stream)
    assert {each.state for each in whole.of(KIND)} == {"open", "resolved"}
    expect_same(whole, play(chain, stream, cuts(len(stream), 12, seed=1)))
    expect_same(whole, play(chain, stream, range(len(stream) + 1), fast=False))


@pytest.mark.parametrize("name", ["plain", "grouped", "watched"])
def test_stopped_and_resumed_is_never_stopped(name: str) -> None:
    chain, stream = replace(CHAINS[name], drift=LIGHT), troubled(6, disorder=True)
    whole = play(chain, stream, [0, 350, 700, len(stream)])
    state, incidents = start(chain), list[Incident]()
    for first, last in ((0, 350), (350, 700)):
        incidents += step(chain, state, *stream.columns(first, last)).incidents
        shared, block = encode(shared_part(state)), encode(block_of(state, 0))
        state = restore(chain, header(chain), decode(shared, "s"), {0: decode(block, "s")}, "s")
    rest = resume(chain, state, stream.part(700, len(stream)))
    assert repr(incidents + rest.incidents) == repr(whole.incidents)
    assert same(state, whole.state)


def test_a_wider_spread_of_scores_opens_an_incident_that_ends_when_it_is_learned() -> None:
    run = play(replace(STEADY, drift=WATCH), spread(4500, 2000, 4500))
    opened, resolved = run.of(KIND)
    assert (opened.state, resolved.state) == ("open", "resolved")
    assert 2000 * SECOND < opened.started_at < 2300 * SECOND
    assert resolved.ended_at is not None
    assert 3000 * SECOND < resolved.ended_at < 4500 * SECOND
    assert resolved.reason.startswith(
        "its tails are no longer even: its alarm level cannot be trusted, "
    )
    assert (opened.level, opened.severity) == ("warning", 0.0)


def test_even_tails_open_none() -> None:
    assert play(replace(STEADY, drift=WATCH), spread(3000, 0, 0)).of(KIND) == []


def test_without_a_watch_nothing_is_remembered_and_nothing_is_told() -> None:
    run = play(STEADY, spread(1500, 1000, 1500))
    assert isinstance(run.state.drift, NoState)
    assert run.of(KIND) == []


def test_it_may_be_set_otherwise_in_a_running_pipeline_and_keeps_its_bets() -> None:
    chain = replace(PLAIN, drift=LIGHT)
    state = play(chain, troubled(4, disorder=True)).state
    kept = moved(chain, state, replace(chain, drift=DriftWatch(50.0, 3, 9)), "here")
    assert same(kept, play(chain, troubled(4, disorder=True)).state)


def test_turned_on_it_begins_at_nothing_and_turned_off_its_incidents_end() -> None:
    stream = spread(2800, 2000, 2800)
    on = replace(STEADY, drift=WATCH)
    state = start(STEADY)
    step(STEADY, state, *stream.columns(0, 1500))
    state = moved(STEADY, state, on, "here")
    assert watched(state).evidence[0] == 0
    incidents = step(on, state, *stream.columns(1500, 2400)).incidents
    assert [each.state for each in incidents if each.kind == KIND] == ["open"]
    state = moved(on, state, STEADY, "here")
    incidents = step(STEADY, state, *stream.columns(2400, 2800)).incidents
    (ended,) = [each for each in incidents if each.kind == KIND]
    assert (ended.state, ended.ended_at) == ("resolved", 2399 * SECOND)


def burst(rows: int, first: int, last: int) -> Stream:
    """Noise with a stretch that is all alarms."""
    stream = spread(rows, 0, 0)
    stream.values[first:last] += 50
    return stream


def test_nothing_is_bet_while_an_anomaly_is_open() -> None:
    chain = replace(
        STEADY,
        gate=Gate(),
        episodes=replace(STEADY.episodes, close_rows=40),
        drift=DriftWatch(every_rows=1),
    )
    state, stream = start(chain), burst(1100, 1000, 1010)
    step(chain, state, *stream.columns(0, 1005))
    before = watched(state).evidence[0]
    step(chain, state, *stream.columns(1005, 1045))  # alarms, then calm rows before it resolves
    assert state.episodes.phase[0, ANOMALY] == OPEN
    assert watched(state).evidence[0] == before
    step(chain, state, *stream.columns(1045, 1060))
    assert state.episodes.phase[0, ANOMALY] != OPEN
    assert watched(state).evidence[0] != before


def test_nothing_is_bet_on_rows_of_a_silence() -> None:
    silence = Rules(silences=(Silence(900 * SECOND, 1000 * SECOND),))
    chain = replace(STEADY, rules=silence, drift=DriftWatch(every_rows=1))
    state, stream = start(chain), spread(1100, 0, 0)
    step(chain, state, *stream.columns(0, 900))
    before = watched(state).evidence[0]
    step(chain, state, *stream.columns(900, 1000))
    assert watched(state).evidence[0] == before
    step(chain, state, *stream.columns(1000, 1100))
    assert watched(state).evidence[0] != before


def test_what_is_accepted_as_normal_is_bet_against_anew() -> None:
    chain = replace(STEADY, gate=Gate(), drift=DriftWatch(every_rows=1))
    state, stream = start(chain), burst(1100, 1000, 1100)
    step(chain, state, *stream.columns(0, 1100))
    assert watched(state).evidence[0] > 0
    accept(chain, state, "s")
    assert watched(state).evidence[0] == 0
    assert watched(state).stakes[0].tolist() == [1 / 3] * 3


def test_a_calibrator_whose_tails_are_higher_on_purpose_is_refused() -> None:
    with pytest.raises(ConfigError, match="needs even tails"):
        replace(STEADY, calibrator=Conditional(), drift=WATCH)
