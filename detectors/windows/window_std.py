"""How far the last rows spread, in the spreads of clean training data."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tocsin.detectors.compiled import compiled
from tocsin.detectors.rows import need, tidied
from tocsin.detectors.scaling import Scale, plain_scale, scaled
from tocsin.detectors.trained import Trained
from tocsin.pipeline.types import FloatArray, Scores, Spec, Traits

_FEWEST = 2  # values of a channel in a window


@dataclass(frozen=True, slots=True)
class WindowStd(Trained[Scale]):
    """A control: the standard deviation of the last `window` rows, the mean over the channels.

    Channels are divided by their training standard deviation. A channel with fewer than two values
    in the window is left out; where none is left there is no opinion. Offline, the window is
    centred on the row. `blame` is each channel's share, at the newest row.

    Finds what makes a signal restless. Misses every fault that leaves it as restless as it was, or
    calms it. It is a baseline that many published detectors do not beat. `moving_std` is the form
    that knows what spread is usual and goes on learning.

    Reference: Wu and Keogh, Current time series anomaly detection benchmarks are flawed and are
    creating the illusion of progress, 2020, arXiv:2009.13807, whose one-liners it is one of.

    Cost a row: `window` x C operations. Memory a key: 8 x `memory` x C bytes.

    >>> from tocsin.pipeline.types import Batch
    >>> pairs = np.array([[0, 1], [1, 0], [0, 1], [1, 0], [0, 3]], dtype=float).reshape(5, 2, 1)
    >>> rows = Batch(np.zeros(5, dtype=np.int64), np.arange(5), pairs)
    >>> scorer = WindowStd(window=2, train=4, memory=6)
    >>> state = scorer.fit(Spec((1,), window=2), [rows.take(np.arange(4))])
    >>> found = scorer.score(state, rows).value
    >>> round(float(found[4] / found[0]), 6)
    3.0
    """

    window: int = 50

    traits: ClassVar[Traits] = Traits(detects=frozenset({"variance_burst"}))

    @property
    def frames(self) -> int:
        return self.window

    def check(self) -> None:
        need(self.window >= _FEWEST, "window", f"{_FEWEST} or more", self.window)
        super(WindowStd, self).check()

    def model(self, rows: FloatArray) -> Scale:
        return plain_scale(rows)

    def measure(self, model: Scale, windows: FloatArray) -> tuple[FloatArray, FloatArray]:
        blame = np.zeros(windows.shape)
        spread = _spread(scaled(windows, model))
        value = _mean_known(spread)
        blame[:, -1] = np.nan_to_num(spread)
        return value, blame

    def offline(self, spec: Spec, history: FloatArray, series: FloatArray) -> Scores:
        if not len(series):
            return Scores(np.empty(0), np.empty(series.shape))
        rows = tidied(history if len(history) else series)
        half = self.window // 2
        pad = np.full((half, series.shape[1]), np.nan)
        points = np.concatenate((pad, scaled(tidied(series), plain_scale(rows)), pad))
        windows = sliding_window_view(points, 2 * half + 1, axis=0)  # (N, C, T)
        spread = _spread(np.ascontiguousarray(np.moveaxis(windows, -1, 1)))
        return Scores(_mean_known(spread), np.nan_to_num(spread))


@compiled
def _mean_known(spread: FloatArray) -> FloatArray:
    """The mean of each row of (B, C) over its known values, NaN where there is none."""
    mean = np.full(len(spread), np.nan)
    for b in range(len(spread)):
        count, total = 0, 0.0
        for c in range(spread.shape[1]):
            if not np.isnan(spread[b, c]):
                count += 1
                total += spread[b, c]
        if count:
            mean[b] = total / count
    return mean


@compiled
def _spread(windows: FloatArray) -> FloatArray:
    """The standard deviation (B, C) of each channel in windows (B, T, C), NaN left out."""
    rows, frames, width = windows.shape
    spread = np.full((rows, width), np.nan)
    for b in range(rows):
        for c in range(width):
            count, total = 0, 0.0
            for t in range(frames):
                if not np.isnan(windows[b, t, c]):
                    count += 1
                    total += windows[b, t, c]
            if count < 2:
                continue
            mean, square = total / count, 0.0
            for t in range(frames):
                if not np.isnan(windows[b, t, c]):
                    square += (windows[b, t, c] - mean) ** 2
            spread[b, c] = np.sqrt(square / count)
    return spread
