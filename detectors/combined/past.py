"""Clean history as stretches of rows, so that windows of it can be cut again and again."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tocsin.detectors.rows import tidied
from tocsin.pipeline.groups import group
from tocsin.pipeline.types import Batch, BoolArray, FloatArray, IntArray

_CHUNK = 2_000_000  # numbers in windows that are laid out at a time


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive windows of one key: their rows (n + frames - 1, C) and end times (n,)."""

    key: int
    rows: FloatArray
    time: IntArray

    def __len__(self) -> int:
        return len(self.time)

    def cut(self, first: int, last: int) -> "Stretch":
        """The windows from `first` up to `last`."""
        reach = len(self.rows) - len(self.time)
        return Stretch(self.key, self.rows[first : last + reach], self.time[first:last])

    def windows(self, phase: int = 0, step: int = 1) -> Iterator[Batch]:
        """Every `step`-th window from `phase` on, in order, some at a time."""
        frames = len(self.rows) - len(self.time) + 1
        views = np.moveaxis(sliding_window_view(self.rows, frames, axis=0), -1, 1)[phase::step]
        time = self.time[phase::step]
        size = max(1, _CHUNK // (frames * self.rows.shape[1]))
        for first in range(0, len(time), size):
            part = slice(first, first + size)
            values = np.ascontiguousarray(views[part])
            yield Batch(np.full(len(values), self.key, dtype=np.int64), time[part], values)


@dataclass(slots=True)
class _Open:
    """A stretch that may go on: its pieces and its last window."""

    rows: list[FloatArray]
    time: list[IntArray]
    last: FloatArray

    def closed(self, key: int) -> Stretch:
        return Stretch(key, np.concatenate(self.rows), np.concatenate(self.time))


def stretches(batches: Iterable[Batch], frames: int) -> list[Stretch]:
    """The newest `frames` of windows of many keys as stretches, key by key, in order of time."""
    done: dict[int, list[Stretch]] = {}
    running: dict[int, _Open] = {}
    for batch in batches:
        rows = group(batch.key)
        starts, counts = rows.start.tolist(), rows.count.tolist()
        for key, first, count in zip(rows.keys.tolist(), starts, counts, strict=True):
            mine = rows.order[first : first + count]
            windows, time = tidied(batch.values[mine, -frames:]), np.array(batch.time[mine])
            goes_on = _goes_on(windows, running[key].last if key in running else None)
            edges = [0, *(np.flatnonzero(~goes_on[1:]) + 1).tolist()]
            for begin, end in zip(edges, [*edges[1:], count], strict=True):
                if not goes_on[begin]:
                    if key in running:
                        done.setdefault(key, []).append(running.pop(key).closed(key))
                    running[key] = _Open([windows[begin, :-1]], [], windows[begin])
                running[key].rows.append(windows[begin:end, -1])
                running[key].time.append(time[begin:end])
                running[key].last = windows[end - 1]
    for key in sorted(running):
        done.setdefault(key, []).append(running[key].closed(key))
    return [part for key in sorted(done) for part in done[key]]


def halved(past: list[Stretch]) -> tuple[list[Stretch], list[Stretch]]:
    """Each key's windows in two halves, the earlier and the later."""
    whole: dict[int, int] = {}
    for part in past:
        whole[part.key] = whole.get(part.key, 0) + len(part)
    early, late, before = [], [], dict.fromkeys(whole, 0)
    for part in past:
        cut = min(max(whole[part.key] // 2 - before[part.key], 0), len(part))
        early.append(part.cut(0, cut))
        late.append(part.cut(cut, len(part)))
        before[part.key] += len(part)
    return [part for part in early if len(part)], [part for part in late if len(part)]


def left_out(
    past: list[Stretch],
    fit: Callable[[list[Stretch]], Any],
    score: Callable[[Any, Batch], FloatArray],
) -> dict[int, FloatArray]:
    """Each key's scores, in order of time, of each half under what was fitted on the other."""
    early, late = halved(past)
    found: dict[int, list[FloatArray]] = {}
    for judged, others in ((early, late), (late, early)):
        made = fit(others)
        for part in judged:
            scores = [score(made, windows) for windows in part.windows()]
            found.setdefault(part.key, []).extend(scores)
    return {key: np.concatenate(scores) for key, scores in found.items()}


def thinned(score: FloatArray, most: int) -> FloatArray:
    """At most `most` of the scores that are not NaN, spread evenly over them, in order."""
    known = score[~np.isnan(score)]
    if len(known) <= most:
        return known
    return known[np.linspace(0, len(known) - 1, most).round().astype(np.int64)]


def _goes_on(windows: FloatArray, last: FloatArray | None) -> BoolArray:
    """Which windows (B, T, C) begin a row after the one before; `last` stands before the first."""
    joined = np.zeros(len(windows), dtype=np.bool_)
    joined[1:] = _same(windows[1:, :-1], windows[:-1, 1:])
    if last is not None:
        joined[0] = _same(windows[:1, :-1], last[None, 1:])[0]
    return joined


def _same(one: FloatArray, other: FloatArray) -> BoolArray:
    equal = (one == other) | (np.isnan(one) & np.isnan(other))
    return np.asarray(equal.all(axis=(1, 2)))
