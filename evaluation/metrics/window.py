"""The buffer width that goes with a signal: its most pronounced period.

The rule of TSB-AD (Liu, Paparrizos (2024), "The Elephant in the Room", NeurIPS,
ISBN 979-8-3313-1438-5), so that VUS can be compared with published numbers.
"""

import numpy as np
from numpy.typing import ArrayLike

from tocsin.evaluation.metrics.checked import column
from tocsin.pipeline.errors import TocsinError
from tocsin.pipeline.types import FloatArray

NO_PERIOD = 125  # rows, where no period is found
_ROWS = 20_000  # the most that are looked at
_SHORTEST, _LONGEST = 3, 400  # lags
_EARLIEST, _LATEST = 3, 300  # places of the peak after the shortest lag


def vus_window(values: ArrayLike) -> int:
    """The lag in rows at which a signal (N,) is most like itself; 125 where there is none.

    Of a signal with several channels TSB-AD takes the first. The highest local maximum of the
    autocorrelation over lags 3 to 400 of the first 20,000 rows counts, if its lag is 6 to 303. NaN
    is a TocsinError. O(n log n).

    >>> vus_window(np.sin(np.arange(2000) * 2 * np.pi / 50))
    50
    """
    signal = column("values", values)[:_ROWS]
    holes = np.flatnonzero(~np.isfinite(signal))
    if holes.size:
        raise TocsinError(f"values: row {holes[0]} is {signal[holes[0]]}; fill or leave it out")
    curve = _autocorrelation(signal)[_SHORTEST : _LONGEST + 1]
    inner = curve[1:-1]
    peaks = np.flatnonzero((inner > curve[:-2]) & (inner > curve[2:])) + 1
    if not peaks.size:
        return NO_PERIOD
    best = int(peaks[np.argmax(curve[peaks])])
    return best + _SHORTEST if _EARLIEST <= best <= _LATEST else NO_PERIOD


def _autocorrelation(signal: FloatArray) -> FloatArray:
    """Autocorrelation at lags 0 on; all 0 for a constant signal."""
    off = signal - signal.mean()
    largest = np.abs(off).max()
    if largest == 0:
        return np.zeros(len(signal))
    size = 1 << (2 * len(signal) - 1).bit_length()
    spectrum = np.fft.rfft(off / largest, size)
    covariance = np.fft.irfft(spectrum * np.conj(spectrum), size)[: len(signal)]
    return np.asarray(covariance / covariance[0], dtype=np.float64)
