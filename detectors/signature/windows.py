"""Windows made ready for a signature: newest frames, standardised, with no hole left."""

import numpy as np

from tocsin.detectors.compiled import compiled
from tocsin.pipeline.types import BoolArray, FloatArray

_FAR = 1e9  # units at which a value is cut, so that a product of many stays finite


def ready(
    values: FloatArray, frames: int, centre: FloatArray, scale: FloatArray
) -> tuple[FloatArray, BoolArray]:
    """The newest `frames` of windows (B, T, C) in units, (B, frames, C), and which have a newest.

    `centre` and `scale` are (B, C). Infinities are missing. Between two values a hole is bridged by
    a straight line; before the first and after the last the value is held; a channel with no value
    in the window stands at its centre, and so does one whose scale is NaN: it was never seen. A
    scale of 0 is that of a channel that never moved: it stands at 0, and at 1 or -1 once it moves,
    for there is no unit to measure by. A window whose newest frame has no value at all is False
    in the second array (B,): there is nothing to have an opinion of.
    """
    newest = np.array(values[:, values.shape[1] - frames :], dtype=np.float64, order="C")
    known = np.zeros(len(newest), dtype=np.bool_)
    _ready(newest, centre, scale, known)
    return newest, known


def centre_and_scale(frames: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The median and a robust spread of each channel of frames (n, C), two arrays (C,).

    The spread is that of the middle half, as a standard deviation of normal values; where the
    middle half does not move it is the standard deviation, 0 where nothing ever moved and NaN where
    there is no value at all. Infinities are missing.
    """
    width = frames.shape[1]
    centre, scale = np.zeros(width), np.full(width, np.nan)
    for c in range(width):
        seen = frames[np.isfinite(frames[:, c]), c]
        if not seen.size:
            continue
        seen = np.clip(seen, -1e150, 1e150)
        low, middle, high = np.percentile(seen, [25, 50, 75])
        centre[c], scale[c] = middle, (high - low) / 1.349
        if not scale[c] > 0.0:
            scale[c] = seen.std() if seen.min() < seen.max() else 0.0
    return centre, scale


@compiled
def _ready(values: FloatArray, centre: FloatArray, scale: FloatArray, known: BoolArray) -> None:
    rows, frames, width = values.shape
    for row in range(rows):
        for c in range(width):
            for t in range(frames):
                values[row, t, c] = _in_units(values[row, t, c], centre[row, c], scale[row, c])
            known[row] |= not np.isnan(values[row, frames - 1, c])
            _bridge(values[row, :, c])


@compiled
def _in_units(value: float, centre: float, scale: float) -> float:
    if np.isnan(value) or np.isnan(scale) or abs(value) == np.inf:
        return np.nan
    off = min(max(value, -1e150), 1e150) - centre
    if scale == 0.0:
        return float(np.sign(off))
    return float(min(max(off / scale, -_FAR), _FAR))


@compiled
def _bridge(path: FloatArray) -> None:
    """Fill the holes of one channel's path (frames,)."""
    last = -1
    for t in range(len(path)):
        if np.isnan(path[t]):
            continue
        for hole in range(last + 1, t):
            share = (hole - last) / (t - last)
            path[hole] = path[t] if last < 0 else path[last] + share * (path[t] - path[last])
        last = t
    for hole in range(last + 1, len(path)):
        path[hole] = path[last] if last >= 0 else 0.0
