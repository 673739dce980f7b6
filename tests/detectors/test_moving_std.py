"""The moving standard deviation is that of every window, against the mean of all of them."""

import numpy as np
import pytest
from oracles import moving_std
from oracles.streams import blame_of, played, rough

from tocsin.detectors.classical.moving_std import MovingStd
from tocsin.pipeline.errors import ConfigError


@pytest.mark.parametrize(("window", "half_life"), [(2, 10), (7, 40), (20, 500)])
def test_each_channel_is_blamed_with_its_quotient(window: int, half_life: float) -> None:
    values = rough(200, 4, seed=window)
    wanted = moving_std.blames(values, window, half_life)
    seen = blame_of(played(MovingStd(window=window, half_life=half_life), values))
    np.testing.assert_allclose(seen, np.nan_to_num(wanted, posinf=np.inf), rtol=1e-8)


def test_the_score_is_the_root_of_the_mean_over_the_channels_that_have_one() -> None:
    values = rough(200, 4, seed=5)
    wanted = moving_std.blames(values, 20, 500)
    known = np.isfinite(wanted)
    mean = np.nansum(wanted, axis=1) / np.maximum(known.sum(axis=1), 1)
    mean[~known.any(axis=1)] = np.nan
    np.testing.assert_allclose(played(MovingStd(window=20), values).value, np.sqrt(mean), rtol=1e-8)


def test_a_wild_value_that_has_left_the_window_leaves_no_trace_in_it() -> None:
    values = np.random.default_rng(0).standard_normal((60, 1))
    values[30] = 1e12
    scorer = MovingStd(window=10, half_life=1e6)
    quotient = blame_of(played(scorer, values))[:, 0]
    # The usual variance is a mean over n - 9 windows, of which only the wild ones count.
    seen = np.array([quotient[n] / (n - 9) for n in range(40, 60)])
    own = np.array([values[n - 9 : n + 1].var() for n in range(40, 60)])
    np.testing.assert_allclose(seen / seen[0], own / own[0], rtol=1e-3)


def test_a_flat_channel_scores_nothing_until_it_moves() -> None:
    values = np.full((30, 1), 0.1)
    values[29] = 0.2
    score = played(MovingStd(window=10), values).value
    assert score[20:29].tolist() == [0.0] * 9
    assert score[29] == np.inf


def test_a_window_of_one_row_is_refused() -> None:
    with pytest.raises(ConfigError, match="window must be at least 2 rows; found 1"):
        MovingStd(window=1)
