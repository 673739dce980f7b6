"""One forecast of one channel: its trees, and how large what they miss usually is."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from tocsin.detectors.forecast.boosted import Growth, Sample, Trees, first_rounds, foretold, grow
from tocsin.pipeline.types import FloatArray

QUANTILES = (0.1, 0.5, 0.9)

_FEWEST = 20  # rows to grow trees on; with fewer the forecast is the channel's mean
_LEAST = 1e-3  # spreads of the channel; an ordinary miss counts as no smaller
_NORMAL = 1.4826  # standard deviations of a normal law in its median absolute deviation
_BAND = 2.5631  # standard deviations of a normal law between its outer quantiles


class Head(NamedTuple):
    """Trees, and the misses of trees like them on stretches they were not grown on.

    `middle` and `usual` are the misses' median and spread, in spreads of the channel or, with
    quantiles, in the band's own; NaN where the channel had no value. `loss` is that of each round
    on the training rows, `held` that on stretches left out, by which the number of rounds kept is
    chosen.
    """

    trees: Trees | None
    middle: float
    usual: float
    loss: FloatArray  # (rounds kept,)
    held: FloatArray  # (rounds tried,)


def fitted(sample: Sample, growth: Growth, folds: int, *, quantiles: bool) -> Head:
    """A head for samples in time order; the rows without a target are left out.

    The rows are parted into `folds` stretches, each foretold by trees grown on the others. The
    rounds with the least loss there are kept, and the trees grown anew on all rows.
    """
    known = ~np.isnan(sample.target)
    features, target = sample.features[known], sample.target[known]
    none = np.empty(0)
    if not target.size:
        return Head(None, 0.0, np.nan, none, none)
    if target.size < max(_FEWEST, folds):
        return Head(None, 0.0, 1.0, none, none)
    asked = QUANTILES if quantiles else ()
    parts = np.array_split(np.arange(len(target)), folds)
    apart = []
    for part in parts:
        rest = np.ones(len(target), dtype=np.bool_)
        rest[part] = False
        held = Sample(features[part], target[part])
        apart.append(grow(Sample(features[rest], target[rest]), growth, held, asked))
    curve = np.mean([grown.held for grown in apart], axis=0)
    rounds = int(curve.argmin()) + 1
    missed = np.empty(len(target))
    for part, grown in zip(parts, apart, strict=True):
        told = foretold(first_rounds(grown.trees, rounds), features[part])
        missed[part] = _misses(told, target[part])
    whole = grow(Sample(features, target), replace(growth, rounds=rounds), None, asked)
    middle, usual = _usual(missed)
    return Head(whole.trees, middle, usual, whole.loss, curve)


def surprises(head: Head, sample: Sample) -> FloatArray:
    """How far targets (B,) lie from the forecasts, in usual misses, with sign; NaN stays."""
    return (_misses(_told(head, sample.features), sample.target) - head.middle) / head.usual


def expected(head: Head, features: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The forecast (B,) and how far values usually lie from it, in the target's unit."""
    told = _told(head, features)
    width = _width(told)
    return _centre(told) + head.middle * width, head.usual * width


def _told(head: Head, features: FloatArray) -> FloatArray:
    return np.zeros((len(features), 1)) if head.trees is None else foretold(head.trees, features)


def _misses(told: FloatArray, target: FloatArray) -> FloatArray:
    """Targets less the forecasts (B, outputs), in the width of the band where there is one."""
    return (target - _centre(told)) / _width(told)


def _centre(told: FloatArray) -> FloatArray:
    return told[:, told.shape[1] // 2]


def _width(told: FloatArray) -> FloatArray:
    """Half the band in standard deviations; 1 where one output says nothing of it."""
    if told.shape[1] == 1:
        return np.ones(len(told))
    return np.maximum(np.abs(told[:, -1] - told[:, 0]) / _BAND, _LEAST)


def _usual(missed: FloatArray) -> tuple[float, float]:
    middle = float(np.median(missed))
    spread = _NORMAL * float(np.median(np.abs(missed - middle)))
    if spread <= _LEAST:  # most misses are alike, as of a sensor with few steps
        spread = float(missed.std())
    return middle, max(spread, _LEAST)
