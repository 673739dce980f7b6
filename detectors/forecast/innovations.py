"""What recursive forecasters share: one linear recursion a channel, its state, clock and training.

Exponential smoothing, a steady Kalman filter and a fixed seasonal profile are all of one form. With
z, F and k fixed, x the hidden numbers after the last value and s the season,

    forecast = z.x + s[now],  e = value - forecast,  x <- F x + k e,  s[now] <- s[now] + g e

(Hyndman, Koehler, Ord and Snyder, Forecasting with exponential smoothing, 2008,
doi:10.1007/978-3-540-71918-2, chapter 3). A forecaster says only how the numbers come from rows.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, NamedTuple

import numpy as np

from tocsin.detectors.forecast.period import period_of
from tocsin.detectors.forecast.recursion import Clocked, Recursion, Single, foretell, run, walk
from tocsin.detectors.rows import channels, need, newest
from tocsin.detectors.scaling import plain_scale, scaled
from tocsin.pipeline.keyed import grow, per_key
from tocsin.pipeline.types import Band, Batch, FloatArray, IntArray, Scores, Spec, Traits

FEWEST = 20  # rows that a forecaster is made from

_DECIMALS = 6  # of a spread, in what is fitted: rounding in other units makes no other optimum
_LEAST = 1e-3  # spreads of the channel; an ordinary residual counts as no smaller
_LONGEST_GAP = 64  # steps; of a longer one in the training rows, as many are kept
_FLAT_GAIN = 0.1  # of a channel that never moved
_CYCLES = 3  # of a period that is looked for, in the training rows


class Form(NamedTuple):
    """One channel's recursion: n hidden numbers and m places of the season, where it begins."""

    transition: FloatArray  # (n, n)
    output: FloatArray  # (n,)
    gain: FloatArray  # (n,)
    hidden: FloatArray  # (n,) before the first of the training rows
    season: FloatArray  # (m,), the first row's first
    season_gain: float


@dataclass(slots=True)
class ForecastState:
    """Each key's rows until it is trained, and then the recursion of each of its channels.

    `step` is the nanoseconds from a row to the next, 0 where it is not known. `last` is the time of
    the newest row, `place` the steps since training, `ahead` those since a channel's last value.
    `usual` is NaN for a channel without a forecaster.
    """

    rows: FloatArray = per_key(np.nan)  # (K, train, C)
    time: IntArray = per_key(0)  # (K, train)
    seen: IntArray = per_key(0)  # (K,)
    ready: IntArray = per_key(0)  # (K,)
    step: IntArray = per_key(0)  # (K,)
    last: IntArray = per_key(0)  # (K,)
    place: IntArray = per_key(0)  # (K,)
    ahead: IntArray = per_key(0)  # (K, C)
    centre: FloatArray = per_key(0.0)  # (K, C)
    spread: FloatArray = per_key(0.0)  # (K, C)
    usual: FloatArray = per_key(np.nan)  # (K, C), spreads
    transition: FloatArray = per_key(0.0)  # (K, C, n, n)
    output: FloatArray = per_key(0.0)  # (K, C, n)
    gain: FloatArray = per_key(0.0)  # (K, C, n)
    hidden: FloatArray = per_key(0.0)  # (K, C, n)
    season: FloatArray = per_key(0.0)  # (K, C, m)
    period: IntArray = per_key(1)  # (K, C)
    season_gain: FloatArray = per_key(0.0)  # (K, C)


