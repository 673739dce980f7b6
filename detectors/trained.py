"""What detectors that are trained on clean rows share: keeping the rows, fitting, scoring.

The state holds the training rows themselves. The model is a pure function of settings and rows, so
it is no part of the state: it is made when it is first asked for and remembered by the rows' mark.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Generic, TypeVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tocsin.detectors.remembered import Remembered
from tocsin.detectors.rows import channels, need, tidied
from tocsin.pipeline.errors import ConfigError, TocsinError
from tocsin.pipeline.groups import group
from tocsin.pipeline.keyed import grow, per_key
from tocsin.pipeline.types import Band, Batch, FloatArray, IntArray, Scores, Spec, Traits

M = TypeVar("M")

_FEWEST_MODELS = 64  # that are remembered; more where there are more series
_RUN = 8  # windows long is a stretch of rows that is kept when not all can be
_CHUNK = 4_000_000  # numbers in the windows that are looked at together


@dataclass(slots=True)
class TrainingState:
    """Each key's training rows, oldest first, with a row of NaN where one stretch ends.

    `mark` tells one key's finished training from all others; 0 is "not trained yet".
    """

    rows: FloatArray = per_key(np.nan)  # (K, memory, C)
    used: IntArray = per_key(0)  # (K,) of them, seams included
    seen: IntArray = per_key(0)  # (K,) windows learned
    mark: IntArray = per_key(0)  # (K,)


@dataclass(frozen=True, slots=True)
class Trained(ABC, Generic[M]):
    """A detector that is trained once on clean rows and then only scores.

    A series is trained on its first `train` rows as they come in, or by `fit` on a history of any
    length. At most `memory` rows a series are kept; of a longer history, stretches that are spread
    evenly over it. A subclass says what a model of rows is and how windows are measured by it.
    Memory a key: 8 x `memory` x C bytes, and the model.
    """

    train: int = 1000
    memory: int = 5000

    traits: ClassVar[Traits] = Traits()
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        self.check()

    def check(self) -> None:
        """Refuse settings that cannot be."""
        least = 2 * self.frames
        need(self.train >= least, "train", f"{least} or more", self.train)
        room = self.train + self.frames
        need(self.memory >= room, "memory", f"{room} or more, train and a window", self.memory)

    @property
    def frames(self) -> int:
        """Rows of a window."""
        return 1

    @property
    def warmup(self) -> int:
        return self.train

    @abstractmethod
    def model(self, rows: FloatArray) -> M:
        """The model of training rows (N, C); infinities are NaN, all-NaN rows part stretches."""

    @abstractmethod
    def measure(self, model: M, windows: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Scores (B,) and blame (B, T, C) of windows (B, T, C), each as if it were alone.

        NaN is a missing value in the windows, and "no opinion" in the scores.
        """

    def start(self, spec: Spec) -> TrainingState:
        if spec.window < self.frames:
            raise ConfigError(
                f"{type(self).__name__} needs windows of {self.frames} rows; found {spec.window}"
            )
        none = np.empty(0, dtype=np.int64)
        return TrainingState(
            np.empty((0, self.memory, channels(spec))), none, none.copy(), none.copy()
        )

    def score(self, state: TrainingState, batch: Batch) -> Scores:
        windows = self._windows(state, batch)
        value = np.full(len(batch), np.nan)
        blame = np.zeros(batch.values.shape)
        for key in np.unique(batch.key).tolist():
            if state.mark[key]:
                mine = np.flatnonzero(batch.key == key)
                found, parts = self.measure(self._model_of(state, key), windows[mine])
                value[mine] = found
                blame[mine, -self.frames :] = np.where(np.isnan(found)[:, None, None], 0, parts)
        return Scores(value, blame)

    def expects(self, state: TrainingState, batch: Batch) -> Band | None:
        """What the models expect of the newest rows, by a subclass's `band`; None without one.

        NaN for series in training.
        """
        tell = getattr(self, "band", None)
        if tell is None:
            return None
        windows = self._windows(state, batch)
        found = Band(*(np.full((len(batch), windows.shape[2]), np.nan) for _ in range(2)))
        for key in np.unique(batch.key[state.mark[batch.key] != 0]).tolist():
            mine = np.flatnonzero(batch.key == key)
            told: Band = tell(self._model_of(state, key), windows[mine])
            found.expected[mine], found.usual[mine] = told.expected, told.usual
        return found

    def learn(self, state: TrainingState, batch: Batch) -> None:
        windows = self._windows(state, batch)
        for row, key in enumerate(batch.key.tolist()):
            if not state.mark[key]:
                self._keep(state, key, windows[row])

    def advance(self, state: TrainingState, batch: Batch) -> Scores:
        """As `score` and `learn` tick by tick; trained series learn nothing, so all at once."""
        windows = self._windows(state, batch)
        young = state.mark[batch.key] == 0
        if not young.any():
            return self.score(state, batch)
        value, blame = np.full(len(batch), np.nan), np.zeros(batch.values.shape)
        # A series in training has no opinion up to the row that ends it.
        ready = np.flatnonzero(~young)
        for row in np.flatnonzero(young).tolist():
            if state.mark[batch.key[row]]:
                ready = np.append(ready, row)
            else:
                self._keep(state, int(batch.key[row]), windows[row])
        scores = self.score(state, batch.take(ready))
        value[ready] = scores.value
        if scores.blame is not None:
            blame[ready] = scores.blame
        return Scores(value, blame)

    def fit(self, spec: Spec, batches: Iterable[Batch]) -> TrainingState:
        """The state trained on clean history; series with under two windows stay untrained."""
        state = self.start(spec)
        kept: dict[int, list[FloatArray]] = {}
        seen: dict[int, int] = {}
        for batch in batches:
            for key, windows in self._by_key(batch, channels(spec)):
                stretch = kept.setdefault(key, [])
                stretch += _stretches(windows, stretch[-1][-1] if stretch else None)
                seen[key] = seen.get(key, 0) + len(windows)
        grow(state, max(kept, default=-1) + 1)
        for key, parts in kept.items():
            rows = _thinned(np.concatenate(parts), self.memory, self._run())
            state.rows[key, : len(rows)] = rows
            state.used[key], state.seen[key] = len(rows), seen[key]
            if seen[key] >= 2 * self.frames:
                self._finish(state, key)
        return state

    def offline(self, spec: Spec, history: FloatArray, series: FloatArray) -> Scores:
        """Scores (N,) of a whole series (N, C): the mean over the windows that cover a row."""
        rows = tidied(history if len(history) else series)
        series = tidied(series)
        value, blame = np.full(len(series), np.nan), np.zeros(series.shape)
        if len(series) < self.frames or len(rows) < 2 * self.frames:
            return Scores(value, blame)
        model = self.model(_thinned(rows, self.memory, self._run()))
        windows = np.moveaxis(sliding_window_view(series, self.frames, axis=0), -1, 1)
        each = np.full(len(windows), np.nan)  # of windows
        apart = np.zeros((len(windows), series.shape[1]))
        size = max(1, _CHUNK // (self.frames * series.shape[1]))
        for first in range(0, len(windows), size):
            part = slice(first, first + size)
            each[part], parts = self.measure(model, np.ascontiguousarray(windows[part]))
            apart[part] = parts.sum(axis=1)
        value = covering_mean(each, self.frames)
        for c in range(series.shape[1]):
            blame[:, c] = covering_mean(apart[:, c], self.frames)
        return Scores(value, np.where(np.isnan(value)[:, None], 0.0, blame))

    def model_of(self, rows: FloatArray) -> M | None:
        """The model that `fit` makes of rows (N, C), remembered; None of under two windows' rows.

        `model` is the same of rows as they are kept: tidied, and thinned to `memory`.
        """
        if len(rows) < 2 * self.frames:
            return None
        windows = np.moveaxis(sliding_window_view(rows, self.frames, axis=0), -1, 1)
        place = np.arange(len(windows))
        state = self.fit(Spec(rows.shape[1:], self.frames), [Batch(0 * place, place, windows)])
        return self._model_of(state, 0) if state.mark[0] else None

    def _run(self) -> int:
        return 1 if self.frames == 1 else _RUN * self.frames

    def _windows(self, state: TrainingState, batch: Batch) -> FloatArray:
        """The newest frames of each row, copied and tidied; refuses keys without room."""
        if len(batch) and not 0 <= batch.key.min() <= batch.key.max() < len(state.mark):
            raise TocsinError(
                f"keys {batch.key.min()} to {batch.key.max()} in a state with room for "
                f"{len(state.mark)}"
            )
        return self._newest(batch, state.rows.shape[2])

    def _newest(self, batch: Batch, width: int) -> FloatArray:
        if batch.values.ndim != 3 or batch.values.shape[2] != width:
            raise TocsinError(f"values must be (B, T, {width}); found {batch.values.shape}")
        return tidied(batch.values[:, -self.frames :])

    def _by_key(self, batch: Batch, width: int) -> Iterable[tuple[int, FloatArray]]:
        if not len(batch):
            return
        windows, rows = self._newest(batch, width), group(batch.key)
        starts, counts = rows.start.tolist(), rows.count.tolist()
        for key, first, count in zip(rows.keys.tolist(), starts, counts, strict=True):
            yield key, windows[rows.order[first : first + count]]

    def _keep(self, state: TrainingState, key: int, window: FloatArray) -> None:
        used = int(state.used[key])
        last = state.rows[key, used - 1] if used else None
        for part in _stretches(window[None], last):
            room = min(len(part), self.memory - used)
            state.rows[key, used : used + room] = part[:room]
            used += room
        state.used[key] = used
        state.seen[key] += 1
        if state.seen[key] >= self.train:
            self._finish(state, key)

    def _finish(self, state: TrainingState, key: int) -> None:
        rows = np.ascontiguousarray(state.rows[key, : state.used[key]])
        digest = hashlib.blake2b(rows.tobytes(), digest_size=8).digest()
        state.mark[key] = max(1, int.from_bytes(digest, "little") >> 1)

    def _model_of(self, state: TrainingState, key: int) -> M:
        # The same numbers in rows of another width are other rows.
        name = (self, state.rows.shape[2], int(state.mark[key]))
        rows = state.rows[key, : state.used[key]]
        # Twice as many as there are series: each may have one that is made ahead of its use.
        found: M = _MODELS.get(name, lambda: self.model(rows.copy()), 2 * len(state.mark))
        return found


_MODELS = Remembered(_FEWEST_MODELS)


def training_windows(rows: FloatArray, frames: int) -> FloatArray:
    """All windows (B, frames, C) of training rows (N, C) that lie within one stretch."""
    if len(rows) < frames:
        return np.empty((0, frames, rows.shape[1]))
    windows = np.moveaxis(sliding_window_view(rows, frames, axis=0), -1, 1)
    seam = np.isnan(rows).all(axis=1)
    broken = sliding_window_view(seam, frames).any(axis=1)
    return np.ascontiguousarray(windows[~broken])


def covering_mean(windows: FloatArray, frames: int) -> FloatArray:
    """For each of N rows the mean of the windows (N - frames + 1,) that cover it; NaN left out.

    >>> covering_mean(np.array([1.0, 3.0, np.nan]), 2).tolist()
    [1.0, 2.0, 3.0, nan]
    """
    there = ~np.isnan(windows)
    pad = np.zeros(frames - 1)
    spread = sliding_window_view(np.concatenate((pad, np.where(there, windows, 0.0), pad)), frames)
    count = sliding_window_view(np.concatenate((pad, there.astype(float), pad)), frames).sum(axis=1)
    total = spread.sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1.0), np.nan)


