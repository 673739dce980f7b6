"""What is learned of ordinary windows: their units, their variance norm, and a corpus of them."""

from dataclasses import dataclass

import numpy as np

from tocsin.detectors.signature.corpus import k_centre, leave_one_out
from tocsin.detectors.signature.features import Plan, features, plan
from tocsin.detectors.signature.moments import merged, moments
from tocsin.detectors.signature.variance_norm import variance_norm
from tocsin.detectors.signature.windows import centre_and_scale, ready
from tocsin.pipeline.types import BoolArray, FloatArray, IntArray

_CHUNK = 512  # windows that are worked on at a time
_LEAST = 3  # windows, below which there is nothing to learn
_NORMAL_MEDIAN = 0.6745  # of |z|


@dataclass(frozen=True, slots=True)
class Recipe:
    """How windows are turned into a model; the settings of the scorers, which check them."""

    frames: int
    train: int
    augment: tuple[str, ...]
    depth: int
    most: int
    shrinkage: float
    trim: float
    corpus: int  # 0 keeps no corpus: the distance is from the mean
    neighbours: int

    def plan(self, channels: int) -> Plan:
        """The coordinates for so many channels."""
        return plan(channels, self.augment, self.depth, self.most)


@dataclass(frozen=True, slots=True)
class Model:
    """The learned numbers of one series.

    `centre` and `scale` (C,), the channels' units; `mean` (D,) and `whiten` (D, D), which take
    coordinates f to white ones (f - mean) @ whiten; `corpus` (n, D), white; `when` (n,), where in
    the training rows each of it stood; `usual`, the distance that an ordinary row has.
    """

    centre: FloatArray
    scale: FloatArray
    mean: FloatArray
    whiten: FloatArray
    corpus: FloatArray
    when: IntArray
    usual: float


def learned(recipe: Recipe, windows: FloatArray, when: IntArray) -> Model | None:
    """The model of training windows (n, T, C), None of fewer than three.

    `when` (n,) numbers the windows' newest rows, so that windows closer than `frames` are known to
    overlap. A first look by medians sets the strangest `trim` of the windows aside, as training
    rows may hold a few anomalies. The correlation is shrunk by `shrinkage`, and by D / (D + n)
    where that is more: few windows say little of many coordinates.
    """
    windows, when = _usable(windows, when, recipe.frames)
    if len(windows) < _LEAST:
        return None
    centre, scale = centre_and_scale(windows[:, -1])
    found = described(recipe, windows, centre, scale)  # (n, D)
    kept = _usual_ones(found, recipe.trim)
    found, when = found[kept], when[kept]
    total = moments(found[:0])
    for first in range(0, len(found), _CHUNK):
        total = merged(total, moments(found[first : first + _CHUNK]))
    norm = variance_norm(total)
    size = len(norm.unit)
    shrinkage = max(recipe.shrinkage, size / (size + len(found)))
    whiten = norm.whitening(shrinkage) / norm.unit[:, None]
    white = (found - norm.mean) @ whiten
    chosen = k_centre(white, recipe.corpus)
    usual = _usual(recipe, white, when, chosen)
    return Model(centre, scale, norm.mean, whiten, white[chosen], when[chosen], usual)


def described(
    recipe: Recipe, windows: FloatArray, centre: FloatArray, scale: FloatArray
) -> FloatArray:
    """The coordinates (n, D) of windows (n, T, C), in the units given (C,)."""
    rows, _, width = windows.shape
    how = recipe.plan(width)
    found = np.empty((rows, how.size()))
    for first in range(0, rows, _CHUNK):
        part = windows[first : first + _CHUNK]
        wide = (len(part), width)
        units = np.broadcast_to(centre, wide), np.broadcast_to(scale, wide)
        paths, _ = ready(part, recipe.frames, *units)
        found[first : first + _CHUNK] = features(how, paths)
    return found


def _usable(windows: FloatArray, when: IntArray, frames: int) -> tuple[FloatArray, IntArray]:
    """The windows that are full, or all that have a newest frame where few are."""
    newest = np.isfinite(windows[:, -1]).any(axis=1)
    full = newest & np.isfinite(windows[:, -frames]).any(axis=1)
    rows = full if full.sum() >= max(_LEAST, newest.sum() // 2) else newest
    return windows[rows], when[rows]


def _usual_ones(found: FloatArray, trim: float) -> BoolArray:
    """Which windows (n,) are kept: all but the share `trim` that is farthest from the medians."""
    keep = len(found) - int(trim * len(found))
    middle = np.median(found, axis=0)
    off = np.abs(found - middle)
    spread = np.median(off, axis=0) / _NORMAL_MEDIAN
    mean_spread = off.mean(axis=0)
    spread = np.where(spread > 0.0, spread, mean_spread)
    scaled = np.divide(off, spread, out=np.zeros_like(off), where=spread > 0.0)
    far = np.square(np.minimum(scaled, 1e100)).sum(axis=1)  # (n,)
    kept = np.zeros(len(found), dtype=np.bool_)
    kept[np.argsort(far, kind="stable")[:keep]] = True
    return kept


def _usual(recipe: Recipe, white: FloatArray, when: IntArray, chosen: IntArray) -> float:
    """The median distance of training rows, each left out of what it is measured against."""
    if recipe.corpus:
        far, _ = leave_one_out(white, when, chosen, recipe.frames, recipe.neighbours)
    else:
        far = np.sqrt(np.square(white).sum(axis=1))
    far = far[np.isfinite(far)]
    usual = float(np.median(far)) if far.size else 0.0
    return usual if usual > 0.0 else 1.0
