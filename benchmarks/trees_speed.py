"""Streaming trees against River and rrcf, both fed the same records one by one."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from tocsin.detectors.classical.half_space_trees import HalfSpaceTrees
from tocsin.detectors.classical.random_cut_forest import RandomCutForest
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.types import Batch, FloatArray, Spec

CHANNELS = 3
ROWS = 4000
SHINGLE = 4
TREES = 30
SAMPLES = 256
_FEW = 60  # records after the sample is full; rrcf takes some 15 ms for each


def series(rows: int) -> FloatArray:
    """Correlated channels (N, C)."""
    rng = np.random.default_rng(0)
    return np.asarray(rng.normal(size=(rows, CHANNELS)) @ rng.normal(size=(CHANNELS, CHANNELS)))


def windows(values: FloatArray, frames: int) -> Batch:
    """All windows of one key's rows (N, C)."""
    cut = np.lib.stride_tricks.sliding_window_view(values, frames, axis=0)
    rows = np.arange(len(cut))
    return Batch(np.zeros(len(cut), dtype=np.int64), rows, np.moveaxis(cut, -1, 1).copy())


def seconds_a_row(job: Callable[[], object], rows: int) -> float:
    """Time of one row where `job` takes that many."""
    began = time.perf_counter()
    job()
    return (time.perf_counter() - began) / rows


def against_river(rounds: int = 3) -> Iterator[str]:
    """Half-space trees by `advance`, and River's behind its scaler."""
    if find_spec("river") is None:
        yield "half-space trees: left out, river is not installed"
        return
    anomaly, scaling = import_module("river.anomaly"), import_module("river.preprocessing")
    values = series(ROWS)
    records = [dict(enumerate(row)) for row in values.tolist()]
    batch = windows(values, 1)
    _advance(HalfSpaceTrees(), batch)  # compiles
    ratios, ours = [], 0.0
    for _ in range(rounds):
        trees = anomaly.HalfSpaceTrees(n_trees=25, height=8, window_size=250, seed=0)
        fed = partial(_river, scaling.MinMaxScaler(), trees, records)
        theirs = seconds_a_row(fed, ROWS)
        ours = seconds_a_row(partial(_advance, HalfSpaceTrees(), batch), ROWS)
        ratios.append(theirs / ours)
    middle = sorted(ratios)[rounds // 2]
    took = f"{middle:6.0f}x, {1e6 * ours:.1f} us a row"
    yield f"River / ours, half-space trees, 25 of depth 8     {took}"


def against_rrcf(rounds: int = 3) -> Iterator[str]:
    """The random cut forest by `advance`, and rrcf's trees over the same shingles."""
    try:
        rrcf = import_module("rrcf")
    except ModuleNotFoundError as error:  # rrcf, or the old setuptools that it asks for
        yield f"random cut forest: left out, {error.name} is not installed"
        return
    batch = windows(series(ROWS), SHINGLE)
    points = batch.values.reshape(len(batch), -1)
    for memory, name in ((0, "newest rows"), (10 * SAMPLES, "drawn from the past")):
        scorer = RandomCutForest(trees=TREES, samples=SAMPLES, shingle=SHINGLE, memory=memory)
        _advance(scorer, batch)  # compiles
        ratios, ours = [], 0.0
        for _ in range(rounds):
            forest = [rrcf.RCTree() for _ in range(TREES)]
            _rrcf(forest, points, 0, SAMPLES)
            fed = partial(_rrcf, forest, points, SAMPLES, SAMPLES + _FEW)
            theirs = seconds_a_row(fed, _FEW)
            ours = seconds_a_row(partial(_advance, scorer, batch), len(batch))
            ratios.append(theirs / ours)
        middle = sorted(ratios)[rounds // 2]
        took = f"{middle:6.0f}x, {1e6 * ours:.1f} us a row"
        yield f"rrcf / ours, {TREES} trees of {SAMPLES}, {name:<20} {took}"


def report() -> Iterator[str]:
    """All lines."""
    yield from against_river()
    yield from against_rrcf()


def _advance(scorer: Any, batch: Batch) -> object:
    state = scorer.start(Spec((CHANNELS,), batch.values.shape[1]))
    grow(state, 1)
    return scorer.advance(state, batch)


def _river(scaler: Any, trees: Any, records: list[dict[int, float]]) -> None:
    for record in records:
        scaler.learn_one(record)
        scaled = scaler.transform_one(record)
        trees.score_one(scaled)
        trees.learn_one(scaled)


def _rrcf(forest: list[Any], points: FloatArray, first: int, stop: int) -> None:
    for row in range(first, stop):
        for tree in forest:
            if row >= SAMPLES:
                tree.forget_point(row - SAMPLES)
            tree.insert_point(points[row], index=row)
            tree.codisp(row)


if __name__ == "__main__":
    for line in report():
        print(line, flush=True)
