"""Windows as points: embeddings by our encoder, by random convolutions, or by Chronos.

An embedder turns windows of one channel, in units of the channel's own spread, into points.
Each window is embedded as if it were alone.
"""

import importlib
from functools import lru_cache
from typing import Any, Literal, Protocol

import numpy as np
import torch

from tocsin.detectors.compiled import compiled
from tocsin.detectors.context.encoder import Encoder
from tocsin.detectors.context.shipped import answers, encoder_of
from tocsin.detectors.context.views import Scale, views_of
from tocsin.detectors.device import CPU, one_thread, torch_device
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.types import FloatArray, IntArray

Name = Literal["rcd", "convolutions", "chronos"]

_KERNELS = 128
_LENGTHS = (5, 7, 9)
_BIAS_QUANTILES = (0.25, 0.5, 0.75)


class Embedder(Protocol):
    """Windows (B, L) of one channel to points (B, E)."""

    def embed(self, windows: FloatArray) -> FloatArray:
        """The points; the windows have no gaps and a spread of about 1."""
        ...


def embedder(
    name: Name, weights: str, seed: int, training: FloatArray, device: str = CPU
) -> Embedder:
    """The embedder of a name; `training` (N, L) are windows that random convolutions are set by.

    `weights` is a file of our encoder's weights, or the folder or name of a Chronos model; either
    network works on `device`, and convolutions on the processor. Raises ConfigError where the
    device is not here, or Chronos is asked for and its package is missing.
    """
    torch_device(device)
    if name == "rcd":
        return ByEncoder(encoder_of(weights, "live", device))
    if name == "chronos":
        return ByChronos(weights or "amazon/chronos-t5-tiny", device)
    return Convolutions(training, seed)


class ByEncoder:
    """The mean over a window's tokens of the encoder of `rcd`, before any is judged."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder

    def embed(self, windows: FloatArray) -> FloatArray:
        one = np.ones(len(windows))
        views = views_of(windows, Scale(np.zeros(len(windows)), one, one))
        return answers(self._encoder, views, lambda own, pack: own.tokens(pack).mean(dim=1))


class Convolutions:
    """Largest value of random convolutions over a window, and the share that is above a bias.

    The kernels are not centred, so that a window's level shows.

    Reference: Dempster, Petitjean and Webb, ROCKET: exceptionally fast and accurate time series
    classification using random convolutional kernels, 2020, doi:10.1007/s10618-020-00701-z.
    """

    def __init__(self, training: FloatArray, seed: int) -> None:
        rng = np.random.default_rng(seed)
        length = training.shape[1]
        self._kernels = np.zeros((_KERNELS, max(_LENGTHS)))
        self._spans = np.empty((_KERNELS, 2), dtype=np.int64)  # length and dilation
        self._bias = np.zeros(_KERNELS)
        for which in range(_KERNELS):
            width = int(rng.choice([n for n in _LENGTHS if n <= length] or [length]))
            most = np.log2(max(1.0, (length - 1) / max(1, width - 1)))
            dilation = int(2 ** rng.uniform(0.0, most))
            self._kernels[which, :width] = rng.normal(size=width)
            self._spans[which] = width, dilation
            example = training[int(rng.integers(len(training)))]
            values = _convolved(example, self._kernels[which], width, dilation)
            self._bias[which] = np.quantile(values, rng.choice(_BIAS_QUANTILES))

    def embed(self, windows: FloatArray) -> FloatArray:
        whole = np.ascontiguousarray(windows, dtype=np.float64)
        return np.asarray(_features(whole, self._kernels, self._spans, self._bias))


class ByChronos:
    """The mean over the encoder's tokens of a pre-trained Chronos model of the user's.

    On a graphics card it works in the order that its package does, which need not be fixed.

    Reference: Ansari and others, Chronos: Learning the Language of Time Series, 2024,
    arXiv:2403.07815.
    """

    def __init__(self, model: str, device: str) -> None:
        self._pipeline = _chronos(model, device)

    def embed(self, windows: FloatArray) -> FloatArray:
        found = []
        with torch.inference_mode(), one_thread():
            for window in windows:  # alone, so that its numbers do not depend on the others
                context = torch.from_numpy(np.asarray(window, dtype=np.float32))
                found.append(self._pipeline.embed(context)[0].float().mean(dim=(0, 1)).numpy())
        return np.stack(found).astype(np.float64)


@lru_cache(maxsize=2)
def _chronos(model: str, device: str) -> Any:
    try:
        package = importlib.import_module("chronos")
    except ImportError as error:
        raise ConfigError(
            "the embedder 'chronos' needs the package chronos-forecasting and the weights of a "
            "model: pip install chronos-forecasting, or use embedder 'rcd'"
        ) from error
    return package.ChronosPipeline.from_pretrained(model, device_map=device)


@compiled
def _convolved(window: FloatArray, kernel: FloatArray, width: int, dilation: int) -> FloatArray:
    count = len(window) - (width - 1) * dilation
    values = np.empty(count)
    for first in range(count):
        total = 0.0
        for i in range(width):
            total += kernel[i] * window[first + i * dilation]
        values[first] = total
    return values


@compiled
def _features(
    windows: FloatArray, kernels: FloatArray, spans: IntArray, bias: FloatArray
) -> FloatArray:
    """(B, 2 kernels): of each convolution the largest value and the share above its bias."""
    count = len(kernels)
    points = np.empty((len(windows), 2 * count))
    for row in range(len(windows)):
        for which in range(count):
            values = _convolved(windows[row], kernels[which], spans[which, 0], spans[which, 1])
            above = 0
            most = values[0]
            for value in values:
                most = max(most, value)
                above += value > bias[which]
            points[row, which] = most
            points[row, count + which] = above / len(values)
    return points
