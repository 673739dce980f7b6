"""A small transformer that learned to find what it spoiled itself in clean windows."""

from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tocsin.detectors.device import CPU, torch_device
from tocsin.detectors.gaps import filled
from tocsin.detectors.reconstruction.degrading import Degrading
from tocsin.detectors.reconstruction.transformer_kernel import TransformerWeights, centred, logits
from tocsin.detectors.reconstruction.transformer_training import Lessons, Size, train
from tocsin.detectors.rows import need, tidied
from tocsin.detectors.scaling import Scale, scaled
from tocsin.detectors.trained import Trained, TrainingState, training_windows
from tocsin.detectors.windows.prepared import judged
from tocsin.pipeline.types import BoolArray, FloatArray, IntArray, Scores, Spec, Traits

_FEWEST = 2  # training windows
_MARGIN = 0.25  # of the range on either side, that the network is shown
_BEYOND = 10.0  # what one range outside the range counts for, in logits
_CATEGORIES = 4  # values at most of a channel of categories
_ROUNDING = 1e-9  # of the largest value: a narrower range is none


class TransformerModel(NamedTuple):
    """A trained transformer, the range of each channel, and the loss of each training step."""

    scale: Scale  # the lowest value, and the range
    weights: TransformerWeights
    loss: FloatArray  # (S,)


