"""Strangeness of paths of any length in one unit: a Box-Cox transformation for each length."""

import math
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar

from tocsin.detectors.compiled import compiled
from tocsin.pipeline.types import FloatArray, IntArray

_ENOUGH = 30  # paths that a length is fitted on; with fewer, the nearest lengths join in
_MOST_POWER = 2.0
_FINEST = 0.1  # what -log of a chance moves at least, in a standard deviation
_TINY = 1e-12  # a strangeness below this counts as it: a logarithm needs some


class Normaliser(NamedTuple):
    """For each channel and length, the power of the transformation, and mean and spread after."""

    power: FloatArray  # (C, T + 1)
    centre: FloatArray  # (C, T + 1)
    spread: FloatArray  # (C, T + 1)

    def normalised(self, strangeness: FloatArray, length: IntArray) -> FloatArray:
        """Strangeness (B, C) of paths of `length` (B, C) visits in standard deviations; of 0, NaN.

        Lengths are 0 to T.
        """
        return _normalised(strangeness, length, self)


def normaliser(strangeness: FloatArray, length: IntArray, longest: int) -> Normaliser:
    """Fitted on the strangeness (B, C) of clean paths of 1 to `longest` visits.

    A length with fewer than 30 paths borrows those of the lengths nearest to it, as if their
    strangeness grew with the length in proportion.
    """
    width = strangeness.shape[1]
    shape = (width, longest + 1)
    fitted = Normaliser(np.ones(shape), np.zeros(shape), np.ones(shape))
    for c in range(width):
        there = length[:, c] > 0
        mine, visits = strangeness[there, c], length[there, c]
        if not mine.size:
            continue
        for wanted in range(1, longest + 1):
            paths = _of_length(mine, visits, wanted)
            power, centre, spread = _fit(paths)
            fitted.power[c, wanted] = power
            fitted.centre[c, wanted], fitted.spread[c, wanted] = centre, spread
    return fitted


def best_power(values: FloatArray) -> float:
    """The power, 0 to 2, whose Box-Cox transformation makes positive values (N,) most normal.

    It has the highest likelihood. Powers below 0 are left out: their transformation has a ceiling,
    which the strangest paths could not rise above.
    """
    logs = np.log(values)

    def loss(power: float) -> float:
        variance = float(_transformed(values, power).var())
        if variance <= 0.0:
            return math.inf
        return len(values) / 2.0 * math.log(variance) - (power - 1.0) * float(logs.sum())

    found = minimize_scalar(loss, bounds=(0.0, _MOST_POWER), method="bounded")
    return float(found.x)


def _of_length(strangeness: FloatArray, length: IntArray, wanted: int) -> FloatArray:
    """Strangeness of paths of the wanted length, or of lengths near it where these are too few."""
    off = np.abs(length - wanted)
    if (off == 0).sum() >= _ENOUGH:
        return np.asarray(strangeness[off == 0], dtype=np.float64)
    reach = np.sort(off)[min(_ENOUGH, len(off)) - 1]
    near = off <= reach
    return np.asarray(strangeness[near] * wanted / length[near], dtype=np.float64)


def _fit(paths: FloatArray) -> tuple[float, float, float]:
    """Power, mean and spread of the strangeness of paths of one length."""
    paths = np.maximum(paths, _TINY)
    middle = float(np.median(paths))
    if float(paths.std()) <= _FINEST:
        return 1.0, middle - 1.0, 1.0
    power = best_power(paths)
    moved = _transformed(paths, power)
    finest = _FINEST * middle ** (power - 1.0)
    return power, float(moved.mean()), max(float(moved.std()), finest)


def _transformed(values: FloatArray, power: float) -> FloatArray:
    return np.array([_box_cox(value, power) for value in values.tolist()])


@compiled
def _box_cox(value: float, power: float) -> float:
    if abs(power) < 1e-6:
        return float(np.log(value))
    return float(np.expm1(power * np.log(value)) / power)


@compiled
def _normalised(strangeness: FloatArray, length: IntArray, usual: Normaliser) -> FloatArray:
    found = np.full(strangeness.shape, np.nan)
    for b in range(len(strangeness)):
        for c in range(strangeness.shape[1]):
            n = length[b, c]
            if n > 0:
                moved = _box_cox(max(strangeness[b, c], _TINY), usual.power[c, n])
                found[b, c] = (moved - usual.centre[c, n]) / usual.spread[c, n]
    return found
