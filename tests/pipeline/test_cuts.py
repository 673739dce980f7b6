"""However a stream is cut, stopped and resumed, what comes of it is the same to the bit."""

from copy import deepcopy
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from oracles.pipeline_chains import CHAINS, PLAIN
from oracles.pipeline_runs import (
    cuts,
    expect_same,
    play,
    resume,
    troubled,
)
from oracles.pipeline_scorers import (
    SpreadOfFrames,
)

from tocsin.pipeline import bulk, judge
from tocsin.pipeline.chain import start
from tocsin.pipeline.keyed import take
from tocsin.pipeline.state import Header, pack, same, unpack
from tocsin.pipeline.step import step, steps
from tocsin.pipeline.threshold import FixedTail
from tocsin.pipeline.types import Spec

HEADER = Header("chain", 1, "{}")


@pytest.fixture(autouse=True)
def renew_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pool is renewed several times in a short stream."""
    for module in (bulk, judge):
        monkeypatch.setattr(module, "POOL_TICKS", 64)


def test_forty_cuts_give_the_same_scores_tails_incidents_and_state() -> None:
    stream = troubled(3, disorder=True)
    whole = play(PLAIN, stream)
    assert {each.kind for each in whole.incidents} >= {"anomaly", "stale", "stuck"}
    assert {why for _, why in whole.refused} == {"late", "duplicate", "ahead"}
    assert whole.state.calibrator.turn == whole.state.ticks // 64 > 2
    for seed in range(40):
        pieces = 1 + int(np.random.default_rng(seed).integers(1, 40))
        expect_same(whole, play(PLAIN, stream, cuts(len(stream), pieces, seed)))


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("disorder", [False, True], ids=["in order", "in disorder"])
def test_no_cut_changes_anything(name: str, *, disorder: bool) -> None:
    chain, stream = CHAINS[name], troubled(4, disorder=disorder)
    whole = play(chain, stream)
    assert whole.verdicts.alarm.any()
    for seed in range(4):
        expect_same(whole, play(chain, stream, cuts(len(stream), 12, seed)))


@pytest.mark.parametrize("name", CHAINS)
def test_row_by_row_and_slowly_is_all_at_once(name: str) -> None:
    chain, stream = CHAINS[name], troubled(5, ticks=160, disorder=True)
    slow = play(chain, stream, range(len(stream) + 1), fast=False)
    expect_same(slow, play(chain, stream))


@pytest.mark.parametrize("name", CHAINS)
def test_saved_and_restored_is_never_stopped(name: str) -> None:
    chain, stream = CHAINS[name], troubled(6, disorder=True)
    edges = cuts(len(stream), 9, seed=6)
    whole = play(chain, stream, edges)
    state, incidents, refused = start(chain), [], []
    verdicts = []
    for first, last in pairwise(edges):
        part = stream.part(first, last)
        for taken, outcome in steps(chain, state, part.series, part.time, part.values):
            verdicts.append(outcome.verdicts)
            incidents += outcome.incidents
            refused += [(first + taken.start + row, why) for row, why in outcome.refused]
        state = unpack(pack(HEADER, state), HEADER, start(chain))
    last_run = resume(chain, state, stream.part(0, 0))
    assert repr(incidents + last_run.incidents) == repr(whole.incidents)
    assert refused == whole.refused
    scores = np.concatenate([part.score for part in [*verdicts, last_run.verdicts]])
    np.testing.assert_array_equal(scores, whole.verdicts.score)
    assert same(state, whole.state)


def test_images_go_through_the_same_chain() -> None:
    chain = replace(PLAIN, spec=Spec((3, 4)), scorer=SpreadOfFrames(), threshold=FixedTail(0.03))
    stream = troubled(7, ticks=160, item=(3, 4), disorder=True)
    whole = play(chain, stream)
    expect_same(whole, play(chain, stream, cuts(len(stream), 20, seed=7), fast=False))
    named = [name for each in whole.of("anomaly") for name, _ in each.channels]
    assert named
    assert all(name.startswith("rows ") for name in named)


@pytest.mark.parametrize("name", CHAINS)
def test_only_touched_series_change(name: str) -> None:
    chain, stream = CHAINS[name], troubled(8, ticks=200, disorder=True)
    state = start(chain)
    edges = cuts(len(stream), 150, seed=8)
    for first, last in pairwise(edges):
        before, keys = deepcopy(state), len(state.keys)
        part = stream.part(first, last)
        outcome = step(chain, state, part.series, part.time, part.values)
        untouched = np.setdiff1d(np.arange(keys), outcome.touched)
        one, other = take(before, untouched), take(state, untouched)
        for path in one:
            np.testing.assert_array_equal(other[path], one[path], err_msg=path)
