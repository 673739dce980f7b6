"""Whether a series can be judged at all: silent, stuck, out of range, or with a blind detector."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

import numpy as np

from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.groups import Groups, group, run_lengths
from tocsin.pipeline.keyed import per_key
from tocsin.pipeline.order import NEVER
from tocsin.pipeline.troubles import Trouble, Troubles
from tocsin.pipeline.types import BoolArray, FloatArray, IntArray

Status = Literal["new", "warming", "live", "late", "stale", "stuck", "out_of_range", "blind"]

_REGULAR = 10  # rows before a series' usual interval is known
_LIVELY = 50  # changes of a channel before it can be called stuck
_TURNS = 3  # usual turns that a silent series has missed, by the other series' rows
_STUCK_ROWS = 20
_STUCK_RUNS = 10  # times the longest run without change so far


@dataclass(frozen=True, slots=True)
class Limits:
    """Valid range of the channels and series that match, both shell patterns; the last match wins.

    `stale_after_ns` replaces the health stage's own for these series; 0 keeps it.
    """

    series: str = "*"
    channel: str = "*"
    low: float = -np.inf
    high: float = np.inf
    stale_after_ns: int = 0


@dataclass(slots=True)
class HealthState:
    """What is known of each series' clock and channels."""

    total: int  # rows of the partition
    rows: IntArray = per_key(0)  # (K,)
    first: IntArray = per_key(NEVER)  # (K,) time of the first row
    last: IntArray = per_key(NEVER)  # (K,) time of the newest row
    heard: IntArray = per_key(0)  # (K,) which row of the partition that was
    scored: IntArray = per_key(0)  # (K,) rows with a score
    unscored: IntArray = per_key(0)  # (K,) rows in a row without one, though one was due
    value: FloatArray = per_key(np.nan)  # (K, *item) newest value of each channel
    filled: IntArray = per_key(NEVER)  # (K, *item) when that came
    changed: IntArray = per_key(NEVER)  # (K, *item) when it was first that
    run: IntArray = per_key(0)  # (K, *item) rows since it last changed
    longest: IntArray = per_key(0)  # (K, *item) the longest such run that has ended
    changes: IntArray = per_key(0)  # (K, *item)
    low: FloatArray = per_key(-np.inf)  # (K, *item)
    high: FloatArray = per_key(np.inf)  # (K, *item)
    stale_after: IntArray = per_key(0)  # (K,) nanoseconds, 0 for the stage's own


@dataclass(frozen=True, slots=True)
class Seen:
    """What health makes of rows before they are scored, in the rows' order.

    `interval` (N,) is the mean time between the series' earlier rows in nanoseconds, NaN if not
    known. `silent_from` (N,) is when the series went stale before this row, or NEVER; `previous`
    (N,) is its row before. `stuck_why` and `outside_why` (N,) tell of the first such channel, or
    place in a frame.
    """

    interval: FloatArray
    silent_from: IntArray
    previous: IntArray
    stuck: BoolArray
    out_of_range: BoolArray
    stuck_why: Troubles
    outside_why: Troubles

    def take(self, rows: IntArray | slice) -> "Seen":
        """The chosen rows."""
        return Seen(
            self.interval[rows],
            self.silent_from[rows],
            self.previous[rows],
            self.stuck[rows],
            self.out_of_range[rows],
            self.stuck_why.take(rows),
            self.outside_why.take(rows),
        )

    def silence(self, row: int) -> Trouble:
        """Of a row that ends a silence, what that was."""
        last = int(self.previous[row])
        return Trouble(float(self.interval[row]), float(self.silent_from[row] - last), last)


