"""The period of a series, from its autocorrelation."""

import numpy as np

from tocsin.pipeline.types import BoolArray, FloatArray

_LEAST = 0.3  # autocorrelation of a period that counts
_SURE = 4.0  # times the deviation of an autocorrelation of noise
_DIP = 0.2  # that the autocorrelation rises to a period, so that a slow decay has none
_NEARLY = 0.9  # of the best autocorrelation: the shortest such lag is the period, not a multiple


def period_of(series: FloatArray, longest: int) -> int:
    """The period of series (N,) in rows, from 2 to `longest`, or 1 where it has none.

    Missing values are left out. A period is a lag at which the autocorrelation peaks above 0.3 and
    above what noise would reach. O(N log N).

    >>> period_of(np.sin(2 * np.pi * np.arange(200) / 25), 60)
    25
    >>> period_of(np.random.default_rng(0).normal(size=200), 60)
    1
    """
    longest = min(longest, len(series) // 2)
    there = ~np.isnan(series)
    if longest < 2 or there.sum() < 4:
        return 1
    found = _autocorrelation(series, there, longest + 1)
    dip = np.minimum.accumulate(found)
    middle = found[1:-1]
    is_peak = (middle > found[:-2]) & (middle >= found[2:]) & (middle >= dip[1:-1] + _DIP)
    least = max(_LEAST, _SURE / np.sqrt(float(there.sum())))
    peaks = np.flatnonzero(is_peak & (middle >= least)) + 1
    peaks = peaks[peaks >= 2]
    if not peaks.size:
        return 1
    best = found[peaks].max()
    return int(peaks[found[peaks] >= _NEARLY * best][0])


def _autocorrelation(series: FloatArray, there: BoolArray, longest: int) -> FloatArray:
    """Autocorrelation at lags 0 to `longest` about a straight line, over the pairs there are."""
    time = np.arange(len(series), dtype=np.float64)
    line = np.polynomial.Polynomial.fit(time[there], series[there], 1)
    known = there.astype(np.float64)
    off = np.where(there, series - line(time), 0.0)
    size = 2 ** int(np.ceil(np.log2(2 * len(series))))
    together = np.fft.irfft(np.abs(np.fft.rfft(off, size)) ** 2)[: longest + 1]
    pairs = np.fft.irfft(np.abs(np.fft.rfft(known, size)) ** 2)[: longest + 1].round()
    mean = np.where(pairs > 0, together / np.maximum(pairs, 1.0), 0.0)
    return np.asarray(mean / mean[0] if mean[0] > 0 else np.zeros(longest + 1))
