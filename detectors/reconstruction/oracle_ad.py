"""How far the newest row is from its forecast, and how far the channels' structure from usual."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tocsin.detectors.device import CPU, torch_device
from tocsin.detectors.forecast.band import in_units, unknown, usual_miss
from tocsin.detectors.reconstruction.oracle_network import Trace, Training, train
from tocsin.detectors.reconstruction.oracle_network_kernel import OracleWeights, apart, read
from tocsin.detectors.rows import need, tidied
from tocsin.detectors.scaling import Scale
from tocsin.detectors.trained import Trained, TrainingState, covering_mean
from tocsin.detectors.windows.prepared import in_spreads, judged, learnt
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.types import Band, BoolArray, FloatArray, Scores, Spec, Traits

JOINED = ("sum", "product", "error", "deviation")

_FEWEST = 2  # training windows
_LEAST = 1e-3  # usual error, in spreads, or deviation, of 4 at most: what is less counts as this


class OracleModel(NamedTuple):
    """A trained network, the structure it found, and what is usual in training."""

    scale: Scale
    weights: OracleWeights
    structure: FloatArray  # (C, C), mean squared distances of the channels' embeddings
    usual_error: float
    usual_deviation: float
    misses: FloatArray  # (C,), root mean square errors of the newest values, in spreads
    trace: Trace


class Parts(NamedTuple):
    """The two halves of the score, each over its mean in training, and each channel's share."""

    error: FloatArray  # (B,)
    deviation: FloatArray  # (B,), all 0 where there is one channel
    errors: FloatArray  # (B, C), 0 where the newest value is missing
    deviations: FloatArray  # (B, C)