@dataclass(frozen=True, slots=True)
class Health:
    """When a series counts as stale, stuck, out of range or unscored.

    `stale_after_ns`: silence after which a series is stale; None is `stale_intervals` times its
    usual interval, 0 never. It is measured by the series' own next row, and before that by the
    clock of the others, once they have passed it over for three of its usual turns.
    `stuck_rows`: rows without a change (a missing value is none) after which a channel is stuck;
    None is ten times the longest run it has shown, and 20 at least, for channels that have changed
    50 times; 0 never. `blind_rows`: with more rows in a row than this without a score, a detector
    that has given scores before is blind.
    """

    stale_after_ns: int | None = None
    stale_intervals: float = 30.0
    stuck_rows: int | None = None
    blind_rows: int = 100
    limits: tuple[Limits, ...] = ()

    def __post_init__(self) -> None:
        if (self.stale_after_ns or 0) < 0 or (self.stuck_rows or 0) < 0 or self.blind_rows < 1:
            raise ConfigError(f"need stale_after >= 0, stuck_rows >= 0, blind_rows >= 1: {self}")

    def start(self, item: tuple[int, ...]) -> HealthState:
        """The state before any row."""
        none = np.empty(0, dtype=np.int64)
        frames = np.empty((0, *item))
        counts = np.empty((0, *item), dtype=np.int64)
        return HealthState(
            total=0,
            rows=none,
            first=none,
            last=none,
            heard=none,
            scored=none,
            unscored=none,
            value=frames,
            filled=counts,
            changed=counts,
            run=counts,
            longest=counts,
            changes=counts,
            low=frames,
            high=frames,
            stale_after=none,
        )

    def enlist(self, state: HealthState, key: int, series: str, channels: tuple[str, ...]) -> None:
        """Look a new series up among the limits."""
        for rule in self.limits:
            if not fnmatchcase(series, rule.series):
                continue
            state.stale_after[key] = rule.stale_after_ns or state.stale_after[key]
            for place, channel in enumerate(channels):
                if fnmatchcase(channel, rule.channel):
                    state.low[key, place], state.high[key, place] = rule.low, rule.high

    def observe(
        self, state: HealthState, clock: int, key: IntArray, time: IntArray, values: FloatArray
    ) -> Seen:
        """Take rows in, in the order they are judged; `clock` is the partition's before them."""
        if not len(key):
            no, none = np.zeros(0, dtype=bool), np.zeros(0, dtype=np.int64)
            return Seen(np.empty(0), none, none, no, no, Troubles.none(0), Troubles.none(0))
        rows = group(key)
        clocks = np.maximum.accumulate(np.concatenate(([clock], time)))[:-1][rows.order]
        number = state.total + rows.order  # of each row in the partition
        times = time[rows.order]
        begin, before = rows.round == 0, np.roll(number, 1)
        previous = np.where(begin, state.last[rows.keys][rows.place], np.roll(times, 1))
        missed = number - np.where(begin, state.heard[rows.keys][rows.place], before) - 1
        fresh = state.rows[rows.keys] == 0
        state.first[rows.keys[fresh]] = times[rows.start[fresh]]
        first = state.first[rows.keys][rows.place]
        count = state.rows[rows.keys][rows.place] + rows.round  # rows before this one
        interval = np.full(len(key), np.nan)
        known = count >= _REGULAR
        interval[known] = (previous[known] - first[known]) / (count[known] - 1)
        limit = self._stale_limit(interval, state.stale_after[rows.keys][rows.place])
        since = np.where(count > 0, previous, times)
        clocks = np.where(_passed_over(missed, count, number), np.maximum(clocks, times), times)
        silent = clocks - since > limit
        silent_from = np.full(len(key), NEVER)
        silent_from[silent] = previous[silent] + limit[silent].astype(np.int64)
        found = self._channels(state, rows, times, values[rows.order])
        state.rows[rows.keys] += rows.count
        newest = rows.start + rows.count - 1
        state.last[rows.keys], state.heard[rows.keys] = times[newest], number[newest]
        state.total += len(key)
        back = np.empty_like(rows.order)
        back[rows.order] = np.arange(len(key))
        return Seen(interval, silent_from, previous, *found).take(back)

    def judge(
        self, state: HealthState, key: IntArray, values: FloatArray, score: FloatArray
    ) -> BoolArray:
        """Whether the detector is blind to each row's series; a key's rows stand in time order."""
        if not len(key):
            return np.zeros(0, dtype=bool)
        rows = group(key)
        known = np.logical_not(np.isnan(score[rows.order]))
        flat = values[rows.order].reshape(len(key), -1)
        there = np.logical_not(np.isnan(flat)).any(axis=1)
        scored = _running(known, rows) + state.scored[rows.keys][rows.place]
        due = ~known & there & (scored > 0)
        total = _running(due, rows)
        at_known = np.maximum.accumulate(np.where(known, np.arange(len(key)), -1))
        inside = at_known >= rows.start[rows.place]
        before = np.where(inside, total[at_known], -state.unscored[rows.keys][rows.place])
        unscored = total - before
        newest = rows.start + rows.count - 1
        state.scored[rows.keys], state.unscored[rows.keys] = scored[newest], unscored[newest]
        return rows.scatter(unscored > self.blind_rows)

    def silent(
        self, state: HealthState, clock: int, keys: int, *, idle: bool = False
    ) -> tuple[IntArray, IntArray]:
        """The keys that are stale at `clock`, and since when.

        With `idle` nothing comes from anybody, so nobody has to have been passed over.
        """
        known = np.flatnonzero(state.rows[:keys] > 0)
        limit = self._stale_limit(self.intervals(state, known), state.stale_after[known])
        missed = state.total - state.heard[known] - 1
        stale = clock - state.last[known] > limit
        stale &= idle | _passed_over(missed, state.rows[known], state.total)
        return known[stale], state.last[known[stale]] + limit[stale].astype(np.int64)

    def silence(self, state: HealthState, key: int, since: int) -> Trouble:
        """What the silence is of a key that is stale since then."""
        last = int(state.last[key])
        usual = float(self.intervals(state, np.array([key]))[0])
        return Trouble(usual, float(since - last), last)

    def intervals(self, state: HealthState, key: IntArray) -> FloatArray:
        """Mean time between the rows of each key in nanoseconds, NaN while not known."""
        rows = state.rows[key]
        known = rows >= _REGULAR
        interval = np.full(len(key), np.nan)
        interval[known] = (state.last[key] - state.first[key])[known] / (rows[known] - 1)
        return interval

    def status(self, state: HealthState, clock: int, keys: int) -> list[Status]:
        """What each of the first `keys` series is at `clock`."""
        key = np.arange(keys)
        stale = set(self.silent(state, clock, keys, idle=True)[0].tolist())
        late = clock - state.last[key] > 3 * self.intervals(state, key)
        stuck = self._is_stuck(state.run[key], state.longest[key], state.changes[key])
        outside = (state.value[key] < state.low[key]) | (state.value[key] > state.high[key])
        found: list[Status] = []
        for which in range(keys):
            checks: tuple[tuple[bool, Status], ...] = (
                (bool(state.rows[which] == 0), "new"),
                (which in stale, "stale"),
                (bool(stuck[which].any()), "stuck"),
                (bool(outside[which].any()), "out_of_range"),
                (bool(state.unscored[which] > self.blind_rows), "blind"),
                (bool(state.scored[which] == 0), "warming"),
                (bool(late[which]), "late"),
            )
            found.append(next((name for holds, name in checks if holds), "live"))
        return found

    def _stale_limit(self, interval: FloatArray, own: IntArray) -> FloatArray:
        """Nanoseconds of silence that make a row's series stale; infinite for never."""
        if self.stale_after_ns is None:
            usual = self.stale_intervals * interval
            limit = np.where(np.isnan(usual), np.inf, usual)
        else:
            limit = np.full(len(interval), float(self.stale_after_ns or np.inf))
        return np.where(own > 0, own, limit)

    def _channels(
        self, state: HealthState, rows: Groups, times: IntArray, values: FloatArray
    ) -> tuple[BoolArray, BoolArray, Troubles, Troubles]:
        """Which rows have a stuck channel, which one out of range, and why; rows in key order."""
        wide = (-1, *[1] * (values.ndim - 1))
        number = np.arange(len(values)).reshape(wide)
        begin = rows.start[rows.place].reshape(wide)
        present = ~np.isnan(values)
        filled_at = np.maximum.accumulate(np.where(present, number, -1), axis=0)
        before_at = np.concatenate((np.full_like(filled_at[:1], -1), filled_at[:-1]))
        earlier = np.take_along_axis(values, np.maximum(before_at, 0), axis=0)
        before = np.where(before_at >= begin, earlier, state.value[rows.keys][rows.place])
        changed = present & (values != before)
        run = run_lengths(~changed, rows, state.run[rows.keys])
        carried = state.run[rows.keys][rows.place]
        run_before = np.where(number == begin, carried, np.concatenate((run[:1], run[:-1])))
        real_change = changed & ~np.isnan(before)
        ended = np.where(real_change, run_before, 0)
        ended = np.maximum(
            ended, np.where(number == begin, state.longest[rows.keys][rows.place], 0)
        )
        lift = rows.place.reshape(wide) * np.int64(1 << 40)
        longest = np.maximum.accumulate(ended + lift, axis=0) - lift
        changes = _running(real_change, rows) + state.changes[rows.keys][rows.place]
        low, high = state.low[rows.keys][rows.place], state.high[rows.keys][rows.place]
        newest = rows.start + rows.count - 1
        state.run[rows.keys], state.longest[rows.keys] = run[newest], longest[newest]
        state.changes[rows.keys] = changes[newest]
        last_value = np.take_along_axis(values, np.maximum(filled_at, 0), axis=0)
        kept = np.where(filled_at >= begin, last_value, state.value[rows.keys][rows.place])
        state.value[rows.keys] = kept[newest]
        stuck = self._is_stuck(run, longest, changes).reshape(len(values), -1)
        outside = ((values < low) | (values > high)).reshape(len(values), -1)
        clocks = _Clocks(rows, times, number - run, filled_at, state.changed, state.filled)
        why = _why_stuck(stuck, values, run, clocks), _why_outside(outside, values, low, high)
        state.changed[rows.keys], state.filled[rows.keys] = clocks.newest()
        flags = np.asarray(stuck.any(axis=1)), np.asarray(outside.any(axis=1))
        return *flags, *why

    def _is_stuck(self, run: IntArray, longest: IntArray, changes: IntArray) -> BoolArray:
        if self.stuck_rows is None:
            return (changes >= _LIVELY) & (run > np.maximum(_STUCK_ROWS, _STUCK_RUNS * longest))
        return (run >= self.stuck_rows) & (self.stuck_rows > 0)


