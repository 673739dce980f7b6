"""Small signals with known truth: ordinary rows, and the faults that can be planted in them.

A signal is an array of frames (N, K, *item): N ticks of K keys. Channels share a common factor, so
that their correlation can be broken, and stand in different units. Images show a fixed scene with
independent pixel noise. Everything is drawn from a seed, so a signal is the same in every run.

>>> frames = ordinary((3,), ticks=50, keys=2, seed=0)
>>> frames.shape
(50, 2, 3)
>>> faulty, wrong = plant(frames, "level_shift", start=30, seed=0)
>>> int(wrong.sum()), bool((faulty[:30] == frames[:30]).all())
(40, True)
"""

from collections.abc import Callable
from types import EllipsisType

import numpy as np

from tocsin.pipeline.errors import TocsinError
from tocsin.pipeline.types import Batch, BoolArray, FloatArray

FAULTS = ("spike", "level_shift", "variance_burst", "drift", "stuck", "broken_correlation")
TICK_NS = 1_000_000_000
BEGIN_NS = 1_600_000_000 * TICK_NS

_STEP = 8.0  # standard deviations of a spike or a shift
_BURST = 5.0  # times the ordinary standard deviation
_DRIFT = 12.0  # standard deviations at the end of a drift
_SPIKE_EVERY = 10  # ticks between two spikes
_SHARED = 0.96  # share of a channel's variance that all channels have in common
_PATCH = 8  # pixels; the side of the square that a fault moves in a frame

_UNITS = np.array([1.0, 20.0, 0.05, 300.0, 0.002])


def spread(item: tuple[int, ...]) -> FloatArray:
    """One standard deviation of the ordinary signal, for each element of a frame (*item)."""
    if len(item) == 1:
        return np.resize(_UNITS, item)
    return np.full(item, 0.02)


def centre(item: tuple[int, ...]) -> FloatArray:
    """The mean of the ordinary signal, for each element of a frame (*item)."""
    if len(item) == 1:
        return 5.0 * spread(item)
    rows = np.linspace(0.0, 3.0, item[0])
    columns = np.linspace(0.0, 4.0, item[1])
    scene = 0.5 + 0.2 * np.sin(rows)[:, None] * np.cos(columns)[None, :]  # (H, W)
    return np.broadcast_to(scene.reshape(*scene.shape, *[1] * (len(item) - 2)), item).copy()


