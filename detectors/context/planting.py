"""Anomalies planted into windows of clean history, for the encoder to be tuned on.

Each kind is a few lines on one window; how large they are is drawn in spreads of the window, so
that units do not matter.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tocsin.detectors.context.examples import CLEAN, Drawn
from tocsin.detectors.context.views import filled, scale_of
from tocsin.pipeline.types import FloatArray

_CLEAN_SHARE = 0.3  # of windows in which nothing is planted
_LATE = 0.5  # of anomalies, that begin shortly before the newest point, as they do live
_SOON = 48.0  # points before the end, at most, that a late one begins
_SMALLEST, _LARGEST = 1.5, 10.0  # spreads
_SEEN = 1.0  # spreads of the steps; what changes every point by less cannot be seen
_FEW = 3  # points of a spike, at most
_STILL = 1e-6  # of the largest value: a window of less spread stands still


@dataclass(frozen=True, slots=True)
class Place:
    """A stretch of a window: where it is, the window (L,), another (L,) and what counts as far."""

    window: FloatArray
    other: FloatArray
    first: int
    end: int
    spread: float

    @property
    def part(self) -> FloatArray:
        return self.window[self.first : self.end]


def planted(
    rng: np.random.Generator, windows: FloatArray, others: FloatArray, late: float = _LATE
) -> Drawn:
    """Windows (B, L) with one anomaly each, in about a third none; NaN stays missing.

    `others` (B, L) are windows of the same series at other times. A share `late` of the anomalies
    begins shortly before the newest point, as they do live, the others anywhere. What cannot be
    seen is not planted, and into a window that stands still nothing is.
    """
    whole, strange = filled(windows), filled(others)
    values, label = whole.copy(), np.zeros(windows.shape, dtype=np.bool_)
    kind = np.full(len(windows), CLEAN, dtype=np.int64)
    scale = scale_of(windows, np.full(len(windows), windows.shape[1]))
    size = np.abs(whole).max(axis=1, initial=0.0)
    for row in np.flatnonzero(rng.random(len(windows)) >= _CLEAN_SHARE).tolist():
        first, end = _where(rng, windows.shape[1], late)
        chosen = int(rng.integers(len(KINDS)))
        spread = float(scale.spread[row])
        if spread <= _STILL * size[row]:
            continue
        found = KINDS[chosen](rng, Place(whole[row], strange[row], first, end, spread))
        end = first + len(found)
        if np.abs(found - whole[row, first:end]).max() > _SEEN * scale.step[row]:
            values[row, first:end], label[row, first:end] = found, True
            kind[row] = chosen
    gap = ~np.isfinite(windows)
    return Drawn(np.where(gap, np.nan, values), np.where(gap, np.nan, whole), label & ~gap, kind)


def spike(rng: np.random.Generator, place: Place) -> FloatArray:
    """At most three points, far from where they were and all to one side."""
    few = place.part[:_FEW]
    return few + _size(rng) * place.spread * rng.uniform(0.5, 1.0, len(few))


def shift(rng: np.random.Generator, place: Place) -> FloatArray:
    """A stretch at another level."""
    return place.part + _size(rng) * place.spread


def noise(rng: np.random.Generator, place: Place) -> FloatArray:
    """A stretch with noise added."""
    return place.part + 0.5 * _size(rng) * place.spread * rng.standard_normal(len(place.part))


def stuck(_: np.random.Generator, place: Place) -> FloatArray:
    """A stretch that stands still at the value before it."""
    return np.full(len(place.part), place.window[max(place.first - 1, 0)])


def swell(rng: np.random.Generator, place: Place) -> FloatArray:
    """A stretch of another amplitude, or upside down, about its own middle."""
    middle = float(np.median(place.window))
    factor = rng.choice([-1.0, 0.25, rng.uniform(1.5, 4.0)])
    return np.asarray(middle + factor * (place.part - middle))


def borrowed(_: np.random.Generator, place: Place) -> FloatArray:
    """A stretch of another time of the series, at the level of the window."""
    lift = float(np.median(place.window) - np.median(place.other))
    return place.other[place.first : place.end] + lift


def paced(rng: np.random.Generator, place: Place) -> FloatArray:
    """A stretch that runs backwards, or slower or faster than it should."""
    pace = float(rng.choice([-1.0, 0.4, 2.5]))
    at = place.first + pace * np.arange(len(place.part))
    last = len(place.window) - 1
    # What runs over an end of the window comes back, so that no stretch stands still.
    at = last - np.abs(last - np.abs(at) % (2 * max(last, 1)))
    return np.asarray(np.interp(at, np.arange(len(place.window)), place.window))


KINDS: tuple[Callable[[np.random.Generator, Place], FloatArray], ...] = (
    spike,
    shift,
    noise,
    stuck,
    swell,
    borrowed,
    paced,
)


def _where(rng: np.random.Generator, length: int, late: float) -> tuple[int, int]:
    """First point and end of an anomaly of 1 point to a quarter of a window, rather short."""
    long = int(np.exp(rng.uniform(0.0, np.log(max(length / 4, 2.0)))))
    soon = rng.random() < late
    before_end = int(np.exp(rng.uniform(0.0, np.log(min(_SOON, length / 2)))))
    anywhere = int(rng.integers(0, length))
    first = length - before_end if soon else anywhere
    return first, min(first + long, length)


def _size(rng: np.random.Generator) -> float:
    """How large something is, in spreads, to either side."""
    side = float(rng.choice([-1.0, 1.0]))
    return side * float(np.exp(rng.uniform(np.log(_SMALLEST), np.log(_LARGEST))))
