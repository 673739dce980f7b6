"""How far each value lies from what exponential smoothing expects: Holt and Winters' method."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from statsmodels.tsa.exponential_smoothing.ets import ETSModel

from tocsin.detectors.forecast.innovations import Forecaster, Form, bridged
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.types import FloatArray, Traits

Trend = Literal["none", "additive", "damped"]


@dataclass(frozen=True, slots=True)
class Smoothing(Forecaster):
    """The residual of exponential smoothing with a level, a `trend` and a season.

    The smoothing weights of each channel maximise the likelihood of its training rows, as
    statsmodels finds them; level, trend and season then go on with every row learned. The score is
    the largest over the channels of the residual's size, over the root mean square of those in
    training; for a forecast over several steps that quotient's unit grows as the method says. 1 is
    ordinary. `blame` is each channel's part at the newest row. `period`, `train`, `limit`: see
    `Forecaster`.

    Finds spikes, jumps, and values that are odd for their place in the cycle. Misses what goes
    wrong slowly, levels that last, which the method learns, and broken correlation: each channel is
    forecast alone.

    Missing values are steps without news; gaps in the training rows are bridged by straight lines.
    A channel with under 20 training values has no opinion.

    Cost a row: about 30 C operations. Memory a key: 8 (`train` (C + 1) + C (m + 20)) bytes, where m
    is `period`, or a third of `train`. Training takes about 50 ms a channel for 1,000 rows. Shift
    and scale leave the scores alone.

    References: Winters, Forecasting sales by exponentially weighted moving averages, 1960,
    doi:10.1287/mnsc.6.3.324; Hyndman, Koehler, Ord and Snyder, Forecasting with exponential
    smoothing, 2008, doi:10.1007/978-3-540-71918-2; the limit on what is learned is that of Gelper,
    Fried and Croux, Robust forecasting with exponential and Holt-Winters smoothing, 2010,
    doi:10.1002/for.1125.

    >>> scorer = Smoothing(train=80, trend="none")
    >>> wave = np.tile([0.0, 1.0, 2.0, 1.0], 20) + np.random.default_rng(0).normal(0, 0.1, 80)
    >>> form = scorer.form(wave, period=4)
    >>> abs(scorer.residuals(form, wave)[40:]).max() < 0.4
    np.True_
    """

    trend: Trend = "none"

    traits: ClassVar[Traits] = Traits(detects=frozenset({"spike"}))

    def check(self) -> None:
        super(Smoothing, self).check()
        if self.trend not in get_args(Trend):
            raise ConfigError(f"trend must be none, additive or damped; found {self.trend!r}")

    @property
    def size(self) -> int:
        return 1 if self.trend == "none" else 2

    def form(self, series: FloatArray, period: int) -> Form:
        trends = self.trend != "none"
        model = ETSModel(
            bridged(series),
            error="add",
            trend="add" if trends else None,
            damped_trend=self.trend == "damped",
            seasonal="add" if period > 1 else None,
            seasonal_periods=period if period > 1 else None,
            initialization_method="heuristic",
        )
        found: Any = model.fit(disp=False)
        damping = float(found.damping_trend) if self.trend == "damped" else 1.0
        season = np.zeros(1)
        if period > 1:
            season = np.asarray(found.initial_seasonal, dtype=np.float64)
        if not trends:
            form = _level(float(found.smoothing_level), float(found.initial_level))
        else:
            form = Form(
                np.array([[1.0, damping], [0.0, damping]]),
                np.array([1.0, damping]),
                np.array([found.smoothing_level, found.smoothing_trend], dtype=np.float64),
                np.array([found.initial_level, found.initial_trend], dtype=np.float64),
                season,
                0.0,
            )
        gain = float(found.smoothing_seasonal) if period > 1 else 0.0
        return form._replace(season=season, season_gain=gain)


def _level(gain: float, level: float) -> Form:
    one = np.ones(1)
    return Form(np.ones((1, 1)), one, gain * one, level * one, np.zeros(1), 0.0)
