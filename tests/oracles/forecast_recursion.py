"""Slow, obvious versions of recursive forecasts, one value at a time."""

from typing import Any

import numpy as np

from tocsin.detectors.forecast.innovations import Form
from tocsin.pipeline.types import FloatArray


def residuals(form: Form, series: FloatArray) -> FloatArray:
    """One-step residuals (N,) of a series, NaN where missing."""
    hidden, season = form.hidden.copy(), form.season.copy()
    found = np.full(len(series), np.nan)
    for t, value in enumerate(series):
        forecast = form.output @ hidden + season[t % len(season)]
        error = 0.0 if np.isnan(value) else value - forecast
        found[t] = value - forecast
        hidden = form.transition @ hidden + form.gain * error
        season[t % len(season)] += form.season_gain * error
    return found


def variances(form: Form, steps: int) -> FloatArray:
    """Variance (steps,) of forecasts 1, 2, … steps ahead, over that of one, by drawing the shocks.

    The weight of a shock in a value that comes k steps later is what one unit of it does there.
    """
    weights = [1.0]
    hidden, season = form.gain.copy(), np.zeros(len(form.season))
    season[0] += form.season_gain
    for k in range(1, steps):
        weights.append(float(form.output @ hidden + season[k % len(season)]))
        hidden = form.transition @ hidden
    return np.cumsum(np.square(weights))


def scores(state: Any, key: int, frame: FloatArray, steps: int) -> FloatArray:
    """The size of each channel's residual over its deviation, so many steps on; NaN is none."""
    found = np.full(len(frame), np.nan)
    for c, raw in enumerate(frame):
        m = int(state.period[key, c])
        form = Form(
            state.transition[key, c],
            state.output[key, c],
            state.gain[key, c],
            state.hidden[key, c],
            state.season[key, c, :m],
            float(state.season_gain[key, c]),
        )
        hidden = form.hidden
        for _ in range(steps - 1):
            hidden = form.transition @ hidden
        forecast = form.output @ hidden + form.season[(state.place[key] + steps - 1) % m]
        value = (raw - state.centre[key, c]) / state.spread[key, c]
        growth = variances(form, int(state.ahead[key, c]) + steps)[-1]
        found[c] = abs(value - forecast) / (state.usual[key, c] * np.sqrt(growth))
    return found
