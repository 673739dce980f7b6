"""Which covariates raised the score of one row: a forest that is learned from clean rows alone.

`tocsin.detectors.forecast.explain_covariates` looks back on a whole stretch with its incidents;
this is for the moment an incident is told, when nothing but the training rows is known.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from tocsin.detectors.forecast.boosted import Growth, Sample, contributions, grow
from tocsin.detectors.forecast.lags import Layout, covariates_at
from tocsin.detectors.rows import tidied
from tocsin.detectors.scaling import Scale, plain_scale, scaled
from tocsin.pipeline.types import FloatArray

GROWTH = Growth(rounds=60, depth=3, rate=0.2)
FOLDS = 4
FEWEST = 20  # rows with a score

_BY_CHANCE = 20.0  # over the rows: a share of the loss that trees save where there is nothing


class Attribution(NamedTuple):
    """A forest from covariates to log(1 + score), in XGBoost's bytes, and how it reads them."""

    raw: bytes
    scale: Scale
    lags: tuple[int, ...]


def learned(windows: FloatArray, score: FloatArray, lags: tuple[int, ...]) -> Attribution | None:
    """The forest of covariates in windows (B, T, K), in time order, and the rows' scores (B,).

    Covariates are read at `lags` rows back. The scores should be of a detector that was not trained
    on these rows: of its own it has learned what it misses of others. The rounds are those with the
    least loss on stretches left out. None where they save no more there than chance does, a share
    of 20 / B, or fewer than 20 rows have a score: the covariates then tell nothing of the score.

    Cost: five forests.
    """
    strange = strangeness(score)
    there = np.flatnonzero(~np.isnan(strange))
    if len(there) < FEWEST:
        return None
    scale = plain_scale(windows[:, -1])
    features = _features(windows[there], scale, lags)
    target = strange[there] - strange[there].mean()
    rounds, saved = _tried(Sample(features, target))
    if not saved > _BY_CHANCE / len(there):
        return None
    whole = grow(Sample(features, target), replace(GROWTH, rounds=rounds))
    return Attribution(whole.raw, scale, lags)


def attributed(forest: Attribution, windows: FloatArray) -> FloatArray:
    """Each covariate's share (B, K) in what raised the score of windows (B, T, K).

    SHAP values by the paths through the trees, over all lags; those that lower the score count as
    0. Each row by itself; it has no shares where its covariates do not raise the score as a whole,
    or none of them has a value.
    """
    count = windows.shape[2]
    found = np.zeros((len(windows), count))
    features = _features(windows, forest.scale, forest.lags)
    for row in np.flatnonzero(~np.isnan(features).all(axis=1)).tolist():
        shap = contributions(forest.raw, features[row : row + 1])[:, :-1]
        if shap.sum() > 0:
            found[row] = shares_of(shap, count)
    return found


def strangeness(score: FloatArray) -> FloatArray:
    """log(1 + score) of scores, which are 0 or more; NaN where there is none."""
    return np.log1p(np.clip(tidied(score), 0.0, None))


def shares_of(shap: FloatArray, count: int) -> FloatArray:
    """Shares (count,) of covariates in the mean of SHAP values (n, lags x count).

    What lowers the answer counts as 0; all are 0 where nothing raises it.

    >>> shares_of(np.array([[3.0, 1.0, 1.0, -2.0]]), 2)
    array([1., 0.])
    """
    raised = np.maximum(shap.mean(axis=0).reshape(-1, count).sum(axis=0), 0.0)
    total = float(raised.sum())
    return np.asarray(raised / total) if total > 0 else np.zeros(count)


def _features(windows: FloatArray, scale: Scale, lags: tuple[int, ...]) -> FloatArray:
    return covariates_at(scaled(windows, scale), Layout((), (), lags))


def _tried(sample: Sample) -> tuple[int, float]:
    """The rounds with the least loss on stretches left out, and the share of it that they save."""
    curves, plain = [], []
    rows = np.arange(len(sample.target))
    for part in np.array_split(rows, FOLDS):
        rest = np.setdiff1d(rows, part)
        held = Sample(sample.features[part], sample.target[part])
        grown = grow(Sample(sample.features[rest], sample.target[rest]), GROWTH, held)
        curves.append(grown.held**2)
        plain.append(np.mean((held.target - sample.target[rest].mean()) ** 2))
    loss, without = np.mean(curves, axis=0), float(np.mean(plain))
    best = int(loss.argmin())
    return best + 1, (1.0 - float(loss[best]) / without) if without > 0 else 0.0
