"""Base signals driven by chance: memory, wandering, states, counts, bursts.

Each is a function of `(rng, count, length)` and gives (B, T): B series of T rows, in no particular
unit. `tocsin.evaluation.datasets.bases` lists and dresses them.
"""

import numpy as np

from tocsin.evaluation.datasets.bases_shapes import (
    before,
    filtered,
    log_uniform,
    periods,
    settled,
    slow,
    some,
    stepped,
)
from tocsin.pipeline.types import FloatArray


def memories(rng: np.random.Generator, count: int, length: int) -> FloatArray:
    """Autoregressive noise of the first or second order; its memory is 1 to about 20 rows."""
    first = np.exp(-1.0 / log_uniform(rng, 0.5, 20.0, count))
    second = np.where(some(rng, 0.5, count), rng.uniform(-0.4, 0.0, count), 0.0)
    drive = rng.standard_normal((count, before(length)))
    return settled(drive, first * (1.0 - second), second)


def walks(rng: np.random.Generator, count: int, length: int) -> FloatArray:
    """Random walks that are drawn back to their mean within 50 to 1000 rows."""
    first = 1.0 - 1.0 / log_uniform(rng, 50.0, 1000.0, count)
    drive = rng.standard_normal((count, before(length)))
    return settled(drive, first, np.zeros(count))


def regimes(rng: np.random.Generator, count: int, length: int) -> FloatArray:
    """Two to five levels, each held for a random while."""
    levels = rng.standard_normal((count, 5))
    levels[:, 2:] = np.where(rng.random((count, 3)) < 0.5, levels[:, :1], levels[:, 2:])
    rate = 1.0 / log_uniform(rng, 12.0, min(length, 1024) / 14.0 + 12.0, (count, 1))
    return stepped(rng, rng.random((count, length)) < rate, levels)


def machines(rng: np.random.Generator, count: int, length: int) -> FloatArray:
    """States in a fixed order, such as filling, heating, emptying, each nearly always as long."""
    out = np.empty((count, length))
    for row, period in enumerate(periods(rng, count, length).tolist()):
        kinds = int(rng.integers(2, 6))
        usual = rng.dirichlet(np.full(kinds, 4.0)) * max(period, 4.0 * kinds)
        repeats = int(2.0 * length / usual.sum()) + 2
        stays = np.tile(usual, repeats) * rng.normal(1.0, 0.04, kinds * repeats)
        rows = np.maximum(np.rint(stays), 1).astype(np.int64)
        state = np.tile(rng.uniform(0.0, 1.0, kinds), repeats)
        out[row] = np.repeat(state, rows)[int(rng.integers(0, int(usual.sum()) + 1)) :][:length]
    return out


def counts(rng: np.random.Generator, count: int, length: int) -> FloatArray:
    """Events counted a row, around a rate that has a daily profile or drifts slowly."""
    turns = np.arange(length) / periods(rng, count, length)[:, None] + rng.random((count, 1))
    profile = np.where(
        some(rng, 0.7, count)[:, None], np.sin(2.0 * np.pi * turns), slow(rng, count, length)
    )
    rate = log_uniform(rng, 0.5, 200.0, (count, 1)) * np.exp(
        rng.uniform(0.0, 1.0, (count, 1)) * profile
    )
    return rng.poisson(rate).astype(np.float64)


def bursts(rng: np.random.Generator, count: int, length: int) -> FloatArray:
    """Quiet, with hits now and then that die away: requests, rain, alarms."""
    gap = log_uniform(rng, 8.0, min(length, 1024) / 20.0 + 8.0, (count, 1))
    hit = rng.random((count, length)) < 1.0 / gap
    size = rng.gamma(rng.uniform(1.5, 12.0, (count, 1)), 1.0, (count, length))
    fade = np.exp(-1.0 / log_uniform(rng, 0.3, 12.0, count))
    return filtered(hit * size / size.mean(axis=1, keepdims=True), fade, np.zeros(count))


def oscillators(rng: np.random.Generator, count: int, length: int) -> FloatArray:
    """A damped spring that noise keeps going: a rhythm without a fixed clock."""
    period = periods(rng, count, length, cycles=12.0)
    damping = np.exp(-1.0 / (period * log_uniform(rng, 0.8, 8.0, count)))
    drive = rng.standard_normal((count, before(length)))
    first = 2.0 * damping * np.cos(2.0 * np.pi / period)
    return settled(drive, first, -(damping**2))


def responses(rng: np.random.Generator, count: int, length: int) -> FloatArray:
    """A controlled value that follows its set point with a lag, some with an overshoot."""
    goal = regimes(rng, count, length)
    lag = log_uniform(rng, 2.0, 25.0, count)
    fade = np.exp(-1.0 / lag)
    swing = np.where(some(rng, 0.4, count), np.cos(2.0 * np.pi / (4.0 * lag)), 1.0)
    first, second = 2.0 * fade * swing, -(fade**2)
    gain = 1.0 - first - second
    start = goal[:, :1]  # the filter begins at rest, so it is run on the way from the first level
    return start + filtered((goal - start) * gain[:, None], first, second)
