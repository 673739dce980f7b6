"""A scorer as an estimator: scikit-learn's rules, PyOD's signs, the pipeline's scores."""

import numpy as np
import pytest
from oracles.streams import batch_of
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from tocsin.detectors.adapters.estimator import Estimator, as_estimator
from tocsin.detectors.classical.ewma import Ewma
from tocsin.detectors.classical.knn import Knn
from tocsin.detectors.windows.window_std import WindowStd
from tocsin.pipeline.errors import ConfigError, TocsinError
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.types import FloatArray, Spec

KNN = Knn(train=30, memory=200)
STREAM = Ewma(half_life=10)


def rows_of(count: int, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).normal(size=(count, 2))


def test_a_clone_has_the_settings_and_nothing_learned() -> None:
    model = as_estimator(KNN, contamination=0.05, learns=True).fit(rows_of(80))
    copy = clone(model)
    assert isinstance(copy, Estimator)
    assert copy.get_params(deep=False) == {"scorer": KNN, "contamination": 0.05, "learns": True}
    with pytest.raises(NotFittedError):
        copy.decision_function(rows_of(3))


def test_settings_can_be_set_by_name() -> None:
    model = as_estimator(KNN).set_params(scorer=STREAM, contamination=0.2)
    assert (model.scorer, model.contamination) == (STREAM, 0.2)


@pytest.mark.parametrize("scorer", [KNN, STREAM], ids=["trained", "streaming"])
def test_about_the_contamination_is_labelled(scorer: object) -> None:
    model = as_estimator(scorer, contamination=0.1).fit(rows_of(500))  # type: ignore[arg-type] # any scorer
    known = model.decision_scores_[~np.isnan(model.decision_scores_)]
    assert model.labels_.sum() == (known > model.threshold_).sum()
    assert model.labels_.sum() == pytest.approx(0.1 * len(known), abs=1)


def test_a_trained_scorer_scores_as_it_does_without_the_adapter() -> None:
    rows, new = rows_of(100), rows_of(20, seed=1)
    state = KNN.fit(Spec((2,)), [batch_of(rows)])
    model = as_estimator(KNN).fit(rows)
    np.testing.assert_array_equal(
        model.decision_function(new), KNN.score(state, batch_of(new)).value
    )
    np.testing.assert_array_equal(model.score_samples(new), -model.decision_function(new))


def test_a_streaming_scorer_goes_on_where_it_learns() -> None:
    rows = rows_of(200)
    state = STREAM.start(Spec((2,)))
    grow(state, 1)
    wanted = STREAM.advance(state, batch_of(rows)).value
    model = as_estimator(STREAM, learns=True).fit(rows[:120])
    np.testing.assert_array_equal(model.decision_scores_, wanted[:120])
    np.testing.assert_array_equal(model.decision_function(rows[120:]), wanted[120:])
    np.testing.assert_array_equal(model.decision_function(rows[120:]), wanted[120:])  # as before


def test_windows_reach_back_to_the_training_rows() -> None:
    rows = rows_of(100)
    model = as_estimator(WindowStd(window=4, train=20, memory=200)).fit(rows[:90])
    whole = model.decision_function(rows[90:])
    assert np.isfinite(whole).all()
    longer = as_estimator(WindowStd(window=4, train=20, memory=200)).fit(rows[:90])
    longer.tail_[:] = 50.0  # a step down from other rows makes the first windows restless
    other = longer.decision_function(rows[90:])
    assert (other[:3] > whole[:3]).all()
    np.testing.assert_array_equal(other[3:], whole[3:])


def test_a_far_row_is_predicted_and_a_missing_one_is_not() -> None:
    model = as_estimator(KNN).fit(rows_of(200))
    new = np.array([[0.0, 0.0], [9.0, 9.0], [np.nan, np.nan]])
    assert model.predict(new).tolist() == [0, 1, 0]
    assert model.fit_predict(rows_of(200)).tolist() == model.labels_.tolist()


def test_rows_of_another_width_are_refused() -> None:
    model = as_estimator(KNN).fit(rows_of(80))
    with pytest.raises(TocsinError, match="rows have 3 channels; fitted on 2"):
        model.decision_function(np.zeros((4, 3)))
    with pytest.raises(TocsinError, match=r"wanted rows \(N, C\)"):
        model.decision_function(np.zeros(4))


@pytest.mark.parametrize("contamination", [0.0, 0.5, np.nan])
def test_a_contamination_that_is_no_small_share_is_refused(contamination: float) -> None:
    with pytest.raises(ConfigError, match="contamination must be in 0 to"):
        as_estimator(KNN, contamination=contamination).fit(rows_of(80))
