"""What is remembered of clean rows: patches of each width, and how far apart they usually lie."""

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tocsin.detectors.gaps import filled
from tocsin.detectors.patches.evidence import distances
from tocsin.detectors.patches.features import FEATURES, patch_features, window_features
from tocsin.detectors.patches.neighbours import Memory, laid_out, nearest_others
from tocsin.detectors.scaling import Scale, robust_scale, scaled
from tocsin.pipeline.types import BoolArray, FloatArray, IntArray

_WHOLE = 0.75  # the share of a patch's values that must be there for an opinion

_FEWEST = 8  # patches of a width; with fewer there is no memory of that width
_CONTINUOUS = 0.25  # share of patches without a row of NaN, under which such rows are mere gaps
_LIVE = 0.5  # share of a channel's training values that must be there for it to count
_LEAST_SPREAD = 0.05  # of a statistic, in spreads of the channel: what less moves is at rest
_LEAST_USUAL = 1e-3  # of a distance, so that patches all alike have something to be divided by
_CHANNELS = 8  # from which on fewer patches are kept, so that the cost of a search stays the same
_LEAST_KEPT = 64


class PatchScale(NamedTuple):
    """The patches of one width: their statistics' place and spread, and the patches themselves."""

    width: int
    centre: FloatArray  # (C, D), NaN for a channel that was not there in training
    spread: FloatArray  # (C, D)
    memory: Memory
    usual: FloatArray  # (C + 1,) median distance of a patch to its nearest, apart and together


class PatchModel(NamedTuple):
    """The memory of one series, one scale a width; there is none where training was too short."""

    units: Scale
    scales: tuple[PatchScale | None, ...]


class Recipe(NamedTuple):
    """How patches are chosen: the widths, the most of each, and the share that is left out."""

    widths: tuple[int, ...]
    patches: int
    trim: float


def learned(rows: FloatArray, recipe: Recipe) -> PatchModel | None:
    """The memory of training rows (N, C); NaN is missing, and rows of NaN part stretches.

    None where no width has enough patches. Where rows of NaN are so frequent that hardly a patch
    lies between two of them, they count as gaps.
    """
    if not len(rows):
        return None
    units = robust_scale(rows)
    values = scaled(rows, units)
    live = (~np.isnan(values)).mean(axis=0) >= _LIVE * (~seams(values)).mean()
    if not live.any():
        return None
    line = filled(values[None], np.zeros(rows.shape[1]))[0]
    scales: list[PatchScale | None] = []
    for width in recipe.widths:
        first = _chosen(values[:, live], width, _most(recipe.patches, rows.shape[1]))
        scales.append(_remembered(line, live, width, first, recipe.trim))
    return PatchModel(units, tuple(scales)) if any(scales) else None


def newest_points(
    model: PatchModel, windows: FloatArray, widths: tuple[int, ...]
) -> list[FloatArray]:
    """The newest patch of each width in windows (B, T, C), as points (B, C, D) of its memory.

    NaN where too few values are there, and in all of a window whose newest row has none: nothing
    came, so there is nothing to say.
    """
    values = scaled(windows, model.units)
    values[seams(windows[:, -1])] = np.nan
    found = window_features(filled(values, np.zeros(values.shape[2])), widths)
    result = []
    for s, (width, scale) in enumerate(zip(widths, model.scales, strict=True)):
        points = np.full((len(windows), *found.shape[1:2], FEATURES), np.nan)
        if scale is not None:
            points = (found[:, :, s] - scale.centre) / scale.spread
            points[(~np.isnan(values[:, -width:])).mean(axis=1) < _WHOLE] = np.nan
        result.append(points)
    return result


def statistics(line: FloatArray, width: int, first: IntArray) -> FloatArray:
    """The statistics (P, C, D) of the patches of rows (N, C) that begin at `first`."""
    result = np.empty((len(first), line.shape[1], FEATURES))
    for c in range(line.shape[1]):
        result[:, c] = patch_features(line[:, c], width, first)
    return result


def there(values: FloatArray, width: int, first: IntArray) -> BoolArray:
    """Which channels (P, C) of the patches that begin at `first` have enough values."""
    count = np.zeros((len(values) + 1, values.shape[1]))
    np.cumsum(~np.isnan(values), axis=0, out=count[1:])
    return np.asarray(count[first + width] - count[first] >= _WHOLE * width)


def seams(rows: FloatArray) -> BoolArray:
    """Which rows (N,) have no value at all."""
    return np.asarray(np.isnan(rows).all(axis=1))


def _most(patches: int, channels: int) -> int:
    """How many patches are kept for so many channels."""
    if channels <= _CHANNELS:
        return patches
    return max(min(patches, _LEAST_KEPT), patches * _CHANNELS // channels)


def _chosen(values: FloatArray, width: int, most: int) -> IntArray:
    """Where patches that are whole begin, at most so many and spread evenly."""
    none = np.empty(0, dtype=np.int64)
    if len(values) < width:
        return none
    every = np.arange(len(values) - width + 1)
    whole = there(values, width, every).all(axis=1)
    broken = sliding_window_view(seams(values), width).any(axis=1)
    if (~broken).mean() >= _CONTINUOUS:
        whole &= ~broken
    first = np.flatnonzero(whole)
    if len(first) < _FEWEST:
        return none
    if len(first) <= most:
        return first
    return first[np.linspace(0, len(first) - 1, most).round().astype(np.int64)]


def _remembered(
    line: FloatArray, live: BoolArray, width: int, first: IntArray, trim: float
) -> PatchScale | None:
    if not first.size:
        return None
    found = statistics(line, width, first)  # (M, C, D)
    found[:, ~live] = np.nan
    apart = min(width, max(1, len(line) // 3))
    scale, lone = _laid(found, width, first, apart)
    if trim > 0.0:
        keep = lone[:, -1].argsort(kind="stable")  # NaN last
        keep = np.sort(keep[: max(_FEWEST, round((1.0 - trim) * len(first)))])
        scale, _ = _laid(found[keep], width, first[keep], apart)
    return scale


def _laid(
    found: FloatArray, width: int, first: IntArray, apart: int
) -> tuple[PatchScale, FloatArray]:
    """The memory of patches' statistics, and how far each lies from others (M, C + 1)."""
    centre = found.mean(axis=0)
    spread = np.maximum(found.std(axis=0), _LEAST_SPREAD)
    points = (found - centre) / spread
    memory = laid_out(points, first)
    lone = distances(nearest_others(memory, points, first, apart))
    known = ~np.isnan(lone)
    usual = [
        np.median(part[there]) if there.any() else 1.0
        for part, there in zip(lone.T, known.T, strict=True)
    ]
    return PatchScale(width, centre, spread, memory, np.maximum(usual, _LEAST_USUAL)), lone
