"""Normal scores as a normal distribution seen through a power."""

import math
from dataclasses import dataclass

import numpy as np

from tocsin.pipeline.types import BoolArray, FloatArray

LOWEST, HIGHEST = -2.0, 4.0  # powers
_GOLDEN = (math.sqrt(5) - 1) / 2
_FLAT = 1e-9  # a power of 0 is a logarithm, and this one cannot be told from it
_FARTHEST = 50.0  # what stands for a value that no power reaches


@dataclass(frozen=True, slots=True)
class Line:
    """Standardised scores (N,), with what every power needs of them: log(1 + size), and signs."""

    score: FloatArray
    grown: FloatArray
    sign: FloatArray

    def __len__(self) -> int:
        return len(self.score)

    def take(self, rows: BoolArray) -> "Line":
        """Some of the scores."""
        return Line(self.score[rows], self.grown[rows], self.sign[rows])

    def bend(self) -> FloatArray:
        """What a power changes the log density of each score by, a unit of power (N,)."""
        return self.sign * self.grown


@dataclass(frozen=True, slots=True)
class Bulk:
    """Scores that a power makes normal with a centre and spread."""

    power: float
    centre: float
    spread: float

    def log_density(self, line: Line, flat: FloatArray | None = None) -> FloatArray:
        """Log density (N,), up to a constant; `flat` is the line through the power, if known."""
        through = bent(line, self.power) if flat is None else flat
        away = (through - self.centre) / self.spread
        density: FloatArray = (
            (self.power - 1) * line.bend() - away * away / 2 - math.log(self.spread)
        )
        return density


def lined(score: FloatArray) -> Line:
    """Scores (N,) by their median and the distance of their quartiles, that of a normal 1.35."""
    low, middle, high = np.percentile(score, (25, 50, 75))
    standard = (score - middle) / ((high - low) / 1.349 or float(score.std()))
    return line_of(standard)


def line_of(score: FloatArray) -> Line:
    """Standardised scores (N,) as a line."""
    return Line(score, np.log1p(np.abs(score)), np.where(score >= 0, 1.0, -1.0))


def bent(line: Line, power: float) -> FloatArray:
    """Scores (N,) through the power (Yeo and Johnson 2000, doi:10.1093/biomet/87.4.954).

    >>> bent(line_of(np.array([-3.0, 0.0, 3.0])), 0.5).round(3).tolist()
    [-4.667, 0.0, 2.0]
    """
    above = power if abs(power) > _FLAT else _FLAT
    below = 2 - power if abs(2 - power) > _FLAT else _FLAT
    exponent = np.where(line.sign > 0, above, below)
    through: FloatArray = line.sign * np.expm1(exponent * line.grown) / exponent
    return through


def unbent(flat: float, power: float) -> float:
    """The score that the power makes this of; what none makes is 50, far beyond any score.

    >>> round(unbent(float(bent(line_of(np.array([0.5])), 0.5)[0]), 0.5), 9)
    0.5
    """
    exponent = power if flat >= 0 else 2 - power
    inner = exponent * abs(flat)
    if abs(exponent) < _FLAT:
        grown = abs(flat)
    elif inner > -1:
        grown = math.log1p(inner) / exponent
    else:
        return math.copysign(_FARTHEST, flat)
    return math.copysign(min(math.expm1(min(grown, _FARTHEST)), _FARTHEST), flat)


def log_evidence(flat: FloatArray, bend: float, power: float) -> float:
    """How well a power fits the scores that it made `flat` (N,), whatever centre and spread are.

    `bend` is the sum of theirs.
    """
    return (power - 1) * bend - (len(flat) - 1) * math.log(float(flat.std()) + 1e-300)


def fitted_bulk(line: Line) -> Bulk:
    """The most likely bulk of a line, by golden-section search of the power."""
    bend = float(line.bend().sum())

    def fit(power: float) -> float:
        return log_evidence(bent(line, power), bend, power)

    low, high = LOWEST, HIGHEST
    one, two = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    first, second = fit(one), fit(two)
    for _ in range(16):
        if first < second:
            low, one, first = one, two, second
            two = low + _GOLDEN * (high - low)
            second = fit(two)
        else:
            high, two, second = two, one, first
            one = high - _GOLDEN * (high - low)
            first = fit(one)
    power = (low + high) / 2
    flat = bent(line, power)
    return Bulk(power, float(flat.mean()), float(flat.std()) + 1e-300)
