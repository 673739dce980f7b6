"""Detectors: the fast path against the slow one, against River record by record, bytes a key."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from river import anomaly, covariance, preprocessing, stats, utils

from tocsin.detectors.catalogue import entries, load
from tocsin.pipeline.chain import Chain, start
from tocsin.pipeline.gate import Gate
from tocsin.pipeline.keyed import grow, keyed_fields, read_field
from tocsin.pipeline.step import step
from tocsin.pipeline.types import Batch, FloatArray, IntArray, Scorer, Spec

Record = dict[str, float]
CHANNELS = 3


@dataclass(slots=True)
class RiverZ:
    """A z-score a channel against running moments, the largest over the channels."""

    means: dict[str, Any]
    variances: dict[str, Any]

    def __call__(self, record: Record) -> float:
        largest = 0.0
        for name, value in record.items():
            spread = self.variances[name].get() ** 0.5
            if spread > 0:
                largest = max(largest, abs(value - self.means[name].get()) / spread)
            self.means[name].update(value)
            self.variances[name].update(value)
        return largest


@dataclass(slots=True)
class RiverMovingStd:
    """A moving standard deviation a channel against its own running level and spread."""

    moving: dict[str, utils.Rolling]
    level: dict[str, stats.EWMean]
    spread: dict[str, stats.EWVar]

    def __call__(self, record: Record) -> float:
        total = 0.0
        for name, value in record.items():
            self.moving[name].update(value)
            deviation = self.moving[name].get() ** 0.5
            width = self.spread[name].get() ** 0.5
            if width > 0:
                total += ((deviation - self.level[name].get()) / width) ** 2
            self.level[name].update(deviation)
            self.spread[name].update(deviation)
        return total**0.5


@dataclass(slots=True)
class RiverMahalanobis:
    """The distance by a running precision matrix."""

    means: dict[str, stats.EWMean]
    precision: covariance.EmpiricalPrecision

    def __call__(self, record: Record) -> float:
        names = list(record)
        away = np.array([record[name] - self.means[name].get() for name in names])
        known = self.precision.matrix
        matrix = np.array([[known.get(tuple(sorted((a, b))), 0.0) for a in names] for b in names])
        distance = float(max(away @ matrix @ away, 0.0)) ** 0.5
        self.precision.update(record)
        for name, value in record.items():
            self.means[name].update(value)
        return distance


@dataclass(slots=True)
class RiverTrees:
    """River's own half-space trees behind its own scaler."""

    scale: preprocessing.MinMaxScaler
    trees: anomaly.HalfSpaceTrees

    def __call__(self, record: Record) -> float:
        self.scale.learn_one(record)
        scaled = self.scale.transform_one(record)
        score = self.trees.score_one(scaled)
        self.trees.learn_one(scaled)
        return float(score)


def river_models(names: Sequence[str]) -> dict[str, Callable[[Record], float]]:
    """River's model of each detector's maths."""

    def ewm(of: type[stats.EWMean] | type[stats.EWVar]) -> dict[str, stats.EWMean]:
        return {name: of(fading_factor=0.014) for name in names}

    def rolling(of: Callable[[], object], window: int) -> dict[str, utils.Rolling]:
        return {name: utils.Rolling(of(), window_size=window) for name in names}

    return {
        "ewma": RiverZ(ewm(stats.EWMean), ewm(stats.EWVar)),
        "moving_z": RiverZ(rolling(stats.Mean, 100), rolling(stats.Var, 100)),
        "moving_std": RiverMovingStd(rolling(stats.Var, 50), ewm(stats.EWMean), ewm(stats.EWVar)),
        "mahalanobis": RiverMahalanobis(ewm(stats.EWMean), covariance.EmpiricalPrecision()),
        "half_space_trees": RiverTrees(
            preprocessing.MinMaxScaler(), anomaly.HalfSpaceTrees(n_trees=25, height=8, seed=0)
        ),
    }


def series(rows: int) -> Batch:
    """One series of correlated channels, a row a second."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(rows, CHANNELS)) @ rng.normal(size=(CHANNELS, CHANNELS))
    return Batch(
        np.zeros(rows, dtype=np.int64), np.arange(rows) * 1_000_000_000, values[:, None, :]
    )


def seconds(job: Callable[[], object]) -> float:
    began = time.perf_counter()
    job()
    return time.perf_counter() - began


def against_river(rows: int = 4000, rounds: int = 3) -> Iterator[str]:
    """`advance` over one series against River's model fed the same records one by one."""
    names = [f"c{channel}" for channel in range(CHANNELS)]
    batch = series(rows)
    records = [dict(zip(names, row, strict=True)) for row in batch.values[:, 0].tolist()]
    for name in river_models(names):
        scorer = load(name)()
        _advance(scorer, batch)  # compiles
        ratios = []
        for _ in range(rounds):
            theirs = seconds(partial(_one_by_one, river_models(names)[name], records))
            ratios.append(theirs / seconds(partial(_advance, scorer, batch)))
        yield f"River record by record / advance, {name:<18} {sorted(ratios)[rounds // 2]:6.0f}x"


def fast_against_slow(rows: int = 6000, rounds: int = 3) -> Iterator[str]:
    """The whole chain over one series and over a hundred, by the slow path and by the fast one."""
    for keys in (1, 100):
        ticks = rows // keys
        rng = np.random.default_rng(1)
        names = [f"s{key}" for key in range(keys)] * ticks
        when = np.repeat(np.arange(ticks) * 1_000_000_000, keys)
        values = rng.normal(size=(ticks * keys, CHANNELS))
        for name in ("ewma", "mahalanobis", "half_space_trees"):
            chain = Chain(Spec((CHANNELS,)), load(name)(), gate=Gate())
            step(chain, start(chain), names[:64], when[:64], values[:64])
            judge = partial(_judge, chain, names, when, values)
            ratios = [
                seconds(partial(judge, fast=False)) / seconds(partial(judge, fast=True))
                for _ in range(rounds)
            ]
            middle = sorted(ratios)[rounds // 2]
            yield f"slow path / fast path, {keys:>3} series, {name:<18} {middle:6.1f}x"


def bytes_a_key(keys: int = 1024) -> Iterator[str]:
    """Memory of each scorer's rows for three channels, and of a whole chain's, a key."""
    for name, entry in entries().items():
        if entry.item != "channels":
            continue
        state = load(name)().start(Spec((CHANNELS,)))
        grow(state, keys)
        chain = Chain(Spec((CHANNELS,)), load(name)())
        whole = start(chain)
        grow(whole, keys)
        yield (
            f"state, {name:<18} {_row_bytes(state, keys):>8,} bytes a key in the scorer, "
            f"{_row_bytes(whole, keys):>8,} in the whole chain"
        )


def _one_by_one(model: Callable[[Record], float], records: list[Record]) -> None:
    for record in records:
        model(record)


def _judge(
    chain: Chain, names: list[str], when: IntArray, values: FloatArray, *, fast: bool
) -> None:
    step(chain, start(chain), names, when, values, fast=fast)


def _advance(scorer: Scorer[object], batch: Batch) -> object:
    state = scorer.start(Spec((CHANNELS,)))
    grow(state, 1)
    return scorer.advance(state, batch)  # type: ignore[attr-defined]  # all here have the fast path


def _row_bytes(state: object, keys: int) -> int:
    return sum(read_field(state, path).nbytes for path in keyed_fields(state)) // keys
