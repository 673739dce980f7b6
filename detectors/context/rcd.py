"""The zero-shot detector: how badly the newest point fits its context, learned elsewhere."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tocsin.detectors.context.reading import (
    check_reading,
    logits_by,
    newest,
    offline_scores,
    rows_read,
    softened,
    together,
)
from tocsin.detectors.context.shipped import encoder_of
from tocsin.detectors.device import CPU, torch_device
from tocsin.detectors.rows import channels
from tocsin.pipeline.errors import ConfigError, TocsinError
from tocsin.pipeline.keyed import per_key
from tocsin.pipeline.types import Batch, FloatArray, IntArray, Scores, Spec, Traits


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
    their points, with rows on both sides, and each window four ways: as it is, upside down,
    backwards, and both. Logits are averaged over these and over the windows that cover a row, of
    which the 64 blocks at either end count less; half of a block's logit is the largest of the 8
    blocks on either side, as events do not end to the row. A channel's median logit over the series
    is then taken off, so that 0 is what is usual for it, and one that is restless throughout does
    not drown the others.

    Finds spikes, stuck or noisy stretches, shapes and values out of place, and changes of level or
    rhythm while they set in. Misses what lasts longer than the window, correlation that breaks
    while each channel stays as it was, and, live, what only later rows give away. NaN and
    infinities are missing: gaps are bridged by lines and marked. A channel whose newest value is
    missing has no opinion; the score is NaN where no channel has one, and for a series' first
    `window` - 1 rows. A channel that never moved is scored too; any move is then far.

    `weights` names another file of weights, for both forms; empty, each has the one that comes
    along for it, as the two read windows of other lengths and scales. Cost a row and channel: about
    1.2 ms a scale on one core at 256 blocks, eight times that where a row comes alone. Memory: the
    windows, `frames` rows a key; 4 MB for the weights once a form. Shift and scale leave the scores
    alone. On another `device`, "cuda" or "cuda:1", the encoder reads the same eight windows at once
    as on the processor; the last bits of its scores are those of one kind of card.

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
    device: str = CPU

    traits: ClassVar[Traits] = Traits(detects=frozenset({"spike"}), research=True)
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_reading(self)

    @property
    def warmup(self) -> int:
        return self.window - 1

    @property
    def frames(self) -> int:
        return rows_read(self)

    def start(self, spec: Spec) -> RelativeContextState:
        channels(spec)
        torch_device(self.device)  # refused here, not when the first context is there
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
        encoder = encoder_of(self.weights, "offline", self.device)
        return offline_scores(self, encoder, history, series)

    def _judged(self, batch: Batch, seen: IntArray) -> Scores:
        """Scores of the rows, of which the series had `seen` (B,) rows before."""
        values = batch.values
        if values.ndim != 3 or values.shape[1] < self.frames:
            raise TocsinError(f"values must be (B, {self.frames} or more, C); found {values.shape}")
        width = values.shape[2]
        ready = np.flatnonzero(seen >= self.warmup)
        recent = np.array(values[ready, -self.frames :].transpose(0, 2, 1), np.float64, order="C")
        series = recent.reshape(len(ready) * width, self.frames)
        logits = logits_by(encoder_of(self.weights, "live", self.device))
        found = newest(series, self.window, self.scales, logits)
        logit = np.full((len(values), width), np.nan)
        logit[ready] = found.reshape(len(ready), width)
        blame = np.zeros(values.shape)
        blame[:, -1] = softened(logit)
        return Scores(together(logit), blame)


def _keys(state: RelativeContextState, batch: Batch) -> IntArray:
    key = np.asarray(batch.key, dtype=np.int64)
    room = len(state.seen)
    if key.size and not (key.min() >= 0 and key.max() < room):
        raise TocsinError(f"keys {key.min()} to {key.max()} in a state with room for {room}")
    return key
