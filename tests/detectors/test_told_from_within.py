"""What a detector inside another expects, and puts down to covariates, is told by the outer one."""

from dataclasses import replace
from functools import cache
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pytest
from oracles.heated_plant import CAUSE, CHANNELS, heated
from oracles.heated_plant import SMALL as TREES
from oracles.refitting import windows

from tocsin.api import detect
from tocsin.detectors.classical.knn import Knn
from tocsin.detectors.combined.ensemble import Ensemble
from tocsin.detectors.combined.multi_scale import MultiScale
from tocsin.detectors.combined.per_channel import PerChannel
from tocsin.detectors.combined.refitted import Refitted
from tocsin.detectors.forecast.linear import LinearForecast
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.state import flatten
from tocsin.pipeline.types import Batch, FloatArray, Spec

LINEAR = LinearForecast(train=60, memory=200, lags=3)
KNN = Knn(train=60, memory=200)
TRAIN, EVERY, LAG = 400, 60, 20
FAULT = TRAIN + 20
BOTH = (Ensemble((TREES, KNN)), MultiScale(TREES, scales=(1, 2)))
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


@cache
def plant() -> FloatArray:
    return heated(TRAIN + 30, (FAULT,))


def judging(scorer: Any) -> tuple[Any, Batch]:
    """The state that was fitted on the plant's clean rows, and all rows from then on."""
    rows = windows(plant(), scorer.frames)
    return fitted(scorer, plant()[:TRAIN]), rows.take(np.arange(TRAIN, len(rows)))


def test_several_scales_expect_of_a_row_what_the_inner_detector_does() -> None:
    scorer = MultiScale(LINEAR, scales=(1, 3))
    state, rows = judging(scorer)
    inner, same = judging(LINEAR)
    told, known = there(scorer.expects(state, rows)), there(LINEAR.expects(inner, same))
    assert told.expected.tobytes() == known.expected.tobytes()
    assert told.usual.tobytes() == known.usual.tobytes()


def test_scales_of_blocks_alone_expect_nothing_of_a_row() -> None:
    assert not hasattr(MultiScale(LINEAR, scales=(2, 4)), "expects")


def test_each_scale_has_its_part_in_what_covariates_are_told() -> None:
    fine, coarse, both = (MultiScale(TREES, scales=scales) for scales in ((1,), (2,), (1, 2)))
    one, other, told = (there(each.attribute(*judging(each))) for each in (fine, coarse, both))
    weight, second = (each.score(*judging(each)).value for each in (fine, coarse))
    # The score of one scale alone is its standing, by which it is weighed among several.
    rows = (weight > 0) & (second > 0) & one.any(axis=1) & other.any(axis=1)
    assert rows.sum() > 5
    expected = (weight[:, None] * one + second[:, None] * other) / (weight + second)[:, None]
    np.testing.assert_allclose(told[rows], expected[rows], atol=1e-12)
    assert (np.abs(one - other)[rows].max(axis=1) > 1e-3).any()
    at = FAULT - TRAIN + 2
    assert told[at].argmax() == CAUSE
    assert told[at].sum() == pytest.approx(1.0)


def test_of_several_the_first_that_can_tell_says_what_a_channel_should_be() -> None:
    scorer = Ensemble((KNN, TREES, LINEAR))
    told = there(scorer.expects(*judging(scorer)))
    trees, lines = (there(one.expects(*judging(one))) for one in (TREES, LINEAR))
    for part, first, then in zip(told, trees, lines, strict=True):
        np.testing.assert_array_equal(part[:, :2], first[:, :2])  # the others are covariates
        np.testing.assert_array_equal(part[:, 2:], then[:, 2:])
    assert not np.isnan(told.expected).any()


def test_a_member_without_a_part_in_the_score_says_nothing() -> None:
    scorer = Ensemble((KNN, TREES), combine="first")
    state, rows = judging(scorer)
    assert np.isnan(there(scorer.expects(state, rows)).expected).all()
    assert not there(scorer.attribute(state, rows)).any()


def test_members_tell_of_covariates_in_proportion_to_their_surprise() -> None:
    other = replace(TREES, covariates=(2, 3), rounds=5)
    both = Ensemble((TREES, KNN, other), combine="mean")
    told = there(both.attribute(*judging(both)))
    total, heard = np.zeros(told.shape), np.zeros(len(told))
    for one in (TREES, other):
        alone = Ensemble((one,), combine="mean")  # scores -log p of its member
        surprise = alone.score(*judging(alone)).value
        shares = there(one.attribute(*judging(one)))
        total += surprise[:, None] * shares
        heard += np.where(shares.any(axis=1), surprise, 0.0)
    some = heard > 0
    np.testing.assert_allclose(told[some], total[some] / heard[some, None], atol=1e-12)
    assert not told[~some].any()
    np.testing.assert_allclose(told[some].sum(axis=1), 1.0)


