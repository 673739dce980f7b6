"""Many ticks at once give what one after another gives, to the bit."""

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import pytest
from oracles.pipeline_runs import SECOND, Run, Stream, expect_same, play, resume, troubled
from oracles.pipeline_scorers import TRIP, Crowd, Spread, SpreadState, Tripping

from tocsin.pipeline import bulk, judge
from tocsin.pipeline.acceptance import accept
from tocsin.pipeline.calibrate import Conformal
from tocsin.pipeline.chain import Chain, start
from tocsin.pipeline.events import Episodes
from tocsin.pipeline.gate import Gate
from tocsin.pipeline.rules.verdicts import RELEARNING
from tocsin.pipeline.step import step
from tocsin.pipeline.threshold import AlertBudget, FixedTail
from tocsin.pipeline.types import Batch, Scores, Spec, Traits

GATES = [
    Gate(learn="always"),
    Gate(),
    Gate(at_most_ns=5 * SECOND, then="learn"),
    Gate(at_most_ns=5 * SECOND),
]
THRESHOLDS: list[Any] = [AlertBudget("2/m"), FixedTail(0.03)]


@pytest.fixture(autouse=True)
def renew_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pool is renewed several times in a short stream."""
    for module in (bulk, judge):
        monkeypatch.setattr(module, "POOL_TICKS", 64)


def chain_of(gate: Gate, threshold: Any, scorer: Any = Spread()) -> Chain:  # noqa: B008 - frozen
    return Chain(
        Spec((2,)),
        scorer,
        calibrator=Conformal(history=60, alone=30, least=10, pool=40),
        threshold=threshold,
        gate=gate,
        episodes=Episodes(SECOND, 2 * SECOND, 3 * SECOND, close_rows=2),
    )


@pytest.mark.parametrize("threshold", THRESHOLDS, ids=["budget", "fixed"])
@pytest.mark.parametrize("gate", GATES, ids=["always", "freeze", "then learn", "then ask"])
@pytest.mark.parametrize("seed", [0, 1])
def test_fast_is_slow(gate: Gate, threshold: Any, seed: int) -> None:
    chain = chain_of(gate, threshold)
    stream = troubled(seed, disorder=seed == 1)
    slow = play(chain, stream, fast=False)
    assert slow.verdicts.alarm.any()
    assert not slow.verdicts.alarm.all()
    expect_same(slow, play(chain, stream))


@pytest.mark.parametrize("gate", GATES, ids=["always", "freeze", "then learn", "then ask"])
def test_what_follows_an_acceptance_is_the_same_on_both_paths(gate: Gate) -> None:
    chain, stream = chain_of(gate, FixedTail(0.03)), troubled(1, disorder=False)
    growth = np.minimum(np.arange(len(stream) - 480) // 3, 7)
    stream.values[480:] += 20.0 * 4.0 ** growth[:, None]  # so that even what is learned alarms
    stream.values[stream.time == 250 * SECOND] *= 3.0
    runs = []
    for fast in (True, False):
        state = start(chain)
        step(chain, state, *stream.columns(0, 500))
        assert [each.state for each in accept(chain, state, "s0").incidents] == ["resolved"]
        runs.append(resume(chain, state, stream.part(500, len(stream)), fast=fast))
    assert (runs[0].verdicts.verdict == RELEARNING).any()
    expect_same(*runs)


@dataclass
class Tally:
    """How many rows went through the fast path."""

    rows: int = 0

    def __hash__(self) -> int:
        return 0


@dataclass(frozen=True)
class Counted:
    """`Spread`, counting the rows it advances."""

    tally: Tally = field(default_factory=Tally, compare=False)
    inner: Spread = field(default_factory=Spread)

    traits: ClassVar[Traits] = Traits()
    version: ClassVar[int] = 1

    @property
    def warmup(self) -> int:
        return self.inner.warmup

    def start(self, spec: Spec) -> SpreadState:
        return self.inner.start(spec)

    def score(self, state: SpreadState, batch: Batch) -> Scores:
        return self.inner.score(state, batch)

    def learn(self, state: SpreadState, batch: Batch) -> None:
        self.inner.learn(state, batch)

    def advance(self, state: SpreadState, batch: Batch) -> Scores:
        self.tally.rows += len(batch)
        return self.inner.advance(state, batch)


@dataclass(frozen=True)
class CountedShared(Counted):
    """The same, shared by the series."""

    traits: ClassVar[Traits] = Traits(shared=True)


def rows_advanced(stream: Stream, kind: type[Counted] = Counted, *, fast: bool) -> int:
    scorer = kind()
    play(chain_of(Gate(), FixedTail(0.01), scorer), stream, fast=fast)
    return scorer.tally.rows


def test_nearly_all_rows_take_the_fast_path() -> None:
    stream = troubled(0, disorder=False)
    assert rows_advanced(stream, fast=True) > 0.95 * len(stream)


def test_the_fast_path_can_be_turned_off() -> None:
    assert rows_advanced(troubled(0, disorder=False), fast=False) == 0


def test_shared_scorers_go_tick_by_tick() -> None:
    stream = troubled(0, disorder=False)
    assert rows_advanced(stream, CountedShared, fast=True) == 0
    chain = chain_of(Gate(), FixedTail(0.03), Crowd())
    expect_same(play(chain, stream, fast=False), play(chain, stream))


def tripped(gate: Gate, scorer: Tripping, *, fast: bool) -> Run:
    stream = troubled(2, disorder=False)
    for row in (500, 501, 504, 777):
        stream.values[row, 0] = TRIP
    return play(chain_of(gate, FixedTail(0.03), scorer), stream, fast=fast)


@pytest.mark.parametrize("gate", GATES[:2], ids=["always", "freeze"])
def test_a_scorer_that_raises_gives_the_same_on_both_paths(gate: Gate) -> None:
    slow = tripped(gate, Tripping(), fast=False)
    assert slow.of("detector_failed")
    expect_same(slow, tripped(gate, Tripping(), fast=True))


def test_a_scorer_whose_fast_path_hides_its_trouble_gives_the_same_on_both_paths() -> None:
    scorer = Tripping(on_advance=False)
    slow = tripped(Gate(), scorer, fast=False)
    assert slow.of("detector_failed")
    expect_same(slow, tripped(Gate(), scorer, fast=True))


def test_fast_is_slow_where_one_series_alarms_again_and_again() -> None:
    stream = troubled(4, disorder=False)
    spiky = np.array(stream.series) == "s0"
    spikes = np.flatnonzero(spiky & (stream.time // SECOND % 4 == 0) & (stream.time > 64 * SECOND))
    stream.values[spikes] += 20.0 * 1.2 ** np.arange(len(spikes))[:, None]  # none is usual
    chain = replace(chain_of(Gate(), FixedTail(0.03)), episodes=Episodes(SECOND))
    slow = play(chain, stream, fast=False)
    assert slow.verdicts.alarm[slow.verdicts.key == 0].sum() > 50
    expect_same(slow, play(chain, stream))


@pytest.mark.parametrize("gate", GATES, ids=["always", "freeze", "then learn", "then ask"])
def test_fast_is_slow_where_most_series_alarm_at_once(gate: Gate) -> None:
    stream = troubled(3, ticks=200, keys=24, disorder=False)
    stream.values[24 * 100 : 24 * 104] += 20.0
    slow = play(chain_of(gate, FixedTail(0.03)), stream, fast=False)
    assert len(np.unique(slow.verdicts.key[slow.verdicts.alarm])) == 23
    expect_same(slow, play(chain_of(gate, FixedTail(0.03)), stream))
