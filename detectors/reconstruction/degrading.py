"""Which stretch of a clean window is spoiled, and how: drawn from a generator that is handed in.

The chances are those of the reference (`tocsin.detectors.reconstruction.degradation` names it),
but for `late`: a detector that is asked about the newest row must have seen faults that just began.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tocsin.detectors.reconstruction.degradation import (
    Span,
    flipped,
    lengthened,
    peak,
    shortened,
    soft_replacement,
    uniform_replacement,
)
from tocsin.detectors.rows import need
from tocsin.pipeline.types import BoolArray, FloatArray, IntArray

KINDS = ("soft", "uniform", "peak", "length", "clean")

_FACTORS = (2, 3, 4)  # of a length that is adjusted
_SHORTEST = 0.1  # of the longest stretch


@dataclass(frozen=True, slots=True)
class Degrading:
    """How often each kind is drawn; what is left over stays clean."""

    soft: float = 0.5
    uniform: float = 0.15
    peak: float = 0.15
    length: float = 0.1
    longest: float = 0.2  # of the window, is a stretch
    column: float = 0.3  # chance of each channel to be spoiled
    late: float = 0.5  # chance of a stretch to reach the newest row
    around: int = 4  # rows on either side of a peak that are labelled with it

    def __post_init__(self) -> None:
        for name in ("soft", "uniform", "peak", "length", "column", "late"):
            need(0 <= getattr(self, name) <= 1, name, "a chance, 0 to 1", getattr(self, name))
        whole = self.soft + self.uniform + self.peak + self.length
        need(whole <= 1 + 1e-9, "soft, uniform, peak and length", "at most 1 together", whole)
        need(0 < self.longest <= 1, "longest", "above 0 and at most 1", self.longest)
        need(self.around >= 0, "around", "0 or more", self.around)


class Degraded(NamedTuple):
    """A window after degradation, and what was done to it."""

    window: FloatArray  # (W, C)
    label: BoolArray  # (W,), rows that are spoiled
    kind: str  # one of KINDS
    columns: IntArray  # (k,), channels that are spoiled


def degraded(
    windows: FloatArray, row: int, hard: BoolArray, how: Degrading, rng: np.random.Generator
) -> Degraded:
    """Window `row` of clean windows (B, W, C), spoiled; the others lend their values.

    `hard` (C,) are channels of categories: they are replaced entirely, by values of their own, and
    neither stand still at a level nor peak.
    """
    window = windows[row]
    kind = _kind(how, rng)
    soft = kind in {"soft", "length"} or bool(hard.all())
    columns = _columns(np.arange(len(hard)) if soft else np.flatnonzero(~hard), how, rng)
    if kind == "clean":
        return Degraded(window.copy(), np.zeros(len(window), np.bool_), kind, columns[:0])
    if kind == "peak":
        at = _span(len(window), (1, 1), how, rng)
        label = _labelled(len(window), Span(at.start - how.around, 2 * how.around + 1))
        return Degraded(
            peak(window, at.start, columns, rng.random(len(columns))), label, kind, columns
        )
    # The first row of a stretch whose length is adjusted stays: of a single row, nothing changes.
    least = 2 if kind == "length" else 1
    span = _span(len(window), (least, _length(len(window), how, rng)), how, rng)
    if kind == "soft":
        found = _softly(windows, window, span, columns, hard, rng)
    elif kind == "uniform":
        found = uniform_replacement(window, span, columns, rng.random(len(columns)))
    else:
        found = _adjusted(window, span, columns, how, rng)
    return Degraded(found, _labelled(len(window), span), kind, columns)


def _kind(how: Degrading, rng: np.random.Generator) -> str:
    edges = np.cumsum([how.soft, how.uniform, how.peak, how.length])
    return KINDS[int(np.searchsorted(edges, rng.random(), side="right"))]


def _columns(among: IntArray, how: Degrading, rng: np.random.Generator) -> IntArray:
    """Each of the channels by its chance, and one at least."""
    chosen = among[rng.random(len(among)) < how.column]
    return chosen if chosen.size else rng.choice(among, 1)


def _length(rows: int, how: Degrading, rng: np.random.Generator) -> int:
    longest = max(1, int(how.longest * rows))
    return int(rng.integers(max(1, int(_SHORTEST * how.longest * rows)), longest + 1))


def _span(rows: int, sizes: tuple[int, int], how: Degrading, rng: np.random.Generator) -> Span:
    """Anywhere; or one that began at any of the newest rows, and is cut off by the window's end.

    `sizes` are the fewest rows it may have and those it has when it is not cut off.
    """
    least, length = sizes[0], max(sizes)
    if rng.random() < how.late:
        begun = int(rng.integers(least, length + 1))
        return Span(rows - begun, begun)
    return Span(int(rng.integers(rows - length + 1)), length)


def _labelled(rows: int, span: Span) -> BoolArray:
    place = np.arange(rows)
    return (place >= span.start) & (place < span.stop)


def _softly(
    windows: FloatArray,
    window: FloatArray,
    span: Span,
    columns: IntArray,
    hard: BoolArray,
    rng: np.random.Generator,
) -> FloatArray:
    """Blended with values of another time and, but for categories, perhaps another channel."""
    kinds = hard[columns]
    smooth = np.flatnonzero(~hard)
    lent = columns.copy()
    if smooth.size:
        lent = np.where(kinds, columns, rng.choice(smooth, len(columns)))
    start = rng.integers(len(window) - span.length + 1)
    other = windows[rng.integers(len(windows)), start : start + span.length]
    foreign = flipped(other[:, lent], in_time=rng.random() < 0.5, in_value=False)
    if rng.random() < 0.5:
        foreign = np.where(kinds, foreign, flipped(foreign, in_time=False, in_value=True))
    return soft_replacement(window, span, columns, foreign, kinds)


def _adjusted(
    window: FloatArray, span: Span, columns: IntArray, how: Degrading, rng: np.random.Generator
) -> FloatArray:
    """A long stretch is lengthened; a short one is shortened, as far as the window has the rows."""
    factor = int(rng.choice(_FACTORS))
    room = (len(window) - span.start - 1) // max(span.length - 1, 1)
    if 2 * span.length > how.longest * len(window) or room < min(_FACTORS):
        return lengthened(window, span, columns, factor)
    return shortened(window, span, columns, min(factor, room))
