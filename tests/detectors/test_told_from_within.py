"""What a detector inside another expects, and puts down to covariates, is told by the outer one."""

from typing import Any, TypeVar

import numpy as np
import pytest
from oracles.heated_plant import SMALL as TREES
from oracles.heated_plant import heated
from oracles.refitting import windows

from tocsin.detectors.classical.knn import Knn
from tocsin.detectors.combined.per_channel import PerChannel
from tocsin.detectors.combined.refitted import Refitted
from tocsin.detectors.forecast.linear import LinearForecast
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.types import Batch, FloatArray, Spec

LINEAR = LinearForecast(train=60, memory=200, lags=3)
KNN = Knn(train=60, memory=200)
TRAIN, EVERY, LAG = 400, 60, 20
T = TypeVar("T")


def there(told: T | None) -> T:
    assert told is not None
    return told


def refitted(of: Any) -> Refitted:
    return Refitted(of, every=EVERY, lag=LAG, memory=600)


def fitted(scorer: Any, rows: FloatArray) -> Any:
    state = scorer.fit(Spec(rows.shape[1:], scorer.frames), [windows(rows, scorer.frames)])
    grow(state, 1)
    return state


def after(scorer: Any, rows: FloatArray, known: int) -> tuple[Any, Batch]:
    """The state that was fitted on the first rows and has learned the others; and its next row."""
    batch = windows(rows, scorer.frames)
    state = fitted(scorer, rows[:known])
    for row in range(known, len(rows) - 1):
        scorer.learn(state, batch.take(np.array([row])))
    return state, batch.take(np.array([len(rows) - 1]))


def test_between_two_fits_it_is_told_what_the_inner_detector_tells() -> None:
    rows = heated(TRAIN + 30, (TRAIN + 20,))
    outer, one = after(refitted(TREES), rows, TRAIN)
    inner = fitted(TREES, rows[:TRAIN])
    told, known = there(refitted(TREES).expects(outer, one)), there(TREES.expects(inner, one))
    assert told.expected.tobytes() == known.expected.tobytes()
    assert told.usual.tobytes() == known.usual.tobytes()
    shares = there(refitted(TREES).attribute(outer, one))
    assert shares.tobytes() == there(TREES.attribute(inner, one)).tobytes()
    assert shares.sum() == pytest.approx(1.0)


def test_after_a_new_fit_it_is_told_what_that_expects() -> None:
    rows = np.cumsum(np.random.default_rng(0).normal(size=(TRAIN + EVERY + LAG + 1, 2)), axis=0)
    scorer = refitted(LINEAR)
    outer, one = after(scorer, rows, TRAIN)
    told = there(scorer.expects(outer, one)).expected
    new, old = (
        there(LINEAR.expects(fitted(LINEAR, rows[:known]), one)).expected
        for known in (TRAIN + EVERY, TRAIN)
    )
    np.testing.assert_array_equal(told, new)
    assert (told != old).all()


def test_a_series_that_is_not_fitted_yet_expects_nothing() -> None:
    scorer = refitted(TREES)
    state = scorer.start(Spec((5,), scorer.frames))
    grow(state, 1)
    one = windows(heated(50), scorer.frames).take(np.array([49]))
    assert np.isnan(there(scorer.expects(state, one)).expected).all()
    assert not there(scorer.attribute(state, one)).any()


def test_each_channel_expects_what_its_own_detector_does() -> None:
    rows = np.cumsum(np.random.default_rng(1).normal(size=(200, 3)), axis=0)
    scorer = PerChannel(LINEAR)
    state, one = after(scorer, rows, 150)
    told = there(scorer.expects(state, one))
    for c in range(3):
        inner, alone = after(LINEAR, rows[:, c : c + 1], 150)
        band = there(LINEAR.expects(inner, alone))
        assert told.expected[0, c] == band.expected[0, 0]
        assert told.usual[0, c] == band.usual[0, 0]


@pytest.mark.parametrize("scorer", [refitted(KNN), PerChannel(KNN)], ids=["refitted", "channels"])
def test_a_detector_that_expects_nothing_does_not_inside_another(scorer: Any) -> None:
    state, one = after(scorer, np.random.default_rng(2).normal(size=(200, 2)), 150)
    assert scorer.expects(state, one) is None
