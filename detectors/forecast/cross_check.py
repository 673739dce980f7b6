"""Which readings the other channels and the rows before contradict: veracity, as a detector."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from tocsin.detectors.compiled import compiled
from tocsin.detectors.forecast.band import in_units, unknown
from tocsin.detectors.forecast.veracity import adjusted, blocks
from tocsin.detectors.rows import need
from tocsin.detectors.scaling import Scale
from tocsin.detectors.trained import Trained
from tocsin.detectors.windows.prepared import in_spreads, judged, learnt
from tocsin.pipeline.types import Band, BoolArray, FloatArray, Traits

_LEAST = 1e-3  # spreads of the channel; a forecast counts as no surer


class CheckModel(NamedTuple):
    """Where the channels lie, the regressions of all folds, and how unsure they are.

    `weights` (folds + 1, C, D) is of all rows first and then without each fold; D is 1 for the
    constant and T C for the window, with 0 for a channel's own newest value.
    """

    scale: Scale
    weights: FloatArray
    noise: FloatArray  # (C,)
    middle: FloatArray  # (C,), the usual adjusted miss


@dataclass(frozen=True, slots=True)
class CrossCheck(Trained[CheckModel | None]):
    """How untrue each newest reading is, by the other channels' newest and all the rows before.

    Each channel, in training standard deviations, is regressed (ridge) on the other channels at the
    same row and on all channels at the `lags` rows before. A miss counts in units of how unsure the
    forecast is: the deviation between regressions that lack one of `folds` blocks of the training
    rows (the jackknife), which grows where the model has seen little, and the root mean square of
    the misses in blocks that the regression lacks. That over its training median is the score,
    -log of the published quality; it is the largest over the channels, 1 is ordinary, and `blame`
    is each channel's part at the newest row. `Auditor` does the whole published method on a table.

    Finds single wrong readings, broken correlation and spikes; a channel that the others can stand
    in for is judged sharply however it moves. Misses what is wrong in all channels alike. A
    wrong reading of one channel makes those that lean on it look wrong as well, mostly less.

    Gaps hold the last value, and a missing newest value counts as true; a window without a value in
    its newest row, or in half of its rows, has no opinion.

    Cost a row: O(folds C D), with D = (`lags` + 1) C. Training: `folds` + 1 times C solutions of D
    unknowns. Memory a key: 8 x `memory` x C bytes, and 8 (`folds` + 1) C D of the model. Shift and
    scale leave the scores alone.

    References: Zhou et al., Detecting errors in a numerical response via any regression model,
    2023, arXiv:2305.16583; Künsch, The jackknife and the bootstrap for general stationary
    observations, 1989, doi:10.1214/aos/1176347265.

    >>> rows = np.random.default_rng(0).normal(size=(300, 1)) + [0.0, 5.0]
    >>> rows += 0.1 * np.random.default_rng(1).normal(size=(300, 2))
    >>> scorer = CrossCheck(lags=1)
    >>> windows = np.stack([rows[10:12], rows[10:12] + [[0.0, 0.0], [1.0, -1.0]]])
    >>> value, _ = scorer.measure(scorer.model(rows), windows)
    >>> bool(value[0] < 4 < 10 < value[1])
    True
    """

    lags: int = 4
    ridge: float = 1e-3
    folds: int = 5

    traits: ClassVar[Traits] = Traits(detects=frozenset({"spike", "broken_correlation"}))

    def check(self) -> None:
        super(CrossCheck, self).check()
        need(self.lags >= 1, "lags", "1 or more", self.lags)
        need(0 < self.ridge < np.inf, "ridge", "above 0", self.ridge)
        need(2 <= self.folds <= self.train // 4, "folds", "2 to a quarter of train", self.folds)

    @property
    def frames(self) -> int:
        return self.lags + 1

    def model(self, rows: FloatArray) -> CheckModel | None:
        scale, windows = learnt(rows, self.frames)
        if len(windows) < 2 * self.folds:
            return None
        features = _features(windows)
        whole = np.ones(len(features), dtype=bool)
        weights = [self._regressions(features, whole, rows.shape[1])]
        left_out = np.empty((len(windows), rows.shape[1]))
        # Windows overlap by `lags` rows, which a fold must not see of the rows it is asked about.
        for asked, fitted in blocks(len(features), self.folds, purge=self.lags):
            found = self._regressions(features, fitted if fitted.any() else ~asked, rows.shape[1])
            weights.append(found)
            left_out[asked] = forecasts(features[asked], found[None])[:, 0]
        made = np.stack(weights)
        noise = np.sqrt(((windows[:, -1] - left_out) ** 2).mean(axis=0))
        noise = np.maximum(noise, _LEAST)
        apart = self._apart(windows, made, noise)
        middle = np.maximum(np.median(apart, axis=0), _LEAST)
        return CheckModel(scale, made, noise, middle)

    def measure(
        self, model: CheckModel | None, windows: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        value, blame = np.full(len(windows), np.nan), np.zeros(windows.shape)
        ready = judged(windows)
        if model is None or not ready.size:
            return value, blame
        points = in_spreads(windows[ready], model.scale)
        apart = self._apart(points, model.weights, model.noise) / model.middle
        apart[np.isnan(windows[ready, -1])] = 0.0
        value[ready] = apart.max(axis=1)
        blame[ready, -1] = apart
        return value, blame

    def band(self, model: CheckModel | None, windows: FloatArray) -> Band:
        """What each newest value should be by the other channels' and all values before.

        NaN in windows that have no opinion.
        """
        ready = judged(windows)
        if model is None or not ready.size:
            return unknown(windows)
        points = in_spreads(windows[ready], model.scale)
        found = forecasts(_features(points), model.weights)
        told = Band(found[:, 0], _jackknife(found) + model.noise)
        return in_units(windows, ready, model.scale, told)

    def _apart(self, points: FloatArray, weights: FloatArray, noise: FloatArray) -> FloatArray:
        """Misses (B, C) of the newest rows of windows in spreads, in units of their unsureness."""
        found = forecasts(_features(points), weights)  # (B, folds + 1, C)
        unsure = _jackknife(found)
        each = range(points.shape[2])
        newest = points[:, -1]
        return np.stack(
            [adjusted(newest[:, c], found[:, 0, c], unsure[:, c], noise[c]) for c in each], axis=1
        )

    def _regressions(self, features: FloatArray, fitted: BoolArray, width: int) -> FloatArray:
        """Weights (C, D) for each channel of the newest row, by the fitted rows of features."""
        chosen = features[fitted]
        size = chosen.shape[1]
        square = chosen.T @ chosen / len(chosen)
        square += np.diag(np.concatenate(([1e-12], np.full(size - 1, self.ridge))))
        weights = np.zeros((width, size))
        for c in range(width):
            own = size - width + c
            reads = np.delete(np.arange(size), own)
            weights[c, reads] = np.linalg.solve(square[np.ix_(reads, reads)], square[reads, own])
        return weights


@compiled
def forecasts(features: FloatArray, weights: FloatArray) -> FloatArray:
    """Forecasts (B, M, C) by features (B, D) and weights (M, C, D), each row by itself."""
    found = np.zeros((len(features), weights.shape[0], weights.shape[1]))
    for b in range(len(features)):
        for m in range(weights.shape[0]):
            for c in range(weights.shape[1]):
                for d in range(weights.shape[2]):
                    found[b, m, c] += weights[m, c, d] * features[b, d]
    return found


@compiled
def _jackknife(found: FloatArray) -> FloatArray:
    """Deviation (B, C) of the first of forecasts (B, M, C), by those that lack a block each."""
    rows, count, width = found.shape
    unsure = np.zeros((rows, width))
    folds = count - 1
    for b in range(rows):
        for c in range(width):
            mean, total = 0.0, 0.0
            for m in range(1, count):
                mean += found[b, m, c] / folds
            for m in range(1, count):
                total += (found[b, m, c] - mean) ** 2
            unsure[b, c] = np.sqrt(total * (folds - 1) / folds)
    return unsure


def _features(windows: FloatArray) -> FloatArray:
    """A constant and the numbers of each window (B, T, C), the newest row last: (B, 1 + T C)."""
    return np.hstack((np.ones((len(windows), 1)), windows.reshape(len(windows), -1)))
