"""Patch memory the slow, obvious way: plain loops over patches, one training patch at a time."""

from typing import NamedTuple

import numpy as np

from tocsin.detectors.scaling import robust_scale, scaled
from tocsin.pipeline.types import FloatArray

_QUANTILES = (0, 10, 25, 50, 75, 90, 100)


class Remembered(NamedTuple):
    """The training patches of one width, and the usual distance of each channel and of all."""

    centre: FloatArray  # (C, 19)
    spread: FloatArray  # (C, 19)
    points: FloatArray  # (M, C, 19)
    usual: FloatArray  # (C + 1,)


def described(patch: FloatArray) -> list[float]:
    """The nineteen statistics of a patch (w,)."""
    steps = np.diff(patch)
    away = patch - patch.mean()
    time = np.arange(len(patch)) - 0.5 * (len(patch) - 1)
    flat = patch.min() == patch.max()
    above = away > 1e-9 * np.ptp(patch)
    rise = 0.0 if flat else float(np.polyfit(time, patch, 1)[0]) * 0.5 * (len(patch) - 1)
    return [
        float(patch.mean()),
        0.0 if flat else float(patch.std()),
        *np.percentile(patch, _QUANTILES).tolist(),
        float(np.sqrt((patch**2).mean())),
        float(patch[-1] - patch[0]),
        rise,
        float(np.sqrt((steps**2).mean())),
        float(np.abs(steps).mean()),
        float(np.abs(steps).max()),
        *(_likeness(away, lag, flat=flat) for lag in (1, 2, 5)),
        0.0 if flat else float((above[1:] != above[:-1]).mean()),
    ]


def remembered(rows: FloatArray, width: int) -> Remembered:
    """The memory of complete training rows (N, C), every patch kept."""
    values = scaled(rows, robust_scale(rows))
    found = np.array([_both(values[t : t + width]) for t in range(len(values) - width + 1)])
    centre, spread = found.mean(axis=0), np.maximum(found.std(axis=0), 0.05)
    points = (found - centre) / spread
    apart = min(width, max(1, len(rows) // 3))
    lone = []
    for i, point in enumerate(points):
        others = [other for j, other in enumerate(points) if abs(i - j) >= apart]
        lone.append(to_nearest(point, np.array(others)))
    return Remembered(centre, spread, points, np.maximum(np.median(lone, axis=0), 1e-3))


def to_nearest(point: FloatArray, others: FloatArray) -> list[float]:
    """Mean distance (C + 1) of a point (C, 19) to its nearest three: each channel, and all."""
    squared = ((others - point) ** 2).sum(axis=2)  # (M, C)
    both = np.column_stack([squared, squared.mean(axis=1)])
    return [float(np.sqrt(np.sort(column)[:3]).mean()) for column in both.T]


def score(memories: list[Remembered], patches: list[FloatArray]) -> float:
    """The score of the newest patches (w, C) of each width, in training spreads."""
    logs = []
    for memory, patch in zip(memories, patches, strict=True):
        point = (_both(patch) - memory.centre) / memory.spread
        ratio = np.array(to_nearest(point, memory.points)) / memory.usual
        logs.append(0.5 * (np.log1p(ratio[:-1]).mean() + np.log1p(ratio[-1])))
    return float(np.mean(logs))


def offline(train: FloatArray, series: FloatArray, widths: tuple[int, ...]) -> FloatArray:
    """Scores (N,) of a complete series (N, C), each row by the patches that cover it."""
    values = scaled(series, robust_scale(train))
    total = np.zeros(len(series))
    for width in widths:
        memory = remembered(train, width)
        last = len(series) - width
        covering: list[list[FloatArray]] = [[] for _ in series]
        for first in sorted({*range(0, last, max(1, width // 4)), last}):
            point = (_both(values[first : first + width]) - memory.centre) / memory.spread
            ratio = np.array(to_nearest(point, memory.points)) / memory.usual
            for row in range(first, first + width):
                covering[row].append(ratio)
        mean = np.array([np.mean(ratios, axis=0) for ratios in covering])
        total += 0.5 * (np.log1p(mean[:, :-1]).mean(axis=1) + np.log1p(mean[:, -1]))
    return total / len(widths)


def _both(patch: FloatArray) -> FloatArray:
    return np.array([described(channel) for channel in patch.T])


def _likeness(away: FloatArray, lag: int, *, flat: bool) -> float:
    return 0.0 if flat else float((away[lag:] * away[:-lag]).sum() / (away**2).sum())
