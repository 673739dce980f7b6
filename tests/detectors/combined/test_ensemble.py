"""Several detectors as one: tails of each, combined as the textbook says."""

from typing import Any

import numpy as np
import pytest
from oracles import combined
from oracles.streams import batch_of, blame_of, played, rough

from tocsin.detectors.classical.ewma import Ewma
from tocsin.detectors.classical.knn import Knn
from tocsin.detectors.classical.mahalanobis import Mahalanobis
from tocsin.detectors.classical.moving_z import MovingZ
from tocsin.detectors.combined.ensemble import Ensemble
from tocsin.detectors.combined.surprise import RULES, combined_surprise
from tocsin.pipeline.calibrate import Conformal
from tocsin.pipeline.errors import ConfigError, TocsinError
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.types import Batch, Spec

EWMA, MOVING = Ewma(half_life=10), MovingZ(window=60)
KNN = Knn(train=40, memory=200)


@pytest.mark.parametrize("rule", RULES)
def test_tails_are_combined_as_by_scipy(rule: Any) -> None:
    rng = np.random.default_rng(1)
    tails = 10.0 ** rng.uniform(-12, 0, size=(200, 4))
    tails[rng.random(tails.shape) < 0.3] = np.nan
    tails[0], tails[1] = np.nan, 1.0
    wanted = [combined.joint_surprise(row.tolist(), rule) for row in tails]
    seen = combined_surprise(tails, rule)
    np.testing.assert_allclose(seen, np.maximum(wanted, 0.0), rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("rule", RULES)
def test_the_smallest_tails_stay_finite_and_ordered(rule: Any) -> None:
    tails = np.geomspace(1e-12, 1.0, 50)[:, None] * np.ones(8)
    seen = combined_surprise(tails, rule)
    assert np.isfinite(seen).all()
    assert (np.diff(seen) <= 0).all()


@pytest.mark.parametrize("rule", RULES)
def test_scores_combine_each_members_own_tails(rule: Any) -> None:
    values = rough(500, 2, seed=2)
    members = (EWMA, MOVING)
    key = np.zeros(len(values), dtype=np.int64)
    columns = []
    for member in members:
        calibrator = Conformal(history=300, alone=200, least=30, pool=1)
        state = calibrator.start()
        grow(state, 1)
        columns.append(calibrator.advance(state, key, key, played(member, values).value))
    wanted = combined_surprise(np.array(columns).T, rule)
    seen = played(Ensemble(members, rule, history=300), values).value
    assert np.isfinite(seen).sum() > 400
    np.testing.assert_array_equal(seen, wanted)


def test_the_member_that_is_surprised_is_blamed() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(size=(600, 1)) + 0.2 * rng.normal(size=(600, 3))
    values[-1] = [0.8, 0.8, -1.6]  # against the others, and ordinary alone
    scores = played(Ensemble((EWMA, Mahalanobis(half_life=100))), values)
    assert scores.value[-1] > np.nanquantile(scores.value, 0.99)
    assert blame_of(scores)[-1].argmax() == 2


def test_members_without_an_opinion_are_left_out() -> None:
    values = rough(80, 2, seed=4)
    alone = played(Ensemble((EWMA,)), values).value
    both = played(Ensemble((EWMA, MovingZ(window=1000))), values).value
    assert np.isfinite(alone).any()
    np.testing.assert_array_equal(both, alone)


def test_a_trained_member_goes_on_finding_what_lasts() -> None:
    rng = np.random.default_rng(5)
    scorer = Ensemble((KNN,), history=100)
    state = scorer.fit(Spec((1,)), [batch_of(rng.normal(size=(300, 1)))])
    score = scorer.advance(state, batch_of(rng.normal(size=(400, 1)) + 8.0)).value
    assert score.min() > 4.0


def test_live_a_trained_member_is_calibrated_on_rows_after_its_training() -> None:
    values = np.random.default_rng(6).normal(size=(300, 1))
    scorer = Ensemble((KNN,), history=50)
    state = scorer.start(Spec((1,)))
    grow(state, 1)
    score = scorer.advance(state, batch_of(values)).value
    assert np.isnan(score[: scorer.warmup]).all()
    assert np.isfinite(score[scorer.warmup :]).all()
    assert int(state.calibrators.s0.seen[0]) == 50


def test_fitting_runs_the_other_members_through_the_history() -> None:
    values = np.random.default_rng(7).normal(size=(300, 2))
    fitted = Ensemble((EWMA, KNN)).fit(Spec((2,)), [batch_of(values)])
    alone = EWMA.start(Spec((2,)))
    grow(alone, 1)
    EWMA.advance(alone, batch_of(values))
    np.testing.assert_array_equal(fitted.scorers.s0.mean[0], alone.mean[0])
    assert fitted.calibrators.s0.seen[0] == 290


def test_offline_the_row_that_both_find_is_first() -> None:
    values = np.random.default_rng(8).normal(size=(500, 2))
    values[300] = [7.0, -7.0]
    scores = Ensemble((EWMA, KNN)).offline(Spec((2,)), values[:200], values[200:])
    assert int(np.nanargmax(scores.value)) == 100
    assert np.isfinite(scores.value).all()
    assert scores.blame is not None
    assert (scores.blame >= 0).all()


def test_only_what_can_be_fitted_is() -> None:
    assert not hasattr(Ensemble((EWMA, MOVING)), "fit")
    assert hasattr(Ensemble((EWMA, KNN)), "fit")


def test_settings_and_rows_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="found none"):
        Ensemble(())
    with pytest.raises(ConfigError, match="combine must be one of fisher"):
        Ensemble((EWMA,), "max")  # type: ignore[arg-type] # the mistake under test
    scorer = Ensemble((EWMA,))
    state = scorer.start(Spec((2,)))
    grow(state, 1)
    none = np.zeros(1, dtype=np.int64)
    with pytest.raises(TocsinError, match="values must be"):
        scorer.score(state, Batch(none, none, np.zeros((1, 1, 3))))
    with pytest.raises(TocsinError, match="in a state with room for 8"):
        scorer.learn(state, Batch(none + 8, none, np.zeros((1, 1, 2))))
