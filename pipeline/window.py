"""Rows to windows: each row with the frames of its series before it."""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.groups import Groups, group
from tocsin.pipeline.keyed import per_key
from tocsin.pipeline.types import Batch, BoolArray, FloatArray, IntArray


@dataclass(slots=True)
class WindowState:
    """Each key's newest frames, oldest first, and the time of the last."""

    ring: FloatArray = per_key(np.nan)  # (K, length - 1, *item)
    last: IntArray = per_key(0)  # (K,)
    seen: IntArray = per_key(0)  # (K,) rows so far


@dataclass(frozen=True, slots=True)
class Window:
    """Windows of `length` frames, oldest first; frames before a series began are NaN.

    A series that was silent for longer than `gap_ns` begins anew, so that a window never spans the
    silence; 0 means that it may.
    """

    length: int = 1
    gap_ns: int = 0

    def __post_init__(self) -> None:
        if self.length < 1 or self.gap_ns < 0:
            raise ConfigError(f"a window needs length >= 1 and gap >= 0; found {self}")

    def start(self, item: tuple[int, ...]) -> WindowState:
        """The state before any row."""
        return WindowState(
            ring=np.empty((0, self.length - 1, *item)),
            last=np.empty(0, dtype=np.int64),
            seen=np.empty(0, dtype=np.int64),
        )

    def advance(
        self, state: WindowState, key: IntArray, time: IntArray, values: FloatArray
    ) -> Batch:
        """The window of each row, in the rows' order; a key's rows stand in time order."""
        if self.length == 1:
            return Batch(key, time, values[:, None])
        if not len(key):
            return Batch(key, time, np.empty((0, self.length, *values.shape[1:])))
        rows = group(key)
        frames, times = values[rows.order], time[rows.order]
        line = self._line(state, frames, rows)
        before = np.where(rows.round == 0, state.last[rows.keys][rows.place], np.roll(times, 1))
        begun = (rows.round > 0) | (state.seen[rows.keys][rows.place] > 0)
        breaks = begun & (times - before > self.gap_ns) if self.gap_ns else np.zeros_like(begun)
        head = rows.start + (self.length - 1) * np.arange(len(rows.keys))  # of each key's line
        place = head[rows.place] + rows.round  # (N,) where each window begins
        windows = sliding_window_view(line, self.length, axis=0)[place]  # (N, *item, T)
        windows = np.moveaxis(windows, -1, 1).copy()
        if breaks.any():
            self._blank(windows, breaks, rows.round)
        newest = rows.start + rows.count - 1
        state.ring[rows.keys] = windows[newest, 1:]
        state.last[rows.keys] = times[newest]
        state.seen[rows.keys] += rows.count
        return Batch(key, time, rows.scatter(windows))

    def _line(self, state: WindowState, frames: FloatArray, rows: Groups) -> FloatArray:
        """Each key's kept frames, then its new ones, key after key."""
        parts: list[FloatArray] = []
        starts, counts = rows.start.tolist(), rows.count.tolist()
        for which, first, count in zip(rows.keys.tolist(), starts, counts, strict=True):
            parts += [state.ring[which], frames[first : first + count]]
        return np.concatenate(parts)

    def _blank(self, windows: FloatArray, breaks: BoolArray, nth: IntArray) -> None:
        """Make the frames from before a silence NaN; rows stand in key order."""
        rows = np.arange(len(nth))
        last_break = np.maximum.accumulate(np.where(breaks, rows, -1))
        first_of_key = rows - nth
        since = rows - last_break  # rows since the break, if it is of this key
        cut = (last_break >= first_of_key) & (since < self.length - 1)
        for row in np.flatnonzero(cut).tolist():
            windows[row, : self.length - 1 - since[row]] = np.nan
