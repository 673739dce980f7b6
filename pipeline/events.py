"""Alarms to incidents: opening, merging, revising and resolving, for scores and health alike."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tocsin.pipeline.blame import largest, led_by, place_name, reading_of, region, shares
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.incidents import Incident, Kind, Level, Reading, State, incident_id
from tocsin.pipeline.keyed import per_key
from tocsin.pipeline.order import NEVER
from tocsin.pipeline.troubles import Course, Trouble, in_words
from tocsin.pipeline.types import Band, BoolArray, ByteArray, FloatArray, IntArray

LANES: tuple[Kind, ...] = (
    "anomaly",
    "stale",
    "stuck",
    "out_of_range",
    "blind",
    "detector_failed",
    "uncalibrated",
)
ANOMALY, STALE, STUCK, OUT_OF_RANGE, BLIND, FAILED, UNCALIBRATED = range(len(LANES))

CALM, PENDING, OPEN = 0, 1, 2
NO_CHANNEL, UNSEEING = -1, -2  # no channel is in trouble; the detector is, by a self-test

_LEVELS: tuple[Level, ...] = ("info", "warning", "error", "critical")
_TROUBLES = slice(STALE, OUT_OF_RANGE + 1)  # lanes in which numbers tell what the trouble is
_ACCEPTED = "accepted as the new normal"
_ASKS = "is this the new normal?"

_NO_BAND = Band(np.full((1, 1), np.nan), np.full((1, 1), np.nan))


@dataclass(frozen=True, slots=True)
class Naming:
    """What incidents are named by: series by key, channels, and the id of the chain's settings."""

    series: Sequence[str]
    channels: tuple[str, ...]
    rule: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why a row alarms: its score, tail and alarm level, and the blame of its channels (*item).

    `reach` is by how many orders of magnitude the score lies beyond the smallest with its tail, 0
    where the tail still tells scores apart. Of a row that is the strangest so far, `frame` (C,) are
    its values, `band` (1, C) is what was expected of them and `covariates` (1, C) are the channels'
    shares, as covariates, in what raised the score. In a lane of health, `channel` is the one in
    trouble, counted through the item, or NO_CHANNEL, and `trouble` says what it is.
    """

    score: float = math.nan
    tail: float = math.nan
    alpha: float = math.nan
    blame: FloatArray | None = None
    channel: int = NO_CHANNEL
    reach: float = 0.0
    frame: FloatArray | None = None
    band: Band | None = None
    covariates: FloatArray | None = None
    trouble: Trouble | None = None


@dataclass(slots=True)
class EpisodesState:
    """Each key's incident in each lane; a lane is a kind of incident, in the order of `LANES`."""

    phase: ByteArray = per_key(CALM)  # (K, L)
    start: IntArray = per_key(NEVER)  # (K, L) first alarm of the incident
    opened: IntArray = per_key(NEVER)  # (K, L)
    last: IntArray = per_key(NEVER)  # (K, L) newest alarm
    ended: IntArray = per_key(NEVER)  # (K, L) when the incident before was over
    before: IntArray = per_key(NEVER)  # (K, L) when the incident before had started
    revision: IntArray = per_key(0)  # (K, L)
    rows: IntArray = per_key(0)  # (K, L) alarming rows
    quiet: IntArray = per_key(0)  # (K, L) rows without an alarm since the last
    level: ByteArray = per_key(0)  # (K, L)
    channel: IntArray = per_key(NO_CHANNEL)  # (K, L) in trouble at the first alarm
    trouble: FloatArray = per_key(np.nan)  # (K, 3, 2) value and measure in the lanes of `_TROUBLES`
    since: IntArray = per_key(NEVER)  # (K, 3) of those troubles
    score: FloatArray = per_key(np.nan)  # (K,) raw score at the peak
    tail: FloatArray = per_key(np.nan)  # (K,) smallest tail
    alpha: FloatArray = per_key(np.nan)  # (K,) level in force when the first alarm came
    reach: FloatArray = per_key(0.0)  # (K,) of the score at the peak beyond the calibration scores
    peak: IntArray = per_key(NEVER)  # (K,) time of the smallest tail
    blame: FloatArray = per_key(0.0)  # (K, *item) summed shares of the alarming rows
    value: FloatArray = per_key(np.nan)  # (K, C) at the peak; of frames nothing is kept
    expected: FloatArray = per_key(np.nan)  # (K, C) of those values, by the scorer
    usual: FloatArray = per_key(np.nan)  # (K, C) by how much it usually misses
    covariates: FloatArray = per_key(0.0)  # (K, C) shares at the peak
    asked: BoolArray = per_key(fill=False)  # (K,)