@pytest.mark.parametrize("scorer", BOTH, ids=["ensemble", "scales"])
def test_each_row_is_told_as_if_it_were_alone(scorer: Any) -> None:
    state, rows = judging(scorer)
    band, shares = there(scorer.expects(state, rows)), there(scorer.attribute(state, rows))
    for row in np.random.default_rng(3).permutation(len(rows)).tolist():
        one = rows.take(np.array([row]))
        alone = there(scorer.expects(state, one))
        assert alone.expected.tobytes() == band.expected[row].tobytes()
        assert alone.usual.tobytes() == band.usual[row].tobytes()
        assert there(scorer.attribute(state, one)).tobytes() == shares[row].tobytes()
    none = rows.take(np.array([], dtype=np.int64))
    assert there(scorer.expects(state, none)).expected.shape == (0, 5)
    assert there(scorer.attribute(state, none)).shape == (0, 5)


@pytest.mark.parametrize("scorer", BOTH, ids=["ensemble", "scales"])
def test_to_be_asked_changes_nothing(scorer: Any) -> None:
    state, rows = judging(scorer)
    before = {path: np.array(part) for path, part in flatten(state).items()}
    values = rows.values.copy()
    scorer.expects(state, rows)
    scorer.attribute(state, rows)
    assert rows.values.tobytes() == values.tobytes()
    for path, part in flatten(state).items():
        assert np.array(part).tobytes() == before[path].tobytes()


@pytest.mark.parametrize("scorer", BOTH, ids=["ensemble", "scales"])
def test_before_its_own_scores_settle_nothing_is_put_down_to_covariates(scorer: Any) -> None:
    state = scorer.start(Spec((5,), scorer.frames))
    grow(state, 1)
    one = windows(plant(), scorer.frames).take(np.array([FAULT]))
    assert np.isnan(there(scorer.expects(state, one)).expected).all()
    assert not there(scorer.attribute(state, one)).any()


@pytest.mark.parametrize(
    "scorer",
    [
        Ensemble((KNN, MultiScale(KNN))),
        MultiScale(KNN),
        MultiScale(refitted(KNN), scales=(1,)),
        MultiScale(PerChannel(KNN), scales=(1,)),
    ],
    ids=["ensemble", "scales", "refitted", "channels"],
)
def test_where_none_inside_can_tell_nothing_is_said(scorer: Any) -> None:
    assert not hasattr(scorer, "expects")
    state = scorer.start(Spec((2,), scorer.frames))
    grow(state, 1)
    one = Batch(np.array([0]), np.array([0]), np.zeros((1, scorer.frames, 2)))
    assert scorer.attribute(state, one) is None
    assert scorer.covariates == ()


def test_what_is_told_passes_through_several_detectors() -> None:
    scorer = Ensemble((KNN, MultiScale(PerChannel(LINEAR), scales=(1, 2))))
    told = there(scorer.expects(*judging(scorer)))
    known = there(PerChannel(LINEAR).expects(*judging(PerChannel(LINEAR))))
    assert told.expected.tobytes() == known.expected.tobytes()


def test_covariates_are_those_of_any_member_each_once() -> None:
    wide = replace(TREES, covariates=(4, 1))
    assert Ensemble((KNN, TREES, MultiScale(wide))).covariates == (2, 3, 4, 1)


@pytest.mark.parametrize("scorer", BOTH, ids=["ensemble", "scales"])
def test_an_incident_tells_what_a_detector_inside_expected(scorer: Any) -> None:
    frame = pd.DataFrame(plant(), columns=list(CHANNELS))
    detection = detect(frame, scorer, train=TRAIN)
    told = [(detection.explained(one.id), one) for one in detection.panels[0].incidents]
    explained, incident = next(
        pair for pair in told if pair[0].expected and pair[1].channels[0][0] == "flow"
    )
    course = there(explained.expected)[0]
    assert course.channel == "flow"
    assert (np.abs(course.value - course.expected) > 5 * course.usual).any()
    assert incident.covariates[0][0] == "sun"
