"""How unlike the embeddings of clean windows the embedding of the newest window is."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from sklearn.neighbors import LocalOutlierFactor

from tocsin.detectors.compiled import compiled
from tocsin.detectors.context.embedders import Embedder, Name, embedder
from tocsin.detectors.context.views import PATCH, filled
from tocsin.detectors.device import CPU, torch_device
from tocsin.detectors.rows import need
from tocsin.detectors.scaling import Scale, plain_scale, scaled
from tocsin.detectors.trained import Trained, TrainingState, training_windows
from tocsin.pipeline.types import FloatArray, Spec, Traits

Judge = Literal["lof", "spectral", "similarity", "trimmed"]

_FEWEST = 8  # training windows that are worth comparing with
_FAR = 30.0  # spreads from the centre beyond which farther is the same
_LEAST = 1e-9  # of a spread of training scores


class Bank(NamedTuple):
    """One channel's clean windows as points, and how they are judged themselves."""

    embedder: Embedder
    middle: FloatArray  # (E,) of the embeddings
    spread: FloatArray  # (E,), positive
    points: FloatArray  # (N, E)
    axes: FloatArray  # (N, k), leading eigenvectors of the points' similarity
    factor: Any  # LocalOutlierFactor, or None
    usual: tuple[float, float]  # middle and spread of the training windows' own scores


class Banks(NamedTuple):
    """The scale of the channels and each one's bank; None where a channel gave too few windows."""

    scale: Scale
    each: tuple[Bank | None, ...]


@dataclass(frozen=True, slots=True)
class EmbeddingSimilarity(Trained[Banks]):
    """How unlike the embeddings of clean windows the embedding of the newest window is.

    Windows of each channel, in the channel's training standard deviations, become points by an
    `embedder`: "rcd" (the encoder that comes along), "convolutions" (random ones, no weights) or
    "chronos" (a model of the user's, named by `weights`). Up to `bank` training windows, evenly
    spread, are what is compared with, so nothing looks at the future or at other test windows.
    `judge` says how: "lof" is the local outlier factor among the bank with `neighbours`, each
    number in spreads of the bank's;
    "spectral" is what the `rank` leading eigenvectors of the bank's absolute cosine similarity
    leave of the window's similarities to the bank; "similarity" is 1 - their mean; "trimmed" is
    1 - the mean of the `neighbours` largest. Each channel's score is put in spreads of its training
    windows' own scores; the score is half the largest and half the mean over the channels. `blame`
    is each channel's score above its usual one, on the newest row.

    Gaps are bridged by straight lines. A channel whose newest value is missing, or half of its
    window, has no opinion. `seed` draws the convolutions. Finds windows of unlike shape, level or
    texture. Misses single points in long windows and broken correlation: channels are judged alone.

    Cost a row and channel: one pass of the encoder, about 0.3 ms at 64 rows, and N E operations.
    On another `device`, "cuda" or "cuda:1", the encoder or Chronos works there, and embeddings
    differ in the last digits; all else stays on the processor. Memory a key: 8 x `memory` x C bytes
    and 8 x `bank` x (E + `rank`) x C of the model. Shift and scale leave the scores alone.

    Reference: the judges are after Lorik and others, THEMIS: Unlocking Pretrained Knowledge with
    Foundation Model Embeddings for Anomaly Detection in Time Series, 2025, arXiv:2510.03911, whose
    windows are compared with each other; comparing with a bank of clean ones is ours. The factor
    is of Breunig, Kriegel, Ng and Sander, 2000, doi:10.1145/342009.335388.

    >>> wave = np.sin(np.arange(600) / 3) + np.random.default_rng(0).normal(0, 0.05, 600)
    >>> scorer = EmbeddingSimilarity(window=32, bank=100, embedder="convolutions")
    >>> model = scorer.model(wave[:, None])
    >>> windows = np.stack([wave[100:132], wave[100:132] ** 3])[:, :, None]
    >>> ordinary, strange = scorer.measure(model, windows)[0]
    >>> bool(strange > ordinary + 3)
    True
    """

    window: int = 64
    bank: int = 400
    judge: Judge = "lof"
    embedder: Name = "rcd"
    weights: str = ""
    neighbours: int = 20
    rank: int = 8
    seed: int = 0
    device: str = CPU

    traits: ClassVar[Traits] = Traits(
        stochastic=True, detects=frozenset({"level_shift", "variance_burst"}), research=True
    )

    def check(self) -> None:
        super(EmbeddingSimilarity, self).check()
        fits = self.window >= PATCH and self.window % PATCH == 0
        need(fits, "window", f"a multiple of {PATCH}", self.window)
        need(self.bank >= _FEWEST, "bank", f"{_FEWEST} or more", self.bank)
        need(self.neighbours >= 1, "neighbours", "1 or more", self.neighbours)
        need(self.rank >= 1, "rank", "1 or more", self.rank)

    @property
    def frames(self) -> int:
        return self.window

    def start(self, spec: Spec) -> TrainingState:
        torch_device(self.device)  # refused here, not after the first training rows
        return super(EmbeddingSimilarity, self).start(spec)

    def model(self, rows: FloatArray) -> Banks:
        scale = plain_scale(rows)
        windows = training_windows(rows, self.frames)
        return Banks(scale, tuple(self._bank(windows, scale, c) for c in range(rows.shape[1])))

    def measure(self, model: Banks, windows: FloatArray) -> tuple[FloatArray, FloatArray]:
        found = np.full((len(windows), windows.shape[2]), np.nan)
        for c, bank in enumerate(model.each):
            ready = np.flatnonzero(_whole(windows[:, :, c]))
            if bank is None or not ready.size:
                continue
            points = self._placed(bank.embedder.embed(_units(windows[ready], model.scale, c)), bank)
            raw = self._judged(bank, points)
            found[ready, c] = (raw - bank.usual[0]) / bank.usual[1]
        silent = np.isnan(found)
        blame = np.zeros(windows.shape)
        blame[:, -1] = np.where(silent, 0.0, np.maximum(found, 0.0))
        return _together(found), blame

    def _bank(self, windows: FloatArray, scale: Scale, c: int) -> Bank | None:
        """The bank of a channel; its training windows are judged each without itself."""
        whole = windows[_whole(windows[:, :, c])]
        if len(whole) < _FEWEST:
            return None
        kept = np.linspace(0, len(whole) - 1, min(self.bank, len(whole))).round().astype(np.int64)
        units = _units(whole[kept], scale, c)
        made = embedder(self.embedder, self.weights, self.seed, units, self.device)
        raw = made.embed(units)
        spread = raw.std(axis=0)
        spread = np.where(spread > _LEAST, spread, 1.0)
        bank = Bank(made, raw.mean(axis=0), spread, raw, np.empty((0, 0)), None, (0.0, 1.0))
        points = self._placed(raw, bank)
        axes = _leading(points, self.rank) if self.judge == "spectral" else bank.axes
        factor, own = None, np.empty(0)
        if self.judge == "lof":
            count = min(self.neighbours, len(points) - 1)
            factor = LocalOutlierFactor(count, algorithm="kd_tree", novelty=True).fit(points)
            own = -factor.negative_outlier_factor_
        bank = bank._replace(points=points, axes=axes, factor=factor)
        own = own if factor is not None else self._judged(bank, points, itself=True)
        middle = float(np.median(own))
        spread = float(np.median(np.abs(own - middle))) * 1.4826
        return bank._replace(usual=(middle, max(spread, _LEAST + float(own.std()) / 10.0)))

    def _placed(self, raw: FloatArray, bank: Bank) -> FloatArray:
        """Embeddings (B, E) as they are compared: in spreads of the bank's, or of length 1."""
        if self.judge == "lof":
            return np.ascontiguousarray((raw - bank.middle) / bank.spread)
        return _directions(raw)

    def _judged(self, bank: Bank, points: FloatArray, *, itself: bool = False) -> FloatArray:
        """Scores (B,) of points; `itself` where point i is the bank's own i."""
        if bank.factor is not None:
            return np.asarray(-bank.factor.score_samples(points))
        alike = _similarities(points, bank.points)
        if self.judge == "spectral":
            return _left_over(alike, bank.axes)
        if itself:
            alike[np.arange(len(alike)), np.arange(len(alike))] = np.nan
        ordered = np.sort(alike, axis=1)  # NaN last
        count = len(bank.points) - int(itself)
        most = count if self.judge == "similarity" else min(self.neighbours, count)
        return np.asarray(1.0 - ordered[:, count - most : count].mean(axis=1))


