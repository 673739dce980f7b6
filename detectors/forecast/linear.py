"""How far each row lies from a linear forecast that is fitted by a loss of one's choice."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple, get_args

import numpy as np

from tocsin.detectors.forecast.band import in_units, unknown
from tocsin.detectors.forecast.losses import LossName, bowl, loss_of
from tocsin.detectors.rows import need
from tocsin.detectors.scaling import Scale
from tocsin.detectors.trained import Trained
from tocsin.detectors.windows.prepared import in_spreads, judged, learnt
from tocsin.detectors.windows.residuals import offline, ordinary, residuals
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.types import Band, FloatArray, Scores, Spec, Traits

_TURNS = 25  # of reweighting, at most
_STILL = 1e-6  # relative fall of the loss in a turn; with less the fit is over
_NORMAL = 0.6745  # median size of a normal deviate
_LEAST = 1e-3  # spreads of the channel; an ordinary residual counts as no smaller


class LinearModel(NamedTuple):
    """Where the channels lie, what forecasts them, and how large their residuals usually are."""

    scale: Scale
    weights: FloatArray  # (lags, C, C), oldest lag first: from channel, to channel
    level: FloatArray  # (C,)
    usual: FloatArray  # (C,)


class Fit(NamedTuple):
    """Weights (D,) of the features, the first a constant, and the mean loss after each turn."""

    weights: FloatArray
    losses: list[float]


@dataclass(frozen=True, slots=True)
class LinearForecast(Trained[LinearModel | None]):
    """How far each channel lies from a linear forecast by the last `lags` rows of all channels.

    A vector autoregression with a constant, of channels in their training standard deviations;
    without `joint`, each channel by its own past alone. It minimises the mean `loss` of the
    training residuals, "squared", "huber", "log_cosh" or "pinball" with its `quantile`, and
    `ridge` / 2 times the squared weights. The loss is of residuals over a robust deviation of those
    of least squares. Other losses than the squared one let wrong training rows count little; a
    quantile other than one half forecasts high or low on purpose.

    The score is the largest over the channels of the residual's size over the usual one: the root
    mean square in training, or for the other losses a robust deviation. 1 is ordinary. `blame` is
    each channel's part at the newest row. Gaps hold the last value, and a missing newest value
    counts as foreseen; a window without a value in its newest row, or in half of its rows, has no
    opinion.

    Finds spikes, jumps, bursts, breaks of a learned rhythm, and a channel that no longer follows
    what others did before. Misses what goes wrong slowly, and levels that last.

    Offline, a row has the mean score of the windows that cover it, read forwards and backwards.

    Cost a row: O(lags C**2). Training: the same on B windows with D = lags C numbers, up to 25 C
    times O(B D**2 + D**3), once for the squared loss. Memory a key: 8 x `memory` x C bytes, and
    8 x `lags` C**2 of the model. Shift and scale leave the scores alone.

    References: Lütkepohl, New introduction to multiple time series analysis, 2005, ISBN
    978-3-540-40172-8; Holland and Welsch, Robust regression using iteratively reweighted least
    squares, 1977, doi:10.1080/03610927708827533.

    >>> scorer = LinearForecast(lags=4, loss="huber")
    >>> wave = np.sin(np.arange(400) / 3) + np.random.default_rng(0).normal(0, 0.05, 400)
    >>> model = scorer.model(wave[:, None])
    >>> windows = np.stack([wave[100:105], wave[100:105] + [0, 0, 0, 0, 1]])[:, :, None]
    >>> scorer.measure(model, windows)[0].round(0).tolist()
    [1.0, 14.0]
    """

    lags: int = 16
    joint: bool = True
    ridge: float = 1e-3
    loss: LossName = "huber"
    quantile: float = 0.5

    traits: ClassVar[Traits] = Traits(detects=frozenset({"spike", "variance_burst"}))

    def check(self) -> None:
        super(LinearForecast, self).check()
        need(self.lags >= 1, "lags", "1 or more", self.lags)
        need(0 < self.ridge < np.inf, "ridge", "above 0", self.ridge)
        need(0 < self.quantile < 1, "quantile", "between 0 and 1", self.quantile)
        if self.loss not in get_args(LossName):
            names = ", ".join(get_args(LossName))
            raise ConfigError(f"loss must be one of {names}; found {self.loss!r}")

    @property
    def frames(self) -> int:
        return self.lags + 1

    def model(self, rows: FloatArray) -> LinearModel | None:
        scale, windows = learnt(rows, self.frames)
        if not len(windows):
            return None
        width = rows.shape[1]
        weights, level = np.zeros((self.lags, width, width)), np.zeros(width)
        for c in range(width):
            reads = np.arange(width) if self.joint else np.array([c])
            past = windows[:, :-1, reads].reshape(len(windows), -1)
            found = self.fitted(past, windows[:, -1, c]).weights
            level[c] = found[0]
            weights[:, reads, c] = found[1:].reshape(self.lags, -1)
        left = residuals(windows, weights) - level
        return LinearModel(scale, weights, level, self._usual(left))

    def fitted(self, past: FloatArray, after: FloatArray) -> Fit:
        """The weights that forecast `after` (B,) from `past` (B, D), fitted turn by turn."""
        features = np.hstack((np.ones((len(past), 1)), past))
        found = _solved(features, after, np.ones(len(after)), 0.0, self.ridge)
        if self.loss == "squared":
            return Fit(found, [float(loss_of("squared", after - features @ found).value.mean())])
        unit = _deviation((after - features @ found)[:, None])[0]
        losses = [self._mean_loss(features, after, found, unit)]
        for _ in range(_TURNS):
            bend, tilt = bowl(self.loss, (after - features @ found) / unit, self.quantile)
            # In residuals over `unit`, a parabola bends by bend / unit**2 and tilts by tilt / unit.
            ridge = self.ridge * unit**2
            found = _solved(features, after, bend, tilt * unit, ridge)
            losses.append(self._mean_loss(features, after, found, unit))
            if losses[-2] - losses[-1] <= _STILL * losses[-2]:
                break
        return Fit(found, losses)

    def measure(
        self, model: LinearModel | None, windows: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        value, blame = np.full(len(windows), np.nan), np.zeros(windows.shape)
        ready = judged(windows)
        if model is None or not ready.size:
            return value, blame
        left = residuals(in_spreads(windows[ready], model.scale), model.weights) - model.level
        apart = np.abs(left) / model.usual
        apart[np.isnan(windows[ready, -1])] = 0.0
        value[ready] = apart.max(axis=1)
        blame[ready, -1] = apart
        return value, blame

    def band(self, model: LinearModel | None, windows: FloatArray) -> Band:
        """The forecast of the newest row of windows that have an opinion, NaN in the others."""
        ready = judged(windows)
        if model is None or not ready.size:
            return unknown(windows)
        past = in_spreads(windows[ready], model.scale)
        past[:, -1] = 0.0  # so that what is left over is the forecast, with its sign turned
        told = model.level - residuals(past, model.weights)
        usual = np.broadcast_to(model.usual, told.shape)
        return in_units(windows, ready, model.scale, Band(told, usual))

    def offline(self, spec: Spec, history: FloatArray, series: FloatArray) -> Scores:
        return offline(self, spec, history, series)

    def _mean_loss(
        self, features: FloatArray, after: FloatArray, found: FloatArray, unit: float
    ) -> float:
        """What is minimised: the mean loss, and the ridge."""
        left = (after - features @ found) / unit
        ridge = 0.5 * self.ridge * float(found[1:] @ found[1:])
        return float(loss_of(self.loss, left, self.quantile).value.mean()) + ridge

    def _usual(self, left: FloatArray) -> FloatArray:
        return ordinary(left) if self.loss == "squared" else _deviation(left)


def _solved(
    features: FloatArray, after: FloatArray, bend: FloatArray, tilt: float, ridge: float
) -> FloatArray:
    """Weights with the least mean of bend / 2 r**2 + tilt r over the residuals, and ridge."""
    weighed = features * bend[:, None]
    square = features.T @ weighed / len(features)
    # The constant has next to no ridge: none at all could not be solved where a lag is constant.
    square += np.diag(np.concatenate(([1e-12], np.full(features.shape[1] - 1, ridge))))
    wanted = (weighed.T @ after + tilt * features.sum(axis=0)) / len(features)
    return np.asarray(np.linalg.solve(square, wanted), dtype=np.float64)


def _deviation(left: FloatArray) -> FloatArray:
    """A robust deviation (C,) of residuals (B, C), never 0."""
    size = np.median(np.abs(left), axis=0) / _NORMAL
    return np.asarray(np.maximum(size, _LEAST), dtype=np.float64)
