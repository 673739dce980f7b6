"""Patch memory: points a second on one core, offline, live, adapting, and record by record."""

import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from tocsin.detectors.patches.patch_memory import PatchMemory
from tocsin.detectors.trained import TrainingState
from tocsin.pipeline.types import Batch, FloatArray, IntArray, Spec

PROTOTYPE = 14_000  # points a second, offline, of the prototype in plain numpy

_TRAIN = 1000


def series(rows: int, channels: int) -> FloatArray:
    """Waves with noise (N, C)."""
    rng = np.random.default_rng(0)
    phase = np.arange(rows)[:, None] / 9.0 + np.arange(channels)
    return np.sin(phase) + 0.3 * rng.normal(size=(rows, channels))


def windows(values: FloatArray, length: int) -> Batch:
    """One key's rows as windows of so many rows."""
    stacked = np.stack([values[t : t + length] for t in range(len(values) - length + 1)])
    return Batch(np.zeros(len(stacked), dtype=np.int64), np.arange(len(stacked)), stacked)


def report(rounds: int = 3) -> Iterator[str]:
    """Values a second, rows times channels, each the best of some rounds."""
    for channels, rows in ((1, 100_000), (8, 10_000), (38, 5_000)):
        values = series(rows + _TRAIN, channels)
        job = partial(PatchMemory().offline, Spec((channels,)), values[:_TRAIN], values[_TRAIN:])
        rate = rows * channels / _seconds(job, rounds)
        ratio = f", {rate / PROTOTYPE:5.1f}x the prototype (target: 10x)" if channels == 1 else ""
        yield f"offline, {channels:>2} channels {rate:>10,.0f} values a second{ratio}"
    yield from _live(rounds)


def _live(rounds: int) -> Iterator[str]:
    batch = windows(series(_TRAIN + 6_000, 1), 128)
    past, rest = np.arange(_TRAIN), np.arange(_TRAIN, len(batch))
    for adapt in (False, True):
        scorer = PatchMemory(adapt=adapt)
        state = scorer.fit(Spec((1,), window=128), [batch.take(past)])
        name = "adapting" if adapt else "frozen"
        took = _seconds(partial(scorer.advance, state, batch.take(rest)), rounds)
        yield f"live, {name:<8} in blocks {len(rest) / took:>10,.0f} rows a second"
        took = _seconds(partial(_one_by_one, scorer, state, batch, rest[:500]), rounds)
        yield f"live, {name:<8} row by row {500 / took:>9,.0f} rows a second"


def _one_by_one(scorer: PatchMemory, state: TrainingState, batch: Batch, rows: IntArray) -> None:
    for row in rows.tolist():
        one = batch.take(np.array([row]))
        scorer.score(state, one)
        scorer.learn(state, one)


def _seconds(job: Callable[[], object], rounds: int) -> float:
    """Processor seconds of the fastest round, after one that compiles."""
    job()
    took = []
    for _ in range(rounds):
        began = time.process_time()
        job()
        took.append(time.process_time() - began)
    return min(took)
