"""What stands out of a window once the usual course of its spectrum is taken away."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tocsin.detectors.compiled import compiled
from tocsin.detectors.gaps import filled
from tocsin.detectors.rows import channels, need, tidied
from tocsin.detectors.windows.prepared import judged
from tocsin.pipeline.errors import ConfigError, TocsinError
from tocsin.pipeline.types import Batch, FloatArray, Scores, Spec, Traits

_SMOOTHED = 3  # frequencies that the mean log spectrum is taken over
_GUESSED = 5  # rows put after the newest, so that it does not stand at the edge
_FLAT = 1e-12  # of the largest value: a window that moves less is flat
_LEAST = 1e-8  # of the largest amplitude; none counts as less
_HIGHEST = 0.2  # of the window's rows; about what a lone spike of any size reaches


@dataclass(slots=True)
class SpectralState:
    """Nothing is learned; only the number of channels is known."""

    width: int


@dataclass(frozen=True, slots=True)
class SpectralResidual:
    """How salient the newest row is in its own window, with no training at all.

    Each channel's window, continued by five rows at the level of those before the newest, is
    brought to frequencies; the log amplitude less its mean over three neighbouring frequencies is
    the spectral residual, and back in time with the old phases it is the saliency of each row. The
    score is the newest row's saliency over the mean saliency of the window, at most a fifth of the
    window's rows: about 1 is ordinary. Of several channels the most salient counts.

    Gaps hold the last value; a window without a value in its newest row, or in half of its rows,
    has no opinion. A flat window scores 0. `blame` is each channel's saliency at the newest row.

    Finds spikes and sudden changes in a smooth or periodic series, from the first full window on.
    Misses what lasts, small changes in noise, and whatever a window is full of; tells no large
    spike from a larger one.

    Offline, the whole series is one window, and a row has the mean saliency of the half window of
    rows around it. A history is not looked at.

    Cost a row: T**2 C. Memory a key: none. Shift and scale leave the scores alone.

    Reference: Ren et al., Time-series anomaly detection service at Microsoft, 2019,
    doi:10.1145/3292500.3330680; its continuation along the newest row's slope, which grows with the
    very spike that is looked for, is replaced by a level.

    >>> scorer = SpectralResidual(window=32)
    >>> state = scorer.start(Spec((1,), window=32))
    >>> wave = np.sin(np.arange(32) / 2)
    >>> late = wave + 3.0 * (np.arange(32) == 31)
    >>> batch = Batch(np.zeros(2, dtype=int), np.arange(2), np.stack([wave, late])[:, :, None])
    >>> scorer.score(state, batch).value.round(1).tolist()
    [2.4, 6.4]
    """

    window: int = 64

    traits: ClassVar[Traits] = Traits(detects=frozenset({"spike"}))
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        need(self.window >= 12, "window", "12 or more", self.window)

    @property
    def frames(self) -> int:
        """Rows of a window."""
        return self.window

    @property
    def warmup(self) -> int:
        return 0

    def start(self, spec: Spec) -> SpectralState:
        if spec.window < self.frames:
            raise ConfigError(
                f"SpectralResidual needs windows of {self.frames} rows; found {spec.window}"
            )
        return SpectralState(channels(spec))

    def score(self, state: SpectralState, batch: Batch) -> Scores:
        if batch.values.ndim != 3 or batch.values.shape[2] != state.width:
            raise TocsinError(f"values must be (B, T, {state.width}); found {batch.values.shape}")
        windows = tidied(batch.values[:, -self.frames :])
        value, blame = np.full(len(batch), np.nan), np.zeros(batch.values.shape)
        ready = judged(windows)
        newest = _saliency(_whole(windows[ready]), *_waves(self.frames + _GUESSED))  # (B, C)
        newest = np.minimum(newest, _HIGHEST * self.frames)
        newest[np.isnan(windows[ready, -1])] = 0.0
        value[ready] = newest.max(axis=1, initial=0.0)
        blame[ready, -1] = newest
        return Scores(value, blame)

    def learn(self, state: SpectralState, batch: Batch) -> None:
        """Learn nothing."""

    def advance(self, state: SpectralState, batch: Batch) -> Scores:
        """As `score`: there is nothing to learn between the rows."""
        return self.score(state, batch)

    def offline(self, spec: Spec, history: FloatArray, series: FloatArray) -> Scores:
        series = tidied(series)
        blame = np.zeros(series.shape)
        there = np.logical_not(np.asarray(np.isnan(series).all(axis=1)))  # (N,)
        if len(series) < self.frames:
            return Scores(np.full(len(series), np.nan), blame)
        for c, signal in enumerate(_whole(series[None])[0].T):
            blame[:, c] = _around(_of_series(signal), self.window // 2)
        value = blame.max(axis=1)
        return Scores(np.where(there, value, np.nan), np.where(there[:, None], blame, 0.0))


def _of_series(signal: FloatArray) -> FloatArray:
    """The saliency (N,) of each row of a whole channel (N,), over its mean."""
    centred = np.empty(len(signal))
    if not _centred(signal, centred):
        return np.zeros(len(signal))
    spectrum = np.fft.fft(centred)
    real, imaginary = spectrum.real.copy(), spectrum.imag.copy()
    _residual(real, imaginary)
    found = np.abs(np.fft.ifft(real + 1j * imaginary))
    return np.asarray(found / found.mean())


def _around(values: FloatArray, rows: int) -> FloatArray:
    """The mean of so many values around each of (N,), the first and last standing for more."""
    before = rows // 2
    padded = np.pad(values, (before, rows - 1 - before), mode="edge")
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, rows).mean(axis=1))


def _whole(windows: FloatArray) -> FloatArray:
    """Windows (B, T, C) without gaps; a channel without any value is flat."""
    return filled(windows, np.zeros(windows.shape[2]))


def _waves(size: int) -> tuple[FloatArray, FloatArray]:
    """Cosines and sines (size, size) of every frequency at every row."""
    angle = 2.0 * np.pi * (np.outer(np.arange(size), np.arange(size)) % size) / size
    return np.cos(angle), np.sin(angle)


@compiled
def _saliency(windows: FloatArray, cosine: FloatArray, sine: FloatArray) -> FloatArray:
    """Saliency (B, C) of the newest row of windows (B, T, C) over the window's mean, row by row.

    A transform by its definition and not by a library keeps a row's bits its own.
    """
    rows, frames, width = windows.shape
    size = len(cosine)
    found = np.zeros((rows, width))
    signal, real, imaginary = np.empty(size), np.empty(size), np.empty(size)
    for b in range(rows):
        for c in range(width):
            if not _centred(windows[b, :, c], signal):
                continue
            _continued(signal, frames)
            _to_frequencies(signal, cosine, sine, real, imaginary)
            _residual(real, imaginary)
            total = 0.0
            for t in range(size):
                along, across = 0.0, 0.0
                for f in range(size):
                    along += real[f] * cosine[f, t] - imaginary[f] * sine[f, t]
                    across += real[f] * sine[f, t] + imaginary[f] * cosine[f, t]
                saliency = np.sqrt(along * along + across * across)
                total += saliency
                if t == frames - 1:
                    found[b, c] = saliency
            found[b, c] *= size / total if total > 0.0 else 0.0
    return found


@compiled
def _centred(window: FloatArray, signal: FloatArray) -> bool:
    """Write the window less its mean, over its largest deviation; False where it is flat."""
    frames = len(window)
    largest = np.abs(window).max()
    if largest == 0.0:
        return False
    mean = 0.0
    for t in range(frames):
        mean += window[t] / largest / frames
    widest = 0.0
    for t in range(frames):
        signal[t] = window[t] / largest - mean
        widest = max(widest, abs(signal[t]))
    if widest <= _FLAT:
        return False
    for t in range(frames):
        signal[t] /= widest
    return True


@compiled
def _continued(signal: FloatArray, frames: int) -> None:
    """Fill the rows after the window with the mean of as many rows before the newest."""
    guessed = len(signal) - frames
    mean = 0.0
    for back in range(guessed):
        mean += signal[frames - 2 - back] / guessed
    for t in range(frames, len(signal)):
        signal[t] = mean


@compiled
def _to_frequencies(
    signal: FloatArray,
    cosine: FloatArray,
    sine: FloatArray,
    real: FloatArray,
    imaginary: FloatArray,
) -> None:
    real[:] = 0.0
    imaginary[:] = 0.0
    for t in range(len(signal)):
        for f in range(len(signal)):
            real[f] += signal[t] * cosine[t, f]
            imaginary[f] -= signal[t] * sine[t, f]


@compiled
def _residual(real: FloatArray, imaginary: FloatArray) -> None:
    """Give each frequency the amplitude exp(log amplitude less its local mean), in place."""
    size = len(real)
    amplitude = np.sqrt(real * real + imaginary * imaginary)
    least = _LEAST * amplitude.max()
    log = np.log(np.maximum(amplitude, least))
    for f in range(size):
        mean = 0.0
        for near in range(_SMOOTHED):
            mean += log[(f + near - _SMOOTHED // 2) % size] / _SMOOTHED
        factor = np.exp(log[f] - mean) / max(amplitude[f], least)
        real[f] *= factor
        imaginary[f] *= factor
