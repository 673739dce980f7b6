"""The zero-shot detector: how badly the newest point fits its context, learned elsewhere."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from tocsin.detectors.context import blocks
from tocsin.detectors.context.encoder import one_thread
from tocsin.detectors.context.shipped import encoder_of, packs
from tocsin.detectors.context.views import PATCH, scale_of, views_of
from tocsin.detectors.rows import channels, need
from tocsin.pipeline.errors import ConfigError, TocsinError
from tocsin.pipeline.keyed import per_key
from tocsin.pipeline.types import Batch, FloatArray, IntArray, Scores, Spec, Traits

_LARGEST_BLOCK = 64  # rows
_FEWEST = 64  # blocks of a series that make a scale worth reading
_RAMP = 64  # blocks at the ends of a window, where one side of the context is short


@dataclass(slots=True)
class RelativeContextState:
    """How young a series is; all else came with the weights, and windows bring the context."""

    seen: IntArray = per_key(0)  # (K,) rows, counted up to the warm-up


@dataclass(frozen=True, slots=True)
class RelativeContext:
    """How badly the newest row fits the rows before it, by an encoder trained on other series.

    The encoder was trained on synthetic series alone to say, for every point of a window, whether
    it is an anomaly among the points around it (`docs/models/rcd.md`). Nothing is learned from the
    series that are scored, so there is an opinion as soon as there is a context.

    Live, a row is scored in the windows that end at it, without waiting for later rows: `window`
    blocks of 1 row, of 4 rows, and so on for each of `scales`, a block being the mean of its rows,
    so that coarse windows see far back. Middle and spread that a window is scaled by come from all
    its blocks but the newest. The logits of the newest block are averaged over the scales; a scale
    joins when there are rows for half its window. Channels are scored alone, and the score is half
    the largest and half the mean of their logits, which is the logit itself for one channel: 0
    means that the encoder would bet evenly, and a hundred times less likely is about -4.6. `blame`
    is of the newest frame: each channel's log(1 + exp(logit)).

    `offline` reads windows of `wide` blocks at `wide_scales`, half overlapping, scaled by all
    their points, with rows on both sides; logits are averaged over the windows that cover a row,
    of which the 64 blocks at either end count less.

    Finds spikes, stuck or noisy stretches, shapes and values out of place, and changes of level or
    rhythm while they set in. Misses what lasts longer than the window, correlation that breaks
    while each channel stays as it was, and, live, what only later rows give away. NaN and
    infinities are missing: gaps are bridged by lines and marked. A channel whose newest value is
    missing has no opinion; the score is NaN where no channel has one, and for a series' first
    `window` - 1 rows. A channel that never moved is scored too; any move is then far.

    `weights` names another file of weights; empty, it is the one that comes along. Cost a row and
    channel: about 1.2 ms a scale on one core at 256 blocks, eight times that where a row comes
    alone. Memory: the windows, `frames` rows a key; 4 MB for the weights once. Shift and scale
    leave the scores alone.

    Reference: the idea of training on context-dependent labels of synthetic series is from Lan and
    others, Towards Foundation Models for Zero-Shot Time Series Anomaly Detection: Leveraging
    Synthetic Data and Relative Context Discrepancy, 2025, arXiv:2509.21190. Encoder, corpus and
    weights are our own.

    >>> scorer = RelativeContext(window=128, scales=(1,), wide=256, wide_scales=(1, 2))
    >>> series = np.sin(np.arange(400) / 5.0)[:, None]
    >>> series[300] = 3.0
    >>> scores = scorer.offline(Spec((1,)), np.empty((0, 1)), series)
    >>> int(np.argmax(scores.value))
    300
    """

    window: int = 256
    scales: tuple[int, ...] = (1, 4)
    wide: int = 1024
    wide_scales: tuple[int, ...] = (1, 2, 4, 8, 16)
    weights: str = ""

    traits: ClassVar[Traits] = Traits(detects=frozenset({"spike"}), research=True)
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        for name in ("window", "wide"):
            length = getattr(self, name)
            fits = 2 * PATCH <= length <= 64 * PATCH and length % (2 * PATCH) == 0
            need(fits, name, f"a multiple of {2 * PATCH}, at most {64 * PATCH}", length)
        for name in ("scales", "wide_scales"):
            sizes = getattr(self, name)
            if not sizes or any(not 1 <= size <= _LARGEST_BLOCK for size in sizes):
                raise ConfigError(f"{name} must be of 1 to {_LARGEST_BLOCK} rows; found {sizes}")
        if min(self.scales) != 1:
            raise ConfigError(f"scales must have 1, the rows themselves; found {self.scales}")

    @property
    def warmup(self) -> int:
        return self.window - 1

    @property
    def frames(self) -> int:
        # Twice the window at least, so that a row missing at its begin is no series that begins.
        return self.window * max(2, *self.scales)

    def start(self, spec: Spec) -> RelativeContextState:
        channels(spec)
        if spec.window < self.frames:
            raise ConfigError(
                f"rcd looks at {self.frames} rows; the windows have {spec.window}: "
                f"set window to {self.frames}, or choose smaller scales than {self.scales}"
            )
        return RelativeContextState(seen=np.empty(0, dtype=np.int64))

    def score(self, state: RelativeContextState, batch: Batch) -> Scores:
        return self._judged(batch, state.seen[_keys(state, batch)])

    def learn(self, state: RelativeContextState, batch: Batch) -> None:
        """Count the rows; the weights are fixed."""
        key = _keys(state, batch)
        np.add.at(state.seen, key, 1)
        state.seen[key] = np.minimum(state.seen[key], self.warmup)

    def advance(self, state: RelativeContextState, batch: Batch) -> Scores:
        key = _keys(state, batch)
        order = np.argsort(key, kind="stable")
        grouped = key[order]
        earlier = np.empty(len(key), dtype=np.int64)  # rows of the same key, earlier in the block
        earlier[order] = np.arange(len(key)) - np.searchsorted(grouped, grouped)
        scores = self._judged(batch, state.seen[key] + earlier)
        self.learn(state, batch)
        return scores

    def offline(self, spec: Spec, history: FloatArray, series: FloatArray) -> Scores:
        whole = np.concatenate([history, series]).astype(np.float64)
        known = np.isfinite(whole)
        logit = np.stack([self._both_sides(channel) for channel in whole.T], axis=1)
        logit = np.where(known, logit, np.nan)[len(history) :]
        return Scores(_together(logit), _softened(logit))

    def _judged(self, batch: Batch, seen: IntArray) -> Scores:
        """Scores of the rows, of which the series had `seen` (B,) rows before."""
        values = batch.values
        if values.ndim != 3 or values.shape[1] < self.frames:
            raise TocsinError(f"values must be (B, {self.frames} or more, C); found {values.shape}")
        width = values.shape[2]
        ready = np.flatnonzero(seen >= self.warmup)
        recent = np.array(values[ready, -self.frames :].transpose(0, 2, 1), np.float64, order="C")
        newest = self._newest(recent.reshape(len(ready) * width, self.frames))
        logit = np.full((len(values), width), np.nan)
        logit[ready] = newest.reshape(len(ready), width)
        blame = np.zeros(values.shape)
        blame[:, -1] = _softened(logit)
        return Scores(_together(logit), blame)

    def _newest(self, series: FloatArray) -> FloatArray:
        """The logit (B,) of the last point of each series (B, frames)."""
        age = blocks.ages(series)
        speaks = np.isfinite(series[:, -1]) & (age >= self.window)
        fitting = np.stack([blocks.fitting(age, size, self.window) for size in self.scales])
        fitting[:, ~speaks] = 0
        fitting[fitting < self.window // 2] = 0
        found = np.full(fitting.shape, np.nan)  # (scales, B)
        for length in np.unique(fitting[fitting > 0]).tolist():
            # Windows of one length go together, whatever their scale, so that packs are full.
            scale, row = np.nonzero(fitting == length)
            windows = [
                blocks.ending(series[row[scale == i]], length, size)
                for i, size in enumerate(self.scales)
            ]
            found[scale, row] = self._logits(np.concatenate(windows), length - 1)[:, -1]
        return _mean(found)

    def _both_sides(self, series: FloatArray) -> FloatArray:
        """The logit of every point of one series (N,), averaged over windows and scales."""
        total, scales = np.zeros(len(series)), 0
        for size in sorted(self.wide_scales):
            coarse = blocks.from_the_start(series, size)
            if len(coarse) < _FEWEST and scales:
                break  # there is no context at this scale
            scales += 1
            total += np.repeat(self._covered(coarse), size)[: len(series)]
        return total / max(scales, 1)

    def _covered(self, coarse: FloatArray) -> FloatArray:
        """The logit of every block (N,), averaged over the windows, whose ends count less."""
        total, weight = np.zeros(len(coarse)), np.zeros(len(coarse))
        places = list(blocks.spans(len(coarse), self.wide, self.wide // 2))
        windows = np.stack([blocks.in_patches(coarse[first:end]) for first, end in places])
        found = self._logits(windows, windows.shape[1])
        for (first, end), logit in zip(places, found, strict=True):
            inside = np.arange(1.0, end - first + 1)
            share = np.minimum(np.minimum(inside, inside[::-1]) / _RAMP, 1.0)
            total[first:end] += share * logit[len(logit) - (end - first) :]
            weight[first:end] += share
        return total / weight

    def _logits(self, windows: FloatArray, context: int) -> FloatArray:
        """The logits (B, L) of windows (B, L), scaled by their first `context` points."""
        encoder = encoder_of(self.weights)
        scale = scale_of(windows, np.full(len(windows), context))
        views = views_of(windows, scale)
        with torch.inference_mode(), one_thread():
            found = [encoder(torch.from_numpy(pack)).logit.numpy() for pack in packs(views)]
        return np.concatenate(found)[: len(windows)].astype(np.float64)


def _keys(state: RelativeContextState, batch: Batch) -> IntArray:
    key = np.asarray(batch.key, dtype=np.int64)
    room = len(state.seen)
    if key.size and not (key.min() >= 0 and key.max() < room):
        raise TocsinError(f"keys {key.min()} to {key.max()} in a state with room for {room}")
    return key


def _softened(logit: FloatArray) -> FloatArray:
    """log(1 + exp(logit)), which is positive; 0 without an opinion."""
    silent = np.isnan(logit)
    return np.where(silent, 0.0, np.logaddexp(0.0, np.where(silent, 0.0, logit)))


def _mean(parts: FloatArray) -> FloatArray:
    """The mean (B,) of parts (S, B), without those that are NaN; added in order, for the bits."""
    total, count = np.zeros(parts.shape[1]), np.zeros(parts.shape[1])
    for part in parts:
        known = ~np.isnan(part)
        total += np.where(known, part, 0.0)
        count += known
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _together(logit: FloatArray) -> FloatArray:
    """One score (B,) of the channels' logits (B, C): half the largest, half the mean."""
    mean = _mean(logit.T)
    most = np.where(np.isnan(logit), -np.inf, logit).max(axis=1, initial=-np.inf)
    return np.where(np.isnan(mean), np.nan, 0.5 * np.where(np.isnan(mean), 0.0, most) + 0.5 * mean)
