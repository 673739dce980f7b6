"""The linear forecast: its fits, what a loss is for, and what all channels together foresee."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
from scipy.optimize import minimize

from tocsin.detectors.forecast.linear import LinearForecast
from tocsin.detectors.forecast.losses import LossName, loss_of
from tocsin.detectors.trained import training_windows
from tocsin.detectors.windows.autoregression import AutoregressionResidual
from tocsin.evaluation.conformance import Subject, cases
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.types import FloatArray, Spec

SMALL = LinearForecast(train=60, memory=200, lags=3)
NAMES = get_args(LossName)
REWEIGHTED: tuple[LossName, ...] = ("huber", "log_cosh", "pinball")


def follower(rows: int, seed: int = 0) -> FloatArray:
    """White noise, and a channel that repeats it two rows later: (N, 2)."""
    rng = np.random.default_rng(seed)
    leads = rng.normal(size=rows)
    return np.stack([leads, 100 * np.roll(leads, 2) + 5 * rng.normal(size=rows)], axis=1)


def table(rows: int = 300) -> tuple[FloatArray, FloatArray]:
    """Features (N, 3) and values (N,) with wild noise."""
    rng = np.random.default_rng(2)
    past = rng.normal(size=(rows, 3))
    return past, past @ [0.5, -0.2, 0.1] + 0.3 + 0.2 * rng.standard_t(2, size=rows)


@pytest.mark.parametrize(
    "check", cases([Subject(replace(SMALL, loss="pinball", quantile=0.6), Spec((2,), window=4))])
)
def test_linear_forecast_keeps_the_promise(check: Callable[[], None]) -> None:
    check()


@pytest.mark.parametrize("name", REWEIGHTED)
def test_the_loss_is_positive_and_falls_with_each_turn(name: LossName) -> None:
    losses = replace(SMALL, loss=name).fitted(*table()).losses
    assert len(losses) > 3
    assert min(losses) > 0
    assert max(np.diff(losses)) <= 1e-9


@pytest.mark.parametrize("quantile", [0.5, 0.9])
@pytest.mark.parametrize("name", NAMES)
def test_the_fit_is_the_least_loss(name: LossName, quantile: float) -> None:
    past, after = table()
    scorer = replace(SMALL, loss=name, quantile=quantile, ridge=1e-9)
    plain = replace(SMALL, loss="squared", ridge=1e-9).fitted(past, after).weights
    features = np.hstack((np.ones((len(past), 1)), past))
    left = after - features @ plain
    unit = 1.0 if name == "squared" else np.median(np.abs(left)) / 0.6745

    def mean_loss(weights: FloatArray) -> float:
        return float(loss_of(name, (after - features @ weights) / unit, quantile).value.mean())

    best = minimize(mean_loss, plain, method="Nelder-Mead", options={"maxiter": 2000})
    assert mean_loss(scorer.fitted(past, after).weights) < best.fun * 1.002


def test_a_quantile_lies_above_its_share_of_rows() -> None:
    past, after = table()
    found = replace(SMALL, loss="pinball", quantile=0.9).fitted(past, after).weights
    assert np.mean(after < found[0] + past @ found[1:]) == pytest.approx(0.9, abs=0.02)


def test_together_channels_foresee_what_none_foresees_alone() -> None:
    rows = follower(400)
    windows = training_windows(follower(200, seed=1), 4)
    windows[:, -1, 1] += 60.0  # within the channel's own spread of 100
    joint, alone = (replace(SMALL, joint=joint) for joint in (True, False))
    found = joint.measure(joint.model(rows), windows)[0]
    assert np.median(found) > 8
    assert np.median(alone.measure(alone.model(rows), windows)[0]) < 3


def test_wild_training_rows_bend_a_robust_fit_little() -> None:
    rng = np.random.default_rng(3)
    clean = np.sin(np.arange(600) / 5)[:, None] + 0.05 * rng.normal(size=(600, 1))
    wild = clean.copy()
    wild[rng.choice(600, 30, replace=False)] += 8.0
    windows = training_windows(clean, 4)
    spike = windows.copy()
    spike[:, -1] += 0.8
    found = {}
    for name in ("squared", "huber"):
        scorer: Any = replace(SMALL, loss=name)
        model = scorer.model(wild)
        found[name] = np.median(scorer.measure(model, spike)[0])
    assert found["huber"] > 3 * found["squared"]


def test_squared_and_alone_it_is_the_autoregression() -> None:
    rows = follower(300)
    rows -= rows.mean(axis=0)
    one: Any = LinearForecast(train=60, memory=400, lags=3, joint=False, loss="squared")
    other = AutoregressionResidual(train=60, memory=400, lags=3)
    windows = training_windows(rows, 4)
    parts = [scorer.measure(scorer.model(rows), windows)[1][:, -1] for scorer in (one, other)]
    np.testing.assert_allclose(parts[0], parts[1], atol=0.02)


def test_what_follows_a_row_leaves_its_score_alone() -> None:
    rows = follower(200)
    model = SMALL.model(rows[:100])
    other = rows.copy()
    other[150:] *= 7.0
    found = [SMALL.measure(model, training_windows(each, 4))[0][:147] for each in (rows, other)]
    assert found[0].tobytes() == found[1].tobytes()


@pytest.mark.parametrize(
    ("changed", "setting"),
    [
        ({"lags": 0}, "lags"),
        ({"ridge": 0.0}, "ridge"),
        ({"quantile": 1.0}, "quantile"),
        ({"loss": "hinge"}, "loss must be one of"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(changed: dict[str, Any], setting: str) -> None:
    with pytest.raises(ConfigError, match=setting):
        replace(SMALL, **changed)
