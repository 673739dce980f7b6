"""Threshold, rules, gate and incident settings may change between runs: all state is kept."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles.pipeline_chains import CHAINS, PLAIN
from oracles.pipeline_runs import SECOND, resume, troubled

from tocsin.pipeline import snapshot
from tocsin.pipeline.blobs import decode, encode
from tocsin.pipeline.chain import Chain, ChainState, NoState, start
from tocsin.pipeline.events import Episodes
from tocsin.pipeline.gate import Gate
from tocsin.pipeline.grouping import Grouping, GroupingState
from tocsin.pipeline.rules.abstention import Abstention
from tocsin.pipeline.rules.calendar import Calendar
from tocsin.pipeline.rules.silence import Silence
from tocsin.pipeline.rules.size import Size
from tocsin.pipeline.rules.stage import Rules
from tocsin.pipeline.snapshot import block_of, header, restore, shared_part
from tocsin.pipeline.state import flatten, same
from tocsin.pipeline.step import step
from tocsin.pipeline.store import Checkpoint, Store
from tocsin.pipeline.threshold import AlertBudget, FixedTail, Threshold

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


def all_but_groups(state: ChainState) -> str:
    return repr({path: part for path, part in flatten(state).items() if "grouping" not in path})


def test_grouping_may_be_turned_on_and_off_and_all_else_is_kept() -> None:
    state, grouped = lived(PLAIN), CHAINS["grouped"]
    before = all_but_groups(state)
    on = moved(PLAIN, state, grouped)
    assert isinstance(on.grouping, GroupingState)
    assert on.grouping.group == []
    assert all_but_groups(on) == before
    off = moved(grouped, lived(grouped), PLAIN)
    assert isinstance(off.grouping, NoState)
    assert all_but_groups(off) == before


def test_groups_are_kept_when_the_rule_for_them_is_changed() -> None:
    grouped = CHAINS["grouped"]
    state = lived(grouped)
    assert isinstance(state.grouping, GroupingState)
    assert state.grouping.group
    assert same(moved(grouped, state, replace(grouped, grouping=Grouping(SECOND))), state)


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


@pytest.mark.parametrize(
    ("first", "then"),
    [(FixedTail(0.01), AlertBudget("7/week")), (AlertBudget("7/week"), FixedTail(0.01))],
)
def test_other_settings_reach_the_series_that_no_row_comes_of(
    tmp_path: Path, first: Threshold[Any], then: Threshold[Any]
) -> None:
    many = snapshot.BLOCK + 10  # two blocks, of which later rows touch the first alone
    names, values = [f"s{i}" for i in range(many)], np.zeros((many, 2))
    chains = [replace(PLAIN, threshold=first), replace(PLAIN, threshold=then)]
    state = start(chains[0])
    with Store(tmp_path / "store.db") as store:
        for tick, chain in enumerate([chains[0], chains[1], chains[1]]):
            claim = store.claim(chain, "a")
            state = claim.state or state
            rows = many if tick == 0 else 2
            when = np.full(rows, (tick + 1) * SECOND)
            touched = step(chain, state, names[:rows], when, values[:rows]).touched
            store.checkpoint(chain, Checkpoint("a", claim.epoch, tick, state, touched, [], []), [])
        again = store.claim(chains[1], "a").state
    assert again is not None
    assert same(again, state)


def test_every_series_of_the_streams_stands_in_one_block() -> None:
    assert len(lived(PLAIN).keys) <= snapshot.BLOCK
