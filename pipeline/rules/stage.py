"""The rules together: which alarms are not given, and which rows are not to be learned."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.groups import group
from tocsin.pipeline.keyed import per_key
from tocsin.pipeline.rules.calendar import Calendar
from tocsin.pipeline.rules.silence import Silence
from tocsin.pipeline.rules.size import Size, sizes_of
from tocsin.pipeline.rules.verdicts import ALARM, OFF_HOURS, SILENCED
from tocsin.pipeline.types import BoolArray, ByteArray, FloatArray, IntArray


@dataclass(slots=True)
class RulesState:
    """The usual level of each channel, and the rows it was learned from."""

    usual: FloatArray = per_key(np.nan)  # (K, *item)
    rows: IntArray = per_key(0)  # (K,)


@dataclass(frozen=True, slots=True)
class Alarming:
    """Rows that alarm: newest frame `value` (N, *item), `blame` (N, *item) or None."""

    key: IntArray
    time: IntArray
    value: FloatArray
    blame: FloatArray | None


@dataclass(frozen=True, slots=True)
class Rules:
    """Which alarms open no incident; empty, as it comes, it suppresses nothing and costs nothing.

    Silences are asked first, then calendars, then sizes. The usual level that sizes are measured
    from is the mean of the learned rows of each channel, and of about the last `memory` of them
    once there are as many. What the rules suppress is said in the verdict of the row. Rows of a
    silence or of off-hours that freeze learning are not learned, whether they alarm or not.

    State: 8 bytes a series and channel, and 8 a series. A series with suppressed alarms, or with
    rows that are not to be learned, is judged tick by tick in the blocks that hold them.
    """

    sizes: tuple[Size, ...] = ()
    calendars: tuple[Calendar, ...] = ()
    silences: tuple[Silence, ...] = ()
    memory: int = 1000

    def __post_init__(self) -> None:
        if self.memory < 1:
            raise ConfigError(f"the usual level needs memory >= 1; found {self.memory}")

    @property
    def on(self) -> bool:
        """Whether there is any rule at all."""
        return bool(self.sizes or self.calendars or self.silences)

    @property
    def learns(self) -> bool:
        """Whether the usual level is kept."""
        return bool(self.sizes)

    def start(self, item: tuple[int, ...]) -> RulesState:
        """The state before any row."""
        return RulesState(usual=np.empty((0, *item)), rows=np.empty(0, dtype=np.int64))

    def verdict(
        self, state: RulesState, rows: Alarming, series: Sequence[str], channels: tuple[str, ...]
    ) -> ByteArray:
        """ALARM, or why an alarm is not given, of each row (N,); changes nothing."""
        found = np.full(len(rows.key), ALARM, dtype=np.int8)
        if self.sizes:
            found = self._sized(state, rows, series, channels)
        for calendar in self.calendars:
            found[calendar.covers(series, rows.key, rows.time)] = OFF_HOURS
        for silence in self.silences:
            found[silence.covers(series, rows.key, rows.time)] = SILENCED
        return found

    def frozen(self, series: Sequence[str], key: IntArray, time: IntArray) -> BoolArray | None:
        """Rows (N,) that are not to be learned; None where no rule forbids any."""
        rules: tuple[Silence | Calendar, ...] = (*self.silences, *self.calendars)
        freezing = [rule for rule in rules if rule.learn == "freeze"]
        if not freezing:
            return None
        covered = freezing[0].covers(series, key, time)
        for rule in freezing[1:]:
            covered |= rule.covers(series, key, time)
        return covered

    def learn(self, state: RulesState, key: IntArray, value: FloatArray) -> None:
        """Let rows move their series' usual level; no key stands twice."""
        if not self.sizes:
            return
        rows = np.minimum(state.rows[key] + 1, self.memory)
        usual, share = state.usual[key], (1.0 / rows).reshape(-1, *[1] * (value.ndim - 1))
        with np.errstate(invalid="ignore", over="ignore"):  # infinities leave no level
            moved = np.where(np.isnan(usual), value, usual + share * (value - usual))
        state.usual[key] = np.where(np.isfinite(value), moved, usual)
        state.rows[key] = rows

    def advance(self, state: RulesState, key: IntArray, value: FloatArray) -> None:
        """`learn` for rows of many ticks, in (time, key) order, with the same result."""
        if not self.sizes or not len(key):
            return
        rows = group(key)
        for nth in range(int(rows.count.max())):
            part = rows.order[rows.round == nth]
            self.learn(state, key[part], value[part])

    def _sized(
        self, state: RulesState, rows: Alarming, series: Sequence[str], channels: tuple[str, ...]
    ) -> ByteArray:
        found = np.full(len(rows.key), ALARM, dtype=np.int8)
        for row, which in enumerate(rows.key.tolist()):
            rule = sizes_of(self.sizes, series[which], channels)
            if rule is not None:
                blame = None if rows.blame is None else rows.blame[row].ravel()
                usual = state.usual[which].ravel()
                found[row] = rule.verdict(rows.value[row].ravel(), usual, blame)
        return found
