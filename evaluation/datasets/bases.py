"""Base signals with nothing wrong: fifteen families, dressed as sensors would show them.

A family draws bare shapes; `dressed` adds trend and noise, passes them through what a sensor may
do (saturate, round, respond with an exponent), and gives them a unit and an offset. `coupled`
makes several channels that share causes. The families of `HELD_OUT` are never used to train
anything; they are there to validate on.

>>> clean = drawn(np.random.default_rng(0), np.array([0, 3]), length=100)
>>> clean.shape, bool(np.isfinite(clean).all())
((2, 100), True)
"""

from collections.abc import Callable

import numpy as np

from tocsin.evaluation.datasets.bases_periodic import (
    chirps,
    cycles,
    pulses,
    seasons,
    sines,
    waves,
    weeks,
)
from tocsin.evaluation.datasets.bases_random import (
    bursts,
    counts,
    machines,
    memories,
    oscillators,
    regimes,
    responses,
    walks,
)
from tocsin.evaluation.datasets.bases_shapes import filtered, log_uniform, slow, some
from tocsin.pipeline.types import BoolArray, FloatArray, IntArray

Base = Callable[[np.random.Generator, int, int], FloatArray]

BASES: dict[str, Base] = {
    "sines": sines,
    "waves": waves,
    "pulses": pulses,
    "cycles": cycles,
    "weeks": weeks,
    "seasons": seasons,
    "memories": memories,
    "walks": walks,
    "regimes": regimes,
    "counts": counts,
    "bursts": bursts,
    "responses": responses,
    "chirps": chirps,
    "machines": machines,
    "oscillators": oscillators,
}
HELD_OUT = frozenset({"chirps", "machines", "oscillators"})

_LAG = 16  # rows; the most that one channel follows another
_FEWEST = 32  # rows; a shorter series has no room for a rhythm


def families(*, held_out: bool) -> IntArray:
    """Numbers of the families to train on, or of the ones held out, in the order of `BASES`."""
    chosen = [i for i, name in enumerate(BASES) if (name in HELD_OUT) == held_out]
    return np.array(chosen, dtype=np.int64)


def drawn(rng: np.random.Generator, family: IntArray, length: int) -> FloatArray:
    """Bare shapes (B, T) of the families (B,), each with mean 0 and standard deviation 1."""
    bare = np.empty((len(family), length))
    whole = max(length, _FEWEST)
    for number, base in enumerate(BASES.values()):
        rows = np.flatnonzero(family == number)
        if rows.size:
            bare[rows] = base(rng, len(rows), whole)[:, :length]
    return _standard(bare)


def dressed(rng: np.random.Generator, bare: FloatArray, *, noise: float = 0.6) -> FloatArray:
    """Bare shapes (B, T) as a sensor shows them; `noise` is the most of it, of the shape's spread.

    Nine series in ten have noise, a third a trend (a weaker one where less noise is asked for),
    half go through some transform of observation. Every series gets a unit between 0.01 and 1000
    and an offset.
    """
    trend = min(noise / 0.6, 1.0) * _trend(rng, *bare.shape)
    seen = _standard(bare + trend + _noise(rng, *bare.shape, most=noise))
    seen = _observed(rng, seen)
    unit = log_uniform(rng, 0.01, 1000.0, (len(bare), 1))
    offset = rng.normal(0.0, 3.0, (len(bare), 1)) * some(rng, 0.7, len(bare))[:, None]
    return unit * (seen + offset)


