"""Slow, obvious veracity scores, and numbers that cleanlab 2.9.0 gave for them."""

import math

import numpy as np

from tocsin.pipeline.types import FloatArray

# Readings, forecasts, deviations between refits, and the deviation of foretold misses, as cleanlab
# computed them inside CleanLearning(LinearRegression(), cv_n_folds=3, n_boot=5, seed=0).
READINGS = np.array(
    [7.658, 1.78, 0.205, -1.215, -1.406, 4.74, 0.815, -0.513, 1.371, 0.92, -3.247, 1.459]
)
FORECAST = np.array(
    [
        *(6.922840581664505, 1.360450536451964, 0.052240374130828306, -1.8236949979369743),
        *(-7.273264120642544, 0.9033946597491367, 0.9966421479612907, -0.377162684030779),
        *(0.7464392385438239, 1.5539798336507085, -2.523930810775746, 1.4704057830721213),
    ]
)
UNSURE = np.array(
    [
        *(2.4156230001503194, 0.8032112896599423, 1.9514832155149977, 5.087438602986969),
        *(1.034064418214268, 0.34140620214717754, 1.7819250249199687, 3.235081691219614),
        *(0.7208372865664172, 0.7195545072045342, 1.3771602925752044, 0.8662189762618815),
    ]
)
NOISE = 1.0622892867441631
QUALITY = np.array(
    [
        *(0.37945794350960527, 0.35665423679076813, 0.7926595321793185, 0.6352460171693377),
        *(2.6783518880865664e-06, 3.6176423923001363e-06, 0.7461968776563188, 0.8651047891587988),
        *(0.20075332274502733, 0.1957205932134709, 0.2569701555504903, 0.9732517401050512),
    ]
)

# Of cleanlab.regression.rank.get_label_quality_scores, by either method.
PAIRS = (np.array([1.0, 2.0, 3.0, 4.0]), np.array([2.0, 2.0, 5.0, 4.1]))
RESIDUAL_QUALITY = np.array([0.36787944, 1.0, 0.13533528, 0.90483742])
NEIGHBOUR_QUALITY = np.array([0.2162406, 0.62585509, 0.20275104, 0.62585509])


def quality(
    readings: FloatArray, forecast: FloatArray, unsure: FloatArray, noise: float
) -> list[float]:
    """exp(-a / median(a)), a reading at a time."""
    apart = [abs((y - f) / (u + noise)) for y, f, u in zip(readings, forecast, unsure, strict=True)]
    middle = sorted(apart)[len(apart) // 2]
    if len(apart) % 2 == 0:
        middle = (middle + sorted(apart)[len(apart) // 2 - 1]) / 2
    return [math.exp(-a / middle) for a in apart]


def cross_check(model: object, window: FloatArray) -> list[float]:
    """The adjusted misses of the newest row of a window (T, C) in spreads, over the usual ones."""
    weights, found = model.weights, []  # type: ignore[attr-defined]  # a CheckModel
    numbers = np.concatenate(([1.0], window.ravel()))
    for c in range(window.shape[1]):
        forecasts = [float(weights[m, c] @ numbers) for m in range(len(weights))]
        folds = forecasts[1:]
        mean = sum(folds) / len(folds)
        spread = sum((one - mean) ** 2 for one in folds)
        unsure = math.sqrt((len(folds) - 1) / len(folds) * spread)
        miss = abs(window[-1, c] - forecasts[0])
        apart = miss / (unsure + model.noise[c])  # type: ignore[attr-defined]  # a CheckModel
        found.append(apart / model.middle[c])  # type: ignore[attr-defined]  # a CheckModel
    return found
