"""Each channel alone, in its own unit, then joined."""

from typing import Any

import numpy as np
import pytest
from oracles import combined
from oracles.streams import batch_of, blame_of, played, rough

from tocsin.detectors.classical.ewma import Ewma
from tocsin.detectors.classical.knn import Knn
from tocsin.detectors.combined.per_channel import PerChannel
from tocsin.pipeline.errors import ConfigError, TocsinError
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.types import Batch, Spec

EWMA = Ewma(half_life=10)
KNN = Knn(train=40, memory=200)


@pytest.mark.parametrize("combine", ["max", "mean", "top3"])
def test_scores_join_the_standings_of_each_channel_alone(combine: Any) -> None:
    values = rough(300, 5, seed=1)
    columns = [
        combined.standings(played(EWMA, values[:, [c]]).value.tolist(), 50) for c in range(5)
    ]
    wanted = []
    for row in np.array(columns).T:
        known = np.sort(row[~np.isnan(row)])[::-1]
        few = {"max": known[:1], "mean": known, "top3": known[:3]}[combine]
        wanted.append(few.mean() if few.size else np.nan)
    scores = played(PerChannel(EWMA, combine, history=50), values)
    np.testing.assert_allclose(scores.value, wanted, rtol=1e-6, atol=1e-6)
    known = ~np.isnan(scores.value)
    apart = np.maximum(np.nan_to_num(np.array(columns).T), 0.0)
    np.testing.assert_allclose(blame_of(scores)[known], apart[known], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("of", [EWMA, KNN], ids=["played", "own"])
def test_offline_the_faulty_channel_is_blamed(of: Any) -> None:
    values = np.random.default_rng(3).normal(size=(400, 3))
    values[250, 2] += 9.0
    scores = PerChannel(of).offline(Spec((3,)), values[:100], values[100:])
    assert int(np.nanargmax(scores.value)) == 150
    assert scores.blame is not None
    assert scores.blame[150].argmax() == 2


def test_a_fitted_one_has_an_opinion_at_once() -> None:
    rng = np.random.default_rng(4)
    scorer = PerChannel(KNN)
    state = scorer.fit(Spec((2,)), [batch_of(rng.normal(size=(200, 2)))])
    score = scorer.score(state, batch_of(np.array([[0.0, 0.0], [0.0, 8.0]]))).value
    assert np.isfinite(score).all()
    assert score[1] > score[0] + 10


def test_a_dead_channel_is_left_out() -> None:
    values = np.random.default_rng(5).normal(size=(200, 2))
    alone = played(PerChannel(EWMA), values[:, :1]).value
    values[:, 1] = np.nan
    np.testing.assert_array_equal(played(PerChannel(EWMA), values).value, alone)


def test_correlations_are_not_claimed_to_be_seen() -> None:
    assert "broken_correlation" in KNN.traits.detects
    assert PerChannel(KNN).traits.detects == {"spike", "level_shift"}


def test_only_what_can_be_fitted_is() -> None:
    assert not hasattr(PerChannel(EWMA), "fit")
    assert hasattr(PerChannel(PerChannel(KNN)), "fit")


def test_settings_and_rows_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="combine must be one of max, top3, mean"):
        PerChannel(EWMA, "median")  # type: ignore[arg-type] # the mistake under test
    with pytest.raises(ConfigError, match="history must be 30"):
        PerChannel(EWMA, history=3)
    scorer = PerChannel(EWMA)
    state = scorer.start(Spec((2,)))
    grow(state, 1)
    none = np.zeros(1, dtype=np.int64)
    with pytest.raises(TocsinError, match="values must be"):
        scorer.score(state, Batch(none, none, np.zeros((1, 1, 3))))
    with pytest.raises(TocsinError, match="in a state with room for 8"):
        scorer.learn(state, Batch(none + 8, none, np.zeros((1, 1, 2))))
