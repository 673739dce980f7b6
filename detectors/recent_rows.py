"""The newest rows of each series that were learned, kept so that their windows can be cut again."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tocsin.pipeline.keyed import per_key
from tocsin.pipeline.types import Batch, BoolArray, FloatArray, IntArray

SEAM = int(np.iinfo(np.int64).min)  # the time of the row of NaN where one stretch ends
HEAD = SEAM + 1  # the time of rows that only stand before others in a window


@dataclass(slots=True)
class RecentRows:
    """A ring of rows a key; rows that were not learned themselves have a `time` that says so."""

    rows: FloatArray = per_key(np.nan)  # (K, room, C)
    time: IntArray = per_key(SEAM)  # (K, room)
    written: IntArray = per_key(0)  # (K,) rows in all, also those that are gone


def started(room: int, width: int) -> RecentRows:
    """No rows, with room for no key."""
    none = np.empty(0, dtype=np.int64)
    return RecentRows(np.empty((0, room, width)), np.empty((0, room), dtype=np.int64), none)


def keep(recent: RecentRows, key: int, windows: FloatArray, time: IntArray) -> None:
    """Add windows (B, T, C) of one key, in order of time, in place."""
    room, written = recent.rows.shape[1], int(recent.written[key])
    parts = list(_parts(windows, time, _last_window(recent, key, windows.shape[1])))
    rows = np.concatenate([part for part, _ in parts])
    times = np.concatenate([part for _, part in parts])
    stop = written + len(rows)
    place = np.arange(stop - min(len(rows), room), stop) % room
    recent.rows[key, place] = rows[-room:]
    recent.time[key, place] = times[-room:]
    recent.written[key] = stop


def copy_of(recent: RecentRows, key: int, frames: int) -> tuple[FloatArray, IntArray]:
    """The rows (N, C) and times (N,) of one key, oldest first."""
    room, written = recent.rows.shape[1], int(recent.written[key])
    place = np.arange(max(0, written - room), written) % room
    rows, time = recent.rows[key, place], recent.time[key, place]
    if written > room:
        # What stood before these in their windows is gone.
        time[: frames - 1] = np.where(time[: frames - 1] == SEAM, SEAM, HEAD)
    return rows, time


def windows_of(rows: FloatArray, time: IntArray, frames: int) -> Batch:
    """The windows that `keep` was given, as far as they are whole: one series, with key 0."""
    learned = np.flatnonzero(time > HEAD)
    index = learned[:, None] + np.arange(1 - frames, 1)  # (B, frames)
    windows = rows[np.maximum(index, 0)]
    places = np.arange(len(rows))
    seam = np.maximum.accumulate(np.where(time == SEAM, places, -1)) if len(rows) else places
    windows[index <= seam[learned][:, None]] = np.nan
    return Batch(np.zeros(len(learned), dtype=np.int64), time[learned], windows)


def mark_of(rows: FloatArray, time: IntArray) -> int:
    """A positive number that tells these rows from all others."""
    data = hashlib.blake2b(rows.tobytes(), digest_size=8)
    data.update(time.tobytes())
    return max(1, int.from_bytes(data.digest(), "little") >> 1)


def _last_window(recent: RecentRows, key: int, frames: int) -> FloatArray:
    """The window (T, C) that was learned last; NaN where there was none."""
    room, written = recent.rows.shape[1], int(recent.written[key])
    place = np.arange(written - frames, written)
    window: FloatArray = recent.rows[key, place % room]
    seam = np.flatnonzero((place < 0) | (recent.time[key, place % room] == SEAM))
    window[: int(seam[-1]) + 1 if seam.size else 0] = np.nan
    return window


def _parts(
    windows: FloatArray, time: IntArray, last: FloatArray
) -> Iterator[tuple[FloatArray, IntArray]]:
    """The rows that follow the window `last` (T, C), and their times: stretches, and seams."""
    if windows.shape[1] == 1:
        yield windows[:, 0], time
        return
    joined = _follows(windows, last)
    edges = [0, *(np.flatnonzero(~joined[1:]) + 1).tolist(), len(windows)]
    for first, stop in pairwise(edges):
        if not joined[first]:
            there = ~np.isnan(windows[first, :-1]).all(axis=1)
            head = windows[first, int(there.argmax()) : -1] if there.any() else windows[first, :0]
            yield np.full((1, windows.shape[2]), np.nan), np.array([SEAM])
            yield head, np.full(len(head), HEAD)
        yield windows[first:stop, -1], time[first:stop]


def _follows(windows: FloatArray, last: FloatArray) -> BoolArray:
    """Which windows (B, T, C) begin a row after the one before; `last` (T, C) is the first's."""
    before = np.concatenate((last[None, 1:], windows[:-1, 1:]))
    now = windows[:, :-1]
    return np.asarray(((now == before) | (np.isnan(now) & np.isnan(before))).all(axis=(1, 2)))
