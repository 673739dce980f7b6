"""The exponentially weighted z-score is the one of all past values and their weights."""

import numpy as np
import pytest
from oracles import ewma
from oracles.streams import blame_of, played, rough

from tocsin.detectors.classical.ewma import Ewma
from tocsin.pipeline.errors import ConfigError


@pytest.mark.parametrize("half_life", [0.5, 5, 30])
def test_each_channel_is_blamed_with_its_z(half_life: float) -> None:
    values = rough(200, 4, seed=3)
    scorer = Ewma(half_life=half_life)
    wanted = ewma.blames(values, half_life, scorer.warmup)
    seen = blame_of(played(scorer, values))
    np.testing.assert_allclose(seen, np.nan_to_num(wanted, posinf=np.inf), rtol=1e-8)


def test_the_score_is_the_largest_z() -> None:
    values = rough(200, 4, seed=4)
    wanted = np.fmax.reduce(ewma.blames(values, 20, 20), axis=1)
    np.testing.assert_allclose(played(Ewma(half_life=20), values).value, wanted, rtol=1e-8)


def test_a_flat_channel_scores_nothing_until_it_moves() -> None:
    values = np.full((30, 1), 0.1)
    values[29] = 0.2
    score = played(Ewma(half_life=10), values).value
    assert score[10:29].tolist() == [0.0] * 19
    assert score[29] == np.inf


@pytest.mark.parametrize("half_life", [0, -1, float("inf"), float("nan")])
def test_a_half_life_that_is_no_number_of_rows_is_refused(half_life: float) -> None:
    with pytest.raises(ConfigError, match="half_life must be a positive number of rows"):
        Ewma(half_life=half_life)
