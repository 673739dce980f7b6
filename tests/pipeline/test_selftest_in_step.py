"""Self-tests in the pipeline: a blind detector becomes an incident, wherever rows are cut."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from oracles.selftest_play import NAMES, QUICK, SECOND, Constant, chain_of, clean

from tocsin.detectors.classical.ewma import Ewma
from tocsin.pipeline.chain import Chain, ChainState, start
from tocsin.pipeline.incidents import Incident
from tocsin.pipeline.snapshot import block_of, header, restore, shared_part
from tocsin.pipeline.step import step


@dataclass
class Told:
    state: ChainState
    incidents: list[Incident]


def played(chain: Chain, rows: int, pieces: int = 1, state: ChainState | None = None) -> Told:
    """Rows of four series, a second apart, in so many pieces."""
    state = start(chain) if state is None else state
    values = np.repeat(clean(rows), len(NAMES), axis=0)
    time = np.repeat(np.arange(rows) * SECOND, len(NAMES))
    found: list[Incident] = []
    for part in np.array_split(np.arange(len(time)), pieces):
        names = [NAMES[row % len(NAMES)] for row in part]
        found += step(chain, state, names, time[part], values[part]).incidents
    return Told(state, found)


def test_a_blind_detector_is_an_incident_of_its_own() -> None:
    chain = replace(chain_of(Constant()), selftest=QUICK)
    blind = [each for each in played(chain, 700).incidents if each.kind == "blind"]
    assert {each.series for each in blind} == set(NAMES)
    assert "did not see faults that a self-test planted" in blind[0].reason


def test_a_healthy_detector_is_not() -> None:
    chain = replace(chain_of(Ewma(half_life=20)), selftest=QUICK)
    told = played(chain, 700)
    assert told.state.selftest.examined > 4  # type: ignore[union-attr]
    assert [each for each in told.incidents if each.kind == "blind"] == []


@pytest.mark.parametrize("pieces", [7, 60])
def test_no_cut_changes_what_a_self_test_finds(pieces: int) -> None:
    chain = replace(chain_of(Constant()), selftest=QUICK)
    whole, cut = played(chain, 500), played(chain, 500, pieces)
    assert whole.incidents == cut.incidents
    for name in ("tested", "seen", "blind", "watch", "saved", "low"):
        one, other = getattr(whole.state.selftest, name), getattr(cut.state.selftest, name)
        assert (one == other).all() or np.isnan(one[one != other]).all()


def test_self_tests_may_be_set_anew_between_runs() -> None:
    without = chain_of(Ewma(half_life=20))
    tested = replace(without, selftest=QUICK)
    state = played(tested, 300).state
    blocks = {0: block_of(state, 0)}
    kept = restore(without, header(without), shared_part(state), blocks, "here")
    again = restore(tested, header(tested), shared_part(kept), {0: block_of(kept, 0)}, "here")
    assert (again.calibrator.ring == state.calibrator.ring)[:4].all()
    assert (state.selftest.examined > 0, again.selftest.examined) == (True, 0)  # type: ignore[union-attr]
