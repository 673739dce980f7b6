"""Ways to spoil a stretch of a clean window, each a plain function that copies.

A window (W, C) has every channel in the range 0 to 1 of its clean rows. A span says which rows are
spoiled, `columns` (k,) which channels; all else stays as it is, to the bit.

Source: Jeong and others, AnomalyBERT: self-supervised transformer for time series anomaly
detection using data degradation scheme, 2023, arXiv:2305.04468.
"""

from typing import NamedTuple

import numpy as np

from tocsin.pipeline.errors import TocsinError
from tocsin.pipeline.types import BoolArray, FloatArray, IntArray

TOP = 0.7  # how much of a softly replaced stretch is foreign, between its ramps
RAMP = 0.1  # of a stretch, at either end
PEAK = 0.1  # how far from the end of the range a peak may lie


class Span(NamedTuple):
    """Rows `start` to `start + length` - 1 of a window."""

    start: int
    length: int

    @property
    def stop(self) -> int:
        return self.start + self.length


def blend(length: int) -> FloatArray:
    """How foreign each row of a soft replacement is (length,): up to 0.7, flat, and down again.

    >>> blend(20)[:4].round(2).tolist()
    [0.35, 0.7, 0.7, 0.7]
    """
    ramp = max(1, int(RAMP * length))
    rising = np.arange(1, length + 1)
    return TOP * np.minimum(np.minimum(rising, rising[::-1]), ramp) / ramp


def soft_replacement(
    window: FloatArray, span: Span, columns: IntArray, foreign: FloatArray, hard: BoolArray
) -> FloatArray:
    """Foreign values (length, k) blended in; columns that are `hard` (k,) are replaced entirely.

    Categories are hard: between two of them there is nothing.
    """
    _fits(window, span)
    share = np.where(hard, 1.0, blend(span.length)[:, None])  # (length, k)
    found = window.copy()
    own = window[span.start : span.stop, columns]
    found[span.start : span.stop, columns] = share * foreign + (1.0 - share) * own
    return found


def flipped(foreign: FloatArray, *, in_time: bool, in_value: bool) -> FloatArray:
    """Values (length, k) run backwards, or stood on their head within 0 to 1, or both."""
    turned = foreign[::-1] if in_time else foreign
    return 1.0 - turned if in_value else turned.copy()


def uniform_replacement(
    window: FloatArray, span: Span, columns: IntArray, levels: FloatArray
) -> FloatArray:
    """Each column stands still at its level (k,)."""
    _fits(window, span)
    found = window.copy()
    found[span.start : span.stop, columns] = levels
    return found


def peak(window: FloatArray, row: int, columns: IntArray, depth: FloatArray) -> FloatArray:
    """One row at the far end of the range, but for a tenth of `depth` (k,), which is 0 to 1."""
    _fits(window, Span(row, 1))
    found = window.copy()
    low = window[row, columns] < 0.5
    found[row, columns] = np.where(low, 1.0 - PEAK * depth, PEAK * depth)
    return found


def lengthened(window: FloatArray, span: Span, columns: IntArray, factor: int) -> FloatArray:
    """The first rows of the stretch, each `factor` times over."""
    _fits(window, span)
    found = window.copy()
    rows = span.start + np.arange(span.length) // factor
    found[span.start : span.stop, columns] = window[rows[:, None], columns]
    return found


def shortened(window: FloatArray, span: Span, columns: IntArray, factor: int) -> FloatArray:
    """Every `factor`-th row from the beginning of the stretch on.

    It reads `length` x `factor` rows; TocsinError where the window ends before.
    """
    _fits(window, Span(span.start, (span.length - 1) * factor + 1))
    found = window.copy()
    rows = span.start + np.arange(span.length) * factor
    found[span.start : span.stop, columns] = window[rows[:, None], columns]
    return found


def _fits(window: FloatArray, span: Span) -> None:
    if span.start < 0 or span.length < 1 or span.stop > len(window):
        raise TocsinError(f"rows {span.start} to {span.stop - 1} of a window of {len(window)}")
