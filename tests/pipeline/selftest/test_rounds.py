"""Rounds begin at the same rows however the rows are cut, and test what really runs."""

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
from oracles.selftest_play import QUICK, SECOND, Constant, Play, chain_of, clean, play

from tocsin.detectors.classical.ewma import Ewma
from tocsin.detectors.classical.moving_std import MovingStd
from tocsin.pipeline.chain import start
from tocsin.pipeline.selftest.rounds import choose, next_cut, verdicts
from tocsin.pipeline.selftest.settings import SelfTest
from tocsin.pipeline.selftest.shadow import replay, save
from tocsin.pipeline.state import fill, flatten, same
from tocsin.pipeline.step import step
from tocsin.pipeline.types import Batch, FloatArray, Scores, Traits

TEST = replace(QUICK, series=2, every_rows=150)


def three(ticks: int = 300) -> FloatArray:
    """Rows (N, K, C) of three series."""
    return clean(3 * ticks).reshape(-1, 3, 2)


def told(played: Play) -> list[str]:
    return [repr(one) for one in played.found]


@pytest.mark.parametrize("cuts", [[1, 2, 3, 149, 150, 151, 400], list(range(1, 900, 29))])
def test_how_rows_are_cut_changes_nothing(cuts: list[int]) -> None:
    chain = chain_of(Ewma(half_life=20))
    whole, cut = play(chain, TEST, three()), play(chain, TEST, three(), cuts)
    assert len(whole.found) > 4
    assert told(cut) == told(whole)
    assert same(cut.tested, whole.tested)


def test_self_tests_leave_the_judged_series_alone() -> None:
    chain = chain_of(Ewma(half_life=20))
    tested = play(chain, TEST, three())
    alone = play(chain, replace(TEST, every_rows=10**9), three())
    assert tested.found
    assert not alone.found
    assert same(tested.state, alone.state)


def test_saved_and_restored_in_a_round_goes_on_the_same() -> None:
    chain = chain_of(MovingStd(window=10))
    first, rest = three()[:130], three()[130:]
    before = play(chain, TEST, first)
    assert len(before.tested.row_key)
    kept = {path: np.copy(part) if isinstance(part, np.ndarray) else part
            for path, part in flatten(before.tested).items()}  # fmt: skip
    restored = fill(TEST.start((2,)), kept, "here")
    went_on = play(chain, TEST, rest, before=(before.state, restored))
    whole = play(chain, TEST, three())
    assert same(went_on.tested, whole.tested)
    assert told(went_on) == told(whole)[len(before.found) :]


@pytest.mark.parametrize("scorer", [Ewma(half_life=20), MovingStd(window=10)])
def test_untouched_replay_is_what_the_pipeline_did(scorer: Ewma | MovingStd) -> None:
    chain = chain_of(scorer)
    played = play(chain, replace(TEST, every_rows=10**9), three(200))
    keys = np.array([2, 0])
    saved = save(chain, played.state, keys)
    later, time = clean(60, seed=5), played.state.clock + SECOND * np.arange(1, 61)
    live = step(chain, played.state, ["a"] * 60, time, later).verdicts
    again = replay(chain, saved, 1, time, np.stack([later, later]))
    assert np.array_equal(again.score[1], live.score, equal_nan=True)
    assert np.array_equal(again.tail[0], live.tail, equal_nan=True)


def test_scorer_without_a_fast_path_is_replayed_tick_by_tick() -> None:
    class Slow(Ewma):
        advance = None  # type: ignore[assignment] # it has none

    fast, slow = (play(chain_of(kind(half_life=20)), TEST, three()) for kind in (Ewma, Slow))
    assert told(slow) == told(fast)


def test_a_model_shared_by_series_is_replayed_one_version_at_a_time() -> None:
    class Shared(Ewma):
        traits: ClassVar[Traits] = replace(Ewma.traits, shared=True)

        def advance(self, state: object, batch: Batch) -> Scores:  # type: ignore[override] # any state
            assert len(np.unique(batch.key)) == 1
            return super().advance(state, batch)  # type: ignore[arg-type] # as above

    played = play(chain_of(Shared(half_life=20)), QUICK, clean(432))
    assert set(played.states()) == {"healthy"}


def test_round_waits_for_time_and_for_rows() -> None:
    test = SelfTest(every_ns=10 * SECOND, every_rows=5)
    state = test.start((1,))
    assert next_cut(test, state, SECOND * np.arange(100)) == 11
    assert next_cut(replace(test, every_rows=50), state, SECOND * np.arange(100)) == 50
    assert next_cut(test, state, SECOND * np.arange(4)) == 4
    assert next_cut(test, state, np.empty(0, dtype=np.int64)) == 0


def test_series_take_turns() -> None:
    played = play(chain_of(Ewma(half_life=20)), replace(TEST, series=1), three())
    keys = [one.key for one in played.found]
    assert keys == [nth % 3 for nth in range(len(keys))]
    assert len(keys) >= 4


def test_blind_series_is_tested_again_every_other_round() -> None:
    played = play(chain_of(Constant()), replace(TEST, series=1), three(10))
    tested = played.tested
    tested.blind, tested.cursor = np.array([2]), 0
    tested.round = 1
    assert choose(replace(TEST, series=1), played.state, tested).tolist() == [2]
    tested.round = 2
    assert choose(replace(TEST, series=1), played.state, tested).tolist() == [0]


def test_blind_detector_that_recovers_is_no_longer_blind() -> None:
    broken, mended = chain_of(Constant()), chain_of(Ewma(half_life=20))
    before = play(broken, QUICK, clean(432))
    assert before.tested.blind.tolist() == [0]
    after = play(mended, QUICK, clean(432), before=(start(mended), before.tested))
    assert after.tested.blind.tolist() == []
    assert list(verdicts(after.found))[-1] == (0, False)


def test_series_that_does_not_move_is_not_judged() -> None:
    found = play(chain_of(Ewma(half_life=20)), QUICK, np.full((300, 2), 3.0)).found
    assert found[-1].state == "unknown"
    assert "moves" in found[-1].why
    assert list(verdicts(found[-1:])) == []


def test_firing_series_is_not_tested() -> None:
    values = clean(400)
    values[300:] += 500.0
    chain = chain_of(Ewma(half_life=20))
    chain = replace(chain, gate=replace(chain.gate, learn="freeze_while_firing"))
    played = play(chain, QUICK, values)
    assert choose(QUICK, played.state, played.tested).tolist() == []


def test_detector_that_raises_on_a_shadow_copy_stops_nothing() -> None:
    class Brittle(Ewma):
        def advance(self, state: object, batch: Batch) -> Scores:  # type: ignore[override] # any state
            if np.nanmax(np.abs(batch.values)) > 50:
                raise ValueError("too far")
            return super().advance(state, batch)  # type: ignore[arg-type] # as above

    found = play(chain_of(Brittle(half_life=20)), QUICK, clean(432)).found
    assert {one.state for one in found} == {"unknown"}
    assert "raised" in found[0].why


def test_series_with_missing_values_is_tested() -> None:
    values = clean(432)
    values[::5, 0] = np.nan
    assert "healthy" in play(chain_of(Ewma(half_life=20)), QUICK, values).states()