@dataclass(frozen=True, slots=True)
class Episodes:
    """When alarms become an incident and when it is over.

    An anomaly opens when its alarms span `open_after_ns` (0: at the first), alarms further than
    `merge_gap_ns` apart not counting as one span. It resolves after `close_rows` rows in a row
    without an alarm, `close_after_ns` past the last alarm; a row with no opinion changes nothing.
    Alarms that begin within `merge_gap_ns` of the end reopen it under the same id. Health lanes
    open at once and resolve likewise. The level says how far the smallest tail lies
    under the alarm level: warning, error at a tenth, critical at a hundredth; a rise revises an
    open incident.

    An anomaly is judged at no lower level than its first alarm was, and once open at `close_factor`
    times that (hysteresis): rows between the two levels open nothing, but keep it open.
    """

    open_after_ns: int = 0
    close_after_ns: int = 0
    merge_gap_ns: int = 0
    close_rows: int = 5
    close_factor: float = 1.0

    def __post_init__(self) -> None:
        if min(self.open_after_ns, self.close_after_ns, self.merge_gap_ns) < 0:
            raise ConfigError(f"open_after, close_after and merge_gap are 0 or more; found {self}")
        if self.close_rows < 1:
            raise ConfigError(f"close_rows is 1 or more; found {self.close_rows}")
        if not self.close_factor >= 1:
            raise ConfigError(f"close_factor is 1 or more; found {self.close_factor}")

    def start(self, item: tuple[int, ...]) -> EpisodesState:
        """The state before any row."""
        lanes = np.empty((0, len(LANES)), dtype=np.int64)
        one, small = np.empty(0), lanes.astype(np.int8)
        whens = np.empty(0, dtype=np.int64)
        channels = np.empty((0, item[0] if len(item) == 1 else 0))
        return EpisodesState(
            phase=small,
            start=lanes,
            opened=lanes,
            last=lanes,
            ended=lanes,
            before=lanes,
            revision=lanes,
            rows=lanes,
            quiet=lanes,
            level=small,
            channel=lanes,
            trouble=np.empty((0, 3, 2)),
            since=lanes[:, _TROUBLES],
            score=one,
            tail=one,
            alpha=one,
            reach=one,
            peak=whens,
            blame=np.empty((0, *item)),
            value=channels,
            expected=channels,
            usual=channels,
            covariates=channels,
            asked=np.empty(0, dtype=bool),
        )

    def level(self, state: EpisodesState, key: IntArray, alpha: FloatArray) -> FloatArray:
        """The alarm level in force for rows (N,), whose own would be `alpha` (N,)."""
        phase = state.phase[key, ANOMALY]
        kept = np.fmax(alpha, state.alpha[key])
        level = np.where(phase == CALM, alpha, kept)
        if self.close_factor != 1:
            level = np.where(phase == OPEN, np.fmin(kept * self.close_factor, 1.0), level)
        return level

    def is_peak(self, state: EpisodesState, key: int, time: int, tail: float, score: float) -> bool:
        """Whether an alarm is the strangest of its incident so far."""
        phase, last = state.phase[key, ANOMALY], state.last[key, ANOMALY]
        if phase == CALM or (phase == PENDING and time - last > self.merge_gap_ns):
            return True
        least = state.tail[key]
        return bool(tail < least or (tail == least and score > state.score[key]))

    def alarm(
        self, state: EpisodesState, at: tuple[int, int], time: int, why: Evidence, names: Naming
    ) -> Iterator[Incident]:
        """A row alarms in a lane; `at` is (key, lane)."""
        if state.phase[at] == PENDING and time - state.last[at] > self.merge_gap_ns:
            state.phase[at] = CALM  # a pending incident that never opens
        if state.phase[at] == CALM:
            self._begin(state, at, time, why)
        state.last[at] = time
        state.rows[at] += 1
        state.quiet[at] = 0
        level = self._note(state, at, time, why)
        waited = time - state.start[at] >= self.open_after_ns or at[1] != ANOMALY
        if state.phase[at] == PENDING and waited:
            yield self._open(state, at, time, level, names)
        elif state.phase[at] == OPEN and level > state.level[at]:
            state.level[at] = level
            yield self._incident(state, at, "revised", names)

    def calm(
        self, state: EpisodesState, at: tuple[int, int], time: int, names: Naming
    ) -> Iterator[Incident]:
        """A row does not alarm in a lane."""
        if state.phase[at] == CALM:
            return
        state.quiet[at] += 1
        since = time - state.last[at]
        if state.phase[at] == PENDING and since > self.merge_gap_ns:
            state.phase[at] = CALM  # a pending incident that never opens
            return
        over = state.quiet[at] >= self.close_rows and since >= self.close_after_ns
        if state.phase[at] == OPEN and over:
            yield self.resolve(state, at, int(state.last[at]), names)

    def resolve(
        self, state: EpisodesState, at: tuple[int, int], ended: int, names: Naming
    ) -> Incident:
        """An open incident is over."""
        state.ended[at] = ended
        state.before[at] = state.start[at]
        incident = self._incident(state, at, "resolved", names)
        state.phase[at] = CALM
        return incident

    def accept(self, state: EpisodesState, key: int, names: Naming) -> Iterator[Incident]:
        """What a series shows is normal now: its anomaly is over, and does not reopen."""
        at = (key, ANOMALY)
        if state.phase[at] == OPEN:
            incident = self.resolve(state, at, int(state.last[at]), names)
            yield replace(incident, reason=f"{incident.reason}; {_ACCEPTED}")
        state.phase[at], state.ended[at] = CALM, NEVER

    def ask(self, state: EpisodesState, key: int, names: Naming) -> Iterator[Incident]:
        """Learning has been frozen for as long as it may be: ask what is to become of it."""
        if state.phase[key, ANOMALY] == OPEN and not state.asked[key]:
            state.asked[key] = True
            yield self._incident(state, (key, ANOMALY), "revised", names)

    def _begin(self, state: EpisodesState, at: tuple[int, int], time: int, why: Evidence) -> None:
        key, lane = at
        state.phase[at] = PENDING
        state.start[at] = time
        ended = int(state.ended[at])
        reopens = ended != NEVER and time - ended <= self.merge_gap_ns
        if reopens:
            state.start[at] = state.before[at]
            return
        state.revision[at] = state.rows[at] = state.level[at] = 0
        state.channel[at] = why.channel
        if lane == ANOMALY:
            state.tail[key], state.score[key], state.peak[key] = np.inf, np.nan, time
            state.alpha[key], state.blame[key], state.asked[key] = why.alpha, 0.0, False
            state.reach[key] = 0.0
            state.value[key] = state.expected[key] = state.usual[key] = np.nan
            state.covariates[key] = 0.0
        elif lane <= OUT_OF_RANGE:
            state.trouble[key, lane - STALE], state.since[key, lane - STALE] = np.nan, NEVER

    def _note(self, state: EpisodesState, at: tuple[int, int], time: int, why: Evidence) -> int:
        """Add a row's evidence to the incident; gives the level it now has."""
        key, lane = at
        if lane != ANOMALY:
            if why.trouble is not None and why.channel == state.channel[at]:
                _keep(state, at, why.trouble)
            return 2 if lane == FAILED else 1
        if why.tail < state.tail[key] or (
            why.tail == state.tail[key] and why.score > state.score[key]
        ):
            state.tail[key], state.score[key], state.peak[key] = why.tail, why.score, time
            state.reach[key] = why.reach
            if state.value.shape[1]:
                state.value[key] = np.nan if why.frame is None else why.frame
                band = _NO_BAND if why.band is None else why.band
                state.expected[key], state.usual[key] = band.expected[0], band.usual[0]
                state.covariates[key] = 0.0 if why.covariates is None else why.covariates[0]
        if why.blame is not None:
            state.blame[key] += shares(why.blame)
        depth = state.alpha[key] / state.tail[key]
        return max(1 + int(depth >= 10) + int(depth >= 100), int(state.level[at]))

    def _open(
        self, state: EpisodesState, at: tuple[int, int], time: int, level: int, names: Naming
    ) -> Incident:
        state.phase[at] = OPEN
        state.level[at] = level
        if state.revision[at] == 0:
            state.opened[at] = time
        return self._incident(state, at, "open", names)

    def standing(self, state: EpisodesState, names: Naming) -> Iterator[Incident]:
        """Each open incident as it stands, under the number of its last revision."""
        for key, lane in np.argwhere(state.phase == OPEN).tolist():
            yield self._told(state, (key, lane), "revised", names)

    def _incident(
        self, state: EpisodesState, at: tuple[int, int], what: State, names: Naming
    ) -> Incident:
        """The next revision."""
        state.revision[at] += 1
        return self._told(state, at, what, names)

    def _told(
        self, state: EpisodesState, at: tuple[int, int], what: State, names: Naming
    ) -> Incident:
        key, lane = at
        start, series = int(state.start[at]), names.series[key]
        scored, over = lane == ANOMALY, what == "resolved"
        tail = float(state.tail[key]) if scored else math.nan
        channels = self._channels(state, at, names.channels)
        readings = self._readings(state, at, channels, names.channels)
        return Incident(
            id=incident_id(series, LANES[lane], start, names.rule),
            revision=int(state.revision[at]),
            state=what,
            kind=LANES[lane],
            series=series,
            started_at=start,
            opened_at=int(state.opened[at]),
            ended_at=int(state.ended[at]) if over else None,
            peak_at=int(state.peak[key]) if scored else 0,
            score=float(state.score[key]) if scored else math.nan,
            tail=tail,
            alpha=float(state.alpha[key]) if scored else math.nan,
            severity=float(state.reach[key]) - math.log10(tail) if scored else 0.0,
            level=_LEVELS[int(state.level[at])],
            rows=int(state.rows[at]),
            channels=channels,
            readings=readings,
            covariates=largest(state.covariates[key], names.channels) if scored else (),
            reason=_reason(state, at, channels, readings, over=over),
            asks=_ASKS if scored and state.asked[key] and not over else "",
            rule=names.rule,
        )

    def _channels(
        self, state: EpisodesState, at: tuple[int, int], channels: tuple[str, ...]
    ) -> tuple[tuple[str, float], ...]:
        """The most blamed channels, or the part of a frame, with their share."""
        blame = state.blame[at[0]]
        if at[1] != ANOMALY:
            place = int(state.channel[at])
            return () if place < 0 else ((place_name(place, blame.shape, channels), 1.0),)
        if not channels:
            return (region(blame),) if blame.sum() > 0 else ()
        return largest(blame.ravel(), channels)

    def _readings(
        self,
        state: EpisodesState,
        at: tuple[int, int],
        blamed: tuple[tuple[str, float], ...],
        channels: tuple[str, ...],
    ) -> tuple[Reading, ...]:
        """Of each blamed channel its value at the peak, what was expected, and the usual miss."""
        if at[1] in (STUCK, OUT_OF_RANGE) and blamed:
            unknown = np.float64(np.nan)
            return (reading_of(state.trouble[at[0], at[1] - STALE, 0], unknown, unknown),)
        if at[1] != ANOMALY or not channels:
            return ()
        value, expected, usual = state.value[at[0]], state.expected[at[0]], state.usual[at[0]]
        places = [channels.index(name) for name, _ in blamed]
        return tuple(reading_of(value[i], expected[i], usual[i]) for i in places)


