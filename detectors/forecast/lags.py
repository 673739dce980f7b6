"""What a forecast is made from: past values of a channel, their spread, and covariates."""

from typing import NamedTuple

import numpy as np

from tocsin.detectors.compiled import compiled
from tocsin.pipeline.types import FloatArray

_OF_A_WIDTH = 4  # mean, deviation, least and largest


class Layout(NamedTuple):
    """Which rows before the one that is forecast are read.

    `lags` are single rows and `widths` lengths of stretches, both counted back from the last row
    that is known, which is 1; `covariate_lags` are counted back from the forecast row, which is 0.
    """

    lags: tuple[int, ...]
    widths: tuple[int, ...]
    covariate_lags: tuple[int, ...]

    def frames(self, horizon: int) -> int:
        """Rows that a forecast over the horizon reads, the forecast row among them."""
        own = horizon + max((*self.lags, *self.widths)) if horizon else 1
        return max(own, 1 + max(self.covariate_lags))


def own_past(windows: FloatArray, layout: Layout, horizon: int) -> FloatArray:
    """Features (B, C, F) of each channel of windows (B, T, C), known up to `horizon` rows ago.

    The lags, then mean, deviation, least and largest value of each width. NaN where a value, or all
    of a stretch, is missing.

    >>> rows = np.arange(5.0).reshape(1, 5, 1)
    >>> own_past(rows, Layout((1, 2), (3,), (0,)), 1).ravel().tolist()[:3]
    [3.0, 2.0, 2.0]
    """
    last = windows.shape[1] - 1 - horizon
    lagged = np.moveaxis(windows[:, [last - lag + 1 for lag in layout.lags]], 1, 2)
    whole = np.ascontiguousarray(windows)
    spread = [_stretch(whole, last + 1 - width, last + 1) for width in layout.widths]
    return np.ascontiguousarray(np.concatenate((lagged, *spread), axis=2))


def anchors(windows: FloatArray, layout: Layout, horizon: int) -> FloatArray:
    """The mean (B, C) of the longest stretch that a forecast reads; 0 where nothing is known."""
    last = windows.shape[1] - 1 - horizon
    width = max((*layout.lags, *layout.widths))
    means = _stretch(np.ascontiguousarray(windows), last + 1 - width, last + 1)[:, :, 0]
    return np.where(np.isnan(means), 0.0, means)


def covariates_at(windows: FloatArray, layout: Layout) -> FloatArray:
    """Values (B, F) of the channels of windows (B, T, K) at each covariate lag, lag by lag."""
    newest = windows.shape[1] - 1
    picked = windows[:, [newest - lag for lag in layout.covariate_lags]]
    count = len(layout.covariate_lags) * windows.shape[2]
    return np.ascontiguousarray(picked.reshape(len(windows), count))


@compiled
def _stretch(windows: FloatArray, first: int, stop: int) -> FloatArray:
    rows, _, width = windows.shape
    found = np.full((rows, width, _OF_A_WIDTH), np.nan)
    for b in range(rows):
        for c in range(width):
            count, total, least, most = 0, 0.0, np.inf, -np.inf
            for t in range(first, stop):
                value = windows[b, t, c]
                if not np.isnan(value):
                    count += 1
                    total += value
                    least, most = min(least, value), max(most, value)
            if count == 0:
                continue
            mean, squares = total / count, 0.0
            for t in range(first, stop):
                value = windows[b, t, c]
                if not np.isnan(value):
                    squares += (value - mean) ** 2
            found[b, c, 0], found[b, c, 1] = mean, np.sqrt(squares / count)
            found[b, c, 2], found[b, c, 3] = least, most
    return found
