"""How many incidents a week a threshold will open, reckoned from history before it is set."""

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from tocsin.pipeline.durations import parse_duration
from tocsin.pipeline.errors import TocsinError
from tocsin.pipeline.events import ANOMALY, CALM, Episodes, Evidence, Naming
from tocsin.pipeline.incidents import Incident
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.types import FloatArray, IntArray

_WEEK = parse_duration("1w")
_REGULAR = 10  # rows of a key before the time between them is known, as for the live pipeline
_ENOUGH = 10  # incidents; fewer say too little of a rate
_WIDER = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)  # times the alarm level
_CHUNK = 4096  # rows whose level is asked for at once
_NINETY = 1.645  # standard deviations either side that hold 90 %
_WIDEST = 0.02  # level; above it alarms run into each other


class Level(Protocol):
    """What is asked of a threshold here; every stage of `tocsin.pipeline.threshold` is one."""

    def start(self) -> Any:
        """The state before any incident."""
        ...

    def alpha(self, state: Any, key: IntArray, time: IntArray, interval: FloatArray) -> FloatArray:
        """The alarm level of each row."""
        ...

    def opened(self, state: Any, key: int, time: int) -> None:
        """An incident has opened."""
        ...


@dataclass(frozen=True, slots=True)
class History:
    """Judged rows: `key` (N,), `time` (N,) in nanoseconds and `tail` (N,), each key in time order.

    Take rows without known faults; a tail of NaN is no opinion.
    """

    key: IntArray
    time: IntArray
    tail: FloatArray

    def __post_init__(self) -> None:
        if not len(self.key) == len(self.time) == len(self.tail):
            raise TocsinError(
                f"wanted a key, a time and a tail for each row; found {len(self.key)}, "
                f"{len(self.time)} and {len(self.tail)}"
            )


@dataclass(frozen=True, slots=True)
class Forecast:
    """Incidents a week of one series, the mean over all of them, with a 90 % interval.

    `incidents` were opened in `weeks` of history (the series' lengths together) at `wider` times
    the alarm level: 1 where that was enough of them to go by.
    """

    a_week: float
    low: float
    high: float
    incidents: int
    weeks: float
    wider: float
    series: int

    def under(self, budget: float) -> "Forecast":
        """The forecast for a threshold whose budget is `budget` a week for each series.

        History is often too short to show a rare incident, and calm for a few days is not calm for
        ever. So each series is first taken to use its budget up on average (an exponential prior
        of its rate, with that mean), and the history weighs against that by its length.

        >>> Forecast(0.0, 0.0, 23.4, incidents=0, weeks=0.5, wider=1.0, series=1).under(2.0).a_week
        1.0
        """
        count = self.incidents / self.wider + self.series
        weeks = self.weeks + self.series / budget
        low, high = (_gamma_quantile(count, z) / weeks for z in (-_NINETY, _NINETY))
        return replace(self, a_week=count / weeks, low=low, high=high)


