"""The level is held whatever the scores do; a fault is muted only if it is learned."""

import numpy as np
import pytest
from oracles.calibration import Controlled

from tocsin.pipeline.calibration.level import AdaptiveLevel
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.types import FloatArray

RULE = AdaptiveLevel(level=0.2, step=0.02, history=50, alone=20, least=10)


def wild(rows: int) -> FloatArray:
    """Scores that no assumption fits: runs, shifts, trends and bursts."""
    rng = np.random.default_rng(1)
    walk = np.cumsum(rng.normal(size=rows)) * 0.1
    return walk + 5.0 * (np.arange(rows) // 97 % 2) + rng.standard_t(1, rows)


def test_levels_move_as_those_counted_by_hand() -> None:
    counting = Controlled(0.2, 0.02, 50, 20, 10)
    state = RULE.start()
    grow(state, 1)
    zero = np.array([0])
    for score in wild(400):
        RULE.learn(state, zero, zero, np.array([score]))
        counting.learn(score)
    assert 0.2 + state.moved[0] == pytest.approx(counting.at, rel=1e-9)


@pytest.mark.parametrize("rows", [100, 1000, 3000])
def test_the_share_of_low_scores_is_within_the_bound_of_the_level(rows: int) -> None:
    counting = Controlled(0.2, 0.02, 50, 20, 10)
    for score in wild(rows + 20):
        counting.learn(score)
    assert len(counting.errors) == rows
    assert abs(np.mean(counting.errors) - 0.2) <= 1.02 / (0.02 * rows)


def test_the_share_of_tails_at_the_level_is_the_level_on_any_scores() -> None:
    state = RULE.start()
    grow(state, 1)
    zeros = np.zeros(1500, dtype=np.int64)
    tail = RULE.advance(state, zeros, zeros, wild(1500))
    assert (tail[20:] <= 0.2).mean() == pytest.approx(0.2, rel=0.1)


def found_to_the_end(*, learn_the_fault: bool) -> float:
    """The share of the last 500 rows of a fault of 600 rows that is low."""
    rule = AdaptiveLevel(level=0.1, step=0.02, history=3000, alone=200)
    state = rule.start()
    grow(state, 1)
    zero = np.array([0])
    rng = np.random.default_rng(2)
    past = rng.normal(size=1000)
    many = np.zeros(1000, dtype=np.int64)
    rule.advance(state, many, many, past)
    low = []
    for score in rng.normal(size=600) + 6.0:
        low.append(rule.tail(state, zero, zero, np.array([score]))[0] < 0.01)
        if learn_the_fault or not low[-1]:
            rule.learn(state, zero, zero, np.array([score]))
    return float(np.mean(low[-500:]))


def test_a_fault_that_is_learned_is_muted() -> None:
    assert found_to_the_end(learn_the_fault=True) < 0.05


def test_a_fault_whose_rows_are_kept_from_learning_is_never_muted() -> None:
    assert found_to_the_end(learn_the_fault=False) == 1.0


def test_with_no_move_the_tail_is_the_plain_one() -> None:
    state = RULE.start()
    grow(state, 1)
    zeros = np.zeros(20, dtype=np.int64)
    RULE.advance(state, zeros, zeros, np.arange(20.0))
    probe = np.arange(-1.0, 21.0)
    zeros = np.zeros(len(probe), dtype=np.int64)
    plain = [(1 + (np.arange(20) >= one).sum()) / 21 for one in probe]
    np.testing.assert_allclose(RULE.tail(state, zeros, zeros, probe), plain, rtol=1e-12)


@pytest.mark.parametrize("settings", [{"level": 0.0}, {"level": 1.0}, {"step": 0.0}, {"step": 1.0}])
def test_impossible_settings_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="between 0 and 1"):
        AdaptiveLevel(**settings)  # type: ignore[arg-type]  # only these are given
