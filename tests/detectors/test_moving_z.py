"""The moving z-score gives what the textbook's formulas give."""

import numpy as np
import pytest
from oracles import moving_z
from oracles.streams import blame_of, played, rough

from tocsin.detectors.classical.moving_z import MovingZ
from tocsin.pipeline.errors import ConfigError


@pytest.mark.parametrize("window", [2, 7, 20])
def test_each_channel_is_blamed_with_its_z(window: int) -> None:
    values = rough(200, 4, seed=window)
    wanted = moving_z.blames(values, window)
    seen = blame_of(played(MovingZ(window=window), values))
    np.testing.assert_allclose(seen, np.nan_to_num(wanted, posinf=np.inf), rtol=1e-9)


def test_the_score_is_the_largest_z() -> None:
    values = rough(200, 4, seed=1)
    wanted = np.fmax.reduce(moving_z.blames(values, 20), axis=1)
    np.testing.assert_allclose(played(MovingZ(window=20), values).value, wanted, rtol=1e-9)


def test_a_wild_value_that_has_left_the_window_leaves_no_trace() -> None:
    values = np.random.default_rng(0).standard_normal((60, 1))
    wild = values.copy()
    wild[20] = 1e12
    seen = played(MovingZ(window=10), wild).value[31:]
    np.testing.assert_array_equal(seen, played(MovingZ(window=10), values).value[31:])


def test_a_flat_channel_scores_nothing_until_it_moves() -> None:
    values = np.full((30, 1), 0.1)
    values[29] = 0.2
    score = played(MovingZ(window=10), values).value
    assert score[10:29].tolist() == [0.0] * 19
    assert score[29] == np.inf


def test_a_window_of_one_row_is_refused() -> None:
    with pytest.raises(ConfigError, match="window must be at least 2 rows; found 1"):
        MovingZ(window=1)
