"""The compiled loops of recursive forecasters: forecast, score and learn rows of many series."""

from typing import NamedTuple

import numpy as np

from tocsin.detectors.compiled import compiled
from tocsin.detectors.scaling import FARTHEST, MOVED
from tocsin.pipeline.types import FloatArray, IntArray

_ROUNDING = 1e-12  # times the centre: a flat channel that is off by less has not moved
_MOST_STEPS = 1 << 30  # from a row to the next; a longer gap counts as one of these
_SURE_STEPS = 512  # after which a forecast is taken to be no less certain


class Recursion(NamedTuple):
    """The arrays of a state that the loops read and write; shapes as in `ForecastState`."""

    step: IntArray
    last: IntArray
    place: IntArray
    ahead: IntArray
    centre: FloatArray
    spread: FloatArray
    usual: FloatArray
    transition: FloatArray
    output: FloatArray
    gain: FloatArray
    hidden: FloatArray
    season: FloatArray
    period: IntArray
    season_gain: FloatArray
    limit: float


class Clocked(NamedTuple):
    """Rows to read, and their scores to write: `value` (B,) and `blame` (B, C)."""

    key: IntArray  # (B,)
    time: IntArray  # (B,) ns
    frame: FloatArray  # (B, C), NaN where missing
    value: FloatArray
    blame: FloatArray


class Single(NamedTuple):
    """One channel's numbers: `hidden` and `season` change as it is run."""

    transition: FloatArray  # (n, n)
    output: FloatArray  # (n,)
    gain: FloatArray  # (n,)
    hidden: FloatArray  # (n,)
    season: FloatArray  # (m,)
    season_gain: float


@compiled
def walk(model: Recursion, rows: Clocked, chosen: IntArray, scores: bool, learns: bool) -> None:  # noqa: FBT001 - a kernel
    """Score and learn the chosen rows of trained series, in order."""
    hidden = np.empty(model.hidden.shape[2])
    for place in range(len(chosen)):
        row = int(chosen[place])
        key = rows.key[row]
        steps = _steps(int(model.step[key]), int(rows.time[row] - model.last[key]))
        for c in range(rows.frame.shape[1]):
            if np.isnan(model.usual[key, c]):
                continue
            one = _channel(model, key, c)
            _roll(one.transition, one.hidden, steps - 1, hidden)
            now = (model.place[key] + steps - 1) % model.period[key, c]
            forecast = _forecast(one, hidden, now)
            value = _in_spreads(rows.frame[row, c], model.centre[key, c], model.spread[key, c])
            missed = model.ahead[key, c] + steps
            deviation = model.usual[key, c] * _growth(one, model.period[key, c], missed)
            if scores and not np.isnan(value):
                size = abs(value - forecast) / deviation
                rows.blame[row, c] = size
                if not size <= rows.value[row]:
                    rows.value[row] = size
            if learns:
                most = model.limit * deviation
                error = 0.0 if np.isnan(value) else min(max(value - forecast, -most), most)
                _learn(one, hidden, now, error)
                unseen = min(missed, _MOST_STEPS) if np.isnan(value) else 0
                model.ahead[key, c] = unseen
        if learns:
            model.last[key] = rows.time[row]
            model.place[key] += steps


@compiled
def foretell(
    model: Recursion, rows: Clocked, chosen: IntArray, middle: FloatArray, usual: FloatArray
) -> None:
    """Write what is forecast of the chosen rows of trained series, and the forecast's deviation.

    `middle` and `usual` (B, C) are in the channels' units; those without a forecaster stay.
    """
    hidden = np.empty(model.hidden.shape[2])
    for place in range(len(chosen)):
        row = int(chosen[place])
        key = rows.key[row]
        steps = _steps(int(model.step[key]), int(rows.time[row] - model.last[key]))
        for c in range(rows.frame.shape[1]):
            if np.isnan(model.usual[key, c]):
                continue
            one = _channel(model, key, c)
            period, spread = model.period[key, c], model.spread[key, c]
            _roll(one.transition, one.hidden, steps - 1, hidden)
            forecast = _forecast(one, hidden, (model.place[key] + steps - 1) % period)
            grown = _growth(one, period, model.ahead[key, c] + steps)
            middle[row, c] = model.centre[key, c] + spread * forecast
            usual[row, c] = spread * model.usual[key, c] * grown


