"""What an incident tells of its blamed channels: the values at its peak, and what was expected."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from oracles.pipeline_chains import PLAIN
from oracles.pipeline_runs import SECOND
from oracles.pipeline_scorers import Spread, SpreadState

from tocsin.pipeline.chain import Chain, ChainState, start
from tocsin.pipeline.gate import Gate
from tocsin.pipeline.incidents import Incident
from tocsin.pipeline.step import close, step
from tocsin.pipeline.store import Checkpoint, Store
from tocsin.pipeline.threshold import FixedTail
from tocsin.pipeline.types import Band, Batch

CHAIN = replace(PLAIN, threshold=FixedTail(0.01))
CALM, FAULT = 400, (402, 405)  # rows; the fault is largest in its second row


class Silent(Spread):
    """`Spread` that cannot tell what it expected."""

    expects = None  # type: ignore[assignment] # as if it had no such method


@dataclass(frozen=True, slots=True)
class Failing(Spread):
    """`Spread` that raises when it is asked what it expected."""

    def expects(self, state: SpreadState, batch: Batch) -> Band | None:
        raise ZeroDivisionError


def rows() -> np.ndarray:
    values = np.random.default_rng(0).normal(size=(CALM + 40, 2))
    values[FAULT[0] : FAULT[1], 1] += [30.0, 40.0, 20.0]
    return values


def played(chain: Chain, size: int = 10**6) -> tuple[list[Incident], ChainState]:
    """Incidents of one series, its rows taken in so many at a time, and the state at the end."""
    values, state = rows(), start(chain)
    found: list[Incident] = []
    for first in range(0, len(values), size):
        part = values[first : first + size]
        time = (first + np.arange(len(part))) * SECOND
        found += step(chain, state, ["s"] * len(part), time, part).incidents
    return found + close(chain, state).incidents, state


def before(row: int) -> ChainState:
    """The state that judges a row."""
    state = start(CHAIN)
    step(CHAIN, state, ["s"] * (row + 1), np.arange(row + 1) * SECOND, rows()[: row + 1])
    return state


def the_fault(found: list[Incident]) -> list[Incident]:
    return [each for each in found if each.started_at == FAULT[0] * SECOND]


def test_the_values_at_the_peak_are_told_with_what_was_expected() -> None:
    resolved = the_fault(played(CHAIN)[0])[-1]
    peak = resolved.peak_at // SECOND
    assert resolved.state == "resolved"
    assert peak == FAULT[0] + 1
    # Nothing of the fault is learned, so its first row is judged by the same state.
    learned = before(FAULT[0]).scorer
    told = dict(zip([name for name, _ in resolved.channels], resolved.readings, strict=True))
    assert told["c1"] == (rows()[peak, 1], learned.mean[0, 1], learned.spread[0, 1])
    assert told["c0"] == (rows()[peak, 0], learned.mean[0, 0], learned.spread[0, 0])
    assert resolved.reason.endswith(f"at {rows()[peak, 1]:.4g}, expected {learned.mean[0, 1]:.4g}")


def test_a_revision_tells_the_peak_so_far() -> None:
    opened = the_fault(played(CHAIN)[0])[0]
    assert opened.state == "open"
    assert opened.readings[0][0] == rows()[opened.peak_at // SECOND, 1]


@pytest.mark.parametrize("size", [1, 7])
def test_readings_do_not_depend_on_the_cut(size: int) -> None:
    assert played(CHAIN, size)[0] == played(CHAIN)[0] != []


@pytest.mark.parametrize("scorer", [Silent(), Failing()])
def test_values_are_told_where_nothing_can_be_expected(scorer: Spread) -> None:
    resolved = the_fault(played(replace(CHAIN, scorer=scorer))[0])[-1]
    assert resolved.readings[0] == (rows()[FAULT[0] + 1, 1], None, None)
    assert "expected" not in resolved.reason


def test_where_every_row_is_learned_nothing_is_expected() -> None:
    at_once = replace(CHAIN.episodes, open_after_ns=0)  # what is learned soon alarms no more
    always = replace(CHAIN, gate=Gate(learn="always"), episodes=at_once)
    found = the_fault(played(always)[0])
    assert found
    for each in found:
        assert each.readings[0][0] is not None
        assert {expected for _, expected, _ in each.readings} == {None}


def test_readings_come_out_of_the_store_as_they_went_in(tmp_path: Path) -> None:
    found, state = played(CHAIN)
    with Store(tmp_path / "store.db") as store:
        epoch = store.claim(CHAIN, "a").epoch
        store.checkpoint(CHAIN, Checkpoint("a", epoch, 1, state, np.array([0]), found, ()), [])
        kept = {each.id: each for each in store.incidents()}
    assert kept[found[-1].id] == found[-1]
    assert found[-1].readings
