"""Running a scorer as the pipeline would: the plain loop, the fast path, cuts and copies."""

import dataclasses
from collections.abc import Iterator, Sequence
from copy import deepcopy
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from tocsin.evaluation.planted import ordinary, windows
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.types import Batch, FloatArray, IntArray, Scorer, Scores, Spec

KEYS = 3  # series in most streams: enough for company, few enough to be quick

_FITTED_ON = 60  # ticks, beyond the scorer's warm-up
_HISTORY_SEED = 90


def rebuilt(scorer: Scorer[Any], **changed: Any) -> Scorer[Any]:
    """Another scorer made from the same settings, but for those `changed`."""
    fresh: Scorer[Any] = dataclasses.replace(scorer, **changed)  # type: ignore[type-var]  # check_settings holds it to be a dataclass
    return fresh


def begin(scorer: Scorer[Any], spec: Spec, keys: int = KEYS) -> Any:
    """A state to stream into: of no data, or fitted where the scorer has `fit`; with room."""
    settings: Any = scorer  # hashable, as check_settings holds
    state = deepcopy(_fitted(settings, spec)) if is_trainable(scorer) else scorer.start(spec)
    grow(state, keys)
    return state


def blank(scorer: Scorer[Any], spec: Spec, keys: int = KEYS) -> Any:
    """A state of no data, with room."""
    state = scorer.start(spec)
    grow(state, keys)
    return state


def beginnings(scorer: Scorer[Any], spec: Spec) -> list[Any]:
    """The states a stream may begin with: `begin`, and one of no data where that is fitted."""
    first = begin(scorer, spec)
    return [first, blank(scorer, spec)] if is_trainable(scorer) else [first]


def is_trainable(scorer: Scorer[Any]) -> bool:
    """Whether the scorer is fitted on clean history in one go."""
    return hasattr(scorer, "fit")


def is_streaming(scorer: Scorer[Any]) -> bool:
    """Whether the scorer has a fast path."""
    return hasattr(scorer, "advance")


def history(scorer: Scorer[Any], spec: Spec) -> Batch:
    """The clean history that a trainable scorer is fitted on."""
    return clean(spec, scorer.warmup + _FITTED_ON, KEYS, seed=_HISTORY_SEED)


def clean(spec: Spec, ticks: int, keys: int, *, seed: int) -> Batch:
    """Ordinary windows in (time, key) order, every key at every tick."""
    frames = ordinary(spec.item, ticks=ticks + spec.window - 1, keys=keys, seed=seed)
    return windows(frames, spec.window)


def rough(spec: Spec, ticks: int, keys: int, *, seed: int) -> Batch:
    """What the world sends: gaps, missing values, infinities, spikes and stuck stretches."""
    frames = ordinary(spec.item, ticks=ticks + spec.window - 1, keys=keys, seed=seed)
    rng = np.random.default_rng(seed)
    frames[len(frames) // 2 : len(frames) // 2 + 8, 0] = frames[len(frames) // 2, 0]
    frames[rng.random(frames.shape[:2]) < 0.02] *= 30.0
    frames[rng.random(frames.shape) < 0.03] = np.nan
    frames[rng.random(frames.shape[:2]) < 0.02] = np.nan
    frames[rng.random(frames.shape) < 0.002] = np.inf
    frames[rng.random(frames.shape) < 0.002] = -np.inf
    batch = windows(frames, spec.window)
    return batch.take(rng.random(len(batch)) < 0.8)


def long_enough(scorer: Scorer[Any], more: int = 40) -> int:
    """Ticks of a rough stream that take every key through its warm-up and `more` beyond."""
    return int(1.5 * scorer.warmup) + more


def step_through(scorer: Scorer[Any], state: Any, batch: Batch) -> Scores:
    """The plain loop: every tick scored, then learned. Changes `state`, answers the scores."""
    parts = []
    for tick in batch.ticks():
        parts.append(scorer.score(state, tick))
        scorer.learn(state, tick)
    return join(parts)


def play(scorer: Scorer[Any], state: Any, batch: Batch) -> Scores:
    """The stream by the fast path where the scorer has one, and by the plain loop otherwise."""
    if not is_streaming(scorer):
        return step_through(scorer, state, batch)
    scores: Scores = scorer.advance(state, batch)  # type: ignore[attr-defined]  # is_streaming saw it
    return scores


def warmed(scorer: Scorer[Any], spec: Spec, *, keys: int = KEYS, seed: int = 0) -> Any:
    """A state that has seen enough clean rows of each key for an opinion of the next."""
    state = begin(scorer, spec, keys)
    play(scorer, state, clean(spec, scorer.warmup + 20, keys, seed=seed))
    return state


def cut_at(batch: Batch, edges: Sequence[int]) -> Iterator[Batch]:
    """The batch in parts that end before each of the rows `edges` and at the end."""
    ends = [0, *sorted(edges), len(batch)]
    for first, last in pairwise(ends):
        part = slice(first, last)
        yield Batch(batch.key[part], batch.time[part], batch.values[part])


def tick_edges(batch: Batch) -> IntArray:
    """The rows at which a new tick begins, but for the first."""
    return np.flatnonzero(np.diff(batch.time)) + 1


def join(parts: Sequence[Scores]) -> Scores:
    """Scores of consecutive parts of a batch as one."""
    if not parts:
        return Scores(np.empty(0))
    blames: list[FloatArray] = [part.blame for part in parts if part.blame is not None]
    blame = np.concatenate(blames) if len(blames) == len(parts) else None
    return Scores(np.concatenate([part.value for part in parts]), blame)


def copy_of(batch: Batch) -> Batch:
    """The batch in memory of its own."""
    return Batch(batch.key.copy(), batch.time.copy(), batch.values.copy())


def windows_without(batch: Batch, key: int, ticks: int) -> Batch:
    """The batch less the first `ticks` rows of one key, which so begins late."""
    nth = np.cumsum(batch.key == key)
    return batch.take((batch.key != key) | (nth > ticks))


def with_values(batch: Batch, values: FloatArray) -> Batch:
    """The same rows with other values (B, T, *item)."""
    return Batch(batch.key, batch.time, values)


@lru_cache(maxsize=4)
def _fitted(scorer: Any, spec: Spec) -> Any:
    """One fit serves all checks that only need some fitted state; callers copy it."""
    return scorer.fit(spec, [history(scorer, spec)])
