"""A scorer in the manner of scikit-learn and PyOD: fitted on a table of rows, then asked."""

from copy import deepcopy
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from tocsin.pipeline.errors import ConfigError, TocsinError
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.types import Batch, FloatArray, IntArray, Scorer, Scores, Spec, frames_of

_CHUNK = 2_000_000  # numbers in windows that are laid out at a time


class Estimator(BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """One series of a scorer as an estimator; see `as_estimator`.

    After `fit`: `decision_scores_` (N,) of the training rows, `threshold_` that a share of
    `contamination` of them exceeds, `labels_` (N,) 1 where they do, and `n_features_in_`.
    """

    def __init__(
        self, scorer: Scorer[Any], *, contamination: float = 0.1, learns: bool = False
    ) -> None:
        self.scorer = scorer
        self.contamination = contamination
        self.learns = learns

    def fit(self, X: Any, y: object = None) -> "Estimator":  # noqa: N803 - scikit-learn's name
        """Learn rows (N, C), in order of time; NaN is missing, `y` is not looked at."""
        if not 0.0 < self.contamination < 0.5:
            raise ConfigError(f"contamination must be in 0 to 0.5; found {self.contamination}")
        rows = _table(X)
        self.n_features_in_ = rows.shape[1]
        windows = self._windows(np.full((self._reach, rows.shape[1]), np.nan), rows)
        trains = getattr(self.scorer, "fit", None)
        if trains is not None:
            self.state_ = trains(self._spec(), windows)
            grow(self.state_, 1)
            scores = [self.scorer.score(self.state_, batch).value for batch in windows]
        else:
            self.state_ = self.scorer.start(self._spec())
            grow(self.state_, 1)
            scores = [self._advanced(self.state_, batch).value for batch in windows]
        self.tail_ = rows[len(rows) - min(self._reach, len(rows)) :].copy()
        self.decision_scores_: FloatArray = np.concatenate(scores)
        known = self.decision_scores_[~np.isnan(self.decision_scores_)]
        share = 1.0 - self.contamination
        self.threshold_ = float(np.quantile(known, share)) if known.size else np.nan
        self.labels_ = self._labels(self.decision_scores_)
        return self

    def decision_function(self, X: Any) -> FloatArray:  # noqa: N803 - scikit-learn's name
        """Scores (N,) of rows (N, C) in order of time, higher is stranger; NaN is no opinion.

        The rows follow on the training rows. With `learns` each is learned after it is scored, in a
        copy of what was learned; otherwise all are scored by what `fit` learned.
        """
        check_is_fitted(self, "decision_scores_")
        rows = _table(X)
        if rows.shape[1] != self.n_features_in_:
            raise TocsinError(
                f"rows have {rows.shape[1]} channels; fitted on {self.n_features_in_}"
            )
        windows = self._windows(self._head(), rows)
        if not self.learns:
            parts = [self.scorer.score(self.state_, batch).value for batch in windows]
        else:
            state = deepcopy(self.state_)
            parts = [self._advanced(state, batch).value for batch in windows]
        return np.concatenate([np.empty(0), *parts])

    def score_samples(self, X: Any) -> FloatArray:  # noqa: N803 - scikit-learn's name
        """Minus `decision_function`: lower is stranger, as scikit-learn has it."""
        return -self.decision_function(X)

    def predict(self, X: Any) -> IntArray:  # noqa: N803 - scikit-learn's name
        """1 where a row (N, C) scores above `threshold_`, and 0 elsewhere, as PyOD has it."""
        return self._labels(self.decision_function(X))

    def fit_predict(self, X: Any, y: object = None) -> IntArray:  # noqa: N803 - scikit-learn's name
        """The `labels_` of the rows after `fit`."""
        return self.fit(X, y).labels_

    @property
    def _reach(self) -> int:
        """Rows before the newest that a window holds."""
        return frames_of(self.scorer) - 1

    def _spec(self) -> Spec:
        return Spec((self.n_features_in_,), frames_of(self.scorer))

    def _head(self) -> FloatArray:
        short = self._reach - len(self.tail_)
        return np.concatenate([np.full((short, self.n_features_in_), np.nan), self.tail_])

    def _windows(self, before: FloatArray, rows: FloatArray) -> list[Batch]:
        """The windows that end at each row, of which the first reach back to `before`."""
        if not len(rows):
            return []
        whole = np.concatenate([before, rows])
        views = np.moveaxis(sliding_window_view(whole, len(before) + 1, axis=0), -1, 1)
        size = max(1, _CHUNK // ((len(before) + 1) * rows.shape[1]))
        parts = [np.arange(i, min(i + size, len(rows))) for i in range(0, len(rows), size)]
        key = np.zeros(size, dtype=np.int64)
        return [Batch(key[: len(at)], at, views[at[0] : at[-1] + 1]) for at in parts]

    def _advanced(self, state: Any, batch: Batch) -> Scores:
        fast = getattr(self.scorer, "advance", None)
        if fast is not None:
            found: Scores = fast(state, batch)
            return found
        value = []
        for tick in batch.ticks():
            value.append(self.scorer.score(state, tick).value)
            self.scorer.learn(state, tick)
        return Scores(np.concatenate(value))

    def _labels(self, score: FloatArray) -> IntArray:
        return (score > self.threshold_).astype(np.int64)


def as_estimator(
    scorer: Scorer[Any], *, contamination: float = 0.1, learns: bool = False
) -> Estimator:
    """The scorer as an estimator of scikit-learn, with the methods and attributes of PyOD.

    Rows (N, C) stand in order of time and are one series. A scorer that can be fitted is, and then
    scores its training rows as they are; any other runs through them, each scored before it is
    learned. Signs are PyOD's: `decision_function` and `decision_scores_` are higher where stranger,
    `predict` and `labels_` are 1 there; `score_samples` alone is turned round, as scikit-learn's
    is. No opinion is NaN, and labelled 0. The threshold is a quantile of the training scores, not
    a calibrated one: the pipeline's own alarms are better founded.

    >>> from tocsin.detectors.catalogue import load
    >>> rows = np.random.default_rng(0).normal(size=(300, 2))
    >>> model = as_estimator(load("knn")(), contamination=0.02).fit(rows)
    >>> model.predict(np.array([[0.0, 0.0], [6.0, -6.0]])).tolist()
    [0, 1]
    """
    return Estimator(scorer, contamination=contamination, learns=learns)


def _table(given: Any) -> FloatArray:
    """Rows (N, C) as float64; refuses other shapes."""
    rows = np.asarray(given, dtype=np.float64)
    if rows.ndim != 2 or not rows.shape[1]:
        raise TocsinError(f"wanted rows (N, C); found an array of shape {rows.shape}")
    return rows
