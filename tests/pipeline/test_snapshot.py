"""State saved in parts: what comes back is what was there, and what does not fit is refused."""

import json
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import pytest
from oracles.pipeline_chains import CHAINS, PLAIN
from oracles.pipeline_runs import Stream, cuts, expect_same, resume, troubled
from oracles.pipeline_scorers import Crowd, Spread, SpreadState

from tocsin.pipeline import snapshot
from tocsin.pipeline.blobs import decode, encode
from tocsin.pipeline.calibrate import Conformal
from tocsin.pipeline.chain import Chain, ChainState, start
from tocsin.pipeline.errors import StateError
from tocsin.pipeline.events import Episodes
from tocsin.pipeline.grid import Grid
from tocsin.pipeline.health import Health, Limits
from tocsin.pipeline.keyed import per_key
from tocsin.pipeline.snapshot import block_of, blocks_touched, header, restore, shared_part
from tocsin.pipeline.state import Plain, same
from tocsin.pipeline.step import step
from tocsin.pipeline.threshold import AlertBudget, FixedTail
from tocsin.pipeline.types import FloatArray, IntArray, Spec
from tocsin.pipeline.window import Window


@dataclass
class Saved:
    """A state in parts, as the store keeps them."""

    header: str
    shared: Plain
    blocks: dict[int, Plain]

    def restored(self, chain: Chain) -> ChainState:
        return restore(chain, self.header, self.shared, self.blocks, "shelf")