def _keep(state: EpisodesState, at: tuple[int, int], why: Trouble) -> None:
    """Note what a trouble is; of values out of range, the farthest out."""
    place = at[0], at[1] - STALE
    value, measure = state.trouble[place]
    if at[1] != OUT_OF_RANGE or not abs(why.value - why.measure) <= abs(value - measure):
        state.trouble[place], state.since[place] = (why.value, why.measure), why.since


def _reason(
    state: EpisodesState,
    at: tuple[int, int],
    channels: tuple[tuple[str, float], ...],
    readings: tuple[Reading, ...],
    *,
    over: bool,
) -> str:
    """What was seen, and for how long."""
    key, lane = at
    start, last, ended = (int(part[at]) for part in (state.start, state.last, state.ended))
    course = Course(int(state.rows[at]), start, last, ended if over else None)
    if lane == ANOMALY:
        led = led_by(channels, readings)
        return f"tail {state.tail[key]:.2g} under {state.alpha[key]:.2g}, {course}{led}"
    which = channels[0][0] if channels else "a channel"
    if lane <= OUT_OF_RANGE:
        place = key, lane - STALE
        value, measure = state.trouble[place].tolist()
        return in_words(
            LANES[lane], which, course, Trouble(value, measure, int(state.since[place]))
        )
    if state.channel[at] == UNSEEING:
        return f"the detector did not see faults that a self-test planted, {course}"
    return in_words(LANES[lane], which, course)
