"""Channels in units of their own spread, so that no detector depends on the units of its input."""

from typing import NamedTuple

import numpy as np

from tocsin.detectors.compiled import compiled
from tocsin.pipeline.types import FloatArray

MOVED = 10.0  # spreads; what a channel that never moved in training counts for once it moves
FARTHEST = 1e6  # spreads; where a deviation is cut, so that squares and sums stay finite

_NORMAL = 1.349  # interquartile range of a normal channel, in standard deviations
_ROUNDING = 1e-12  # times the largest value: below it, spread is rounding


class Scale(NamedTuple):
    """Where each channel lies and how far it spreads; a spread of 0 is a channel that is flat."""

    centre: FloatArray  # (C,)
    spread: FloatArray  # (C,)


def plain_scale(rows: FloatArray) -> Scale:
    """Mean and standard deviation of each channel of rows (N, C), missing values left out.

    >>> plain_scale(np.array([[1.0, 5.0], [3.0, 5.0]])).spread.tolist()
    [1.0, 0.0]
    """
    return _scale(rows, robust=False)


def robust_scale(rows: FloatArray) -> Scale:
    """Median and interquartile range over 1.349 of each channel of rows (N, C).

    A channel whose middle half stands still has its standard deviation instead.
    """
    return _scale(rows, robust=True)


def scaled(values: FloatArray, scale: Scale) -> FloatArray:
    """Values (..., C) in spreads from the centre, cut at a million either way; NaN stays.

    A flat channel is 0 where it is as it always was, and 10 of the right sign where it moved.

    >>> scale = Scale(np.array([1.0, 5.0]), np.array([2.0, 0.0]))
    >>> scaled(np.array([[5.0, 5.0], [1.0, 4.0]]), scale).tolist()
    [[2.0, 0.0], [0.0, -10.0]]
    """
    result = np.array(values, dtype=np.float64, order="C")
    _apply(result.reshape(-1, result.shape[-1]), scale.centre, scale.spread)
    return result


def _scale(rows: FloatArray, *, robust: bool) -> Scale:
    centre, spread = np.zeros(rows.shape[1]), np.zeros(rows.shape[1])
    for c in range(rows.shape[1]):
        known = rows[:, c][np.isfinite(rows[:, c])]
        if not known.size:
            continue
        size = float(np.abs(known).max())
        unit = size if size > 0 else 1.0
        known = known / unit
        deviation = float(known.std())
        low, middle, high = np.percentile(known, [25, 50, 75])
        wide = float(high - low) / _NORMAL
        centre[c] = (middle if robust else known.mean()) * unit
        chosen = wide if robust and wide > _ROUNDING else deviation
        spread[c] = chosen * unit if chosen > _ROUNDING else 0.0
        if spread[c] == 0.0:
            centre[c] = known[0] * unit
    return Scale(centre, spread)


@compiled
def _apply(values: FloatArray, centre: FloatArray, spread: FloatArray) -> None:
    for row in range(values.shape[0]):
        for c in range(values.shape[1]):
            off = values[row, c] - centre[c]
            if np.isnan(off):
                values[row, c] = np.nan
            elif spread[c] > 0.0:
                values[row, c] = min(max(off / spread[c], -FARTHEST), FARTHEST)
            elif abs(off) <= _ROUNDING * abs(centre[c]):
                values[row, c] = 0.0
            else:
                values[row, c] = np.copysign(MOVED, off)