@compiled
def run(one: Single, series: FloatArray) -> FloatArray:
    """One-step residuals (N,) of a series, NaN where missing; changes what is hidden in `one`."""
    residual = np.full(len(series), np.nan)
    hidden = np.empty(len(one.hidden))
    for t in range(len(series)):
        now = t % len(one.season)
        hidden[:] = one.hidden
        residual[t] = series[t] - _forecast(one, hidden, now)
        _learn(one, hidden, now, 0.0 if np.isnan(residual[t]) else residual[t])
    return residual


@compiled
def _channel(model: Recursion, key: int, c: int) -> Single:
    return Single(
        model.transition[key, c],
        model.output[key, c],
        model.gain[key, c],
        model.hidden[key, c],
        model.season[key, c],
        model.season_gain[key, c],
    )


@compiled
def _steps(step: int, passed: int) -> int:
    """Steps of the clock in `passed` nanoseconds: at least one, and one where there is no step."""
    if step <= 0 or passed <= step:
        return 1
    return min((passed + step // 2) // step, _MOST_STEPS)


@compiled
def _forecast(one: Single, hidden: FloatArray, now: int) -> float:
    total = float(one.season[now])
    for i in range(len(hidden)):
        total += one.output[i] * hidden[i]
    return total


@compiled
def _learn(one: Single, hidden: FloatArray, now: int, error: float) -> None:
    """One step on from `hidden`, with the error of the forecast; NaN in `error` is not allowed."""
    for i in range(len(hidden)):
        total = one.gain[i] * error
        for j in range(len(hidden)):
            total += one.transition[i, j] * hidden[j]
        one.hidden[i] = total
    one.season[now] += one.season_gain * error


@compiled
def _roll(transition: FloatArray, hidden: FloatArray, steps: int, rolled: FloatArray) -> None:
    """What `hidden` becomes in so many steps without values, by repeated squaring."""
    rolled[:] = hidden
    if steps == 0:
        return
    power, other = transition.copy(), np.empty(transition.shape)
    moved = np.empty(len(hidden))
    while steps:
        if steps & 1:
            _times(power, rolled, moved)
            for i in range(len(hidden)):
                rolled[i] = moved[i]
        steps >>= 1
        if steps:
            _square(power, other)
            power, other = other, power


@compiled
def _times(matrix: FloatArray, vector: FloatArray, product: FloatArray) -> None:
    """Matrix times vector, in a fixed order; BLAS may choose its own."""
    for i in range(len(vector)):
        product[i] = 0.0
        for j in range(len(vector)):
            product[i] += matrix[i, j] * vector[j]


@compiled
def _square(matrix: FloatArray, product: FloatArray) -> None:
    for i in range(len(matrix)):
        for j in range(len(matrix)):
            product[i, j] = 0.0
            for k in range(len(matrix)):
                product[i, j] += matrix[i, k] * matrix[k, j]


@compiled
def _growth(one: Single, period: int, steps: int) -> float:
    """Deviation of a forecast so many steps ahead, over that of one step."""
    if steps <= 1:
        return 1.0
    size = len(one.hidden)
    reads, moved, total = one.output.copy(), np.empty(size), 1.0
    for step in range(1, min(steps, _SURE_STEPS)):
        weight = one.season_gain if step % period == 0 else 0.0
        for i in range(size):
            weight += reads[i] * one.gain[i]
        total += weight * weight
        for j in range(size):
            moved[j] = 0.0
            for i in range(size):
                moved[j] += reads[i] * one.transition[i, j]
        reads, moved = moved, reads
    return float(np.sqrt(total))


@compiled
def _in_spreads(value: float, centre: float, spread: float) -> float:
    """As `scaled` of tocsin.detectors.scaling, which a kernel of another file may not call."""
    off = value - centre
    if np.isnan(off):
        return np.nan
    if spread > 0.0:
        return min(max(off / spread, -FARTHEST), FARTHEST)
    if abs(off) <= _ROUNDING * abs(centre):
        return 0.0
    return float(np.copysign(MOVED, off))
