"""How far each value lies from what a model of unobserved components, or ARIMA, expects."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from statsmodels.tsa.statespace.sarimax import SARIMAX
from statsmodels.tsa.statespace.structural import UnobservedComponents

from tocsin.detectors.forecast.innovations import Forecaster, Form
from tocsin.detectors.rows import need
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.types import FloatArray, Traits

_STEPS = 30  # of the search for the likeliest parameters, at most


@dataclass(frozen=True, slots=True)
class StateSpace(Forecaster):
    """The residual of a Kalman filter over a level, a season and an autoregression.

    The level is a random walk, with a random slope where `slope`; the season is of `harmonics`
    waves of the period, each free to change; `lags` is the order of the autoregression, 0 for none.
    With `order`, (p, d, q), the model is ARIMA of that order instead, without a season. The
    likeliest parameters of each channel's training rows are found by statsmodels; the filter then
    goes on with its final gain at every row learned. The score is the largest over the channels of
    the residual's size, over the root mean square of those in training; for a forecast over several
    steps that quotient's unit grows as the model says. 1 is ordinary. `blame` is each channel's
    part at the newest row. `period`, `train`, `limit`: see `Forecaster`.

    Finds spikes, jumps, and values that are odd for their place in a smooth cycle. Misses what goes
    wrong slowly, levels that last, cycles with corners, which few waves do not describe, and broken
    correlation: each channel is forecast alone.

    Missing values are steps without news, in training as well. A channel with under 20 training
    values has no opinion.

    Cost a row: about 2 n**2 C operations, where n is 1 to 2 for the level, 2 `harmonics` and
    `lags`. Memory a key: 8 (`train` (C + 1) + C (n**2 + 3 n + 20)) bytes. Training takes about a
    second a channel for 1,000 rows. Shift and scale leave the scores alone.

    References: Harvey, Forecasting, structural time series models and the Kalman filter, 1989,
    doi:10.1017/CBO9781107049994; Durbin and Koopman, Time series analysis by state space methods,
    2012, doi:10.1093/acprof:oso/9780199641178.001.0001.

    >>> scorer = StateSpace(train=60, lags=0)
    >>> walk = np.cumsum(np.random.default_rng(0).normal(size=60))
    >>> form = scorer.form(walk, period=1)
    >>> float(form.gain[0].round(1))  # a random walk is its last value
    1.0
    """

    harmonics: int = 3
    lags: int = 1
    slope: bool = False
    order: tuple[int, ...] = ()

    traits: ClassVar[Traits] = Traits(detects=frozenset({"spike"}))

    def check(self) -> None:
        super(StateSpace, self).check()
        need(self.harmonics >= 1, "harmonics", "1 or more", self.harmonics)
        need(self.lags >= 0, "lags", "0 or more", self.lags)
        if self.order and (len(self.order) != 3 or min(self.order) < 0):
            raise ConfigError(f"order must be (p, d, q), none below 0; found {self.order}")

    @property
    def places(self) -> int:
        return 1  # waves are hidden numbers

    @property
    def size(self) -> int:
        if self.order:
            p, d, q = self.order
            return d + max(p, q + 1)
        return 1 + self.slope + 2 * self.harmonics + self.lags

    def form(self, series: FloatArray, period: int) -> Form:
        found = self.fitted(series, period)
        filtered = found.filter_results
        last = int(np.flatnonzero(~np.isnan(series))[-1])  # a missing value has no gain
        return Form(
            np.array(filtered.transition[:, :, 0]),
            np.array(filtered.design[0, :, 0]),
            np.array(filtered.kalman_gain[:, 0, last]),
            np.array(found.smoother_results.smoothed_state[:, 0]),
            np.zeros(1),
            0.0,
        )

    def fitted(self, series: FloatArray, period: int, steps: int = _STEPS) -> Any:
        """The likeliest model of statsmodels for a series (N,), found in at most `steps` steps."""
        model = self._model(series, period)
        return model.fit(
            _begin(model.param_names),
            disp=False,
            maxiter=steps,
            warn_convergence=False,
            cov_type="none",
        )

    def _model(self, series: FloatArray, period: int) -> Any:
        if self.order:
            return SARIMAX(series, order=self.order)
        waves = min(self.harmonics, period // 2)
        level: Any = "local linear trend" if self.slope else "local level"
        return UnobservedComponents(
            series,
            level=level,
            freq_seasonal=[{"period": period, "harmonics": waves}] if waves else None,
            autoregressive=self.lags or None,
        )


def _begin(names: list[str]) -> FloatArray:
    """Where the search begins: variances for a series in spreads, and weak dependence."""
    return np.array(
        [0.1 if name.startswith("sigma2") or name.endswith("L1") else 0.0 for name in names]
    )
