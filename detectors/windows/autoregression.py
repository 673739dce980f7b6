"""How far each row lies from what a linear autoregression expects after the rows before it."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from tocsin.detectors.rows import need
from tocsin.detectors.scaling import Scale
from tocsin.detectors.trained import Trained
from tocsin.detectors.windows.prepared import in_spreads, judged, learnt
from tocsin.detectors.windows.residuals import offline, ordinary, residuals
from tocsin.pipeline.types import FloatArray, Scores, Spec, Traits


class AutoregressionModel(NamedTuple):
    """Where the channels lie, what predicts them, and how large an ordinary residual of each is."""

    scale: Scale
    weights: FloatArray  # (lags, C, C), oldest lag first: from channel, to channel
    usual: FloatArray  # (C,)


@dataclass(frozen=True, slots=True)
class AutoregressionResidual(Trained[AutoregressionModel | None]):
    """How badly a linear autoregression, learned from clean rows, predicts the newest row.

    Each channel, in its training standard deviations, is predicted by ridge regression on its last
    `lags` rows; with `joint`, on those of all channels (a vector autoregression). The residual of
    each channel is over its root mean square on the training rows, and the score is the root mean
    square over the channels: 1 is ordinary. `ridge` is added to the mean square of each lag.

    Gaps hold the last value, and a missing newest value counts as predicted; a window without a
    value in its newest row, or in half of its rows, has no opinion. `blame` is each channel's
    residual at the newest row.

    Finds spikes, jumps, bursts and breaks of a learned rhythm. Misses what goes wrong slowly, and
    levels that last: the rows before predict them.

    Offline, a row has the mean score of the windows that cover it, with the series read forwards
    and backwards: what is unforeseen from either side counts.

    Cost a row: O(lags C**2). Memory a key: 8 x `memory` x C bytes, and 8 x `lags` C**2 of the
    model. Shift and scale leave the scores alone.

    References: Hoerl and Kennard, Ridge regression, 1970, doi:10.1080/00401706.1970.10488634;
    Lütkepohl, New introduction to multiple time series analysis, 2005, ISBN 978-3-540-40172-8.

    >>> scorer = AutoregressionResidual(lags=4)
    >>> wave = np.sin(np.arange(400) / 3) + np.random.default_rng(0).normal(0, 0.05, 400)
    >>> model = scorer.model(wave[:, None])
    >>> windows = np.stack([wave[100:105], wave[100:105] + [0, 0, 0, 0, 1]])[:, :, None]
    >>> scorer.measure(model, windows)[0].round(1).tolist()
    [1.4, 14.7]
    """

    lags: int = 16
    joint: bool = False
    ridge: float = 1e-3

    traits: ClassVar[Traits] = Traits(detects=frozenset({"spike", "variance_burst"}))

    def check(self) -> None:
        super(AutoregressionResidual, self).check()
        need(self.lags >= 1, "lags", "1 or more", self.lags)
        need(0 < self.ridge < np.inf, "ridge", "above 0", self.ridge)

    @property
    def frames(self) -> int:
        return self.lags + 1

    def model(self, rows: FloatArray) -> AutoregressionModel | None:
        scale, windows = learnt(rows, self.frames)
        if not len(windows):
            return None
        weights = _joint(windows, self.ridge) if self.joint else _alone(windows, self.ridge)
        return AutoregressionModel(scale, weights, ordinary(residuals(windows, weights)))

    def measure(
        self, model: AutoregressionModel | None, windows: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        value, blame = np.full(len(windows), np.nan), np.zeros(windows.shape)
        ready = judged(windows)
        if model is None or not ready.size:
            return value, blame
        points = in_spreads(windows[ready], model.scale)
        apart = np.abs(residuals(points, model.weights)) / model.usual
        apart[np.isnan(windows[ready, -1])] = 0.0
        value[ready] = np.sqrt((apart**2).mean(axis=1))
        blame[ready, -1] = apart
        return value, blame

    def offline(self, spec: Spec, history: FloatArray, series: FloatArray) -> Scores:
        return offline(self, spec, history, series)


def _joint(windows: FloatArray, ridge: float) -> FloatArray:
    """Weights (lags, C, C) of every channel's lags for every channel."""
    rows, frames, width = windows.shape
    past = windows[:, :-1].reshape(rows, -1)
    return _ridge(past, windows[:, -1], ridge).reshape(frames - 1, width, width)


def _alone(windows: FloatArray, ridge: float) -> FloatArray:
    """Weights (lags, C, C) of every channel's lags for itself."""
    weights = np.zeros((windows.shape[1] - 1, windows.shape[2], windows.shape[2]))
    for c in range(windows.shape[2]):
        weights[:, c, c] = _ridge(windows[:, :-1, c], windows[:, -1, c], ridge)
    return weights


def _ridge(past: FloatArray, after: FloatArray, ridge: float) -> FloatArray:
    """Weights that predict `after` from `past` (B, D); any number of outputs."""
    square = past.T @ past / len(past) + ridge * np.eye(past.shape[1])
    return np.asarray(np.linalg.solve(square, past.T @ after / len(past)), dtype=np.float64)