@dataclass(frozen=True, slots=True)
class _Clocks:
    """When channels of rows, in key order, last changed and last had a value.

    `changed_at` and `filled_at` (N, *item) are the places of those rows; where they come before
    the block, the times are the keys' own, `changed` and `filled` (K, *item).
    """

    rows: Groups
    times: IntArray
    changed_at: IntArray
    filled_at: IntArray
    changed: IntArray
    filled: IntArray

    def newest(self) -> tuple[IntArray, IntArray]:
        """Both times at the newest row of each key (G, *item)."""
        newest, keys = self.rows.start + self.rows.count - 1, self.rows.keys
        begin = self.rows.start.reshape(-1, *[1] * (self.changed_at.ndim - 1))
        parts = (self.changed_at, self.changed), (self.filled_at, self.filled)
        changed, filled = (self._times(at[newest], begin, known[keys]) for at, known in parts)
        return changed, filled

    def of(self, row: IntArray, channel: IntArray, missing: BoolArray) -> IntArray:
        """Since when channels of some rows are what they are, a value or missing."""
        begin, key = self.rows.start[self.rows.place[row]], self.rows.keys[self.rows.place[row]]
        changed, filled = (
            self._times(_flat(at)[row, channel], begin, _flat(known)[key, channel])
            for at, known in ((self.changed_at, self.changed), (self.filled_at, self.filled))
        )
        return np.where(missing, filled, changed)

    def _times(self, at: IntArray, begin: IntArray, known: IntArray) -> IntArray:
        return np.where(at >= begin, self.times[np.maximum(at, 0)], known)


