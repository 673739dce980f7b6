"""How true single readings are, by any regression model: which of them are likely wrong.

The method of Zhou, Mueller, Kumar, Wang and Yan, Detecting errors in a numerical response via any
regression model, 2023, arXiv:2305.16583. A reading is set against a forecast that was made without
it, and the miss is told in units of how unsure that forecast is, so that a miss where the model
knows little does not count as an error. Rows of a series resemble their neighbours, so folds are
blocks of rows, parted by `purge` rows that no model of the fold is fitted on.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.spatial import KDTree

from tocsin.detectors.rows import need
from tocsin.pipeline.errors import TocsinError
from tocsin.pipeline.types import BoolArray, FloatArray

Regression = Callable[[FloatArray, FloatArray, FloatArray], FloatArray]
"""Gives the forecasts (M,) for features (M, D), fitted on features (N, D) and values (N,)."""

_COARSE = (0.01, 0.05, 0.1, 0.15, 0.2)  # shares of wrong readings that are tried
_FINE = 5  # shares tried between the neighbours of the best of these
_RIDGE = 1e-9  # of the features' variance; for features that repeat each other
_STRETCH = 5.0  # how much more a miss counts than a value, among neighbours
_NOTHING = 1e-12  # times the largest reading; what rounding alone may miss


class Audit(NamedTuple):
    """What an audit of N readings found; NaN, and not wrong, where a reading was left out."""

    quality: FloatArray  # (N,), 0 to 1, low is likely wrong
    wrong: BoolArray  # (N,), the share with the lowest quality
    forecast: FloatArray  # (N,), made without the reading
    unsure: FloatArray  # (N,), deviation of the forecast between refits
    noise: float  # deviation of what of the misses can be foretold
    share: float  # of wrong readings


@dataclass(frozen=True, slots=True)
class Auditor:
    """How readings are audited: `folds` blocks, `purge` rows between them, `draws` of refits.

    `draws` halves of the rows, drawn by `seed`, say how much the forecasts vary.

    >>> rng = np.random.default_rng(0)
    >>> features = rng.normal(size=(200, 2))
    >>> readings = features @ [1.0, -2.0] + 0.1 * rng.normal(size=200)
    >>> readings[[20, 90]] += 3.0
    >>> found = Auditor().audit(readings, features)
    >>> np.argsort(found.quality)[:2].tolist(), found.wrong[[20, 90]].tolist()
    ([20, 90], [True, True])
    """

    folds: int = 5
    purge: int = 0
    draws: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        need(self.folds >= 2, "folds", "2 or more", self.folds)
        need(self.purge >= 0, "purge", "0 or more rows", self.purge)
        need(self.draws >= 1, "draws", "1 or more", self.draws)

    def audit(
        self, readings: FloatArray, features: FloatArray, regression: Regression | None = None
    ) -> Audit:
        """The audit of readings (N,) by features (N, D), in order of time.

        Rows with NaN or inf are left out. `regression` is least squares where none is given. The
        share of wrong readings is that without which a model forecasts all readings best, as is
        published; where errors are few, or all on one side, it may be 0, and their quality low.
        Raises TocsinError where too few rows are left for the folds. Takes folds x 12 + 2 x draws
        fits.
        """
        regress = least_squares if regression is None else regression
        there = np.isfinite(readings) & np.isfinite(features).all(axis=1)
        if there.sum() < 4 * self.folds:
            raise TocsinError(
                f"an audit in {self.folds} folds needs {4 * self.folds} complete rows; found "
                f"{there.sum()}"
            )
        y, x = readings[there], features[there]
        share, forecast = self._share(y, x, regress)
        kept = _kept(np.abs(y - forecast), share)
        unsure = self._unsure(y, x, kept, forecast, regress)
        noise = float(self._forecasts(forecast - y, x, kept, regress).std())
        quality, wrong = label_quality(y, forecast, unsure, noise), np.zeros(len(y), dtype=bool)
        wrong[np.argsort(quality, kind="stable")[: int(np.ceil(share * len(y)))]] = True
        back = np.zeros(len(readings), dtype=bool)
        back[there] = wrong
        return Audit(
            _spaced(quality, there), back, _spaced(forecast, there), _spaced(unsure, there),
            noise, share,
        )  # fmt: skip

    def _share(self, y: FloatArray, x: FloatArray, regress: Regression) -> tuple[float, FloatArray]:
        """The share of readings without which forecasts of all are best, and those forecasts."""
        first = self._forecasts(y, x, np.ones(len(y), dtype=bool), regress)
        miss = np.abs(y - first)
        tried = {0.0: first}
        for share in _COARSE:
            tried[share] = self._forecasts(y, x, _kept(miss, share), regress)
        best = min(tried, key=lambda share: _badness(y, tried[share]))
        if best > 0.0:
            around = (0.0, *_COARSE, 0.25)
            place = around.index(best)
            for share in np.linspace(around[place - 1], around[place + 1], _FINE + 2)[1:-1]:
                found = self._forecasts(y, x, _kept(miss, float(share)), regress)
                tried.setdefault(float(share), found)
            best = min(tried, key=lambda share: _badness(y, tried[share]))
        return best, tried[best]

    def _forecasts(
        self, y: FloatArray, x: FloatArray, kept: BoolArray, regress: Regression
    ) -> FloatArray:
        """A forecast (N,) of each row by the kept rows of the other blocks."""
        forecast = np.empty(len(y))
        for asked, fitted in blocks(len(y), self.folds, self.purge):
            fitted = fitted & kept  # noqa: PLW2901 - the rows of this fold
            forecast[asked] = regress(x[fitted], y[fitted], x[asked])
        return forecast

    def _unsure(
        self, y: FloatArray, x: FloatArray, kept: BoolArray, forecast: FloatArray,
        regress: Regression,
    ) -> FloatArray:  # fmt: skip
        """Deviation (N,) of forecasts by random halves of the rows, and of the final ones."""
        rng = np.random.default_rng(self.seed)
        drawn = [forecast]
        for _ in range(self.draws):
            half = np.zeros(len(y), dtype=bool)
            half[rng.permutation(len(y))[: len(y) // 2]] = True
            found = np.empty(len(y))
            for asked in (half, ~half):
                fitted = ~asked & kept
                found[asked] = regress(x[fitted], y[fitted], x[asked])
            drawn.append(found)
        return np.asarray(np.std(drawn, axis=0))


def label_quality(
    readings: FloatArray, forecast: FloatArray, unsure: FloatArray, noise: float
) -> FloatArray:
    """How true readings (N,) are, 0 to 1, by forecasts (N,) and how sure these are.

    exp(-a / median(a)), where a is the miss over the sum of `unsure` (N,), the deviation of the
    forecast between refits, and `noise`, that of the misses. NaN where an input is.
    """
    apart = adjusted(readings, forecast, unsure, noise)
    known = apart[~np.isnan(apart)]
    middle = float(np.median(known)) if known.size else np.nan
    if middle == 0.0:
        return np.asarray(np.where(np.isnan(apart), np.nan, np.where(apart > 0, 0.0, 1.0)))
    return np.asarray(np.exp(-apart / middle))


def adjusted(
    readings: FloatArray, forecast: FloatArray, unsure: FloatArray, noise: float
) -> FloatArray:
    """Misses of readings (N,) in units of how unsure their forecasts are; 0 for rounding.

    >>> adjusted(np.array([3.0]), np.array([1.0]), np.array([0.5]), 0.5).tolist()
    [2.0]
    """
    miss = np.abs(readings - forecast)
    miss = np.where(miss <= _NOTHING * np.abs(readings), 0.0, miss)
    total = unsure + noise
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(miss == 0.0, 0.0, miss / total))


def residual_quality(readings: FloatArray, forecast: FloatArray) -> FloatArray:
    """exp(-|miss|), which depends on the unit of the readings.

    >>> residual_quality(np.array([1.0, 2.0]), np.array([1.0, 3.0])).round(3).tolist()
    [1.0, 0.368]
    """
    return np.asarray(np.exp(-np.abs(readings - forecast)))


def neighbour_quality(readings: FloatArray, forecast: FloatArray) -> FloatArray:
    """How usual each pair of reading and miss is among all (N,), 0 to 1: "outré" scores.

    exp(-d / median(d)), where d is the mean distance of (reading, 5 x miss), both standardised, to
    the nearest half of all pairs, itself among them. Needs complete rows. O(N**2).
    """
    points = np.stack((_standard(readings), _STRETCH * _standard(forecast - readings)), axis=1)
    nearest = int(np.ceil(0.5 * len(points)))
    distance, _ = KDTree(points).query(points, k=nearest)
    mean = distance.reshape(len(points), nearest).mean(axis=1)
    return np.asarray(np.exp(-mean / max(float(np.median(mean)), np.finfo(float).eps)))


def blocks(rows: int, folds: int, purge: int = 0) -> Iterator[tuple[BoolArray, BoolArray]]:
    """Folds of a series: the rows (N,) that are asked, and those that a model may be fitted on.

    >>> [fitted.astype(int).tolist() for _, fitted in blocks(6, 3, purge=1)]
    [[0, 0, 0, 1, 1, 1], [1, 0, 0, 0, 0, 1], [1, 1, 1, 0, 0, 0]]
    """
    edges = np.linspace(0, rows, folds + 1).round().astype(np.int64).tolist()
    place = np.arange(rows)
    for first, last in pairwise(edges):
        near = (place >= first - purge) & (place < last + purge)
        yield (place >= first) & (place < last), ~near


def least_squares(features: FloatArray, values: FloatArray, asked: FloatArray) -> FloatArray:
    """A linear regression with a constant: forecasts (M,) for `asked` (M, D)."""
    centre, level, spread = features.mean(axis=0), values.mean(), features.std(axis=0)
    unit = np.where(spread > 0, spread, 1.0)
    off = (features - centre) / unit
    square = off.T @ off / max(len(off), 1) + _RIDGE * np.eye(features.shape[1])
    weights = np.linalg.solve(square, off.T @ (values - level) / max(len(off), 1))
    return np.asarray(level + (asked - centre) / unit @ weights)


def _kept(miss: FloatArray, share: float) -> BoolArray:
    """All rows but the share (N,) that misses most."""
    kept = np.ones(len(miss), dtype=bool)
    kept[np.argsort(-miss, kind="stable")[: int(np.ceil(share * len(miss)))]] = False
    return kept


def _badness(readings: FloatArray, forecast: FloatArray) -> float:
    return float(((readings - forecast) ** 2).sum())


def _standard(values: FloatArray) -> FloatArray:
    return np.asarray((values - values.mean()) / (values.std() + np.finfo(float).eps))


def _spaced(values: FloatArray, there: BoolArray) -> FloatArray:
    spaced = np.full(len(there), np.nan)
    spaced[there] = values
    return spaced
