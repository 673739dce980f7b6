"""Tail probabilities of several detectors as one, told as a surprise: minus the logarithm."""

import math
from typing import Literal

import numpy as np

from tocsin.detectors.compiled import compiled
from tocsin.pipeline.types import FloatArray

Rule = Literal["fisher", "harmonic", "min", "mean", "first"]
RULES: tuple[Rule, ...] = ("fisher", "harmonic", "min", "mean", "first")


def combined_surprise(tails: FloatArray, rule: Rule) -> FloatArray:
    """-log of the joint tail probability (B,) of each row's tails (B, M); NaN is left out.

    "fisher" is P(chi squared of 2M degrees > -2 sum log p), right for independent detectors.
    "harmonic" is the harmonic mean, which dependence between detectors hardly moves. "min" is
    1 - (1 - min p)^M, right for independent ones and guided by the most surprised. "mean" is the
    mean of -log p. "first" is the first detector that has an opinion, so that a quick one stands in
    until a better one is trained. Finite and at least 0; it never falls when a tail falls.

    >>> combined_surprise(np.array([[0.01, 0.01], [0.01, np.nan]]), "mean").round(3).tolist()
    [4.605, 4.605]
    """
    return _combine(np.array(tails, dtype=np.float64, order="C"), RULES.index(rule))


def surprise(tails: FloatArray) -> FloatArray:
    """-log p of each tail (B,); NaN stays."""
    return _combine(np.array(tails, dtype=np.float64).reshape(-1, 1), RULES.index("mean"))


@compiled
def _combine(tails: FloatArray, rule: int) -> FloatArray:
    result = np.full(len(tails), np.nan)
    for row in range(len(tails)):
        known = tails[row][~np.isnan(tails[row])]
        if not len(known):
            continue
        if rule == 0:
            result[row] = _fisher(known)
        elif rule == 1:
            result[row] = _harmonic(known)
        elif rule == 2:
            result[row] = _smallest(known)
        elif rule == 3:
            result[row] = _mean(known)
        else:
            result[row] = max(-math.log(known[0]), 0.0)
    return result


@compiled
def _fisher(tails: FloatArray) -> float:
    half = 0.0  # of the statistic
    for p in tails:
        half -= math.log(p)
    # For whole degrees, P(chi squared > 2h) = exp(-h) (1 + h + h^2/2! + … + h^(M-1)/(M-1)!).
    term, series = 1.0, 1.0
    for i in range(1, len(tails)):
        term *= half / i
        series += term
    return max(half - math.log(series), 0.0)


@compiled
def _harmonic(tails: FloatArray) -> float:
    total = 0.0
    for p in tails:
        total += 1.0 / p
    return max(math.log(total / len(tails)), 0.0)


@compiled
def _smallest(tails: FloatArray) -> float:
    p = float(tails.min())
    if p >= 1.0:
        return 0.0
    return max(-math.log(-math.expm1(len(tails) * math.log1p(-p))), 0.0)


@compiled
def _mean(tails: FloatArray) -> float:
    total = 0.0
    for p in tails:
        total -= math.log(p)
    return max(total / len(tails), 0.0)