def settled(history: History, rows: int) -> History:
    """A history without the first `rows` opinions of each series, at most the half of them.

    A tail that rests on few scores cannot be small: rows that could not have alarmed would make a
    rate look lower than it will be.
    """
    tail = history.tail.copy()
    for key in np.unique(history.key):
        mine = np.flatnonzero((history.key == key) & ~np.isnan(tail))
        tail[mine[: min(rows, len(mine) // 2)]] = np.nan
    return History(history.key, history.time, tail)


def expected_incidents(history: History, threshold: Level, episodes: Episodes) -> Forecast:
    """The incidents a week that a threshold will open on rows like those of a history.

    The history is judged with the threshold and the rules for episodes as a live run would judge
    it. Where that opens fewer than ten incidents the level is widened by 2, 4, … 32 until it opens
    ten, and the count divided by as much: rates of rare alarms go with the level. The interval is
    that of a Poisson count and knows nothing of how the future may differ. A history with no tail
    at all is a TocsinError. Cost: a pass over the rows for each width, and a step for each row of
    an incident.

    >>> from tocsin.pipeline.threshold import FixedTail
    >>> rng = np.random.default_rng(0)
    >>> rows = 20_000
    >>> time = np.arange(rows) * parse_duration("1m")
    >>> history = History(np.zeros(rows, dtype=np.int64), time, rng.random(rows))
    >>> found = expected_incidents(history, FixedTail(0.001), Episodes(close_rows=1))
    >>> round(found.weeks, 2), found.low < 0.001 * 7 * 1440 < found.high
    (1.98, True)
    """
    lines = _lines(history)
    span = sum(line.span() for line in lines)
    if not span:
        raise TocsinError("the history has no tail: nothing was judged, or all of it was warm-up")
    weeks = span / _WEEK
    count, wider = 0, 1.0
    for factor in _WIDER:
        if factor > 1 and _typical(lines, threshold) * factor > _WIDEST:
            break
        count, wider = sum(_opened(line, threshold, episodes, factor) for line in lines), factor
        if count >= _ENOUGH:
            break
    low, high = _poisson_interval(count)
    scale = 1 / (weeks * wider)
    series = len({int(key) for key in np.unique(history.key)})
    return Forecast(count * scale, low * scale, high * scale, count, weeks, wider, series)


@dataclass(frozen=True, slots=True)
class _Line:
    """One series' rows in time order, with the mean time between them so far."""

    time: IntArray  # (N,)
    tail: FloatArray  # (N,)
    interval: FloatArray  # (N,)

    def span(self) -> int:
        """Nanoseconds from the first row that was judged to the last."""
        known = np.flatnonzero(~np.isnan(self.tail))
        return int(self.time[known[-1]] - self.time[known[0]]) if len(known) else 0


def _lines(history: History) -> list[_Line]:
    lines = []
    for key in np.unique(history.key):
        rows = history.key == key
        time = history.time[rows]
        count = np.arange(len(time))
        interval = np.full(len(time), np.nan)
        late = count >= _REGULAR
        interval[late] = (time[count[late] - 1] - time[0]) / (count[late] - 1)
        lines.append(_Line(time, history.tail[rows], interval))
    return lines


def _typical(lines: list[_Line], threshold: Level) -> float:
    """The level that rows are judged at when nothing has opened."""
    levels = [_alpha(threshold, _begun(threshold), line, slice(-1, None)) for line in lines]
    known = np.concatenate(levels)
    known = known[~np.isnan(known)]
    return float(np.median(known)) if known.size else 0.0


def _begun(threshold: Level) -> Any:
    state = threshold.start()
    grow(state, 1)
    return state


def _alpha(threshold: Level, state: Any, line: _Line, rows: slice) -> FloatArray:
    time = line.time[rows]
    key = np.zeros(len(time), dtype=np.int64)
    return threshold.alpha(state, key, time, line.interval[rows])


def _opened(line: _Line, threshold: Level, episodes: Episodes, wider: float) -> int:
    """Incidents that one series opens at `wider` times the level; wider ones cost nothing."""
    if wider == 1 and hasattr(threshold, "observe"):
        return _opened_row_by_row(line, threshold, episodes)
    state, open_ = _begun(threshold), _Open(episodes)
    first, count = 0, 0
    while first < len(line.time):
        alpha = _alpha(threshold, state, line, slice(first, first + _CHUNK)) * wider
        begin = 0
        if open_.calm:
            alarms = line.tail[first : first + _CHUNK] < alpha
            begin = int(alarms.argmax()) if alarms.any() else len(alpha)
        taken, when = open_.through(line, first + begin, alpha[begin:])
        if when is not None:
            count += 1
            if wider == 1:
                threshold.opened(state, 0, when)
        first += begin + taken
    return count


def _opened_row_by_row(line: _Line, threshold: Any, episodes: Episodes) -> int:
    state, open_, count = _begun(threshold), _Open(episodes), 0
    key = np.zeros(1, dtype=np.int64)
    for row in range(len(line.time)):
        here = slice(row, row + 1)
        alpha = float(_alpha(threshold, state, line, here)[0])
        if open_.step(int(line.time[row]), float(line.tail[row]), alpha):
            threshold.opened(state, 0, int(line.time[row]))
            count += 1
        threshold.observe(state, key, line.time[here], line.tail[here])
    return count


class _Open:
    """One series' incident, by the rules of the live pipeline."""

    _names = Naming(["series"], (), "")

    def __init__(self, episodes: Episodes) -> None:
        self._episodes = episodes
        self._state = episodes.start((1,))
        grow(self._state, 1)
        self._key = np.zeros(1, dtype=np.int64)

    @property
    def calm(self) -> bool:
        """Whether there is no incident, nor one pending."""
        return bool(self._state.phase[0, ANOMALY] == CALM)

    def through(self, line: _Line, first: int, alpha: FloatArray) -> tuple[int, int | None]:
        """Take rows from `first` on up to an opening or a calm one.

        Gives how many were taken, and the time of the opening, to which a threshold may answer.
        """
        for taken, level in enumerate(alpha.tolist(), start=1):
            when = int(line.time[first + taken - 1])
            if self.step(when, float(line.tail[first + taken - 1]), level):
                return taken, when
            if self.calm:
                return taken, None
        return len(alpha), None

    def step(self, time: int, tail: float, alpha: float) -> bool:
        """Take a row in; gives whether an incident opens that was not open before."""
        level = self._episodes.level(self._state, self._key, np.array([alpha]))[0]
        made: tuple[Incident, ...] = ()
        if tail < level:
            why = Evidence(score=np.nan, tail=tail, alpha=float(level))
            made = tuple(self._episodes.alarm(self._state, (0, ANOMALY), time, why, self._names))
        elif not np.isnan(tail) and not self.calm:
            made = tuple(self._episodes.calm(self._state, (0, ANOMALY), time, self._names))
        return any(each.state == "open" and each.revision == 1 for each in made)


def _poisson_interval(count: int) -> tuple[float, float]:
    """90 % interval of a Poisson mean."""
    low = _gamma_quantile(count, -_NINETY) if count else 0.0
    return low, _gamma_quantile(count + 1, _NINETY)


def _gamma_quantile(shape: float, z: float) -> float:
    """As likely below for a Gamma(shape, 1) as z for a normal (Wilson and Hilferty's cube root)."""
    return float(shape * max(0.0, 1 - 1 / (9 * shape) + z / (3 * np.sqrt(shape))) ** 3)