def _stretches(windows: FloatArray, last: FloatArray | None) -> list[FloatArray]:
    """The frames of windows (B, T, C) that follow `last` (C,), with NaN rows at seams."""
    frames = windows.shape[1]
    if frames == 1:
        return [windows[:, 0]]
    before = np.empty((len(windows), windows.shape[2]))
    before[0] = np.nan if last is None else last
    before[1:] = windows[:-1, -1]
    joined = ((windows[:, -2] == before) | (np.isnan(windows[:, -2]) & np.isnan(before))).all(1)
    joined[0] &= last is not None
    parts: list[FloatArray] = []
    edges = [0, *(np.flatnonzero(~joined[1:]) + 1).tolist(), len(windows)]
    for first, stop in pairwise(edges):
        if not joined[first]:
            head = windows[first, :-1]
            if first or last is not None:
                parts.append(np.full((1, windows.shape[2]), np.nan))
            parts.append(head[~np.isnan(head).all(axis=1)])
        parts.append(windows[first:stop, -1])
    return [part for part in parts if len(part)]


def _thinned(rows: FloatArray, most: int, run: int) -> FloatArray:
    """At most `most` of rows (N, C): stretches of `run`, evenly spread, with NaN rows between."""
    if len(rows) <= most:
        return rows
    if run == 1:
        return rows[np.linspace(0, len(rows) - 1, most).round().astype(np.int64)]
    count = max(1, most // (run + 1))
    starts = np.linspace(0, len(rows) - run, count).round().astype(np.int64).tolist()
    seam = np.full((1, rows.shape[1]), np.nan)
    parts = [part for first in starts for part in (rows[first : first + run], seam)]
    return np.concatenate(parts)[:most]
