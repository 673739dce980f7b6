"""What the base signals are drawn with: uneven clocks, looked-up cycles, filters and slow curves.

All work on many series at once, one a row: B series of T rows. `rng` is the only source of chance.
"""

import numpy as np
from scipy.signal import lfilter

from tocsin.pipeline.types import BoolArray, FloatArray

TABLE = 256  # points of a looked-up cycle
_REACH = 1024  # rows; periods stay readable in a window of this length however long the series is


def log_uniform(
    rng: np.random.Generator, low: float, high: float, shape: int | tuple[int, ...]
) -> FloatArray:
    """Numbers between two positive bounds, every order of size as likely as another."""
    return np.exp(rng.uniform(np.log(low), np.log(high), shape))


def some(rng: np.random.Generator, share: float, count: int) -> BoolArray:
    """Which of `count` series are chosen, each with the chance `share`."""
    return rng.random(count) < share


def periods(
    rng: np.random.Generator, count: int, length: int, *, cycles: float = 5.0
) -> FloatArray:
    """Periods in rows (B,): from 8 rows to what stands `cycles` times in a window."""
    longest = max(min(length, _REACH) / cycles, 10.0)
    return log_uniform(rng, 8.0, longest, count)


def slow(rng: np.random.Generator, count: int, length: int) -> FloatArray:
    """Smooth slow curves (B, T) of about unit size: two sines of at most three turns."""
    when = np.linspace(0.0, 2.0 * np.pi, length)  # (T,)
    rate = rng.uniform(0.3, 3.0, (2, count, 1))
    start = rng.uniform(0.0, 2.0 * np.pi, (2, count, 1))
    curve: FloatArray = np.sin(rate[0] * when + start[0]) + 0.5 * np.sin(rate[1] * when + start[1])
    return curve


def clocks(rng: np.random.Generator, period: FloatArray, length: int) -> FloatArray:
    """Turns done at each row (B, T), for periods (B,) in rows; every second clock wanders."""
    count = len(period)
    uneven = rng.uniform(0.0, 0.12, count) * some(rng, 0.5, count)  # (B,)
    rate = (1.0 + uneven[:, None] * slow(rng, count, length)) / period[:, None]
    return np.cumsum(rate, axis=1) + rng.random((count, 1))


def looked_up(table: FloatArray, turns: FloatArray) -> FloatArray:
    """The cycle in `table` (B, TABLE) at `turns` (B, T), with straight lines between its points."""
    place = (turns % 1.0) * TABLE
    low = place.astype(np.int64)  # (B, T)
    part = place - low
    low %= TABLE
    here = np.take_along_axis(table, low, axis=1)
    there = np.take_along_axis(table, (low + 1) % TABLE, axis=1)
    return here + part * (there - here)


def of_cycle(rng: np.random.Generator, turns: FloatArray, spread: float) -> FloatArray:
    """A factor (B, T) near 1 that stays the same within a cycle and changes with the next."""
    cycle = np.floor(turns - turns[:, :1]).astype(np.int64)
    factor = np.exp(spread * rng.standard_normal((len(turns), int(cycle.max()) + 1)))
    return np.take_along_axis(factor, cycle, axis=1)


def filtered(driven: FloatArray, first: FloatArray, second: FloatArray) -> FloatArray:
    """x[t] = first x[t-1] + second x[t-2] + driven[t], each row (B, T) by coefficients of its own.

    The coefficients (B,) must make a stable filter; the caller draws them so.
    """
    out = np.empty_like(driven)
    for row, (a, b) in enumerate(zip(first.tolist(), second.tolist(), strict=True)):
        out[row] = lfilter([1.0], [1.0, -a, -b], driven[row])
    return out


def settled(driven: FloatArray, first: FloatArray, second: FloatArray) -> FloatArray:
    """As `filtered`, less the first third, in which a filter still knows that it began at rest."""
    return filtered(driven, first, second)[:, driven.shape[1] // 3 :]


def before(length: int) -> int:
    """Rows to drive a filter with, so that `settled` gives `length` rows."""
    return length + (length + 1) // 2


def stepped(rng: np.random.Generator, turned: BoolArray, levels: FloatArray) -> FloatArray:
    """A level that holds until a row where `turned` (B, T) is set, then another (B, K) of its set.

    The same level may come twice in a row, so that stays differ in length.
    """
    run = np.cumsum(turned, axis=1, dtype=np.int64)  # (B, T)
    state = rng.integers(0, levels.shape[1], (len(levels), int(run.max()) + 1))
    return np.take_along_axis(levels, np.take_along_axis(state, run, axis=1), axis=1)
