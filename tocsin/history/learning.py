"""Clean history, learned before anything is judged."""

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from tocsin.config import Stages
from tocsin.history.judging import Rows, Trained, steps
from tocsin.history.listening import Listener
from tocsin.pipeline.chain import Chain, ChainState, make_room, start
from tocsin.pipeline.gate import Gate
from tocsin.pipeline.judge import POOL_TICKS
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.threshold import FixedTail
from tocsin.pipeline.types import NO_KEYS, Batch, BoolArray

_NO_ALARM = FixedTail(1e-300)  # under the smallest tail there is
_TOGETHER = 4_000_000  # numbers in the windows that a detector is handed at a time


def learn(stages: Stages, rows: Rows, *, follows: bool) -> Trained:
    """Learn clean history: every row, without an alarm. `follows`: the judged rows come after.

    A detector with `fit` is fitted on all of the history. The calibrator then learns scores of rows
    that were not fitted on: those of either half under the detector fitted on the other.
    """
    ordered = rows.take(rows.in_time())
    calm = replace(stages, gate=Gate("always"), threshold=_NO_ALARM, retention=None)
    if hasattr(stages.scorer, "fit"):
        return Trained(_fitted(calm, ordered), follows)
    state = start(calm.chain(rows.spec()))
    for _ in steps(calm, state, ordered, None):
        pass
    return Trained(state, follows)


def _fitted(stages: Stages, rows: Rows) -> ChainState:
    chain = stages.chain(rows.spec())
    listener: Any = Listener(chain.scorer.traits)  # a contract has its traits in the class
    listening = replace(stages, scorer=listener, window=chain.window)
    state = start(listening.chain(rows.spec()))
    for _ in steps(listening, state, rows, None):
        pass
    frames = state.scorer.frames(chain.spec.item)
    every = np.ones(len(frames), dtype=bool)
    state.scorer = _fit(chain, frames, every)
    state.calibrator = chain.calibrator.start()
    make_room(chain, state, NO_KEYS)
    _calibrate(chain, state, frames)
    return state


def _fit(chain: Chain, frames: Batch, chosen: BoolArray) -> Any:
    scorer: Any = chain.scorer
    return scorer.fit(chain.window_spec(), _windows(chain, frames, chosen))


def _calibrate(chain: Chain, state: ChainState, frames: Batch) -> None:
    """Let the calibrator learn the scores of each half under the detector fitted on the other."""
    if not len(frames):
        return
    late = frames.time > frames.time[(len(frames) - 1) // 2]
    score = np.full(len(frames), np.nan)
    for judged in (~late, late):
        if judged.all() or not judged.any():
            continue
        model = _fit(chain, frames, ~judged)
        grow(model, len(state.keys))
        parts = _windows(chain, frames, judged)
        score[judged] = np.concatenate([chain.scorer.score(model, part).value for part in parts])
    tick = np.concatenate(([0], np.cumsum(np.diff(frames.time) > 0)))
    edges = np.searchsorted(tick, np.arange(0, tick[-1] + 1, POOL_TICKS)).tolist()
    for first, last in pairwise([*edges, len(frames)]):
        part = slice(first, last)
        key, time = frames.key[part], frames.time[part]
        chain.calibrator.advance(state.calibrator, key, time, score[part])
        chain.calibrator.renew(state.calibrator)


def _windows(chain: Chain, frames: Batch, chosen: BoolArray) -> Iterator[Batch]:
    """The windows that end at the chosen rows, some at a time."""
    stage = chain.window.start(chain.spec.item)
    grow(stage, int(frames.key.max(initial=-1)) + 1)
    size = max(1, _TOGETHER // (chain.window.length * math.prod(chain.spec.item)))
    for first in range(0, len(frames), size):
        part = slice(first, first + size)
        rows = chain.window.advance(stage, frames.key[part], frames.time[part], frames.values[part])
        yield rows.take(chosen[part])
