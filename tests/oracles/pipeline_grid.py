"""What a grid and a window promise, one row after another with plain lists."""

from typing import Any

import numpy as np

from tocsin.pipeline.grid import Grid
from tocsin.pipeline.types import FloatArray, IntArray
from tocsin.pipeline.window import Window


def gridded(
    rule: Grid, key: IntArray, time: IntArray, values: FloatArray
) -> list[tuple[int, int, FloatArray]]:
    """Key, time and frame of each step in the order they are given, the open ones at the end."""
    steps: dict[int, int] = {}
    frames: dict[int, list[FloatArray]] = {}
    held: dict[int, FloatArray] = {}
    given: list[tuple[int, int, FloatArray]] = []

    def give(which: int) -> None:
        frame = _gathered(rule.gather, frames[which])
        before = held.get(which, np.full_like(frame, np.nan))
        held[which] = np.where(np.isnan(frame), before, frame)
        given.append((which, (steps[which] + 1) * rule.every_ns, frame))

    for which, at, row in zip(key.tolist(), time.tolist(), values, strict=True):
        step = at // rule.every_ns
        if which in steps and step != steps[which]:
            give(which)
            empty = range(steps[which] + 1, step)
            if rule.fill != "skip" and len(empty) <= rule.most:
                filler = held[which] if rule.fill == "hold" else np.full_like(row, np.nan)
                given += [(which, (number + 1) * rule.every_ns, filler) for number in empty]
            frames[which] = []
        steps[which] = step
        frames.setdefault(which, []).append(row)
    for which in sorted(steps, key=lambda which: (steps[which], which)):
        give(which)
    return given


def _gathered(how: str, frames: list[FloatArray]) -> FloatArray:
    found = np.full(frames[0].shape, np.nan)
    for place in np.ndindex(*found.shape):
        present: list[Any] = [frame[place] for frame in frames if not np.isnan(frame[place])]
        if present:
            found[place] = {
                "mean": sum(present) / len(present),
                "last": present[-1],
                "min": min(present),
                "max": max(present),
                "sum": sum(present),
            }[how]
    return found


def windowed(rule: Window, key: IntArray, time: IntArray, values: FloatArray) -> FloatArray:
    """The window (T, *item) of each row: its series' frames since the last silence."""
    past: dict[int, list[FloatArray]] = {}
    last: dict[int, int] = {}
    windows: list[FloatArray] = []
    for which, at, frame in zip(key.tolist(), time.tolist(), values, strict=True):
        if rule.gap_ns and which in last and at - last[which] > rule.gap_ns:
            past[which] = []
        last[which] = at
        past.setdefault(which, []).append(frame)
        known = past[which][-rule.length :]
        blank = [np.full_like(frame, np.nan)] * (rule.length - len(known))
        windows.append(np.stack(blank + known))
    return np.stack(windows)