def ordinary(item: tuple[int, ...], *, ticks: int, keys: int, seed: int) -> FloatArray:
    """Rows with nothing wrong, (ticks, keys, *item), independent from tick to tick."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((ticks, keys, *item))
    if len(item) == 1:
        common = rng.standard_normal((ticks, keys, 1))
        noise = np.sqrt(_SHARED) * common + np.sqrt(1.0 - _SHARED) * noise
    return centre(item) + spread(item) * noise


def windows(frames: FloatArray, length: int = 1, first_tick: int = 0) -> Batch:
    """Frames (N, K, *item) as a batch of N - length + 1 ticks of K keys in (time, key) order.

    Windows overlap: each holds its tick's frame and the `length` - 1 before it.
    """
    ticks, keys, *item = frames.shape
    count = ticks - length + 1
    parts = [frames[i : i + count] for i in range(length)]
    values = np.stack(parts, axis=2).reshape(count * keys, length, *item)
    time = BEGIN_NS + TICK_NS * np.repeat(np.arange(count, dtype=np.int64) + first_tick, keys)
    return Batch(np.tile(np.arange(keys, dtype=np.int64), count), time, values)


def plant(frames: FloatArray, fault: str, *, start: int, seed: int) -> tuple[FloatArray, BoolArray]:
    """A copy of the frames with a fault from tick `start` on, and (N, K) which rows are wrong.

    The fault lasts to the end. In each key it moves one channel, or one square of pixels. A drift
    and a stuck sensor count as wrong only once they have lasted a while. Raises TocsinError for an
    unknown fault and for a fault that the item cannot have.
    """
    if fault not in _PLANTERS:
        raise TocsinError(f"no fault is called {fault!r}; there are {', '.join(FAULTS)}")
    if not can_plant(fault, frames.shape[2:]):
        raise TocsinError(f"{fault} needs two channels; the item is {frames.shape[2:]}")
    faulty = frames.copy()
    rng = np.random.default_rng(seed)
    wrong = np.zeros(frames.shape[:2], dtype=np.bool_)
    unit, middle = spread(frames.shape[2:]), centre(frames.shape[2:])
    for key in range(frames.shape[1]):
        place = _somewhere(frames.shape[2:], rng)
        part = faulty[start:, key][(slice(None), *place)]  # (n, ...), a view of what goes wrong
        scale = rng.choice([-1.0, 1.0]) * unit[place]
        deviation, wrong[start:, key] = _PLANTERS[fault]((part - middle[place]) / scale)
        part[...] = middle[place] + scale * deviation
    return faulty, wrong


def can_plant(fault: str, item: tuple[int, ...]) -> bool:
    """Whether a signal with such frames can have the fault: a correlation takes two channels."""
    return fault != "broken_correlation" or (len(item) == 1 and item[0] > 1)


def area_under_curve(wrong: BoolArray, score: FloatArray) -> float:
    """The chance that a wrong row scores higher than a right one, ties counting half.

    That is the area under the ROC curve, by the rank sum of Mann and Whitney (1947,
    doi:10.1214/aoms/1177730491). NaN where one of the two kinds is absent.

    >>> area_under_curve(np.array([False, False, True, True]), np.array([1.0, 2.0, 2.0, 3.0]))
    0.875
    """
    bad, good = score[wrong], np.sort(score[~wrong])
    if not bad.size or not good.size:
        return float("nan")
    below = np.searchsorted(good, bad, side="left") + np.searchsorted(good, bad, side="right")
    return float(below.mean() / (2 * good.size))


Place = tuple[slice | EllipsisType, ...]


def _somewhere(item: tuple[int, ...], rng: np.random.Generator) -> Place:
    """One channel, or one square of pixels."""
    if len(item) == 1:
        channel = int(rng.integers(item[0]))
        return (slice(channel, channel + 1),)
    top, left = (int(rng.integers(max(side - _PATCH, 0) + 1)) for side in item[:2])
    return (slice(top, top + _PATCH), slice(left, left + _PATCH), ...)


# Each planter takes deviations (n, ...) from the mean, in standard deviations of either sign, and
# gives the ones that stand there instead, and which of the n rows are wrong.
Planted = tuple[FloatArray, BoolArray]


def _spike(deviation: FloatArray) -> Planted:
    wrong = np.arange(len(deviation)) % _SPIKE_EVERY == 0
    return deviation + _STEP * _along(wrong, deviation), wrong


def _level_shift(deviation: FloatArray) -> Planted:
    return deviation + _STEP, np.ones(len(deviation), dtype=np.bool_)


def _variance_burst(deviation: FloatArray) -> Planted:
    return _BURST * deviation, np.ones(len(deviation), dtype=np.bool_)


def _drift(deviation: FloatArray) -> Planted:
    ramp = np.linspace(0.0, _DRIFT, len(deviation))
    return deviation + _along(ramp, deviation), np.arange(len(ramp)) >= len(ramp) // 2


def _stuck(deviation: FloatArray) -> Planted:
    held = np.broadcast_to(deviation[:1], deviation.shape)
    return held, np.arange(len(held)) >= len(held) // 2


def _broken_correlation(deviation: FloatArray) -> Planted:
    # Mirrored about its mean, a channel keeps its own distribution and turns against the others.
    return -deviation, np.ones(len(deviation), dtype=np.bool_)


def _along(ticks: FloatArray | BoolArray, part: FloatArray) -> FloatArray:
    """`ticks` (n,) as numbers, shaped to go with `part` (n, ...)."""
    return ticks.astype(np.float64).reshape(-1, *[1] * (part.ndim - 1))


_PLANTERS: dict[str, Callable[[FloatArray], Planted]] = {
    "spike": _spike,
    "level_shift": _level_shift,
    "variance_burst": _variance_burst,
    "drift": _drift,
    "stuck": _stuck,
    "broken_correlation": _broken_correlation,
}