def _why_stuck(stuck: BoolArray, values: FloatArray, run: IntArray, clocks: _Clocks) -> Troubles:
    """Of each row its first stuck channel: the value, for how many rows, and since when."""
    why = Troubles.none(len(values))
    row = np.flatnonzero(stuck.any(axis=1))
    if row.size:
        channel = stuck[row].argmax(axis=1)
        value = _flat(values)[row, channel]
        since = clocks.of(row, channel, np.isnan(value))
        why.put(row, channel, value, _flat(run)[row, channel] + 1, since)
    return why


def _why_outside(
    outside: BoolArray, values: FloatArray, low: FloatArray, high: FloatArray
) -> Troubles:
    """Of each row its first channel that is out of range: the value, and the limit it passed."""
    why = Troubles.none(len(values))
    row = np.flatnonzero(outside.any(axis=1))
    if row.size:
        channel = outside[row].argmax(axis=1)
        value, floor, top = (_flat(part)[row, channel] for part in (values, low, high))
        why.put(row, channel, value, np.where(value > top, top, floor))
    return why


def _flat(values: Any) -> Any:
    return values.reshape(len(values), -1)


def _passed_over(missed: IntArray, count: IntArray, number: IntArray | int) -> BoolArray:
    """Whether a series has missed several of its usual turns among the partition's rows.

    `missed` rows of others have come since its last, `count` of the `number` rows were its own.
    One series whose clock runs ahead thus makes no other look silent.
    """
    return np.asarray(missed * count > _TURNS * number)


def _running(flags: BoolArray, rows: Groups) -> IntArray:
    """How many rows of its key up to each row have the flag; rows and flags in key order."""
    total = np.cumsum(flags, axis=0, dtype=np.int64)
    before: IntArray = total[rows.start] - flags[rows.start]
    return total - before[rows.place]
