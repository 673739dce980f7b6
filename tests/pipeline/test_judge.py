"""A scorer that raises is held to the rows it raises on, and learning goes tick by tick."""

from typing import Any

import numpy as np
import pytest
from oracles.pipeline_scorers import TRIP, Crowd, Height, Spread, Tripping

from tocsin.pipeline.calibrate import Conformal
from tocsin.pipeline.chain import Chain, ChainState, Held, make_room, start
from tocsin.pipeline.judge import POOL_TICKS, close_tick, count_ticks, learn_rows, score_rows
from tocsin.pipeline.state import same
from tocsin.pipeline.types import Batch, FloatArray, Spec

KEYS = 4


def chain_of(scorer: Any) -> Chain:
    return Chain(Spec((1,)), scorer, calibrator=Conformal(history=20, alone=5, least=2))


def started(chain: Chain) -> ChainState:
    state = start(chain)
    make_room(chain, state, state.keys.intern([f"s{key}" for key in range(KEYS)], KEYS)[1])
    return state


def tick(values: list[float], time: int = 0) -> Batch:
    """One row of each key."""
    rows = len(values)
    return Batch(np.arange(rows), np.full(rows, time), np.array(values).reshape(rows, 1, 1))


def taught(chain: Chain, rows: int = 20) -> ChainState:
    """A state after so many ordinary rows of every key."""
    state = started(chain)
    values = np.random.default_rng(0).normal(size=(rows, KEYS))
    for row in values.tolist():
        learn_rows(chain, state, tick(row))
    return state


def test_scores_are_those_of_the_scorer() -> None:
    chain = chain_of(Height())
    state = started(chain)
    scores, failed = score_rows(chain, state, tick([3.0, 1.0]))
    assert scores.value.tolist() == [3.0, 1.0]
    assert not failed.any()
    assert not state.fragile


def test_rows_that_a_scorer_raises_on_fail_and_no_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    chain = chain_of(Tripping())
    state = taught(chain)
    wanted, _ = score_rows(chain_of(Spread()), state, tick([0.1, 5.0, 2.0, 0.2]))
    for _ in range(2):  # the first time in company, then alone
        scores, failed = score_rows(chain, state, tick([0.1, 5.0, TRIP, 0.2]))
        assert failed.tolist() == [False, False, True, False]
        assert np.isnan(scores.value[2])
        assert scores.value[[0, 1, 3]].tolist() == wanted.value[[0, 1, 3]].tolist()
        assert wanted.blame is not None
        assert scores.blame is not None
        np.testing.assert_array_equal(scores.blame[[0, 1, 3]], wanted.blame[[0, 1, 3]])
    assert state.fragile
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_scorers_without_blame_may_raise_too() -> None:
    chain = chain_of(Tripping(inner=Height()))
    scores, _ = score_rows(chain, started(chain), tick([1.0, TRIP]))
    assert scores.value[0] == 1.0
    assert scores.blame is not None
    assert not scores.blame.any()


def test_a_series_that_learning_fails_on_begins_anew_and_the_others_learn() -> None:
    chain, calm = chain_of(Tripping()), chain_of(Spread())
    state, wanted = taught(chain), taught(calm)
    for time in range(2):  # the first time in company, then alone
        learn_rows(chain, state, tick([0.5, 0.6, TRIP, 0.7], time))
        learn_rows(calm, wanted, tick([0.5, 0.6, 0.0, 0.7], time))
        for key in (0, 1, 3):
            assert state.scorer.mean[key] == wanted.scorer.mean[key]
        assert state.scorer.seen[:KEYS].tolist() == [21 + time, 21 + time, 0, 21 + time]


def test_nothing_to_learn_is_not_given_to_the_scorer() -> None:
    chain = chain_of(Spread())
    state, before = taught(chain), taught(chain)
    learn_rows(chain, state, tick([]))
    assert same(state, before)


def held(batch: Batch, score: FloatArray) -> Held:
    learnable = np.ones(len(batch), dtype=bool)
    return Held(batch.key, batch.time, batch.values, score, score, learnable, score)


def test_a_tick_is_learned_in_key_order() -> None:
    chain = chain_of(Crowd())
    one, other = started(chain), started(chain)
    batch = tick([1.0, 2.0, 3.0, 4.0])
    close_tick(chain, one, held(batch, np.zeros(KEYS)))
    backwards = np.arange(KEYS)[::-1].copy()
    close_tick(chain, other, held(batch.take(backwards), np.zeros(KEYS)))
    assert same(one, other)


def test_the_pool_is_renewed_every_so_many_ticks() -> None:
    chain = chain_of(Height())
    state = started(chain)
    close_tick(chain, state, held(tick([1.0, 2.0]), np.array([1.0, 2.0])))
    count_ticks(chain, state, POOL_TICKS - 1)
    assert state.calibrator.pooled == 0
    count_ticks(chain, state, 1)
    assert state.calibrator.pooled == 2
