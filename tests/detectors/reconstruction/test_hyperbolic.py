"""The hyperbolic reconstruction learns without collapsing, and blames what it cannot rebuild."""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
import torch
from oracles.windows import signal, windows_of

from tocsin.detectors.reconstruction.hyperbolic import HyperbolicModel, HyperbolicReconstruction
from tocsin.detectors.reconstruction.hyperbolic_ball import distances
from tocsin.detectors.reconstruction.hyperbolic_training import apart, train
from tocsin.evaluation.planted import area_under_curve
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.types import FloatArray

WAVE = HyperbolicReconstruction(window=8, hidden=16, code=3, ball=6, steps=150, batch=64, rate=0.01)
HOW = HyperbolicReconstruction(hidden=6, code=2, ball=4, steps=5, batch=16).lessons
FRAMES = 8


@lru_cache(maxsize=1)
def wave_model() -> HyperbolicModel:
    model = WAVE.model(signal(400, 2, seed=0))
    assert model is not None
    return model


def clean(rows: int, seed: int) -> FloatArray:
    return windows_of(signal(rows, 2, seed), FRAMES)


@pytest.mark.parametrize("term", [0, 1, 2], ids=["ball", "plain", "even"])
def test_each_term_of_the_loss_is_positive_and_falls(term: int) -> None:
    loss = wave_model().network.loss[:, term]
    assert (loss > 0).all()
    assert loss[10:20].mean() < loss[:10].mean()
    assert loss[-20:].mean() < 0.8 * loss[:10].mean()


def test_the_map_neither_shrinks_nor_loses_a_direction() -> None:
    network, scale = wave_model().network, wave_model().scale
    values = (windows_of(signal(400, 2, seed=0), FRAMES) - scale.centre) / scale.spread
    led = values.reshape(len(values), -1) @ network.turn
    assert np.sqrt((led**2).sum(axis=1).mean()) == pytest.approx(WAVE.reach, rel=1e-9)
    strengths = np.linalg.svd(network.turn, compute_uv=False)
    assert strengths[-1] > 0.3 * strengths[0]


def test_distances_in_training_are_those_of_scoring() -> None:
    rng = np.random.default_rng(1)
    one, other = rng.normal(size=(50, 4)), rng.normal(size=(50, 4))
    found = apart(torch.from_numpy(one), torch.from_numpy(other)).numpy()
    assert found == pytest.approx(distances(one, other), abs=1e-6)


def test_slopes_stay_finite_where_the_points_are_one() -> None:
    still = torch.zeros(3, 4, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(apart(still, still.detach()).sum(), still)
    assert torch.isfinite(slope).all()


def test_training_is_a_function_of_rows_and_seed_alone() -> None:
    rows = np.random.default_rng(2).normal(size=(30, 6))
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    one = train(rows, HOW)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    torch.manual_seed(3)
    two = train(rows, HOW)
    for left, right in zip(one[1:], two[1:], strict=True):
        assert np.array_equal(left, right)
    assert not np.array_equal(train(rows, replace(HOW, seed=1)).theta, one.theta)


def test_every_weight_is_moved_by_training() -> None:
    rows = np.random.default_rng(4).normal(size=(30, 6))
    once, later = train(rows, replace(HOW, steps=1)), train(rows, replace(HOW, steps=2))
    for part in ("theta", "turn", "shift"):
        assert (getattr(once, part) != getattr(later, part)).mean() > 0.9, part


def test_ordinary_rows_score_about_one() -> None:
    assert np.mean(WAVE.measure(wave_model(), clean(300, 5))[0]) == pytest.approx(1.0, abs=0.25)


@pytest.mark.parametrize("weighed", [True, False])
def test_spikes_stand_out_and_their_channel_is_blamed(weighed: bool) -> None:
    scorer = replace(WAVE, weighed=weighed)
    sound, wrong = clean(80, 6), clean(80, 7)
    wrong[:, -1, 1] += 250.0  # five deviations
    model = wave_model()
    value, blame = scorer.measure(model, np.concatenate([sound, wrong]))
    faulty = np.repeat([False, True], len(sound))
    assert area_under_curve(faulty, value) > 0.95
    assert (blame[faulty].sum(axis=1).argmax(axis=1) == 1).mean() > 0.95
    assert blame.sum(axis=(1, 2)) == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize("weighed", [True, False])
def test_the_score_is_the_distance_weighed_or_not_over_what_is_usual(weighed: bool) -> None:
    parts = WAVE.parts(wave_model(), clean(30, 8))
    assert ((parts.certainty > 0) & (parts.certainty < 1)).all()
    wanted = parts.distance * (parts.certainty if weighed else 1.0) / wave_model().usual
    found = replace(WAVE, weighed=weighed).measure(wave_model(), clean(30, 8))[0]
    assert found == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize(
    ("make", "setting"),
    [
        (lambda: HyperbolicReconstruction(window=0), "window"),
        (lambda: HyperbolicReconstruction(hidden=0), "hidden"),
        (lambda: HyperbolicReconstruction(code=0), "code"),
        (lambda: HyperbolicReconstruction(ball=0), "ball"),
        (lambda: HyperbolicReconstruction(reach=0.0), "reach"),
        (lambda: HyperbolicReconstruction(plain=0.0), "plain"),
        (lambda: HyperbolicReconstruction(even=0.0), "even"),
        (lambda: HyperbolicReconstruction(steps=0), "steps"),
        (lambda: HyperbolicReconstruction(batch=0), "batch"),
        (lambda: HyperbolicReconstruction(rate=1.0), "rate"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(make: Callable[[], object], setting: str) -> None:
    with pytest.raises(ConfigError, match=setting):
        make()
