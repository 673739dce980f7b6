"""Rows judged with self-tests along the way, and detectors that are broken on purpose."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from tocsin.detectors.classical.half_space_trees import HalfSpaceTrees, HalfSpaceTreesState
from tocsin.pipeline.calibrate import Conformal
from tocsin.pipeline.chain import Chain, ChainState, start
from tocsin.pipeline.gate import Gate
from tocsin.pipeline.keyed import per_key
from tocsin.pipeline.selftest.rounds import next_cut, observe
from tocsin.pipeline.selftest.settings import SelfTest, SelfTestState
from tocsin.pipeline.selftest.verdict import Examination
from tocsin.pipeline.step import step
from tocsin.pipeline.threshold import FixedTail
from tocsin.pipeline.types import (
    Batch,
    FloatArray,
    IntArray,
    Scorer,
    Scores,
    Spec,
    Traits,
    frames_of,
)
from tocsin.pipeline.window import Window

SECOND = 1_000_000_000
NAMES = ("a", "b", "c", "d")

# Cheap rounds, one straight after another: each series brings 48 rows between two boundaries.
QUICK = SelfTest(every_ns=0, every_rows=48, rows=48, trials=20, known=0)


def chain_of(scorer: Scorer[Any], channels: int = 2, **more: Any) -> Chain:
    """A light chain that judges rows of channels by a scorer."""
    stages = {
        "calibrator": Conformal(history=250, alone=100, least=20, pool=20, extremes=False),
        "threshold": FixedTail(0.005),
        "gate": Gate("always"),
        "window": Window(length=frames_of(scorer)),
    } | more
    return Chain(Spec((channels,)), scorer, **stages)


def clean(rows: int, channels: int = 2, seed: int = 0) -> FloatArray:
    """Rows (N, C) with nothing wrong: independent in time, alike across the channels."""
    rng = np.random.default_rng(seed)
    common = rng.standard_normal((rows, 1))
    alone = rng.standard_normal((rows, channels))
    return 5.0 + np.sqrt(0.8) * common + np.sqrt(0.2) * alone


@dataclass(slots=True)
class Play:
    """What became of rows: the states, and every examination in turn."""

    state: ChainState
    tested: SelfTestState
    found: list[Examination]

    def states(self) -> list[str]:
        return [one.state for one in self.found]


def play(
    chain: Chain,
    test: SelfTest,
    values: FloatArray,
    cuts: Sequence[int] = (),
    before: tuple[ChainState, SelfTestState] | None = None,
) -> Play:
    """Judge rows (N, C) of one series, or (N, K, C) of several, a tick a second.

    `cuts` are where the rows are cut into calls, beside the cuts that the self-test asks for.
    """
    state, tested = before or (start(chain), test.start(chain.spec.item))
    ticks = values.reshape(len(values), -1, *chain.spec.item)
    keys = ticks.shape[1]
    begin = max(state.clock, 0) + SECOND
    key = np.tile(np.arange(keys), len(ticks))
    time = begin + SECOND * np.repeat(np.arange(len(ticks)), keys)
    rows = ticks.reshape(-1, *chain.spec.item)
    found: list[Examination] = []
    edges = [0, *cuts, len(rows)]
    for first, last in pairwise(edges):
        at = first
        while at < last:
            upto = at + next_cut(test, tested, time[at:last])
            found += _judged(
                chain, test, (state, tested), (key[at:upto], time[at:upto], rows[at:upto])
            )
            at = upto
    return Play(state, tested, found)


def _judged(
    chain: Chain,
    test: SelfTest,
    states: tuple[ChainState, SelfTestState],
    rows: tuple[IntArray, IntArray, FloatArray],
) -> list[Examination]:
    state, tested = states
    step(chain, state, [NAMES[key] for key in rows[0]], rows[1], rows[2])
    return observe(test, chain, state, tested, rows)


@dataclass(slots=True)
class CountState:
    """Rows of each key."""

    seen: IntArray = per_key(0)  # (K,)


@dataclass(frozen=True, slots=True)
class Constant:
    """Broken: gives the same score to every row. `rounding` adds the last bits of a sum."""

    rounding: bool = False

    traits: ClassVar[Traits] = Traits()
    version: ClassVar[int] = 1

    @property
    def warmup(self) -> int:
        return 0

    def start(self, spec: Spec) -> CountState:
        return CountState(np.empty(0, dtype=np.int64))

    def score(self, state: CountState, batch: Batch) -> Scores:
        value = np.full(len(batch), 0.69)
        if self.rounding:
            value += 1e-16 * (state.seen[batch.key] % 7)
        return Scores(value)

    def learn(self, state: CountState, batch: Batch) -> None:
        state.seen[batch.key] += 1


class Clockwork(Constant):
    """Broken: scores go by the number of the row, the same for all rows of a tick."""

    def score(self, state: CountState, batch: Batch) -> Scores:
        return Scores(np.sin(state.seen[batch.key] * 12.9898) * 43758.5453 % 1.0)


class Dice(Constant):
    """Broken: scores are hashes of the values, near or far alike."""

    def score(self, state: CountState, batch: Batch) -> Scores:
        mixed = np.nansum(batch.values[:, -1] * [12.9898, 78.233], axis=1)
        return Scores(np.sin(mixed) * 43758.5453 % 1.0)


class UnsplitTrees(HalfSpaceTrees):
    """Broken: no threshold of the trees can be passed, so every row falls into the same leaf.

    Rows are held inside the known ranges, so that the trees alone have a say.
    """

    advance: ClassVar[None] = None  # type: ignore[assignment] # it has no fast path

    def start(self, spec: Spec) -> HalfSpaceTreesState:
        whole = super().start(spec)
        return replace(whole, threshold=np.full_like(whole.threshold, np.inf))

    def score(self, state: HalfSpaceTreesState, batch: Batch) -> Scores:
        low, high = state.low[batch.key][:, None], state.high[batch.key][:, None]
        inside = np.clip(batch.values, low, high)
        return super().score(state, Batch(batch.key, batch.time, inside))
