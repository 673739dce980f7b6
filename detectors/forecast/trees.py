"""How far each row lies from what boosted trees expect after the rows before it."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from tocsin.detectors.forecast.attribution import Attribution, attributed, learned
from tocsin.detectors.forecast.boosted import Growth, Sample
from tocsin.detectors.forecast.heads import Head, expected, fitted, surprises
from tocsin.detectors.forecast.lags import Layout, anchors, covariates_at, own_past
from tocsin.detectors.remembered import Remembered
from tocsin.detectors.rows import channels, need
from tocsin.detectors.scaling import Scale, plain_scale, scaled
from tocsin.detectors.trained import Trained, TrainingState, training_windows
from tocsin.detectors.windows.residuals import offline
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.types import Band, Batch, FloatArray, IntArray, Scores, Spec, Traits

_LONGEST = 4096  # rows back that a lag may reach

_ATTRIBUTIONS = Remembered(64)


class TreeModel(NamedTuple):
    """Where the channels lie, which are judged, and a head for each of them and each horizon."""

    scale: Scale
    judged: IntArray  # (J,)
    heads: tuple[tuple[Head, ...], ...]  # by horizon, then by judged channel


@dataclass(frozen=True, slots=True)
class TreeForecast(Trained[TreeModel]):
    """How badly gradient-boosted trees, learned from clean rows, forecast the newest row.

    Each channel is forecast on its own, over each of `horizons` rows: from its values at `lags`
    (1 is the last row known then) and the mean, deviation, least and largest value of the last
    `widths` rows; with `joint`, from all channels' last known values too. Channels at the indices
    `covariates` explain and are never judged; with `given`, forecasts read them at
    `covariate_lags` (0 is the newest row). A horizon of 0 forecasts from the covariates alone.
    With `moving`, a channel is read relative to its mean over the rows that a forecast reads, which
    follows drifts and excuses new levels. A channel's period, if known, belongs in `lags`; the time
    of day is not known here, so a calendar comes as covariate channels.

    The rounds, at most `rounds`, are those with the least loss on `folds` stretches of the training
    rows, each foretold by trees grown on the others; the misses there have a median and a median
    deviation, and a miss of the newest row is told in these. With `quantiles`, the trees foretell
    the 10, 50 and 90 % quantiles, and a miss is measured in the width of that row's band first. The
    score is the largest of the channels' root mean squares over the horizons: an ordinary row is
    near 1. `blame` is each channel's root mean square at the newest row.

    A channel has an opinion where its newest value is there and half of its values in the window;
    missing lags and covariates are read as missing.

    Finds spikes, jumps, and breaks of rhythms and of rules that are not linear. Over one row, a
    fault that lasts soon foretells itself; a long horizon, and covariates alone, do not excuse it.
    Misses slow drifts and, in the trees' nature, growth beyond the training range: there every
    row is strange, unless `moving`.

    Cost a row: O(horizons C rounds depth). Training: (folds + 1) forests a channel and horizon,
    about 0.2 s each for 1,000 rows and 100 rounds on one core. Memory a key: 8 x `memory` x C
    bytes, and 60 bytes a node of the trees. Shift and scale leave the scores alone. Trees are the
    same to the bit on one version of XGBoost.

    References: Chen and Guestrin, XGBoost, 2016, doi:10.1145/2939672.2939785; Gómez and others, on
    the telemetry of Euclid, 2024, arXiv:2411.05596.

    >>> scorer = TreeForecast(lags=(1, 2, 3), widths=(), horizons=(1,), rounds=40)
    >>> wave = np.sin(np.arange(400) / 3) + np.random.default_rng(0).normal(0, 0.05, 400)
    >>> model = scorer.model(wave[:, None])
    >>> windows = np.stack([wave[100:104], wave[100:104] + [0, 0, 0, 1]])[:, :, None]
    >>> bool(scorer.measure(model, windows)[0][1] > 5)
    True
    """

    lags: tuple[int, ...] = (1, 2, 3, 6, 12, 24)
    widths: tuple[int, ...] = (6, 24)
    horizons: tuple[int, ...] = (1, 12)
    covariates: tuple[int, ...] = ()
    covariate_lags: tuple[int, ...] = (0,)
    given: bool = True
    joint: bool = False
    moving: bool = False
    quantiles: bool = False
    folds: int = 3
    rounds: int = 100
    depth: int = 4
    rate: float = 0.1

    traits: ClassVar[Traits] = Traits(detects=frozenset({"spike"}))

    def check(self) -> None:
        for name, least in (("lags", 1), ("widths", 2), ("covariate_lags", 0), ("horizons", 0)):
            rows = getattr(self, name)
            if any(not least <= row <= _LONGEST for row in rows) or len(set(rows)) < len(rows):
                raise ConfigError(f"{name} must be different, {least} to {_LONGEST}; found {rows}")
        for name in ("lags", "covariate_lags", "horizons"):
            need(bool(getattr(self, name)), name, "one or more numbers of rows", 0)
        places = self.covariates
        if any(place < 0 for place in places) or len(set(places)) < len(places):
            raise ConfigError(f"covariates must be different, 0 or more; found {places}")
        if 0 in self.horizons and not self.covariates:
            raise ConfigError("a horizon of 0 needs covariates")
        need(2 <= self.folds <= 20, "folds", "2 to 20", self.folds)
        _ = self.growth
        super(TreeForecast, self).check()

    @property
    def growth(self) -> Growth:
        """How the trees are grown."""
        return Growth(rounds=self.rounds, depth=self.depth, rate=self.rate)

    @property
    def layout(self) -> Layout:
        """Which rows a forecast reads."""
        return Layout(self.lags, self.widths, self.covariate_lags if self.covariates else (0,))

    @property
    def frames(self) -> int:
        return max(self.layout.frames(horizon) for horizon in self.horizons)

    def start(self, spec: Spec) -> TrainingState:
        width = channels(spec)
        if any(place >= width for place in self.covariates):
            raise ConfigError(f"covariates must be below {width}; found {self.covariates}")
        if len(self.covariates) >= width:
            raise ConfigError(f"all {width} channels are covariates; one must be left to judge")
        return super(TreeForecast, self).start(spec)

    def model(self, rows: FloatArray) -> TreeModel:
        scale = plain_scale(rows)
        windows = scaled(training_windows(rows, self.frames), scale)
        judged = np.setdiff1d(np.arange(rows.shape[1]), np.array(self.covariates, dtype=np.int64))
        heads = tuple(
            tuple(
                fitted(sample, self.growth, self.folds, quantiles=self.quantiles)
                for sample in self._samples(windows, judged, horizon)
            )
            for horizon in self.horizons
        )
        return TreeModel(scale, judged, heads)

    def measure(self, model: TreeModel, windows: FloatArray) -> tuple[FloatArray, FloatArray]:
        value, blame = np.full(len(windows), np.nan), np.zeros(windows.shape)
        strange = self.residuals(model, windows)  # (B, H, J)
        total = np.zeros((len(windows), len(model.judged)))
        for step in range(strange.shape[1]):
            total += strange[:, step] ** 2
        apart = np.sqrt(total / strange.shape[1])
        known = ~np.isnan(apart)
        some = known.any(axis=1)
        apart = np.where(known, apart, 0.0)
        value[some] = apart[some].max(axis=1)
        blame[:, -1, model.judged] = apart
        return value, blame

    def residuals(self, model: TreeModel, windows: FloatArray) -> FloatArray:
        """What each horizon missed of each judged channel's newest value, in usual misses.

        (B, H, J), with sign; NaN where there is no opinion.
        """
        found = np.empty((len(windows), len(self.horizons), len(model.judged)))
        mine = windows[:, :, model.judged]
        there = np.logical_not(np.isnan(mine))
        ready = there[:, -1] & (2 * there.sum(axis=1) >= windows.shape[1])  # (B, J)
        within = scaled(windows, model.scale)
        for step, (horizon, heads) in enumerate(zip(self.horizons, model.heads, strict=True)):
            samples = self._samples(within, model.judged, horizon)
            for j, (head, sample) in enumerate(zip(heads, samples, strict=True)):
                found[:, step, j] = surprises(head, sample)
        return np.where(ready[:, None, :], found, np.nan)

    def band(self, model: TreeModel, windows: FloatArray) -> Band:
        """What the first horizon expects of the newest row; NaN for channels never judged."""
        middle = np.full((len(windows), windows.shape[2]), np.nan)
        usual = middle.copy()
        horizon, within = self.horizons[0], scaled(windows, model.scale)
        samples = self._samples(within, model.judged, horizon)
        anchor = self._anchors(within, horizon)
        for c, head, sample in zip(model.judged.tolist(), model.heads[0], samples, strict=True):
            centre, spread = model.scale.centre[c], model.scale.spread[c]
            told, off = expected(head, sample.features)
            middle[:, c] = centre + spread * (anchor[:, c] + told)
            usual[:, c] = spread * off
        return Band(middle, usual)

    def attribute(self, state: TrainingState, batch: Batch) -> FloatArray | None:
        """Each covariate's share (B, C) in what raised the rows' scores; None without covariates.

        By the SHAP values of a second forest, from the covariates at `covariate_lags` to the score.
        It is learned from the training rows when it is first asked for, each half of them scored
        by a model of the other, in up to 2.5 times as long as the training took, a series. Shares
        are 0 where the covariates tell nothing of the score (see
        `tocsin.detectors.forecast.attribution`), and for series in training.
        """
        if not self.covariates:
            return None
        windows, outside = self._windows(state, batch), np.array(self.covariates)
        found = np.zeros((len(batch), windows.shape[2]))
        for key in np.unique(batch.key[state.mark[batch.key] != 0]).tolist():
            mine = np.flatnonzero(batch.key == key)
            forest = self._attribution_of(state, key)
            if forest is not None:
                shares = attributed(forest, windows[mine][:, :, outside])
                found[np.ix_(mine, outside)] = shares
        return found

    def offline(self, spec: Spec, history: FloatArray, series: FloatArray) -> Scores:
        return offline(self, spec, history, series)

    def _attribution_of(self, state: TrainingState, key: int) -> Attribution | None:
        name = (self, state.rows.shape[2], int(state.mark[key]))
        rows = state.rows[key, : state.used[key]].copy()
        room = len(state.mark)
        found: Attribution | None = _ATTRIBUTIONS.get(name, lambda: self._attribution(rows), room)
        return found

    def _attribution(self, rows: FloatArray) -> Attribution | None:
        """The second forest of training rows (N, C); None where half of them have no window."""
        halves = np.array_split(rows, 2)
        windows = [training_windows(half, self.frames) for half in halves]
        if not all(len(each) for each in windows):
            return None
        # A model of the rows themselves has learned the extremes of the covariates by heart.
        scores = [
            self.measure(self.model(other), mine)[0]
            for mine, other in zip(windows, reversed(halves), strict=True)
        ]
        outside = np.concatenate(windows)[:, :, np.array(self.covariates)]
        return learned(outside, np.concatenate(scores), self.covariate_lags)

    def _samples(self, windows: FloatArray, judged: IntArray, horizon: int) -> list[Sample]:
        """For each judged channel what a forecast of the newest row reads, and the row's value."""
        outside = np.array(self.covariates, dtype=np.int64)
        beside = [np.empty((len(windows), 0))]
        if outside.size and (self.given or not horizon):
            beside.append(covariates_at(windows[:, :, outside], self.layout))
        mine = windows[:, :, judged]
        if not horizon:
            read = np.concatenate(beside, axis=1)
            return [Sample(read, mine[:, -1, j]) for j in range(len(judged))]
        if self.joint:
            beside.append(mine[:, -1 - horizon])
        mine = mine - self._anchors(mine, horizon)[:, None]
        past = own_past(mine, self.layout, horizon)
        return [
            Sample(np.concatenate((past[:, j], *beside), axis=1), mine[:, -1, j])
            for j in range(len(judged))
        ]

    def _anchors(self, windows: FloatArray, horizon: int) -> FloatArray:
        if not self.moving or not horizon:
            return np.zeros((len(windows), windows.shape[2]))
        return anchors(windows, self.layout, horizon)