@dataclass(frozen=True, slots=True)
class OracleAd(Trained[OracleModel | None]):
    """How badly the past foretells the newest row, and how far the channels' structure has moved.

    Each channel has a recurrent cell (LSTM) that turns its past, the `window` - 1 rows before the
    newest, into an embedding of `width` numbers; by attention an embedding takes over from the
    others, and a second cell unfolds it to the past once more and to the newest row. The squared
    distances between the channels' embeddings are the structure. Training asks for a small error
    of the newest row, of the past (weight `rebuild`), and for distances that stay at their mean of
    the pass before (weight `structure`).

    The error is the mean distance of the newest row from its forecast, the deviation the Frobenius
    distance of the structure from its mean; each over its own mean in training, so 1 is ordinary.
    `joined` is "sum", half of both; "product", as published, which forgets a broken structure
    where the forecast is perfect; or "error" or "deviation" alone. One channel has no structure:
    the score is its error. `blame`, of the newest row, is joined from each channel's error and the
    sum of its row in the structure's deviation in the same way.

    With `unit`, embeddings are of length 1. Without it, as published, training can shrink all of
    them instead of steadying them. Either way the distances and the motion of the embeddings are
    watched: where training lost nearly all of one of them, the structure has collapsed, a
    deviation would tell nothing, and the model has no opinion on any row
    (`model(rows).trace.collapsed`).

    Offline, a row has its error and the mean deviation of the windows that cover it; the first
    `window` - 1 rows, which have no forecast, have no opinion.

    Finds values that their past does not foretell, and channels that no longer move together
    though each moves as it always did. Misses what lasts longer than the window in all channels
    at once, and, in the deviation, channels that never depended on each other. Infinities are
    missing; gaps hold the last value. A window without a value in its newest row, or in half of
    its rows, has no opinion.

    Training takes `steps` batches of `batch` windows, in double precision and one thread, and is a
    pure function of rows and settings: about 40 ms a step at the defaults and 3 channels, so a
    quarter of a minute in all, on one busy core. On another `device`, "cuda" or "cuda:1", the same
    seed has weights of its own. A state that is restored is trained anew when it first scores. Cost
    a row: O(T C D^2), in D the width; about 0.1 ms for 3 channels. Memory a key: 8 x `memory` x C
    bytes, and about 90 C D^2 of the model. Shift and scale leave the scores alone.

    Reference: Cho and others, Structured temporal causality for interpretable multivariate time
    series anomaly detection (OracleAD), 2025, arXiv:2510.16511. The sphere, the sum, cells of one
    layer and attention that adds to its input are ours.

    >>> wave = np.sin(np.arange(120)[:, None] / 4.0 + np.array([0.0, 1.0]))
    >>> scorer = OracleAd(window=4, width=4, heads=2, steps=20, train=60, memory=200)
    >>> model = scorer.model(wave)
    >>> windows = np.stack([wave[50:54], wave[50:54]])
    >>> windows[1, -1, 0] += 5.0
    >>> value, blame = scorer.measure(model, windows)
    >>> bool(value[1] > value[0]), int(blame[1, -1].argmax())
    (True, 0)
    """

    window: int = 10
    width: int = 16
    heads: int = 4
    steps: int = 400
    batch: int = 128
    rate: float = 3e-3
    rebuild: float = 0.1
    structure: float = 3.0
    unit: bool = True
    joined: str = "sum"
    seed: int = 0
    device: str = CPU

    traits: ClassVar[Traits] = Traits(stochastic=True, detects=frozenset({"spike"}))

    def check(self) -> None:
        super(OracleAd, self).check()
        need(self.window >= 2, "window", "2 or more", self.window)
        need(self.heads >= 1, "heads", "1 or more", self.heads)
        whole = self.width >= 1 and self.width % self.heads == 0
        need(whole, "width", f"a multiple of heads, {self.heads}", self.width)
        need(self.steps >= 1, "steps", "1 or more", self.steps)
        need(self.batch >= 1, "batch", "1 or more", self.batch)
        need(0 < self.rate < 1, "rate", "above 0 and under 1", self.rate)
        need(self.rebuild >= 0, "rebuild", "0 or more", self.rebuild)
        need(self.structure >= 0, "structure", "0 or more", self.structure)
        if self.joined not in JOINED:
            raise ConfigError(f"joined must be one of {', '.join(JOINED)}; found {self.joined!r}")

    @property
    def frames(self) -> int:
        return self.window

    def start(self, spec: Spec) -> TrainingState:
        torch_device(self.device)  # refused here, not after the first training rows
        return super(OracleAd, self).start(spec)

    def model(self, rows: FloatArray) -> OracleModel | None:
        scale, windows = learnt(rows, self.frames)
        if len(windows) < _FEWEST:
            return None
        weights, trace = train(windows, self._training())
        found = read(windows, weights, self.heads, self.unit)
        misses = usual_miss(windows[:, -1] - found.guess)
        model = OracleModel(scale, weights, found.distance.mean(axis=0), 1.0, 1.0, misses, trace)
        parts = self._parts(model, windows, np.ones(found.guess.shape, dtype=np.bool_))
        return model._replace(
            usual_error=max(float(parts.error.mean()), _LEAST),
            usual_deviation=max(float(parts.deviation.mean()), _LEAST),
        )

    def measure(
        self, model: OracleModel | None, windows: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        value, blame = np.full(len(windows), np.nan), np.zeros(windows.shape)
        ready = judged(windows)
        if model is None or model.trace.collapsed or not ready.size:
            return value, blame
        parts = self.parts(model, windows[ready])
        alone = windows.shape[2] == 1
        value[ready] = self._join(parts.error, parts.deviation, alone=alone)
        blame[ready, -1] = self._join(parts.errors, parts.deviations, alone=alone)
        return value, blame

    def offline(self, spec: Spec, history: FloatArray, series: FloatArray) -> Scores:
        series = tidied(series)
        value, blame = np.full(len(series), np.nan), np.zeros(series.shape)
        model = self.model_of(tidied(history) if len(history) else series)
        if model is None or model.trace.collapsed or len(series) < self.frames:
            return Scores(value, blame)
        parts = self.parts(model, _windows(series, self.frames))
        alone, past = series.shape[1] == 1, self.frames - 1
        around, *each = (
            covering_mean(x, self.frames)[past:] for x in (parts.deviation, *parts.deviations.T)
        )
        value[past:] = self._join(parts.error, around, alone=alone)
        blame[past:] = self._join(parts.errors, np.stack(each, axis=1), alone=alone)
        value[np.isnan(series).all(axis=1)] = np.nan
        return Scores(value, np.where(np.isnan(value)[:, None], 0.0, blame))

    def band(self, model: OracleModel | None, windows: FloatArray) -> Band:
        """What the past foretells of the newest row; NaN in windows that have no opinion.

        A deviation of the structure is no miss of any value: a row can be strange within its band.
        """
        ready = judged(windows)
        if model is None or model.trace.collapsed or not ready.size:
            return unknown(windows)
        points = in_spreads(windows[ready], model.scale)
        guess = read(points, model.weights, self.heads, self.unit).guess
        usual = np.broadcast_to(model.misses, guess.shape)
        return in_units(windows, ready, model.scale, Band(guess, usual))

    def parts(self, model: OracleModel, windows: FloatArray) -> Parts:
        """Error and deviation of windows (B, T, C) apart; NaN in windows is missing."""
        found = self._parts(model, in_spreads(windows, model.scale), ~np.isnan(windows[:, -1]))
        error, deviation = model.usual_error, model.usual_deviation
        return Parts(
            found.error / error,
            found.deviation / deviation,
            found.errors / error,
            found.deviations / deviation,
        )

    def _parts(self, model: OracleModel, windows: FloatArray, there: BoolArray) -> Parts:
        found = read(windows, model.weights, self.heads, self.unit)
        return Parts(*apart(windows[:, -1], there, found.guess, found.distance, model.structure))

    def _join(self, error: FloatArray, deviation: FloatArray, *, alone: bool) -> FloatArray:
        if alone or self.joined == "error":
            return error
        if self.joined == "deviation":
            return deviation
        return error * deviation if self.joined == "product" else 0.5 * (error + deviation)

    def _training(self) -> Training:
        return Training(
            width=self.width,
            heads=self.heads,
            steps=self.steps,
            batch=self.batch,
            rate=self.rate,
            rebuild=self.rebuild,
            structure=self.structure,
            unit=self.unit,
            seed=self.seed,
            device=self.device,
        )


def _windows(rows: FloatArray, frames: int) -> FloatArray:
    """All windows (B, frames, C) of rows (N, C), as a view."""
    return np.moveaxis(sliding_window_view(rows, frames, axis=0), -1, 1)