def saved(chain: Chain, state: ChainState) -> Saved:
    """All of a state, through bytes."""
    every = range(-(-len(state.keys) // snapshot.BLOCK))
    return Saved(
        header(chain),
        decode(encode(shared_part(state)), "shelf"),
        {block: decode(encode(block_of(state, block)), "shelf") for block in every},
    )


def lived(chain: Chain, rows: int = 400) -> ChainState:
    """A state with something in every stage, in the middle of a tick."""
    state = start(chain)
    stream = troubled(4, disorder=True).part(0, rows)
    step(chain, state, stream.series, stream.time, stream.values)
    return state


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "BLOCK", 3)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("name", CHAINS)
def test_what_was_saved_comes_back_to_the_bit(name: str) -> None:
    chain = CHAINS[name]
    state = lived(chain)
    assert same(saved(chain, state).restored(chain), state)


@pytest.mark.parametrize("name", CHAINS)
def test_going_on_from_what_was_saved_is_never_having_stopped(name: str) -> None:
    chain, stream = CHAINS[name], troubled(5, disorder=True)
    state = lived(chain)
    other = saved(chain, state).restored(chain)
    rest = stream.part(400, len(stream))
    expect_same(resume(chain, state, rest), resume(chain, other, rest))


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("name", CHAINS)
def test_the_blocks_of_touched_keys_are_all_that_has_changed(name: str) -> None:
    chain, stream, state = CHAINS[name], troubled(6, ticks=200, keys=8, disorder=True), None
    state = start(chain)
    kept = saved(chain, state)
    edges = cuts(len(stream), 60, seed=6)
    for first, last in pairwise(edges):
        part = stream.part(first, last)
        touched = step(chain, state, part.series, part.time, part.values).touched
        kept.shared = shared_part(state)
        for block in blocks_touched(touched):
            kept.blocks[block] = decode(encode(block_of(state, block)), "shelf")
        assert same(kept.restored(chain), state)


@pytest.mark.parametrize("keys", [1, 255, 256, 257, 600])
def test_keys_at_the_edges_of_blocks_come_back(keys: int) -> None:
    state = start(PLAIN)
    names = [f"s{key}" for key in range(keys)]
    values = np.random.default_rng(0).normal(size=(keys, 2))
    outcome = step(PLAIN, state, names, np.zeros(keys, dtype=np.int64), values)
    assert blocks_touched(outcome.touched) == list(range((keys + 255) // 256))
    assert same(saved(PLAIN, state).restored(PLAIN), state)


def test_a_state_without_a_series_comes_back() -> None:
    assert same(saved(PLAIN, start(PLAIN)).restored(PLAIN), start(PLAIN))


OTHERS: dict[str, tuple[Chain, str]] = {
    "spec": (replace(PLAIN, spec=Spec((3,))), r"spec: .* item \[2\], this run needs \[3\]"),
    "channels": (replace(PLAIN, spec=Spec((2,), channels=("a", "b"))), "spec: .* channels"),
    "grid": (replace(PLAIN, grid=Grid(5)), "grid: .* None, this run needs"),
    "window": (replace(PLAIN, window=Window(4)), "window: .* length 1, this run needs 4"),
    "scorer": (replace(PLAIN, scorer=Spread(keep=0.5)), "scorer: .* keep 0.95, .* needs 0.5"),
    "kind": (replace(PLAIN, scorer=Crowd()), "scorer: .* 0.95, this run needs"),
    "calibrator": (
        replace(PLAIN, calibrator=Conformal(history=61, alone=30, least=10, pool=40)),
        "calibrator: .* history 60, this run needs 61",
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_settings_are_refused_by_name(name: str) -> None:
    other, why = OTHERS[name]
    with pytest.raises(StateError, match=f"^shelf: {why}"):
        saved(PLAIN, lived(PLAIN)).restored(other)


def test_a_grid_that_is_left_out_is_refused() -> None:
    with pytest.raises(StateError, match=r"^shelf: grid: "):
        saved(CHAINS["grid"], lived(CHAINS["grid"])).restored(replace(CHAINS["grid"], grid=None))


def rest_of(chain: Chain, state: ChainState) -> tuple[FloatArray, FloatArray]:
    """The scores and tails of what comes next."""
    run = resume(chain, state, calm_rest())
    return run.verdicts.score, run.verdicts.tail


def calm_rest() -> Stream:
    stream = troubled(5, disorder=True)
    return stream.part(400, len(stream))


@pytest.mark.parametrize(
    "moved",
    [AlertBudget("1/week"), FixedTail(0.02), FixedTail(1e-9)],
    ids=["another budget", "another kind", "hardly ever"],
)
def test_a_moved_threshold_is_taken_and_nothing_is_learned_anew(moved: Any) -> None:
    always = replace(PLAIN, gate=replace(PLAIN.gate, learn="always"))
    state = lived(always)
    chain = replace(always, threshold=moved)
    other = saved(always, state).restored(chain)
    for found, wanted in zip(rest_of(chain, other), rest_of(always, state), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_from_a_fixed_tail_to_a_budget_every_account_starts_empty() -> None:
    fixed = replace(PLAIN, threshold=FixedTail(0.02))
    state = saved(fixed, lived(fixed)).restored(PLAIN)
    assert len(state.threshold.debt) == len(state.order.last)
    assert not state.threshold.debt.any()


def test_a_budget_that_is_spent_stays_spent_where_it_is_only_moved() -> None:
    state = lived(PLAIN)
    state.threshold.debt[1] = 3.0
    other = saved(PLAIN, state).restored(replace(PLAIN, threshold=AlertBudget("1/h")))
    assert other.threshold.debt[1] == 3.0


def test_incident_rules_may_move() -> None:
    chain = replace(PLAIN, episodes=Episodes(close_rows=9), health=Health(stuck_rows=0))
    assert same(saved(PLAIN, lived(PLAIN)).restored(chain), lived(PLAIN))


def test_limits_that_have_moved_hold_for_series_that_are_known() -> None:
    def limited(high: float, stale: int) -> Chain:
        limits = (Limits(series="s1", channel="c0", low=-1.0, high=high, stale_after_ns=stale),)
        return replace(PLAIN, health=replace(PLAIN.health, limits=limits))

    kept = saved(limited(2.0, 7), lived(limited(2.0, 7)))
    moved = kept.restored(limited(5.0, 9)).health
    assert moved.high[1].tolist() == [5.0, np.inf]
    assert moved.stale_after[1] == 9
    without = kept.restored(PLAIN).health
    assert np.isinf(without.high[1]).all()
    assert without.stale_after[1] == 0


def spread(version: int, **members: Any) -> Any:
    """`Spread` as another release of it has it; it is known by its name."""
    return type("Spread", (Spread,), {"version": version, **members})()


@pytest.mark.parametrize(("have", "need"), [(2, 1), (1, 2)], ids=["newer", "older"])
def test_a_scorers_state_of_another_version_is_refused(have: int, need: int) -> None:
    older = replace(PLAIN, scorer=spread(have))
    with pytest.raises(
        StateError, match=f"^shelf: scorer state has version {have}, this run needs {need}"
    ):
        saved(older, lived(older)).restored(replace(PLAIN, scorer=spread(need)))


def test_a_newer_version_is_refused_even_by_a_scorer_that_can_upgrade() -> None:
    newer = replace(PLAIN, scorer=spread(3))
    with pytest.raises(StateError, match="scorer state has version 3, this run needs 2"):
        saved(newer, lived(newer)).restored(replace(PLAIN, scorer=spread(2, upgrade=None)))


@dataclass(slots=True)
class WiderState:
    """`SpreadState` as a later release has it: with the largest row so far, and in all."""

    mean: FloatArray = per_key(0.0)  # (K, *item)
    spread: FloatArray = per_key(0.0)  # (K, *item)
    seen: IntArray = per_key(0)  # (K,)
    most: FloatArray = per_key(-np.inf)  # (K,)
    total: int = 0


def start_wider(self: Any, spec: Spec) -> WiderState:
    old: SpreadState = Spread.start(self, spec)
    return WiderState(old.mean, old.spread, old.seen, np.empty(0))


def upgrade(_self: Any, version: int, plain: Plain) -> Plain:
    seen = plain["seen"]
    assert version == 1
    assert isinstance(seen, np.ndarray)
    return plain | {"most": seen * 2.0, "total": int(seen.sum())}


def test_an_older_version_goes_through_upgrade_and_nothing_else_is_touched() -> None:
    state = lived(PLAIN)
    chain = replace(PLAIN, scorer=spread(2, start=start_wider, upgrade=upgrade))
    other = saved(PLAIN, state).restored(chain)
    keys = len(state.keys)
    np.testing.assert_array_equal(other.scorer.most[:keys], state.scorer.seen[:keys] * 2.0)
    assert np.isneginf(other.scorer.most[keys:]).all()
    assert other.scorer.total == state.scorer.seen.sum() > 0
    assert same(other.scorer, replace(other.scorer, mean=state.scorer.mean))
    assert same(other.calibrator, state.calibrator)
    assert same(other.episodes, state.episodes)


class LaterConformal(Conformal):
    """The calibrator of a later release."""

    version: ClassVar[int] = 99


def test_another_version_of_the_calibrator_is_refused() -> None:
    LaterConformal.__name__ = "Conformal"
    given = {spec.name: getattr(PLAIN.calibrator, spec.name) for spec in fields(Conformal)}
    later = replace(PLAIN, calibrator=LaterConformal(**given))
    with pytest.raises(StateError, match="calibrator state has version 1, this run needs 99"):
        saved(PLAIN, lived(PLAIN)).restored(later)


def lose_block(kept: Saved) -> None:
    kept.blocks[1] = kept.blocks.pop(0)


def lose_names(kept: Saved) -> None:
    del kept.blocks[0]["keys.names"]


def lose_rows(kept: Saved) -> None:
    del kept.blocks[0]["scorer.mean"]


def lose_shared(kept: Saved) -> None:
    del kept.shared["ticks"]


def widen_rows(kept: Saved) -> None:
    kept.blocks[0]["scorer.mean"] = np.zeros((4, 5))


def retype_rows(kept: Saved) -> None:
    kept.blocks[0]["scorer.seen"] = np.zeros(4)


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (lose_block, r"of the blocks of keys only \[1\] were saved"),
        (lose_names, "a block of keys has no names"),
        (lose_rows, "scorer.mean: missing from the saved state"),
        (lose_shared, r"fields missing \['ticks'\]"),
        (widen_rows, r"scorer.mean: found rows of float64 \(5,\), wanted float64 \(2,\)"),
        (retype_rows, r"scorer.seen: found rows of float64 \(\), wanted int64 \(\)"),
    ],
)
def test_parts_that_do_not_fit_are_state_errors_that_say_what(
    harm: Callable[[Saved], None], why: str
) -> None:
    kept = saved(PLAIN, lived(PLAIN))
    harm(kept)
    with pytest.raises(StateError, match=f"^shelf: {why}"):
        kept.restored(PLAIN)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"versions": {}, "settings": []}', "null", '"text"'],
)
def test_a_damaged_header_is_a_state_error(text: str) -> None:
    kept = saved(PLAIN, lived(PLAIN))
    kept.header = text
    with pytest.raises(StateError, match=r"^shelf: the header of the saved state is damaged"):
        kept.restored(PLAIN)


def test_a_header_without_all_settings_is_a_state_error() -> None:
    kept = saved(PLAIN, lived(PLAIN))
    found = json.loads(kept.header)
    kept.header = json.dumps(found | {"settings": found["settings"][:4]})
    with pytest.raises(StateError, match="damaged"):
        kept.restored(PLAIN)
