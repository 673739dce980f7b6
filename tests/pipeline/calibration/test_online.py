"""Weights are learned from the tails: uniform ones leave them, drift takes the old ones down."""

import numpy as np
import pytest
from oracles.calibration import distance_from_uniform, tails_of
from scipy.optimize import minimize

from tocsin.pipeline.calibration.online import OnlineState, OnlineWeighted, projected
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.types import FloatArray


def played(rule: OnlineWeighted, value: FloatArray) -> tuple[OnlineState, FloatArray]:
    """State and tails after scores (T, K), each learned after it was judged."""
    state = rule.start()
    grow(state, value.shape[1])
    key = np.tile(np.arange(value.shape[1]), len(value))
    return state, rule.advance(state, key, key, value.ravel()).reshape(value.shape)


def test_before_the_first_step_all_scores_of_the_window_weigh_the_same() -> None:
    rule = OnlineWeighted(level=0.1, window=20, least=5)
    value = np.random.default_rng(1).normal(size=(59, 1))
    tail = played(rule, value)[1][:, 0]
    wanted = tails_of(np.ones(20), value[:, 0])
    np.testing.assert_allclose(tail[20:], wanted, rtol=1e-12)
    assert np.isnan(tail[:5]).all()


def test_a_step_brings_the_batch_nearer_to_uniform() -> None:
    rule = OnlineWeighted(level=0.1, window=40, step=0.1, epochs=1)
    for seed in range(5):
        line = np.random.default_rng(seed).normal(size=80) + np.linspace(0, 4, 80)
        state, _ = played(rule, line[:, None])
        before = distance_from_uniform(tails_of(np.ones(40), line))
        after = distance_from_uniform(tails_of(state.weight[0], line))
        assert after < before


def test_a_step_goes_down_the_slope_of_the_distance() -> None:
    line = np.random.default_rng(3).normal(size=80) + np.linspace(0, 4, 80)
    state, _ = played(OnlineWeighted(level=0.1, window=40, step=1e-3, epochs=1), line[:, None])
    moved = state.weight[0] - 1.0
    slope = np.empty(40)
    for place in range(40):
        near = np.ones(40)
        near[place] -= 1e-6
        slope[place] = (
            distance_from_uniform(tails_of(np.ones(40), line))
            - distance_from_uniform(tails_of(near, line))
        ) / 1e-6
    # The tail's slope is taken with 1 + W held off; what cannot go above 1 stays there.
    wanted = np.minimum(-1e-3 * slope * 41, 0.0)
    np.testing.assert_allclose(moved, wanted, atol=1e-9)


def test_steady_scores_leave_the_weights_near_one() -> None:
    rule = OnlineWeighted(level=0.05, window=100)
    state, _ = played(rule, np.random.default_rng(4).normal(size=(900, 8)))
    assert state.weight.min() > 0.3
    assert state.weight[:8].mean() > 0.8


def test_lasting_drift_takes_weight_from_the_old_scores_alone() -> None:
    rule = OnlineWeighted(level=0.05, window=100)
    drift = np.random.default_rng(5).normal(size=(1500, 4)) + 0.02 * np.arange(1500)[:, None]
    state, tail = played(rule, drift)
    weight = state.weight[:4].mean(axis=0)
    assert weight[:20].mean() > 2 * weight[-20:].mean()
    flat = played(OnlineWeighted(level=0.05, window=100, step=0.0), drift)[1]
    late = [distance_from_uniform(each[-500:].ravel()) for each in (tail, flat)]
    assert late[0] < 0.75 * late[1]


def test_the_sum_of_weights_never_falls_below_what_the_level_needs() -> None:
    rule = OnlineWeighted(level=0.05, window=100, step=1.0)
    drift = np.random.default_rng(6).normal(size=(1500, 2)) + 0.1 * np.arange(1500)[:, None]
    state, _ = played(rule, drift)
    assert (state.weight[:2].sum(axis=1) >= rule.lightest * (1 - 1e-12)).all()
    assert (rule.size(state, np.arange(2)) >= rule.lightest - 1).all()


def test_the_projection_is_the_nearest_point() -> None:
    rng = np.random.default_rng(7)
    for _ in range(5):
        weight = rng.normal(size=6)
        wanted = minimize(
            lambda w, weight=weight: ((w - weight) ** 2).sum(),
            np.full(6, 0.7),
            jac=lambda w, weight=weight: 2 * (w - weight),
            bounds=[(0, 1)] * 6,
            constraints={"type": "ineq", "fun": lambda w: w.sum() - 3.5},
            method="SLSQP",
        )
        found = projected(weight, 3.5)
        assert 0 <= found.min() <= found.max() <= 1
        assert found.sum() >= 3.5 - 1e-12
        assert ((found - weight) ** 2).sum() <= wanted.fun + 1e-6


@pytest.mark.parametrize(
    "settings",
    [{"level": 0.001}, {"level": 0.0}, {"step": 2.0}, {"epochs": 0}, {"least": 0}],
    ids=lambda settings: next(iter(settings)),
)
def test_impossible_settings_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="need"):
        OnlineWeighted(**settings)
