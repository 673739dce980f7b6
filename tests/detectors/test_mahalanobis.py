"""The Mahalanobis distance is that of a plain loop and a matrix inverse."""

import numpy as np
import pytest
from oracles import mahalanobis
from oracles.streams import batch_of, blame_of, played, rough

from tocsin.detectors.classical.mahalanobis import Mahalanobis
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.types import Spec


@pytest.mark.parametrize("width", [1, 2, 5])
@pytest.mark.parametrize("memory", [0, 3])
def test_rows_score_as_in_the_slow_version(width: int, memory: float) -> None:
    values = rough(250, width, seed=width)
    scorer = Mahalanobis(half_life=30, shrinkage=0.1, memory=memory)
    score, blame = mahalanobis.scores(values, 30, 0.1, memory, scorer.warmup)
    seen = played(scorer, values)
    np.testing.assert_allclose(seen.value, score, rtol=1e-7)
    np.testing.assert_allclose(blame_of(seen), blame, rtol=1e-6, atol=1e-6)


def test_moments_of_complete_rows_are_those_of_the_definition() -> None:
    rng = np.random.default_rng(0)
    values = rng.standard_normal((300, 3)) @ rng.standard_normal((3, 3)) + 5.0
    scorer = Mahalanobis(half_life=40)
    state = scorer.start(Spec((3,)))
    grow(state, 1)
    scorer.advance(state, batch_of(values))
    mean, covariance = mahalanobis.moments(values, 40)
    np.testing.assert_allclose(state.mean[0], mean, rtol=1e-10)
    np.testing.assert_allclose(state.covariance[0], covariance, rtol=1e-10)


def test_the_channel_that_turns_against_the_others_is_blamed_most() -> None:
    rng = np.random.default_rng(1)
    values = rng.standard_normal((400, 1)) + 0.3 * rng.standard_normal((400, 4))
    values[-1] = [1.0, 1.0, -1.0, 1.0]  # ordinary values, one by one
    scores = played(Mahalanobis(), values)
    assert blame_of(scores)[-1].argmax() == 2
    assert scores.value[-1] > np.nanmax(scores.value[:-1])


def test_channels_that_move_as_one_are_scored() -> None:
    one = np.random.default_rng(2).standard_normal((400, 1))
    values = np.repeat(one, 3, axis=1)
    values[-1, 0] += 1.0
    score = played(Mahalanobis(), values).value
    assert np.isfinite(score[250:]).all()
    assert score[-1] > score[250:-1].max()


def test_pairs_that_do_not_fit_together_are_scored() -> None:
    rng = np.random.default_rng(3)
    common = rng.standard_normal((900, 1))
    # Each pair is seen in rows of its own; all three correlations at once are impossible.
    values = np.repeat(common, 3, axis=1)
    values[300:600, 2] *= -1.0
    for part, hidden in enumerate((2, 1, 0)):
        values[300 * part : 300 * part + 300, hidden] = np.nan
    values = np.vstack([values, rng.standard_normal((20, 3))])
    score = played(Mahalanobis(half_life=300, shrinkage=1e-6), values).value
    assert np.isfinite(score[-20:]).all()


def test_a_wild_row_is_soon_forgotten_by_the_memory() -> None:
    values = np.random.default_rng(4).standard_normal((320, 3))
    values[300] = 1e6
    score = played(Mahalanobis(half_life=10), values).value
    assert score[300] > 1e3
    assert score[310] < 3.0


def test_a_flat_channel_is_left_out_until_it_moves() -> None:
    values = np.random.default_rng(5).standard_normal((300, 2))
    values[:, 1] = 0.1
    values[-1, 1] = 0.2
    score = played(Mahalanobis(), values).value
    assert np.isfinite(score[250:-1]).all()
    assert score[-1] == np.inf


@pytest.mark.parametrize("shrinkage", [0.0, 1.1, float("nan")])
def test_a_shrinkage_that_is_no_share_is_refused(shrinkage: float) -> None:
    with pytest.raises(ConfigError, match="shrinkage must be in 1e-6 to 1"):
        Mahalanobis(shrinkage=shrinkage)
