"""What an incident tells of covariates: those that raised the score at its peak, as they did."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from oracles.heated_plant import CHANNELS, SMALL, heated
from oracles.pipeline_chains import PLAIN
from oracles.pipeline_runs import SECOND, Run, Stream, cuts, expect_same, play
from oracles.pipeline_scorers import Spread, SpreadState

from tocsin.detectors import trained
from tocsin.detectors.forecast import trees
from tocsin.pipeline.chain import Chain, ChainState, start
from tocsin.pipeline.gate import Gate
from tocsin.pipeline.incidents import Incident
from tocsin.pipeline.snapshot import moved
from tocsin.pipeline.step import close, step
from tocsin.pipeline.store import Checkpoint, Store
from tocsin.pipeline.threshold import FixedTail
from tocsin.pipeline.types import Batch, FloatArray, Spec
from tocsin.pipeline.window import Window

FAULTS, ROWS = (560, 600), 640
HEATED = replace(
    PLAIN,
    spec=Spec((5,), channels=CHANNELS),
    scorer=SMALL,
    window=Window(SMALL.frames),
    threshold=FixedTail(0.01),
)
CALM, FAULT = 400, (402, 405)  # rows; the fault is largest in its second row


@dataclass(frozen=True, slots=True)
class Sharing(Spread):
    """`Spread` that puts a row's score down to its last channels, and keeps what it was asked."""

    shares: tuple[float, ...] = (0.0, 1.0)
    seen: list[float] = field(default_factory=list, compare=False)

    def attribute(self, state: SpreadState, batch: Batch) -> FloatArray | None:
        self.seen.append(float(batch.values[0, -1, 1]))
        return np.tile(self.shares, (len(batch), 1))


@dataclass(frozen=True, slots=True)
class Failing(Spread):
    """`Spread` that raises when it is asked for covariates."""

    def attribute(self, state: SpreadState, batch: Batch) -> FloatArray | None:
        raise ZeroDivisionError


def plant(seed: int = 0) -> Stream:
    """Two plants that are heated, their rows by turns."""
    values = np.stack([heated(ROWS, FAULTS, seed + key) for key in range(2)], axis=1)
    time = np.repeat(np.arange(ROWS), 2) * SECOND
    return Stream(["a", "b"] * ROWS, time, values.reshape(-1, 5))


def burst() -> FloatArray:
    values = np.random.default_rng(0).normal(size=(CALM + 40, 2))
    values[FAULT[0] : FAULT[1], 1] += [30.0, 40.0, 20.0]
    return values


def played(scorer: Spread, **changes: object) -> tuple[list[Incident], ChainState, Chain]:
    """What is told of the burst, the state at the end, and the chain."""
    chain = replace(PLAIN, scorer=scorer, threshold=FixedTail(0.01), **changes)  # type: ignore[arg-type]  # by name
    values, state = burst(), start(chain)
    found = step(chain, state, ["s"] * len(values), np.arange(len(values)) * SECOND, values)
    every = found.incidents + close(chain, state).incidents
    return [one for one in every if one.started_at == FAULT[0] * SECOND], state, chain


def told(run: Run) -> dict[str, tuple[tuple[str, float], ...]]:
    """The covariates of each fault's last revision."""
    of = {each.id: each for each in run.of("anomaly") if each.started_at // SECOND in FAULTS}
    return {one.id: one.covariates for one in of.values()}


def test_the_incident_of_a_live_run_names_the_planted_covariate_first() -> None:
    found = told(play(HEATED, plant(), range(0, 2 * ROWS + 1, 2)))
    assert len(found) == 4
    assert [covariates[0][0] for covariates in found.values()] == ["sun"] * 4


def test_the_fast_path_tells_of_the_same_covariates() -> None:
    slow = play(HEATED, plant(), fast=False)
    assert any(told(slow).values())
    expect_same(slow, play(HEATED, plant()))


@pytest.mark.parametrize("seed", range(3))
def test_no_cut_of_a_stream_changes_the_covariates(seed: int) -> None:
    whole, stream = play(HEATED, plant()), plant()
    expect_same(whole, play(HEATED, stream, cuts(len(stream), 12, seed)))


def test_stopped_within_an_incident_and_resumed_it_tells_the_same() -> None:
    stream, whole = plant(), play(HEATED, plant())
    middle = 2 * (FAULTS[0] + 2)
    state = start(HEATED)
    before = step(HEATED, state, *stream.columns(0, middle))
    assert before.incidents[-1].state != "resolved"
    trees._ATTRIBUTIONS.clear()  # as in a new process
    trained._MODELS.clear()
    state = moved(HEATED, state, HEATED, "saved")
    after = step(HEATED, state, *stream.columns(middle, len(stream)))
    incidents = before.incidents + after.incidents + close(HEATED, state).incidents
    assert [one.covariates for one in by_id(incidents)] == [
        one.covariates for one in by_id(whole.incidents)
    ]


def by_id(incidents: list[Incident]) -> list[Incident]:
    return sorted(incidents, key=lambda one: (one.id, one.revision))


def test_the_scorer_is_asked_at_each_new_peak_and_at_no_other_row() -> None:
    scorer = Sharing()
    played(scorer)
    peaks = burst()[FAULT[0] : FAULT[1] - 1, 1]
    assert [value for value in scorer.seen if value > 20] == list(peaks)


def test_shares_are_told_in_every_revision_largest_first() -> None:
    found, _, _ = played(Sharing(shares=(0.25, 0.75)))
    assert {one.state for one in found} == {"open", "resolved"}
    assert {one.covariates for one in found} == {(("c1", 0.75), ("c0", 0.25))}


@pytest.mark.parametrize("shares", [(0.0, 0.0), (np.nan, np.nan)])
def test_a_scorer_that_can_say_nothing_names_no_covariate(shares: tuple[float, ...]) -> None:
    found, _, _ = played(Sharing(shares=shares))
    assert {one.covariates for one in found} == {()}


def test_an_incident_is_told_without_covariates_where_the_scorer_raises() -> None:
    found, _, _ = played(Failing())
    assert {one.state for one in found} == {"open", "resolved"}
    assert {one.covariates for one in found} == {()}
    assert found[-1].readings[0][1] is not None


def test_where_every_row_is_learned_no_covariate_is_named() -> None:
    scorer = Sharing()
    at_once = replace(PLAIN.episodes, open_after_ns=0)  # what is learned soon alarms no more
    found, _, _ = played(scorer, gate=Gate(learn="always"), episodes=at_once)
    assert found
    assert {one.covariates for one in found} == {()}
    assert not scorer.seen


def test_covariates_come_out_of_the_store_as_they_went_in(tmp_path: Path) -> None:
    found, state, chain = played(Sharing())
    with Store(tmp_path / "store.db") as store:
        epoch = store.claim(chain, "a").epoch
        store.checkpoint(chain, Checkpoint("a", epoch, 1, state, np.array([0]), found, ()), [])
        kept = {each.id: each for each in store.incidents()}
    assert kept[found[-1].id] == found[-1]
    assert found[-1].covariates
