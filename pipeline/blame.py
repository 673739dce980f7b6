"""What an incident blames: shares of channels, a region of a frame, and what was read there."""

import math

import numpy as np

from tocsin.pipeline.incidents import Reading
from tocsin.pipeline.types import FloatArray

_MOST = 5  # channels that an incident names


def reading_of(value: np.float64, expected: np.float64, usual: np.float64) -> Reading:
    """A value, what was expected of it and the usual miss; None for what is not known."""
    return _known(value), _known(expected), _known(usual)


def led_by(channels: tuple[tuple[str, float], ...], readings: tuple[Reading, ...]) -> str:
    """The channel that is blamed most and what was read there, to end a sentence with.

    >>> led_by((("heat", 0.8), ("flow", 0.2)), ((91.25, 60.0, 1.0), (3.0, None, None)))
    '; led by heat (80%) at 91.25, expected 60'
    """
    if not channels:
        return ""
    (name, share), told = channels[0], ""
    value, expected, _ = readings[0] if readings else (None, None, None)
    if value is not None:
        told = f" at {value:.4g}" + ("" if expected is None else f", expected {expected:.4g}")
    return f"; led by {name} ({share:.0%}){told}"


def shares(blame: FloatArray) -> FloatArray:
    """Each channel's share of a row's blame; infinite blame leaves none to the others."""
    largest = float(blame.max())
    if not largest > 0:
        return np.zeros_like(blame)
    part = (blame == largest).astype(float) if math.isinf(largest) else blame / largest
    return np.asarray(part / part.sum())


def largest(parts: FloatArray, names: tuple[str, ...]) -> tuple[tuple[str, float], ...]:
    """The names of the largest parts (C,), at most five, each with its share of all.

    >>> largest(np.array([1.0, 0.0, 3.0]), ("heat", "flow", "load"))
    (('load', 0.75), ('heat', 0.25))
    """
    total = float(parts.sum())
    if not total > 0:
        return ()
    top = np.argsort(-parts, kind="stable")[:_MOST]
    return tuple((names[i], round(float(parts[i]) / total, 4)) for i in top if parts[i] > 0)


def region(blame: FloatArray) -> tuple[str, float]:
    """The box around the pixels with at least half the largest blame, and its share of it all."""
    frame = blame if blame.ndim == 2 else blame.sum(axis=tuple(range(2, blame.ndim)))
    rows, columns = np.nonzero(frame >= frame.max() / 2)
    top, bottom, left, right = rows.min(), rows.max(), columns.min(), columns.max()
    share = float(frame[top : bottom + 1, left : right + 1].sum() / frame.sum())
    return f"rows {top}-{bottom}, columns {left}-{right}", round(share, 4)


def place_name(place: int, shape: tuple[int, ...], channels: tuple[str, ...]) -> str:
    """A channel's name, or the pixel's place, of one counted through the item."""
    if channels:
        return channels[place]
    return ",".join(str(int(axis)) for axis in np.unravel_index(place, shape))


def _known(value: np.float64) -> float | None:
    return float(value) if math.isfinite(value) else None
