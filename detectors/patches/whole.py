"""The patches of a whole series against a memory: each row by all patches that cover it."""

import numpy as np

from tocsin.detectors.compiled import compiled
from tocsin.detectors.gaps import filled
from tocsin.detectors.patches.evidence import distances
from tocsin.detectors.patches.memory import PatchModel, PatchScale, statistics, there
from tocsin.detectors.patches.neighbours import nearest, nearest_others
from tocsin.detectors.scaling import scaled
from tocsin.pipeline.types import FloatArray, IntArray

_STRIDES = 4  # patches begin so many times in their width


def ratios_of_series(model: PatchModel, series: FloatArray, *, within: bool) -> FloatArray:
    """Distances (N, S, C + 1) of a series' rows (N, C), in usual ones.

    A row has the mean over the patches that cover it, NaN where there is none. `within` says that
    the memory is of the series itself: a patch is then not compared with those that it overlaps.
    """
    values = scaled(series, model.units)
    line = filled(values[None], np.zeros(series.shape[1]))[0]
    result = np.full((len(series), len(model.scales), series.shape[1] + 1), np.nan)
    for s, scale in enumerate(model.scales):
        if scale is None or len(series) < scale.width:
            continue
        last = len(series) - scale.width
        first = np.append(np.arange(0, last, max(1, scale.width // _STRIDES)), last)
        points = (statistics(line, scale.width, first) - scale.centre) / scale.spread
        points[~there(values, scale.width, first)] = np.nan
        result[:, s] = covered(
            _apart(scale, points, first, within=within), first, scale.width, len(line)
        )
    return result


def _apart(scale: PatchScale, points: FloatArray, first: IntArray, *, within: bool) -> FloatArray:
    if within:
        best = nearest_others(scale.memory, points, first, scale.width)
    else:
        best = nearest(scale.memory, points)
    return distances(best) / scale.usual


def covered(ratio: FloatArray, first: IntArray, width: int, rows: int) -> FloatArray:
    """For each of so many rows the mean of the patches' ratios (P, C + 1) that cover it.

    >>> covered(np.array([[1.0], [4.0], [np.nan]]), np.array([0, 1, 3]), 2, 5).ravel().tolist()
    [1.0, 2.5, 4.0, nan, nan]
    """
    total, count = np.zeros((rows, ratio.shape[1])), np.zeros((rows, ratio.shape[1]))
    _spread(ratio, first, width, total, count)
    return np.where(count > 0, total / np.maximum(count, 1.0), np.nan)


@compiled
def _spread(
    ratio: FloatArray, first: IntArray, width: int, total: FloatArray, count: FloatArray
) -> None:
    for p in range(len(ratio)):
        for t in range(first[p], first[p] + width):
            for c in range(ratio.shape[1]):
                if not np.isnan(ratio[p, c]):
                    total[t, c] += ratio[p, c]
                    count[t, c] += 1.0
