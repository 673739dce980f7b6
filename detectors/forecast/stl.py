"""What a decomposition into trend and season leaves over: STL, with a causal form for streams."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from statsmodels.nonparametric.smoothers_lowess import lowess
from statsmodels.tsa.seasonal import STL

from tocsin.detectors.forecast.innovations import FEWEST, Forecaster, Form, bridged
from tocsin.detectors.forecast.period import period_of
from tocsin.detectors.rows import channels, need, tidied
from tocsin.detectors.scaling import plain_scale, scaled
from tocsin.pipeline.types import FloatArray, Scores, Spec, Traits

_WITHOUT = 50  # rows of a cycle, where there is none: how wide the trend then is
_NORMAL = 0.6745  # median size of a normal deviate
_LEAST = 1e-3  # spreads of the channel; an ordinary remainder counts as no smaller


@dataclass(frozen=True, slots=True)
class StlResidual(Forecaster):
    """How far a value lies from its level and its place in the season, as STL finds them.

    STL takes the training rows apart into trend, season and remainder, each smoothed by local
    regression over `cycles` cycles, with little weight for outliers. In a stream the season is the
    last cycle of training and stays; the level is an exponential mean of what the season leaves, of
    `half_life` rows, 0 for one period (50 rows where there is none). The score is the largest over
    the channels of the size of what both leave over the root mean square of that in training: 1 is
    ordinary. `blame` is each channel's part at the newest row. `period`, `train`, `limit`: see
    `Forecaster`.

    Offline, the series itself is taken apart, from both sides of each row; the score is the size of
    its remainder over the usual one, which is that of the history where there is one, and is NaN
    in a missing row. Without a period, a local line takes the place of the trend.

    Finds values that are odd for their place in the cycle, spikes, jumps while they are new, and a
    cycle that stops. Misses a season that has changed for good, which stays strange until it is
    trained anew, what goes wrong slowly, and broken correlation.

    Missing values are steps without news; gaps in the training rows are bridged by straight lines.
    A channel with under 20 training values has no opinion.

    Cost a row: about 20 C operations. Memory a key: 8 (`train` (C + 1) + C (m + 20)) bytes, where m
    is `period`, or a third of `train`. Training and the offline form take about a second a channel
    for 1,000 rows. Shift and scale leave the scores alone.

    References: Cleveland, Cleveland, McRae and Terpenning, STL: a seasonal-trend decomposition
    procedure based on loess, 1990, Journal of Official Statistics 6, 3-73; Cleveland, Robust
    locally weighted regression, 1979, doi:10.1080/01621459.1979.10481038.

    >>> wave = np.tile([0.0, 1.0, 2.0, 1.0], 20) + np.random.default_rng(0).normal(0, 0.1, 80)
    >>> wave[50] += 3.0
    >>> found = StlResidual(train=80).offline(Spec((1,)), np.empty((0, 1)), wave[:, None])
    >>> int(found.value.argmax())
    50
    """

    cycles: int = 7
    half_life: float = 0.0

    traits: ClassVar[Traits] = Traits(detects=frozenset({"spike"}))

    def check(self) -> None:
        super(StlResidual, self).check()
        need(self.cycles >= 3 and self.cycles % 2 == 1, "cycles", "odd, 3 or more", self.cycles)
        need(0 <= self.half_life < math.inf, "half_life", "0 or more rows", self.half_life)

    @property
    def size(self) -> int:
        return 1

    def form(self, series: FloatArray, period: int) -> Form:
        trend, season = parts(bridged(series), period, self.cycles)
        half_life = self.half_life or (period if period > 1 else _WITHOUT)
        one = np.ones(1)
        last = len(series) - period  # the cycle that is kept, turned to the first row's place
        kept = np.roll(season[last:], last % period)
        return Form(
            np.ones((1, 1)), one, one * (1 - 2 ** (-1 / half_life)), trend[:1].copy(), kept, 0.0
        )

    def offline(self, spec: Spec, history: FloatArray, series: FloatArray) -> Scores:
        """Scores (N,) of a whole series (N, C) by the remainder of its own decomposition."""
        width = channels(spec)
        past, rows = tidied(history if len(history) else series), tidied(series)
        scale = plain_scale(past)
        past, rows = scaled(past, scale), scaled(rows, scale)
        blame = np.full((len(rows), width), np.nan)
        for c in range(width):
            if min((~np.isnan(past[:, c])).sum(), (~np.isnan(rows[:, c])).sum()) < FEWEST:
                continue
            period = self.period or period_of(past[:, c], len(past) // 3)
            left = self.remainder(rows[:, c], period)
            usual = self.remainder(past[:, c], period) if len(history) else left
            size = max(float(np.nanmedian(np.abs(usual))) / _NORMAL, _LEAST)
            blame[:, c] = np.abs(left) / size
        known = ~np.isnan(blame)
        value = np.where(known.any(axis=1), np.where(known, blame, 0.0).max(axis=1), np.nan)
        return Scores(value, np.where(known, blame, 0.0))

    def remainder(self, series: FloatArray, period: int) -> FloatArray:
        """What trend and season leave of a series (N,), from both sides; NaN where missing."""
        trend, season = parts(bridged(series), period, self.cycles)
        return np.asarray(series - trend - season)


def parts(series: FloatArray, period: int, cycles: int) -> tuple[FloatArray, FloatArray]:
    """Trend and season, (N,) each, of a series (N,) without gaps.

    A series of under two periods, or of none, has a season of 0.
    """
    if period < 2 or len(series) < 2 * period:
        time = np.arange(len(series), dtype=np.float64)
        share = min(1.0, _WITHOUT / len(series))
        trend = lowess(series, time, frac=share, return_sorted=False, is_sorted=True)
        return np.asarray(trend, dtype=np.float64), np.zeros(len(series))
    jump = max(1, period // 10)
    found = STL(
        series, period=period, seasonal=cycles, robust=True, trend_jump=jump, low_pass_jump=jump
    ).fit()
    return np.asarray(found.trend), np.asarray(found.seasonal)
