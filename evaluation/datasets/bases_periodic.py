"""Base signals that repeat: waves, heart beats, work cycles, days and weeks.

Each is a function of `(rng, count, length)` and gives (B, T): B series of T rows, without noise
and in no particular unit. `tocsin.evaluation.datasets.bases` lists and dresses them.
"""

import numpy as np

from tocsin.evaluation.datasets.bases_shapes import (
    TABLE,
    clocks,
    log_uniform,
    looked_up,
    of_cycle,
    periods,
    slow,
    some,
)
from tocsin.pipeline.types import FloatArray

_CYCLE = np.arange(TABLE) / TABLE  # (TABLE,) where in the cycle a point of the table stands


def sines(rng: np.random.Generator, count: int, length: int) -> FloatArray:
    """One to four sines; half of the series have overtones, the others periods free of another."""
    base = periods(rng, count, length)
    overtone = some(rng, 0.5, count)
    total = np.zeros((count, length))
    for order in range(1, 5):
        own = np.where(overtone, base / order, periods(rng, count, length))
        size = rng.random(count) * (order <= rng.integers(1, 5, count)) + (order == 1)
        total += size[:, None] * np.sin(2.0 * np.pi * clocks(rng, np.maximum(own, 4.0), length))
    return total


def waves(rng: np.random.Generator, count: int, length: int) -> FloatArray:
    """Sawtooths, triangles and square waves, by the share of the cycle that rises or is high."""
    share = rng.uniform(0.05, 0.95, (count, 1))
    triangle = np.minimum(_CYCLE / share, (1.0 - _CYCLE) / (1.0 - share))  # (B, TABLE)
    square = (share > _CYCLE).astype(np.float64)
    table = np.where(some(rng, 0.4, count)[:, None], square, triangle)
    return looked_up(table, clocks(rng, periods(rng, count, length), length))


def pulses(rng: np.random.Generator, count: int, length: int) -> FloatArray:
    """Beats over a flat line, as in an electrocardiogram: a sharp peak between small bumps."""
    table = np.zeros((count, TABLE))
    for middle, width, size in ((0.25, 0.04, 0.2), (0.42, 0.012, -0.3), (0.45, 0.015, 1.0)):
        table += _bumps(rng, count, (middle, width, size))
    table += _bumps(rng, count, (0.49, 0.014, -0.4)) + _bumps(rng, count, (0.70, 0.06, 0.35))
    turns = clocks(rng, 3.0 * periods(rng, count, length, cycles=15.0), length)
    return looked_up(table, turns) * of_cycle(rng, turns, 0.03)


def cycles(rng: np.random.Generator, count: int, length: int) -> FloatArray:
    """A drawn shape that a machine goes through again and again, smooth or of straight lines."""
    smooth = np.zeros((count, TABLE))
    decay = rng.uniform(0.7, 2.0, (count, 1))
    for order in range(1, 11):
        size = rng.standard_normal((count, 1)) / order**decay
        smooth += size * np.sin(2.0 * np.pi * (order * _CYCLE + rng.random((count, 1))))
    knots = 12
    heights = rng.uniform(-1.0, 1.0, (count, knots))
    heights = np.where(rng.random((count, knots)) < 0.3, np.roll(heights, 1, axis=1), heights)
    place = _CYCLE * knots
    left = place.astype(np.int64)  # (TABLE,)
    rise = heights[:, (left + 1) % knots] - heights[:, left]
    straight = heights[:, left] + (place - left) * rise  # (B, TABLE)
    table = np.where(some(rng, 0.5, count)[:, None], smooth, straight)
    turns = clocks(rng, 3.0 * periods(rng, count, length, cycles=15.0), length)
    return looked_up(table, turns) * of_cycle(rng, turns, 0.04)


def weeks(rng: np.random.Generator, count: int, length: int) -> FloatArray:
    """A daily profile with a height for each day of the week; two days are often low."""
    middle = rng.uniform(0.3, 0.7, (count, 1))
    width = rng.uniform(0.08, 0.22, (count, 1))
    day = np.exp(-(((_CYCLE - middle) / width) ** 2))  # (B, TABLE)
    day += rng.uniform(0.0, 0.7, (count, 1)) * np.exp(-(((_CYCLE - middle + 0.25) / 0.06) ** 2))
    height = rng.uniform(0.85, 1.15, (count, 7))
    height[:, 5:] *= np.where(some(rng, 0.7, count), rng.uniform(0.2, 0.9, count), 1.0)[:, None]
    longest = max(min(length, 1024) / 7.0, 13.0)
    rows = log_uniform(rng, 12.0, longest, (count, 1))  # rows a day
    turns = np.arange(length) / rows + 7.0 * rng.random((count, 1))
    weekday = np.floor(turns).astype(np.int64) % 7
    return looked_up(day, turns) * np.take_along_axis(height, weekday, axis=1)


def seasons(rng: np.random.Generator, count: int, length: int) -> FloatArray:
    """A season on a bent trend, its swing growing or shrinking along the series."""
    turns = clocks(rng, periods(rng, count, length), length)
    along = np.linspace(0.0, 1.0, length)  # (T,)
    swing = 1.0 + rng.uniform(-0.6, 1.5, (count, 1)) * along
    bend = rng.uniform(-3.0, 3.0, (count, 1)) * along
    bend = bend + rng.uniform(-2.0, 2.0, (count, 1)) * along**2
    second = rng.uniform(0.0, 0.6, (count, 1)) * np.sin(4.0 * np.pi * turns)
    return swing * (np.sin(2.0 * np.pi * turns) + second) + bend


def chirps(rng: np.random.Generator, count: int, length: int) -> FloatArray:
    """A tone whose pitch wanders or climbs by up to three times."""
    climb = np.linspace(0.0, 1.0, length) * rng.uniform(-1.1, 1.1, (count, 1))
    wander = 0.5 * slow(rng, count, length)
    pitch = np.exp(np.where(some(rng, 0.5, count)[:, None], climb, wander))
    turns = np.cumsum(pitch / periods(rng, count, length)[:, None], axis=1)
    bent = rng.uniform(0.0, 0.5, (count, 1)) * np.sin(4.0 * np.pi * turns)
    return np.sin(2.0 * np.pi * turns + rng.uniform(0.0, 6.0, (count, 1))) + bent


def _bumps(rng: np.random.Generator, count: int, usual: tuple[float, float, float]) -> FloatArray:
    """One bump of the cycle (B, TABLE), near its usual middle, width and size."""
    middle, width, size = usual
    middles = middle + rng.uniform(-0.04, 0.04, (count, 1))
    widths = width * rng.uniform(0.6, 1.8, (count, 1))
    sizes = size * rng.uniform(0.2, 1.4, (count, 1))
    return sizes * np.exp(-(((_CYCLE - middles) / widths) ** 2))