@dataclass(frozen=True, slots=True)
class Forecaster(ABC):
    """A detector that forecasts each channel by a recursion and scores what was not foreseen.

    A series is trained on its first `train` rows as they come in, or by `fit` on the newest `train`
    rows of a history. Its clock is the time of the rows: the step is the usual one between training
    rows, and rows that were left out, or not learned, are steps without a value, so that the season
    keeps its place and the forecast its proper uncertainty. A clock that stands still or goes back
    counts as one step.

    `period` is in rows, 1 for none; 0 looks for one in each channel's training rows, of at most a
    third of them. A residual beyond `limit` of its deviations is learned as if it were `limit`, so
    that one wild value does not spoil the forecasts after it; inf learns all as they are.
    """

    train: int = 1000
    period: int = 0
    limit: float = 6.0

    traits: ClassVar[Traits] = Traits()
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        self.check()

    def check(self) -> None:
        """Refuse settings that cannot be."""
        need(self.train >= FEWEST, "train", f"{FEWEST} rows or more", self.train)
        fits = 0 <= self.period <= self.train // 2
        need(fits, "period", f"0 to half of train, {self.train // 2}", self.period)
        need(self.limit > 0, "limit", "above 0", self.limit)

    @property
    def warmup(self) -> int:
        return self.train

    @property
    @abstractmethod
    def size(self) -> int:
        """Hidden numbers of a channel, n, at most."""

    @abstractmethod
    def form(self, series: FloatArray, period: int) -> Form:
        """The recursion of training rows (N,) in spreads, NaN where missing; at least 20 known."""

    @property
    def places(self) -> int:
        """Room for the season of a channel, m."""
        return self.period or max(1, self.train // _CYCLES)

    def start(self, spec: Spec) -> ForecastState:
        width, n = channels(spec), self.size
        return ForecastState(
            rows=np.empty((0, self.train, width)),
            time=np.empty((0, self.train), np.int64),
            seen=np.empty(0, np.int64),
            ready=np.empty(0, np.int64),
            step=np.empty(0, np.int64),
            last=np.empty(0, np.int64),
            place=np.empty(0, np.int64),
            ahead=np.empty((0, width), np.int64),
            centre=np.empty((0, width)),
            spread=np.empty((0, width)),
            usual=np.empty((0, width)),
            transition=np.empty((0, width, n, n)),
            output=np.empty((0, width, n)),
            gain=np.empty((0, width, n)),
            hidden=np.empty((0, width, n)),
            season=np.empty((0, width, self.places)),
            period=np.empty((0, width), np.int64),
            season_gain=np.empty((0, width)),
        )

    def score(self, state: ForecastState, batch: Batch) -> Scores:
        return self._play(state, batch, scores=True, learns=False)

    def learn(self, state: ForecastState, batch: Batch) -> None:
        self._play(state, batch, scores=False, learns=True)

    def advance(self, state: ForecastState, batch: Batch) -> Scores:
        return self._play(state, batch, scores=True, learns=True)

    def expects(self, state: ForecastState, batch: Batch) -> Band:
        """What the state expects of the newest rows: value and deviation (B, C), in input units.

        It is told before the rows are learned. NaN for channels without a forecaster; the deviation
        grows with the steps since a channel's last value, as it does in the score.
        """
        rows = newest(batch, len(state.seen), state.rows.shape[2:])
        time = np.array(batch.time, dtype=np.int64)
        middle, usual = (np.full(rows.frame.shape, np.nan) for _ in range(2))
        clocked = Clocked(rows.key, time, rows.frame, rows.value, np.zeros(rows.frame.shape))
        ready = np.flatnonzero(state.ready[rows.key] > 0)
        foretell(_recursion(state, self.limit), clocked, ready, middle, usual)
        return Band(middle, usual)

    def fit(self, spec: Spec, batches: Iterable[Batch]) -> ForecastState:
        """The state trained on the newest `train` rows a series; under 20 it goes on training."""
        state = self.start(spec)
        for batch in batches:
            grow(state, int(batch.key.max(initial=-1)) + 1)
            rows = newest(batch, len(state.seen), state.rows.shape[2:])
            for row, key in enumerate(rows.key.tolist()):
                place = int(state.seen[key]) % self.train  # the newest overwrite the oldest
                state.rows[key, place], state.time[key, place] = rows.frame[row], batch.time[row]
                state.seen[key] += 1
        for key in np.flatnonzero(state.seen).tolist():
            first = int(state.seen[key]) % self.train if state.seen[key] > self.train else 0
            state.rows[key] = np.roll(state.rows[key], -first, axis=0)
            state.time[key] = np.roll(state.time[key], -first)
            state.seen[key] = min(int(state.seen[key]), self.train)
            if state.seen[key] >= FEWEST:
                self._finish(state, key)
        return state

    def residuals(self, form: Form, series: FloatArray) -> FloatArray:
        """One-step residuals (N,) of training rows (N,) in spreads; NaN where missing.

        `form` is left as it is.
        """
        return run(_single(form), series)

    def _play(self, state: ForecastState, batch: Batch, *, scores: bool, learns: bool) -> Scores:
        rows = newest(batch, len(state.seen), state.rows.shape[2:])
        time = np.array(batch.time, dtype=np.int64)
        blame = np.zeros(rows.frame.shape)
        ready = state.ready[rows.key] > 0
        if learns:
            for row in np.flatnonzero(~ready).tolist():
                key = int(rows.key[row])
                ready[row] = state.ready[key] > 0  # it may be since an earlier row
                if not ready[row]:
                    self._keep(state, key, int(time[row]), rows.frame[row])
        clocked = Clocked(rows.key, time, rows.frame, rows.value, blame)
        walk(_recursion(state, self.limit), clocked, np.flatnonzero(ready), scores, learns)
        rows.blame[:, -1] = blame
        return Scores(rows.value, rows.blame)

    def _keep(self, state: ForecastState, key: int, time: int, frame: FloatArray) -> None:
        place = int(state.seen[key])
        state.rows[key, place], state.time[key, place] = frame, time
        state.seen[key] = place + 1
        if state.seen[key] >= self.train:
            self._finish(state, key)

    def _finish(self, state: ForecastState, key: int) -> None:
        """Train the channels of a key on its rows, and let go of the rows."""
        seen = int(state.seen[key])
        step = _usual_step(state.time[key, :seen])
        rows = _on_the_clock(state.rows[key, :seen], state.time[key, :seen], step)
        scale = plain_scale(rows)
        state.centre[key], state.spread[key] = scale.centre, scale.spread
        series = scaled(rows, scale).round(_DECIMALS) + 0.0  # no negative zeros
        for c in range(rows.shape[1]):
            self._take_over(state, key, c, np.ascontiguousarray(series[:, c]))
        state.step[key], state.last[key] = step, state.time[key, seen - 1]
        state.rows[key], state.time[key] = np.nan, 0
        state.ready[key] = 1

    def _take_over(self, state: ForecastState, key: int, c: int, series: FloatArray) -> None:
        if (~np.isnan(series)).sum() < FEWEST:
            return
        form = _form_of(self, series.tobytes())
        one = _single(form)
        usual = _usual(run(one, series), len(form.season))
        n, m = len(form.hidden), len(form.season)
        state.transition[key, c, :n, :n] = form.transition
        state.output[key, c, :n], state.gain[key, c, :n] = form.output, form.gain
        state.hidden[key, c, :n] = one.hidden
        state.season[key, c, :m] = np.roll(one.season, -(len(series) % m))
        state.period[key, c], state.season_gain[key, c] = m, form.season_gain
        state.usual[key, c] = usual
        known = np.flatnonzero(~np.isnan(series))
        state.ahead[key, c] = len(series) - 1 - known[-1]


def steady(gain: float) -> Form:
    """The recursion of a level alone, which moves by `gain` of each error."""
    one = np.ones(1)
    return Form(np.ones((1, 1)), one, gain * one, np.zeros(1), np.zeros(1), 0.0)


def bridged(series: FloatArray) -> FloatArray:
    """A series (N,) with straight lines over its gaps; at least one value must be there.

    >>> bridged(np.array([np.nan, 1.0, np.nan, 3.0])).tolist()
    [1.0, 1.0, 2.0, 3.0]
    """
    there = np.flatnonzero(~np.isnan(series))
    return np.asarray(np.interp(np.arange(len(series)), there, series[there]))


@lru_cache(maxsize=64)
def _form_of(scorer: Forecaster, data: bytes) -> Form:
    """The recursion of a series, and again where the same is asked for, as after a rollback."""
    series = np.frombuffer(data)
    known = series[~np.isnan(series)]
    if np.ptp(known) == 0.0:
        return steady(_FLAT_GAIN)._replace(hidden=known[:1].copy())
    longest = min(len(series), scorer.train) // _CYCLES
    period = scorer.period or period_of(series, longest)
    return scorer.form(series, period if 2 * period <= len(series) else 1)


def _single(form: Form) -> Single:
    return Single(
        np.array(form.transition, dtype=np.float64),
        np.array(form.output, dtype=np.float64),
        np.array(form.gain, dtype=np.float64),
        np.array(form.hidden, dtype=np.float64),
        np.array(form.season, dtype=np.float64),
        float(form.season_gain),
    )


def _recursion(state: ForecastState, limit: float) -> Recursion:
    arrays = {name: getattr(state, name) for name in Recursion._fields if name != "limit"}
    return Recursion(**arrays, limit=limit)


def _usual_step(time: IntArray) -> int:
    """The usual nanoseconds from a row to the next; 0 where the clock stands still."""
    passed = np.diff(time)
    forward = np.sort(passed[passed > 0])
    return int(forward[(len(forward) - 1) // 2]) if forward.size else 0


def _on_the_clock(rows: FloatArray, time: IntArray, step: int) -> FloatArray:
    """Rows (N, C) with rows of NaN for the steps of the clock that have none."""
    if not step:
        return rows.copy()
    steps = np.clip((np.diff(time) + step // 2) // step, 1, _LONGEST_GAP)
    place = np.concatenate(([0], np.cumsum(steps)))
    spaced = np.full((int(place[-1]) + 1, rows.shape[1]), np.nan)
    spaced[place] = rows
    return spaced


def _usual(residual: FloatArray, period: int) -> float:
    """The root mean square of residuals (N,), less those of a first cycle where enough are left."""
    later = residual[max(2, period) :]
    chosen = later if (~np.isnan(later)).sum() >= FEWEST // 2 else residual
    return max(float(np.sqrt(np.nanmean(chosen**2))), _LEAST)
