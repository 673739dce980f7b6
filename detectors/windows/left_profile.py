"""The distance of a window from the most similar earlier one of its own series."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tocsin.detectors.rows import channels, need, tidied
from tocsin.detectors.windows.prepared import judged
from tocsin.detectors.windows.profile_kernel import Limits, Pasts, follow
from tocsin.detectors.windows.profile_score import Manner, check_manner, judgement, nothing_found
from tocsin.pipeline.errors import ConfigError, TocsinError
from tocsin.pipeline.keyed import per_key
from tocsin.pipeline.types import Batch, FloatArray, IntArray, Scores, Spec, Traits

_SPARE = 4  # a quarter more room than rows looked at, so that they are seldom moved


@dataclass(slots=True)
class LeftProfileState:
    """Each key's last rows, the lengths of their windows, and the range of the rows."""

    rows: FloatArray = per_key(np.nan)  # (K, C, room)
    inverse: FloatArray = per_key(np.nan)  # (K, C, room), of the window that ends at a row
    low: FloatArray = per_key(np.nan)  # (K, C)
    high: FloatArray = per_key(np.nan)  # (K, C)
    used: IntArray = per_key(0)  # (K,)
    stretch: IntArray = per_key(0)  # (K,), rows since the last break
    seen: IntArray = per_key(0)  # (K,)


@dataclass(frozen=True, slots=True)
class LeftProfile:
    """How unlike every earlier window of its series a window is: the left matrix profile.

    As `matrix_profile`, with the last `memory` rows of the series itself in the place of training
    rows: each channel's window, brought to mean 0 and deviation 1, has the Euclidean distance to
    the nearest one that began more than a quarter of a window before it; 0 for an equal shape,
    sqrt(2 `window`) for an unrelated one, sqrt(`window`) between a flat one and another. With
    `levels`, a value outside the range of those rows adds sqrt(`window`) a range that it lies
    beyond. The score is the mean over the channels, or over the `largest`.

    Gaps hold the last value; a window without a value in its newest row, or in half of its rows,
    has no opinion. Where rows were left out of learning, no window is learned that spans the place.
    `blame` is each value's distance from the nearest window's, and by how many ranges it lies
    outside.

    Finds the first of any unusual shape in series that repeat themselves (a discord). Misses the
    second, levels, sizes and noise within the range.

    Cost a row: `memory` T C multiplications, side by side. Memory a key: 20 x `memory` x C + 16 C +
    24 bytes. Shift and scale leave the scores alone.

    References: Yeh and others, Matrix profile I: all pairs similarity joins for time series, 2016,
    doi:10.1109/ICDM.2016.0179, for the incremental form STAMPI; Lu, Wu, Mueen, Zuluaga and Keogh,
    Matrix profile XXIV, 2022, doi:10.1145/3534678.3539271, for the left profile in streams.

    >>> from tocsin.pipeline.keyed import grow
    >>> wave = np.sin(np.arange(300) / 3)
    >>> wave[290:] = 0.0
    >>> windows = np.lib.stride_tricks.sliding_window_view(wave, 16)[:, :, None]
    >>> scorer = LeftProfile(window=16, memory=200, warmup=100)
    >>> state = scorer.start(Spec((1,), window=16))
    >>> grow(state, 1)
    >>> batch = Batch(np.zeros(len(windows), dtype=np.int64), np.arange(len(windows)), windows)
    >>> scorer.advance(state, batch).value[[99, 250, 284]].round(1).tolist()
    [nan, 0.1, 2.1]
    """

    window: int = 32
    memory: int = 2000
    warmup: int = 250
    largest: int = 0
    levels: bool = True

    traits: ClassVar[Traits] = Traits()
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_manner(self.window, self.largest)
        least = 3 * self.window
        need(self.warmup >= least, "warmup", f"{least} or more, three windows", self.warmup)
        need(self.memory >= self.warmup, "memory", f"{self.warmup} or more", self.memory)

    @property
    def frames(self) -> int:
        return self.window

    def start(self, spec: Spec) -> LeftProfileState:
        if spec.window < self.frames:
            raise ConfigError(
                f"LeftProfile needs windows of {self.frames} rows; found {spec.window}"
            )
        width, none = channels(spec), np.empty(0, dtype=np.int64)
        shape = (0, width, self.memory + self.memory // _SPARE)
        ends = (np.empty((0, width)), np.empty((0, width)))
        counts = (none, none.copy(), none.copy())
        return LeftProfileState(np.empty(shape), np.empty(shape), *ends, *counts)

    def score(self, state: LeftProfileState, batch: Batch) -> Scores:
        return self._play(state, batch, scores=True, learns=False)

    def learn(self, state: LeftProfileState, batch: Batch) -> None:
        self._play(state, batch, scores=False, learns=True)

    def advance(self, state: LeftProfileState, batch: Batch) -> Scores:
        return self._play(state, batch, scores=True, learns=True)

    def _play(self, state: LeftProfileState, batch: Batch, *, scores: bool, learns: bool) -> Scores:
        windows = self._windows(state, batch)
        key = np.array(batch.key, dtype=np.int64, order="C")
        found = nothing_found(windows.shape)
        pasts = Pasts(
            state.rows,
            state.inverse,
            state.low,
            state.high,
            state.used,
            state.stretch,
            state.seen,
        )
        limits = Limits(self.memory, -(-self.window // 4), self.warmup)
        follow(pasts, key, windows, found, limits, (scores, learns))
        value, parts = judgement(windows, found, Manner(self.largest, self.levels))
        silent = np.ones(len(value), dtype=np.bool_)
        silent[judged(windows)] = False
        value[silent] = np.nan
        blame = np.zeros(batch.values.shape)
        blame[:, -self.frames :] = np.where(np.isnan(value)[:, None, None], 0.0, parts)
        return Scores(value, blame)

    def _windows(self, state: LeftProfileState, batch: Batch) -> FloatArray:
        """The newest frames of each row, copied and tidied; refuses what would not fit."""
        width, room = state.low.shape[1], len(state.seen)
        if batch.values.ndim != 3 or batch.values.shape[2] != width:
            raise TocsinError(f"values must be (B, T, {width}); found {batch.values.shape}")
        if batch.values.shape[1] < self.frames:
            raise TocsinError(f"{self.frames} frames are needed; found {batch.values.shape[1]}")
        if len(batch) and not 0 <= batch.key.min() <= batch.key.max() < room:
            raise TocsinError(
                f"keys {batch.key.min()} to {batch.key.max()} in a state with room for {room}"
            )
        return tidied(batch.values[:, -self.frames :])
