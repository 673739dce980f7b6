"""Anomalies between channels: each channel may look ordinary, but they no longer go together.

Each is a function of `(rng, scenes, first, last)`, one scene a channel, and gives the new values
(n,) of the rows `first` to `last` of every channel it alters, or None where these channels cannot
have it or nobody could see it.
"""

import numpy as np

from tocsin.evaluation.datasets.kinds_scene import Scene, visible
from tocsin.pipeline.types import FloatArray

Altered = dict[int, FloatArray]

_RELATED = 0.6  # correlation from which two channels go together
_TRIES = 32  # ways to shuffle a stretch; the one that joins best is taken
_MORE = 1.2  # times the largest error of one channel from the other in the clean series


def correlation_break(
    rng: np.random.Generator, scenes: list[Scene], first: int, last: int
) -> Altered | None:
    """A channel leaves its partner, and keeps its own values: only their order changes.

    The two halves of the stretch change places, cut where the ends join best.
    """
    pair = _related(rng, scenes)
    rows = last - first + 1
    if pair is None or rows < 12:
        return None
    one, other = scenes[pair[0]], scenes[pair[1]]
    old, partner = one.clean[first : last + 1], other.clean[first : last + 1]
    before = abs(_correlation(old, partner))
    ways = []
    for shift in np.linspace(rows // 6, rows - rows // 6, _TRIES).astype(int).tolist():
        new = np.roll(old, shift)
        if abs(_correlation(new, partner)) < 0.5 * before:
            left = abs(new[0] - one.clean[max(first - 1, 0)])
            right = abs(new[-1] - one.clean[min(last + 1, len(one.clean) - 1)])
            ways.append((float(left + right), shift))
    if not ways or before < _RELATED:
        return None
    new = np.roll(old, min(ways)[1])
    return {pair[0]: new} if _apart(one, other, new, first) else None


def channel_swap(
    rng: np.random.Generator, scenes: list[Scene], first: int, last: int
) -> Altered | None:
    """Two channels change places; every second time each keeps its own level and size."""
    moving = _moving(scenes)
    if len(moving) < 2:
        return None
    one, other = (int(i) for i in rng.choice(moving, 2, replace=False))
    a, b = scenes[one].clean, scenes[other].clean
    here, there = a[first : last + 1], b[first : last + 1]
    if rng.random() < 0.5:
        factor = a.std() / b.std()
        new = {
            one: a.mean() + factor * (there - b.mean()),
            other: b.mean() + (here - a.mean()) / factor,
        }
    else:
        new = {one: there.copy(), other: here.copy()}
    return new if all(_seen(scenes[i], new[i], first) for i in new) else None


def lag_change(
    rng: np.random.Generator, scenes: list[Scene], first: int, last: int
) -> Altered | None:
    """A channel comes later than it should, and its partner does not."""
    pair = _related(rng, scenes)
    late = int(np.exp(rng.uniform(np.log(3.0), np.log(40.0))))
    if pair is None or late > first:
        return None
    one, other = scenes[pair[0]], scenes[pair[1]]
    new = one.clean[first - late : last + 1 - late].copy()
    return {pair[0]: new} if _apart(one, other, new, first) else None


def channel_frozen(
    rng: np.random.Generator, scenes: list[Scene], first: int, last: int
) -> Altered | None:
    """One channel stays at its last value while a partner goes on."""
    pair = _related(rng, scenes)
    if pair is None:
        return None
    one, other = scenes[pair[0]], scenes[pair[1]]
    new = np.full(last - first + 1, one.clean[max(first - 1, 0)])
    return {pair[0]: new} if _apart(one, other, new, first) or _seen(one, new, first) else None


def common_jump(
    rng: np.random.Generator, scenes: list[Scene], first: int, last: int
) -> Altered | None:
    """All channels jump at once, each by little."""
    moving = _moving(scenes)
    if len(moving) < 2:
        return None
    depth = float(np.exp(rng.uniform(np.log(0.8), np.log(5.0)))) * rng.choice([-1.0, 1.0])
    stretch = slice(first, last + 1)
    new = {i: scenes[i].clean[stretch] + depth * scenes[i].unit for i in moving}
    errors = [(scenes[i].clean - scenes[i].expected) / scenes[i].unit for i in moving]
    mean = np.mean(errors, axis=0)  # (T,) of all channels, where their own noise is averaged out
    spread = float(mean.std())
    if spread <= 0.0:
        return new
    both = Scene(mean, np.zeros_like(mean), 0, spread, spread, mean)
    return new if _seen(both, mean[stretch] + depth, first) else None


def _moving(scenes: list[Scene]) -> list[int]:
    return [i for i, scene in enumerate(scenes) if scene.clean.std() > 1e-9 * scene.spread]


def _related(rng: np.random.Generator, scenes: list[Scene]) -> tuple[int, int] | None:
    """Two channels that go together, in either order; None where there are none."""
    moving = _moving(scenes)
    if len(moving) < 2:
        return None
    like = np.abs(np.corrcoef([scenes[i].clean for i in moving]))
    np.fill_diagonal(like, 0.0)
    pairs = np.argwhere(like > _RELATED)  # (P, 2)
    if not len(pairs):
        return None
    one, other = pairs[rng.integers(len(pairs))].tolist()
    return moving[one], moving[other]


def _correlation(one: FloatArray, other: FloatArray) -> float:
    a, b = one - one.mean(), other - other.mean()
    size = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / size if size > 0.0 else 0.0


def _apart(one: Scene, other: Scene, new: FloatArray, first: int) -> bool:
    """Whether what `one` is, given `other`, is in the stretch as wrong as nowhere else."""
    off = other.clean - other.clean.mean()
    slope = float((off * one.clean).sum() / (off * off).sum())
    error = one.clean - one.clean.mean() - slope * off  # (T,)
    altered = error.copy()
    stretch = slice(first, first + len(new))
    altered[stretch] += new - one.clean[stretch]
    total = np.cumsum(np.concatenate(([0.0], error**2)))
    largest = float((total[len(new) :] - total[: -len(new)]).max())
    return float((altered[stretch] ** 2).sum()) > _MORE**2 * largest


def _seen(scene: Scene, new: FloatArray, first: int) -> bool:
    altered = scene.clean.copy()
    altered[first : first + len(new)] = new
    return visible(scene, altered, first, first + len(new) - 1)