def _whole(windows: FloatArray) -> Any:
    """Which windows (B, T) of a channel can be judged."""
    there = np.isfinite(windows)
    return there[:, -1] & (2 * there.sum(axis=1) >= windows.shape[1])


def _units(windows: FloatArray, scale: Scale, c: int) -> FloatArray:
    """One channel (B, T) of windows (B, T, C) in training spreads, gaps bridged."""
    return np.asarray(np.clip(filled(scaled(windows, scale)[:, :, c]), -_FAR, _FAR))


def _directions(points: FloatArray) -> FloatArray:
    """Points (B, E) brought to length 1."""
    length = np.sqrt((points * points).sum(axis=1, keepdims=True))
    return np.ascontiguousarray(points / np.where(length > 0, length, 1.0))


def _leading(points: FloatArray, rank: int) -> FloatArray:
    """The leading eigenvectors (N, k) of the points' absolute cosine similarity."""
    value, vector = np.linalg.eigh(_similarities(points, points))
    order = np.argsort(-np.abs(value), kind="stable")[: min(rank, len(points))]
    return np.ascontiguousarray(vector[:, order])


def _together(found: FloatArray) -> FloatArray:
    """Half the largest and half the mean of the channels' scores (B, C); NaN without any."""
    known = ~np.isnan(found)
    count = known.sum(axis=1)
    mean = np.where(known, found, 0.0).sum(axis=1) / np.maximum(count, 1)
    most = np.where(known, found, -np.inf).max(axis=1, initial=-np.inf)
    return np.where(count > 0, 0.5 * np.where(count > 0, most, 0.0) + 0.5 * mean, np.nan)


@compiled
def _similarities(points: FloatArray, bank: FloatArray) -> FloatArray:
    """Absolute cosines (B, N) of points and bank, all of length 1; row by row, for the bits."""
    alike = np.empty((len(points), len(bank)))
    for row in range(len(points)):
        for other in range(len(bank)):
            total = 0.0
            for i in range(points.shape[1]):
                total += points[row, i] * bank[other, i]
            alike[row, other] = abs(total)
    return alike


@compiled
def _left_over(alike: FloatArray, axes: FloatArray) -> FloatArray:
    """The length (B,) of what the axes (N, k) do not hold of similarities (B, N)."""
    value = np.empty(len(alike))
    for row in range(len(alike)):
        rest = alike[row].copy()
        for axis in range(axes.shape[1]):
            along = 0.0
            for i in range(len(rest)):
                along += alike[row, i] * axes[i, axis]
            for i in range(len(rest)):
                rest[i] -= along * axes[i, axis]
        total = 0.0
        for i in range(len(rest)):
            total += rest[i] * rest[i]
        value[row] = np.sqrt(total)
    return value
