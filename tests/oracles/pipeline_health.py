"""What health promises of rows and channels, one row after another with plain numbers."""

import math
from dataclasses import dataclass, field

import numpy as np

from tocsin.pipeline.health import Health
from tocsin.pipeline.order import NEVER
from tocsin.pipeline.types import FloatArray, IntArray


@dataclass
class Channel:
    """What is known of one channel of a series."""

    value: float = math.nan
    run: int = 0
    longest: int = 0
    changes: int = 0

    def take(self, value: float) -> None:
        """Take its value of one more row, NaN for none."""
        if math.isnan(value) or value == self.value:
            self.run += 1
            return
        if not math.isnan(self.value):
            self.longest = max(self.longest, self.run)
            self.changes += 1
        self.value, self.run = value, 0

    def is_stuck(self, rule: Health) -> bool:
        """Whether it has gone without a change for too long."""
        if rule.stuck_rows is None:
            return self.changes >= 50 and self.run > max(20, 10 * self.longest)
        return 0 < rule.stuck_rows <= self.run


@dataclass
class Series:
    """What is known of one series."""

    times: list[int] = field(default_factory=list)
    place: int = 0  # of its newest row among the partition's
    channels: dict[int, Channel] = field(default_factory=dict)


def seen(
    rule: Health, key: IntArray, time: IntArray, values: FloatArray
) -> list[tuple[float, int, bool]]:
    """Of each row: the interval, since when its series was silent, whether a channel is stuck."""
    known: dict[int, Series] = {}
    found: list[tuple[float, int, bool]] = []
    clock = NEVER
    rows = zip(key.tolist(), time.tolist(), values, strict=True)
    for number, (which, at, frame) in enumerate(rows):
        series = known.setdefault(which, Series())
        times = series.times
        interval = (times[-1] - times[0]) / (len(times) - 1) if len(times) >= 10 else math.nan
        if rule.stale_after_ns is None:
            limit = rule.stale_intervals * interval
        else:
            limit = rule.stale_after_ns or math.nan
        missed = number - series.place - 1
        passed_over = missed * len(times) > 3 * number  # for three of its usual turns
        now = max(clock, at) if passed_over else at
        silent = bool(times) and now - times[-1] > limit
        clock, series.place = max(clock, at), number
        times.append(at)
        stuck = False
        for place, value in enumerate(frame.ravel().tolist()):
            channel = series.channels.setdefault(place, Channel())
            channel.take(value)
            stuck |= channel.is_stuck(rule)
        found.append((interval, times[-2] + int(limit) if silent else NEVER, stuck))
    return found


def blind(rule: Health, key: IntArray, values: FloatArray, score: FloatArray) -> list[bool]:
    """Whether each row's series has gone unscored for too long."""
    has_scored: set[int] = set()
    without: dict[int, int] = {}
    found: list[bool] = []
    for which, frame, value in zip(key.tolist(), values, score.tolist(), strict=True):
        if not math.isnan(value):
            has_scored.add(which)
            without[which] = 0
        elif which in has_scored and not np.isnan(frame).all():
            without[which] += 1
        found.append(without.get(which, 0) > rule.blind_rows)
    return found