def coupled(
    rng: np.random.Generator, family: IntArray, length: int, channels: int, pool: IntArray
) -> FloatArray:
    """Series of several channels (B, T, C) that share hidden causes, the first of `family` (B,).

    Each channel follows one cause, some of them late by a few rows, and one in three also a second
    cause. Further causes are of families drawn from `pool`. A few channels never move.
    """
    count = len(family)
    causes = 1 + (channels + 2) // 4
    more = rng.choice(pool, (count, causes - 1))
    each = np.concatenate([family[:, None], more], axis=1)  # (B, F)
    hidden = drawn(rng, each.ravel(), length + _LAG).reshape(count, causes, length + _LAG)
    main = rng.integers(0, causes, (count, channels))
    main[:, :2] = 0  # two channels at least share a cause
    other = rng.integers(0, causes, (count, channels))
    late = log_uniform(rng, 1.0, _LAG, (count, channels)).astype(np.int64)
    late *= rng.random((count, channels)) < 0.2
    size = rng.choice([-1.0, 1.0], (count, channels)) * rng.uniform(0.6, 1.5, (count, channels))
    extra = rng.uniform(-0.4, 0.4, (count, channels)) * (rng.random((count, channels)) < 0.33)
    when = np.arange(length) + _LAG - late[..., None]  # (B, C, T)
    row = np.arange(count)[:, None, None]
    bare = size[..., None] * hidden[row, main[..., None], when]
    bare += extra[..., None] * hidden[row, other[..., None], when]
    seen = dressed(rng, bare.reshape(count * channels, length), noise=0.2)
    still = some(rng, 0.03, count * channels)
    still[::channels] = False
    seen[still] = seen[still, :1]
    return np.ascontiguousarray(seen.reshape(count, channels, length).transpose(0, 2, 1))


def _standard(series: FloatArray) -> FloatArray:
    """Each series (B, T) with mean 0 and standard deviation 1; one that never moves is all 0."""
    off = series - series.mean(axis=1, keepdims=True)
    spread = off.std(axis=1, keepdims=True)
    standard: FloatArray = off / np.where(spread > 1e-12, spread, 1.0)
    return standard


def _trend(rng: np.random.Generator, count: int, length: int) -> FloatArray:
    line = np.linspace(-0.5, 0.5, length) * rng.normal(0.0, 2.0, (count, 1))
    curve = 0.4 * slow(rng, count, length)
    chosen = np.where(some(rng, 0.6, count)[:, None], line, curve)
    return chosen * some(rng, 0.33, count)[:, None]


def _noise(rng: np.random.Generator, count: int, length: int, *, most: float) -> FloatArray:
    noise = rng.standard_normal((count, length))
    heavy = some(rng, 0.1, count)
    noise[heavy] = rng.standard_t(5.0, (int(heavy.sum()), length))
    dull = some(rng, 0.25, count)
    memory = rng.uniform(0.2, 0.8, int(dull.sum()))
    noise[dull] = filtered(noise[dull], memory, np.zeros(len(memory)))
    uneven = some(rng, 0.2, count)
    noise[uneven] *= 0.5 + 0.5 * np.abs(slow(rng, int(uneven.sum()), length))
    level = log_uniform(rng, 0.01, most, (count, 1)) * some(rng, 0.9, count)[:, None]
    return level * noise


def _observed(rng: np.random.Generator, seen: FloatArray) -> FloatArray:
    """What the sensor does to standardised series (B, T); half of them it leaves alone."""
    seen = seen.copy()
    kind = rng.choice(6, len(seen), p=[0.52, 0.14, 0.1, 0.1, 0.08, 0.06])
    low = np.clip(seen, -4.0, 4.0)
    rows = kind == 1
    seen[rows] = np.exp(rng.uniform(0.3, 1.0, (len(seen), 1))[rows] * low[rows])
    rows = kind == 2
    bound = rng.uniform(0.8, 1.8, (len(seen), 1))[rows]
    seen[rows] = np.clip(seen[rows], np.where(some(rng, 0.5, len(bound)), -9.0, -bound.T).T, bound)
    rows = kind == 3
    step = rng.uniform(0.05, 0.5, (len(seen), 1))[rows]
    seen[rows] = np.rint(seen[rows] / step) * step
    rows = kind == 4
    seen[rows] = np.sqrt(np.abs(low[rows]))
    rows = _two_levels(kind, seen)
    seen[rows] = (seen[rows] > 0.0).astype(np.float64)
    return seen


def _two_levels(kind: IntArray, seen: FloatArray) -> BoolArray:
    """Which series become on-off signals: those chosen that seldom cross their mean."""
    crossings = np.diff(seen > 0.0, axis=1).sum(axis=1) / seen.shape[1]  # (B,) a row
    seldom: BoolArray = (kind == 5) & (crossings < 0.1)
    return seldom
