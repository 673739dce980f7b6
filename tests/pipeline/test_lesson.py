"""An incident counts as one score in the calibration, no wilder than need be."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.pipeline_runs import SECOND, Run, Stream, play
from oracles.pipeline_scorers import Height

from tocsin.pipeline.calibrate import Conformal, ConformalState
from tocsin.pipeline.chain import Chain
from tocsin.pipeline.events import Episodes
from tocsin.pipeline.gate import Gate
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.lesson import BEYOND, RARER, lesson
from tocsin.pipeline.rules.silence import Silence
from tocsin.pipeline.rules.stage import Rules
from tocsin.pipeline.threshold import FixedTail
from tocsin.pipeline.types import FloatArray, Spec

HISTORY = 500
CALIBRATOR = Conformal(history=HISTORY, alone=100, least=30)
CHAIN = Chain(
    Spec((1,)),
    Height(),
    calibrator=CALIBRATOR,
    threshold=FixedTail(1e-3),
    episodes=Episodes(close_rows=1),
)
FIRST = np.array([0])


def normal(rows: int, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).normal(size=rows)


def taught(scores: FloatArray) -> ConformalState:
    state = CALIBRATOR.start()
    grow(state, 1)
    for score in scores:
        CALIBRATOR.learn(state, FIRST, FIRST, np.array([score]))
    return state


def stream(values: FloatArray) -> Stream:
    return Stream(
        ["a"] * len(values), SECOND * np.arange(len(values), dtype=np.int64), values[:, None]
    )


def history(run: Run) -> FloatArray:
    return np.asarray(run.state.calibrator.ring[0])


def tail(state: ConformalState, score: float) -> float:
    return float(CALIBRATOR.tail(state, FIRST, FIRST, np.array([score]))[0])


@given(st.floats(-50, 1e9), st.sampled_from([0.1, 1e-3, 1e-5]), st.sampled_from([-1e6, 0.0, 40.0]))
def test_the_lesson_is_the_lowest_score_that_is_rare_enough(
    score: float, alpha: float, shift: float
) -> None:
    state, score = taught(normal(HISTORY) + shift), score + shift
    bound = max(alpha / RARER, 1 / (HISTORY + 1) / BEYOND)
    found = lesson(CALIBRATOR, state, (FIRST, FIRST), score, alpha)
    step = 1e-5 * max(1.0, abs(found))
    assert found <= score
    assert tail(state, found - step) > bound
    if found < score:
        assert tail(state, found) <= bound


def test_a_calibrator_that_does_not_tell_its_size_is_given_no_lesson() -> None:
    class Plain:
        tail = CALIBRATOR.tail

    assert np.isnan(lesson(Plain(), taught(normal(HISTORY)), (FIRST, FIRST), 1000.0, 1e-3))


@pytest.mark.parametrize("score", [np.inf, 1e300])
def test_the_lesson_of_an_endless_score_has_an_end(score: float) -> None:
    found = lesson(CALIBRATOR, taught(normal(HISTORY)), (FIRST, FIRST), score, 1e-3)
    assert 2.0 < found < 20.0


@pytest.mark.parametrize("learn", ["freeze_while_firing", "quarantine"])
def test_a_fixed_level_is_kept_while_alarms_are_not_learned(learn: str) -> None:
    level, warm, rows = 0.01, HISTORY, 12_000
    chain = replace(
        CHAIN,
        gate=Gate(learn, quarantine_ns=5 * SECOND),  # type: ignore[arg-type] - one of its words
        threshold=FixedTail(level),
    )
    alarm = play(chain, stream(normal(rows, seed=5))).verdicts.alarm[warm:]
    for part in np.array_split(alarm, 2):
        assert 0.6 < part.mean() / level < 1.5


def test_a_lasting_fault_adds_one_score_and_a_bounded_one() -> None:
    values = normal(HISTORY + 300)
    values[HISTORY:] += 1000.0
    before, after = play(CHAIN, stream(values[:HISTORY])), play(CHAIN, stream(values))
    new = np.setdiff1d(history(after), history(before))
    assert len(new) == 1
    assert history(before).max() < new[0] < 100.0
    assert after.state.calibrator.seen[0] == before.state.calibrator.seen[0] + 1


def test_a_lasting_fault_goes_on_alarming_where_tails_end_at_a_record() -> None:
    values = normal(HISTORY + 300)
    values[HISTORY:] += 1000.0
    plain = replace(CALIBRATOR, extremes=False)
    chain = replace(CHAIN, calibrator=plain, threshold=FixedTail(1.2 / HISTORY))
    assert play(chain, stream(values)).verdicts.alarm[HISTORY:].all()


def test_a_wild_score_does_not_hide_the_next_fault() -> None:
    values = normal(HISTORY + 300)
    values[HISTORY + 100], values[HISTORY + 200] = 1e9, 30.0
    assert play(CHAIN, stream(values)).verdicts.alarm[HISTORY + 200]


def test_a_silenced_row_leaves_no_lesson() -> None:
    values = normal(HISTORY + 100)
    values[HISTORY + 50] = 1000.0
    silence = Silence((HISTORY + 40) * SECOND, (HISTORY + 60) * SECOND)
    silent = play(replace(CHAIN, rules=Rules(silences=(silence,))), stream(values))
    assert history(silent).max() < history(play(CHAIN, stream(values))).max()


def test_where_everything_is_learned_the_score_is_learned_as_it_is() -> None:
    values = normal(HISTORY + 100)
    values[HISTORY + 50] = 1000.0
    run = play(replace(CHAIN, gate=Gate("always")), stream(values))
    assert history(run).max() == 1000.0
