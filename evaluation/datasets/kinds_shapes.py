"""Anomalies in time and shape: wrong speed, order or pattern, right values at the wrong time.

Each is a function of `(rng, scene, first, last)` and gives the new values (n,) of the rows `first`
to `last`, both inside. `tocsin.evaluation.datasets.kinds` lists them and says what is labelled.
"""

import numpy as np

from tocsin.evaluation.datasets.kinds_scene import Scene
from tocsin.pipeline.types import FloatArray


def speed(rng: np.random.Generator, scene: Scene, first: int, last: int) -> FloatArray:
    """The rhythm runs too fast or too slow; whole cycles are won or lost, so that the ends meet."""
    rows = last - first + 1
    won = max(int(np.rint(rows / max(scene.period, 1) * rng.uniform(0.3, 0.7))), 1)
    factor = float(rows + won * scene.period) / rows
    if rng.random() < 0.5 and won * scene.period < 0.75 * rows:
        factor = float(rows - won * scene.period) / rows
    return _read(scene, first + factor * np.arange(rows, dtype=np.float64))


def phase_jump(rng: np.random.Generator, scene: Scene, first: int, last: int) -> FloatArray:
    """The rhythm goes on, but out of step by a sixth to a half of its period."""
    away = int(np.rint(rng.uniform(0.16, 0.5) * scene.period))
    return _read(scene, np.arange(first, last + 1.0) + (away if rng.random() < 0.5 else -away))


def reversed_time(rng: np.random.Generator, scene: Scene, first: int, last: int) -> FloatArray:
    """The stretch played backwards."""
    return _joined(rng, scene, first, scene.clean[first : last + 1][::-1])


def negated(rng: np.random.Generator, scene: Scene, first: int, last: int) -> FloatArray:
    """The stretch upside down, about its own mean."""
    old = scene.clean[first : last + 1]
    return _joined(rng, scene, first, 2.0 * old.mean() - old)


def foreign(rng: np.random.Generator, scene: Scene, first: int, last: int) -> FloatArray:
    """The pattern of some other series, at this one's level and size."""
    old, new = scene.clean[first : last + 1], scene.donor[first : last + 1]
    spread = float(new.std())
    shape = (new - new.mean()) / spread if spread > 0.0 else np.zeros(len(new))
    size = max(float(old.std()), 0.2 * scene.spread)
    return _joined(rng, scene, first, old.mean() + size * shape)


def missing_cycle(rng: np.random.Generator, scene: Scene, first: int, last: int) -> FloatArray:
    """A cycle that does not come: the usual level and the usual noise are left."""
    around = scene.clean[max(first - scene.period, 0) : last + scene.period + 1]
    own = scene.clean[first : last + 1] - scene.expected[first : last + 1]
    ends = np.linspace(scene.clean[max(first - 1, 0)], scene.clean[_row(scene, last + 1)], len(own))
    level = ends if rng.random() < 0.4 else np.full(len(own), np.median(around))
    return level + np.clip(own, -3.0 * scene.noise, 3.0 * scene.noise)


def extra_cycle(rng: np.random.Generator, scene: Scene, first: int, last: int) -> FloatArray:
    """A second beat between two others: the same swing again, half a period off."""
    around = scene.clean[max(first - scene.period, 0) : last + scene.period + 1]
    when = np.arange(first, last + 1) + scene.period // 2
    when = np.where(when < len(scene.clean), when, when - scene.period)
    swell = np.minimum(1.0, 4.0 * np.sin(np.pi * (np.arange(len(when)) + 0.5) / len(when)))
    beat = scene.clean[np.maximum(when, 0)] - np.median(around)
    out: FloatArray = scene.clean[first : last + 1] + rng.uniform(0.6, 1.0) * swell * beat
    return out


def out_of_place(rng: np.random.Generator, scene: Scene, first: int, last: int) -> FloatArray:
    """Ordinary values at the wrong time: those of another part of the cycle."""
    away = int(np.rint(rng.uniform(0.25, 0.75) * scene.period))
    moved = _read(scene, np.arange(first, last + 1.0) + away)
    return _joined(rng, scene, first, moved) if rng.random() < 0.3 else moved


def held_too_long(rng: np.random.Generator, scene: Scene, first: int, last: int) -> FloatArray:
    """A state that does not end: the level before the stretch stays, and so does its noise."""
    few = min(int(rng.integers(4, 17)), max(first, 1))
    before = scene.clean[max(first - few, 0) : max(first, 1)]
    along = np.arange(len(before)) - (len(before) - 1.0) / 2.0
    slope = float((along * before).sum() / max((along**2).sum(), 1.0))
    noise = before - before.mean() - slope * along
    level = before.mean() + slope * along[-1]
    held: FloatArray = level + noise[rng.integers(0, len(noise), last - first + 1)]
    return held


def _read(scene: Scene, when: FloatArray) -> FloatArray:
    """The clean series at fractional rows; a stretch that would leave it is read whole cycles off.

    What then still lies outside is read at the edge.
    """
    turn = max(scene.period, 1)
    end = len(scene.clean) - 1.0
    past, short = max(when.max() - end, 0.0), max(-when.min(), 0.0)
    when = when - turn * np.ceil(past / turn) if past > 0.0 else when + turn * np.ceil(short / turn)
    return np.interp(when, np.arange(len(scene.clean)), scene.clean)


def _joined(rng: np.random.Generator, scene: Scene, first: int, new: FloatArray) -> FloatArray:
    """Every second time tilted so that the ends meet their neighbours: no jump gives it away."""
    if rng.random() < 0.5:
        return new.copy()
    left = scene.clean[max(first - 1, 0)] - new[0]
    right = scene.clean[_row(scene, first + len(new))] - new[-1]
    return new + np.linspace(left, right, len(new))


def _row(scene: Scene, row: int) -> int:
    return min(row, len(scene.clean) - 1)
