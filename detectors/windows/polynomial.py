"""How far each row lies from the polynomial through the rows before it."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from tocsin.detectors.rows import need
from tocsin.detectors.scaling import Scale
from tocsin.detectors.trained import Trained
from tocsin.detectors.windows.prepared import in_spreads, judged, learnt
from tocsin.detectors.windows.residuals import offline, ordinary, residuals
from tocsin.pipeline.types import FloatArray, Scores, Spec, Traits


class PolynomialModel(NamedTuple):
    """Where the channels lie, what predicts them, and how large an ordinary residual of each is."""

    scale: Scale
    weights: FloatArray  # (T - 1, C, C), oldest row first: from channel, to channel
    usual: FloatArray  # (C,)


@dataclass(frozen=True, slots=True)
class PolynomialResidual(Trained[PolynomialModel | None]):
    """How badly a polynomial, fitted to the rest of its window, predicts the newest row.

    A polynomial of `degree` in time is fitted by least squares to each channel's first `window` - 1
    rows and extended to the newest. The residual of each channel is over its root mean square on
    the training rows, and the score is the root mean square over the channels: 1 is ordinary.

    Gaps hold the last value, and a missing newest value counts as predicted; a window without a
    value in its newest row, or in half of its rows, has no opinion. `blame` is each channel's
    residual at the newest row.

    Finds spikes, jumps and bursts against a level, a trend or a bend. Misses what is strange in
    shape but smooth, levels that last, and all of a series whose ordinary rows jump as far.

    Offline, a row has the mean score of the windows that cover it, with the series read forwards
    and backwards: what is unforeseen from either side counts.

    Cost a row: O(T C**2). Memory a key: 8 x `memory` x C bytes. Shift and scale leave the scores
    alone.

    Reference: Li, Ma and Mei, A unifying method for outlier and change detection from data streams
    based on local polynomial fitting, 2007, doi:10.1007/978-3-540-71701-0_17.

    >>> scorer = PolynomialResidual(window=6, degree=1)
    >>> rows = np.random.default_rng(0).normal(size=(500, 1))
    >>> model = scorer.model(rows)
    >>> line = np.arange(6.0).reshape(1, 6, 1)
    >>> late = line + 5.0 * (line == 5.0)
    >>> [float(scorer.measure(model, window)[0][0].round(1)) for window in (line, late)]
    [0.0, 3.3]
    """

    window: int = 32
    degree: int = 2

    traits: ClassVar[Traits] = Traits(detects=frozenset({"spike", "variance_burst"}))

    def check(self) -> None:
        super(PolynomialResidual, self).check()
        need(0 <= self.degree <= 5, "degree", "in 0 to 5", self.degree)
        least = self.degree + 3
        need(self.window >= least, "window", f"{least} or more, degree and three", self.window)

    @property
    def frames(self) -> int:
        return self.window

    def model(self, rows: FloatArray) -> PolynomialModel | None:
        scale, windows = learnt(rows, self.frames)
        if not len(windows):
            return None
        weights = self._weights(rows.shape[1])
        return PolynomialModel(scale, weights, ordinary(residuals(windows, weights)))

    def measure(
        self, model: PolynomialModel | None, windows: FloatArray
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

    def _weights(self, width: int) -> FloatArray:
        """What each earlier row adds to the prediction of the newest, a channel from itself."""
        times = np.linspace(-1.0, 1.0, self.window - 1)
        after = 1.0 + 2.0 / (self.window - 2)
        powers = np.polynomial.legendre.legvander(times, self.degree)
        row = np.polynomial.legendre.legvander(np.array([after]), self.degree) @ np.linalg.pinv(
            powers
        )
        return np.ascontiguousarray(row[0][:, None, None] * np.eye(width))
