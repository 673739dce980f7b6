"""Threshold, rules, gate and incident settings may change between runs: all state is kept."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from oracles.pipeline_chains import CHAINS, PLAIN
from oracles.pipeline_runs import SECOND, resume, troubled

from tocsin.pipeline import snapshot
from tocsin.pipeline.blobs import decode, encode
from tocsin.pipeline.chain import Chain, ChainState, start
from tocsin.pipeline.events import Episodes
from tocsin.pipeline.gate import Gate
from tocsin.pipeline.rules.abstention import Abstention
from tocsin.pipeline.rules.calendar import Calendar
from tocsin.pipeline.rules.silence import Silence
from tocsin.pipeline.rules.size import Size
from tocsin.pipeline.rules.stage import Rules
from tocsin.pipeline.snapshot import block_of, header, restore, shared_part
from tocsin.pipeline.state import same
from tocsin.pipeline.step import step
from tocsin.pipeline.threshold import AlertBudget

RULES = Rules(
    sizes=(Size(direction="up"),),
    calendars=(Calendar(("mon-fri 08:00-18:00",), "Europe/Berlin"),),
    silences=(Silence(0, 9 * SECOND),),
)
CHANGES: dict[str, dict[str, Any]] = {
    "budget": {"threshold": AlertBudget("7/week")},
    "rules": {"rules": RULES},
    "no rules": {"rules": Rules()},
    "abstention": {"abstention": Abstention()},
    "gate": {"gate": Gate(learn="always")},
    "quarantine": {"gate": Gate(learn="quarantine")},
    "incidents": {"episodes": Episodes(close_rows=9, close_factor=3.0)},
}
ROWS = 400


def moved(chain: Chain, state: ChainState, other: Chain) -> ChainState:
    """A state saved under one chain, through bytes, and restored under another."""
    shared = decode(encode(shared_part(state)), "shelf")
    return restore(other, header(chain), shared, {0: decode(encode(block_of(state, 0)), "s")}, "s")


def lived(chain: Chain) -> ChainState:
    state, part = start(chain), troubled(4, disorder=True).part(0, ROWS)
    step(chain, state, part.series, part.time, part.values)
    return state


# Another kind of threshold begins with an account of its own, so no budget for a fixed tail.
@pytest.mark.parametrize(
    ("name", "change"),
    [("plain", change) for change in CHANGES]
    + [("rules", change) for change in CHANGES if change != "budget"],
)
def test_a_changed_setting_keeps_all_state_bit_for_bit(name: str, change: str) -> None:
    chain = CHAINS[name]
    state = lived(chain)
    other = replace(chain, **CHANGES[change])
    assert other.learned_under() == chain.learned_under()
    assert same(moved(chain, state, other), state)


@pytest.mark.parametrize("change", CHANGES)
def test_what_comes_next_is_judged_as_if_the_new_settings_met_the_old_state(change: str) -> None:
    other, rest = replace(PLAIN, **CHANGES[change]), troubled(4, disorder=True).part(ROWS, 550)
    live, kept = lived(PLAIN), moved(PLAIN, lived(PLAIN), other)
    one, two = resume(other, live, rest), resume(other, kept, rest)
    assert same(live, kept)
    assert repr(one.incidents) == repr(two.incidents)
    np.testing.assert_array_equal(one.verdicts.verdict, two.verdicts.verdict)


def test_changed_rules_and_back_is_never_changed() -> None:
    state = lived(PLAIN)
    there = moved(PLAIN, state, replace(PLAIN, rules=RULES))
    back = moved(replace(PLAIN, rules=RULES), there, PLAIN)
    assert same(back, state)


def test_rows_that_waited_in_quarantine_are_learned_when_it_is_lifted() -> None:
    held = replace(CHAINS["plain"], gate=Gate(learn="quarantine", quarantine_ns=60 * SECOND))
    stream = troubled(5, disorder=False)
    state = start(held)
    step(held, state, *stream.columns(0, 300))
    waiting = sorted(set(state.waiting.key.tolist()))
    seen = state.scorer.seen.copy()
    assert len(state.waiting) > 100
    lifted = moved(held, state, PLAIN)
    outcome = step(PLAIN, lifted, *stream.columns(300, 304))
    assert not len(lifted.waiting)
    assert set(waiting) <= set(outcome.touched.tolist())
    assert (lifted.scorer.seen[waiting] > seen[waiting] + 30).all()
    for edges in ([300, 304], [300, 301, 302, 303, 304]):
        other = moved(held, state, PLAIN)
        for first, last in pairwise(edges):
            step(PLAIN, other, *stream.columns(first, last))
        assert same(other, lifted)


def test_every_series_of_the_streams_stands_in_one_block() -> None:
    assert len(lived(PLAIN).keys) <= snapshot.BLOCK
