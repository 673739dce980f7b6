"""Anomalies in the values: spikes, shifts, drifts, noise, and sensors that fail.

Each is a function of `(rng, scene, first, last)` and gives the new values (n,) of the rows `first`
to `last`, both inside. `tocsin.evaluation.datasets.kinds` lists them and says what is labelled.
"""

import numpy as np

from tocsin.evaluation.datasets.kinds_scene import Scene
from tocsin.pipeline.types import FloatArray


def spike(rng: np.random.Generator, scene: Scene, first: int, last: int) -> FloatArray:
    """One or two rows far too high or too low."""
    depth = _side(rng) * _size(rng, 3.0, 20.0) * scene.unit
    return _stretch(scene, first, last) + depth * rng.uniform(0.6, 1.0, last - first + 1)


def spikes(rng: np.random.Generator, scene: Scene, first: int, last: int) -> FloatArray:
    """A handful of spikes close together; only their own rows are wrong."""
    rows = last - first + 1
    few = min(int(rng.integers(3, 9)), (rows + 1) // 2)
    inner = rng.choice(np.arange(1, rows - 1), max(few - 2, 0), replace=False)
    where = np.concatenate([[0], inner, [rows - 1]])
    side = rng.choice([-1.0, 1.0], len(where)) if rng.random() < 0.4 else _side(rng)
    depth = np.zeros(rows)
    depth[where] = side * _size(rng, 3.0, 15.0) * scene.unit * rng.uniform(0.7, 1.3, len(where))
    return _stretch(scene, first, last) + depth


def dip(rng: np.random.Generator, scene: Scene, first: int, last: int) -> FloatArray:
    """A short excursion, mostly downward: rounded, or sudden with a slow way back."""
    rows = last - first + 1
    along = (np.arange(rows) + 0.5) / rows
    shape = np.sin(np.pi * along) if rng.random() < 0.5 else np.exp(-4.0 * along)
    side = 1.0 if rng.random() < 0.35 else -1.0
    return _stretch(scene, first, last) + side * _size(rng, 2.0, 12.0) * scene.unit * shape


def level_shift(rng: np.random.Generator, scene: Scene, first: int, last: int) -> FloatArray:
    """Another level, taken at once or over a few rows."""
    rows = last - first + 1
    ramp = int(rng.integers(1, 9)) if rng.random() < 0.4 else 1
    rise = np.minimum(np.arange(1, rows + 1) / ramp, 1.0)
    return _stretch(scene, first, last) + _side(rng) * _size(rng, 1.0, 8.0) * scene.unit * rise


def trend_change(rng: np.random.Generator, scene: Scene, first: int, last: int) -> FloatArray:
    """Another slope: to the end of the series, or up and down again within the stretch."""
    rows = last - first + 1
    along = np.arange(1, rows + 1) / rows
    if last < len(scene.clean) - 1:
        along = 2.0 * np.minimum(along, 1.0 - along)
    return _stretch(scene, first, last) + _depth(rng, scene, 1.5, 6.0) * along


def drift(rng: np.random.Generator, scene: Scene, first: int, last: int) -> FloatArray:
    """A slow departure, straight or ever faster, until the sensor is put right."""
    rows = last - first + 1
    along = (np.arange(1, rows + 1) / rows) ** rng.uniform(0.7, 2.0)
    return _stretch(scene, first, last) + _depth(rng, scene, 1.0, 5.0) * along


def noisy(rng: np.random.Generator, scene: Scene, first: int, last: int) -> FloatArray:
    """Noise where there was less of it: added, or the series' own made larger."""
    rows, old = last - first + 1, _stretch(scene, first, last)
    if rng.random() < 0.35:
        own = old - scene.expected[first : last + 1]
        return old + (_size(rng, 1.8, 5.0) - 1.0) * own
    return old + _size(rng, 1.0, 5.0) * scene.unit * rng.standard_normal(rows)


def flat(rng: np.random.Generator, scene: Scene, first: int, last: int) -> FloatArray:
    """Nearly no movement left: the stretch shrinks to a line at its mean."""
    old = _stretch(scene, first, last)
    left = rng.uniform(0.02, 0.25)
    return np.asarray(old.mean() + left * (old - old.mean()))


def stuck(_rng: np.random.Generator, scene: Scene, first: int, last: int) -> FloatArray:
    """The value before the stretch, repeated to the last digit."""
    return np.full(last - first + 1, scene.clean[max(first - 1, 0)])


def smooth(rng: np.random.Generator, scene: Scene, first: int, last: int) -> FloatArray:
    """The noise is gone and the shape is left."""
    width = int(rng.integers(3, 13))
    low, high = max(first - width, 0), min(last + width + 1, len(scene.clean))
    padded = np.pad(scene.clean[low:high], width, mode="reflect" if high - low > width else "edge")
    mean = np.convolve(padded, np.full(2 * width + 1, 1.0 / (2 * width + 1)), mode="valid")
    return mean[first - low : first - low + last - first + 1]


def ringing(rng: np.random.Generator, scene: Scene, first: int, last: int) -> FloatArray:
    """A quick oscillation on top, swelling and fading."""
    rows = last - first + 1
    turn = rng.uniform(2.5, max(rows / 3.0, 3.0))
    tone = np.sin(2.0 * np.pi * (np.arange(rows) / turn + rng.random()))
    swell = np.sin(np.pi * (np.arange(rows) + 0.5) / rows) ** rng.uniform(0.0, 1.0)
    return _stretch(scene, first, last) + _size(rng, 1.0, 6.0) * scene.unit * swell * tone


def amplitude(rng: np.random.Generator, scene: Scene, first: int, last: int) -> FloatArray:
    """Swings that are too small or too large around the usual middle."""
    factor = rng.uniform(0.15, 0.7) if rng.random() < 0.5 else rng.uniform(1.4, 3.0)
    around = scene.clean[max(first - scene.period, 0) : last + scene.period + 1]
    middle = float(around.mean())
    return middle + factor * (_stretch(scene, first, last) - middle)


def saturated(rng: np.random.Generator, scene: Scene, first: int, last: int) -> FloatArray:
    """A ceiling or a floor that the values no longer pass."""
    old = _stretch(scene, first, last)
    level = rng.uniform(0.2, 0.7)
    if rng.random() < 0.6:
        return np.minimum(old, np.quantile(old, level))
    return np.maximum(old, np.quantile(old, 1.0 - level))


def quantised(rng: np.random.Generator, scene: Scene, first: int, last: int) -> FloatArray:
    """Values rounded to coarse steps."""
    step = rng.uniform(0.5, 1.5) * scene.spread
    start = rng.random() * step
    return np.rint((_stretch(scene, first, last) - start) / step) * step + start


def dropout(rng: np.random.Generator, scene: Scene, first: int, last: int) -> FloatArray:
    """Zero, or the least that the sensor can show; sometimes with values in between."""
    floor = 0.0
    if abs(scene.clean.mean()) > 30.0 * scene.spread or rng.random() < 0.3:
        floor = float(scene.clean.min()) - _size(rng, 0.3, 3.0) * scene.spread
    rows = last - first + 1
    out = np.full(rows, floor)
    if rows > 8 and rng.random() < 0.3:
        back = rng.random(rows) < 0.3
        back[[0, -1]] = False
        out[back] = _stretch(scene, first, last)[back]
    return out


def _stretch(scene: Scene, first: int, last: int) -> FloatArray:
    return scene.clean[first : last + 1].copy()


def _side(rng: np.random.Generator) -> float:
    """Up or down."""
    return 1.0 if rng.random() < 0.5 else -1.0


def _size(rng: np.random.Generator, low: float, high: float) -> float:
    """A strength: subtle ones come more often than strong ones."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _depth(rng: np.random.Generator, scene: Scene, low: float, high: float) -> float:
    """How far a slow change goes, of either sign; it has to leave the ordinary swings."""
    return _side(rng) * _size(rng, low, high) * max(scene.noise, 0.5 * scene.spread)