@dataclass(frozen=True, slots=True)
class DegradationTransformer(Trained[TransformerModel | None]):
    """How sure a transformer is that the newest row was spoiled; it was trained on spoiled rows.

    Clean windows of `patches` x `patch` rows, each channel in the range of its training rows, are
    spoiled at random: a stretch is blended with values of another time or channel, stands still at
    a level, peaks, or runs faster or slower, in some channels. The transformer, of `blocks` layers
    on tokens of `patch` rows with a learned bias for each distance, gives a logit a row for
    "spoiled". Half of the stretches reach the newest row, as a fault does that just began.

    The score is the logit of the newest row, and 10 for each range that its farthest value lies
    outside the training range: of such values the network has seen none, and is shown them at a
    quarter of a range outside. 0 means that it would bet evenly. `blame`, of the newest row, is
    what the logit falls by when a channel stands at its median of the window, and 10 a range
    outside.

    Finds what its own degradations look like: stretches out of place, stuck or of another
    rhythm, peaks, and values outside the range. Misses faults that last longer than the window,
    and any kind that is unlike all four. Channels with four values or fewer in training count
    as categories, which are replaced and not blended. Infinities are missing; gaps hold the last
    value. A window without a value in its newest row, or in half of its rows, has no opinion.

    Offline, each row has the mean logit over the windows that cover it, `patch` rows apart.

    Training takes `steps` batches of `batch` windows, in double precision and one thread, and is a
    pure function of rows and settings: about 20 ms a step at the defaults and 3 channels on one
    busy core. Nothing is chosen but by the number of steps. On another `device`, "cuda" or
    "cuda:1", the same seed has weights of its own. A state that is restored is trained anew when it
    first scores. Cost a row: C + 1 passes of O(N D (D + F) + N^2 D), in N patches, width D and
    inner size F; about 0.3 ms a pass. Memory a key: 8 x `memory` x C bytes, and 8 L D (4 D + 2 F)
    of the model in L blocks. Shift and scale leave the scores alone.

    Reference: Jeong and others, AnomalyBERT: self-supervised transformer for time series anomaly
    detection using data degradation scheme, 2023, arXiv:2305.04468. The share of late stretches
    and the part of the score outside the range are ours.

    >>> wave = 0.5 + 0.5 * np.sin(np.arange(200)[:, None] / 3.0)
    >>> scorer = DegradationTransformer(patches=4, width=8, heads=2, blocks=1, steps=20)
    >>> model = scorer.model(wave)
    >>> windows = np.stack([wave[50:66], wave[50:66]])
    >>> windows[1, -1] += 2.0
    >>> value, _ = scorer.measure(model, windows)
    >>> bool(value[1] > value[0])
    True
    """

    patches: int = 16
    patch: int = 4
    width: int = 32
    heads: int = 4
    blocks: int = 2
    inner: int = 64
    steps: int = 600
    batch: int = 32
    rate: float = 3e-3
    degrading: Degrading = field(default_factory=Degrading)
    seed: int = 0
    device: str = CPU

    traits: ClassVar[Traits] = Traits(stochastic=True, detects=frozenset({"spike"}))

    def check(self) -> None:
        super(DegradationTransformer, self).check()
        need(self.patches >= 2, "patches", "2 or more", self.patches)
        for name in ("patch", "heads", "blocks", "inner", "steps", "batch"):
            need(getattr(self, name) >= 1, name, "1 or more", getattr(self, name))
        whole = self.width >= 1 and self.width % self.heads == 0
        need(whole, "width", f"a multiple of heads, {self.heads}", self.width)
        need(0 < self.rate < 1, "rate", "above 0 and under 1", self.rate)

    @property
    def frames(self) -> int:
        return self.patches * self.patch

    def start(self, spec: Spec) -> TrainingState:
        torch_device(self.device)  # refused here, not after the first training rows
        return super(DegradationTransformer, self).start(spec)

    def model(self, rows: FloatArray) -> TransformerModel | None:
        windows = training_windows(rows, self.frames)
        if len(windows) < _FEWEST:
            return None
        scale = _ranges(rows)
        shown = _shown(scaled(filled(windows, scale.centre), scale))
        size = Size(self.patches, self.patch, self.width, self.heads, self.blocks, self.inner)
        lessons = Lessons(self.degrading, self.steps, self.batch, self.rate, self.seed, self.device)
        return TransformerModel(scale, *train(shown, _categories(rows), size, lessons))

    def measure(
        self, model: TransformerModel | None, windows: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        value, blame = np.full(len(windows), np.nan), np.zeros(windows.shape)
        ready = judged(windows)
        if model is None or not ready.size:
            return value, blame
        each, share = _looked(model, windows[ready])
        far = _outside(windows[ready, -1], model.scale)
        value[ready] = each[:, -1] + far.max(axis=1)
        blame[ready, -1] = share[:, -1] + far
        return value, blame

    def offline(self, spec: Spec, history: FloatArray, series: FloatArray) -> Scores:
        series = tidied(series)
        value, blame = np.full(len(series), np.nan), np.zeros(series.shape)
        model = self.model_of(tidied(history) if len(history) else series)
        if model is None or len(series) < self.frames:
            return Scores(value, blame)
        starts = np.arange(0, len(series) - self.frames + 1, self.patch)
        starts = np.unique(np.append(starts, len(series) - self.frames))
        windows = _windows(series, self.frames)
        each, share = _looked(model, windows[starts])
        covered = _covered(np.concatenate([each[:, :, None], share], axis=2), starts, len(series))
        far = _outside(series, model.scale)
        silent = np.asarray(np.isnan(series).all(axis=1))
        value = np.where(silent, np.nan, covered[:, 0] + far.max(axis=1))
        return Scores(value, np.where(silent[:, None], 0.0, covered[:, 1:] + far))


def _looked(model: TransformerModel, windows: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The logit of every row (B, W), and what each channel adds to it (B, W, C), not under 0."""
    shown = _shown(scaled(filled(windows, model.scale.centre), model.scale))
    each = logits(centred(shown), model.weights)
    share = np.zeros(windows.shape)
    for c in range(windows.shape[2]):
        still = shown.copy()
        still[:, :, c] = np.median(shown[:, :, c], axis=1)[:, None]
        share[:, :, c] = np.maximum(each - logits(centred(still), model.weights), 0.0)
    return each, share


def _covered(each: FloatArray, starts: IntArray, rows: int) -> FloatArray:
    """The mean (rows, K) over the windows (B, W, K), which begin at `starts`, that cover a row."""
    total, count = np.zeros((rows, each.shape[2])), np.zeros(rows)
    for start, found in zip(starts.tolist(), each, strict=True):
        total[start : start + len(found)] += found
        count[start : start + len(found)] += 1
    return np.asarray(total / count[:, None], dtype=np.float64)


def _shown(windows: FloatArray) -> FloatArray:
    return np.clip(windows, -_MARGIN, 1.0 + _MARGIN)


def _outside(rows: FloatArray, scale: Scale) -> FloatArray:
    """What each value of rows (N, C) counts for by lying outside the training range."""
    placed = scaled(rows, scale)
    return _BEYOND * np.nan_to_num(np.maximum(np.maximum(placed - 1.0, -placed), 0.0))


def _ranges(rows: FloatArray) -> Scale:
    """The lowest value and the range of each channel of rows (N, C); a flat one has 0."""
    low, high = np.zeros(rows.shape[1]), np.zeros(rows.shape[1])
    for c in range(rows.shape[1]):
        known = rows[~np.isnan(rows[:, c]), c]
        if known.size:
            low[c], high[c] = known.min(), known.max()
    size = np.maximum(np.abs(low), np.abs(high))
    return Scale(low, np.where(high - low > _ROUNDING * size, high - low, 0.0))


def _categories(rows: FloatArray) -> BoolArray:
    values = [np.unique(rows[~np.isnan(rows[:, c]), c]) for c in range(rows.shape[1])]
    return np.array([len(known) <= _CATEGORIES for known in values])


def _windows(rows: FloatArray, frames: int) -> FloatArray:
    """All windows (B, frames, C) of rows (N, C), as a view."""
    return np.moveaxis(sliding_window_view(rows, frames, axis=0), -1, 1)
