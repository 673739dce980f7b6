"""The blamed channel is the one at fault, not those whose reconstruction it spoils."""

from functools import cache

import numpy as np
import pytest
from oracles.reconstruction_networks import sparse_bias

from tocsin.detectors.reconstruction.arcana import Search, bias_vector, explain
from tocsin.detectors.reconstruction.autoencoder import Autoencoder
from tocsin.detectors.reconstruction.autoencoder_model import Design, Model
from tocsin.detectors.reconstruction.network import Layer, Plan
from tocsin.pipeline.types import FloatArray

WIDTH = 6
SETTINGS = Autoencoder(code=1, epochs=25, noise=0.05)


def correlated(rows: int, seed: int) -> FloatArray:
    """Channels that all follow one hidden signal, with a little noise of their own."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, 1)) + 0.1 * rng.normal(size=(rows, WIDTH))


@cache
def trained() -> tuple[Design, Model]:
    model = SETTINGS.model(correlated(500, seed=0))
    assert model is not None
    for array in model:
        array.flags.writeable = False  # the tests share it
    return SETTINGS.design(WIDTH), model


def test_a_linear_network_has_the_bias_of_the_slow_version() -> None:
    rng = np.random.default_rng(1)
    axes = np.linalg.qr(rng.normal(size=(5, 2)))[0]
    plan = Plan(1, 5, (Layer(5, 2), Layer(2, 5)))
    theta = np.concatenate([axes.ravel(), np.zeros(2), axes.T.ravel(), np.zeros(5)])
    points = rng.normal(size=5) * 4
    far = np.full(5, 1e9)
    search = Search(points, -far, far, np.ones(5), alpha=0.4, unit=0.5)
    wanted = sparse_bias(axes @ axes.T, points, 0.4, 0.5)
    found = bias_vector(plan, theta, search)
    assert 0 < (wanted == 0).sum() < 5
    np.testing.assert_allclose(found, wanted, atol=2e-3)


@pytest.mark.parametrize("channel", range(WIDTH))
def test_a_corrupted_channel_is_the_most_important_though_the_errors_smear(channel: int) -> None:
    design, model = trained()
    for row in correlated(3, seed=2):
        row[channel] += 5.0 if row[channel] < 0 else -5.0
        found = explain(design, model, row[None])
        assert int(found.argmax()) == channel
        assert found[channel] > 0.8 * found.sum()


def test_the_importance_is_more_concentrated_than_the_errors() -> None:
    design, model = trained()
    window = correlated(1, seed=3)
    window[0, 2] += 4.0
    _, blame = SETTINGS.measure(model, window[None])
    found = explain(design, model, window)
    assert found[2] / found.sum() > blame[0, 0, 2] / blame.sum()


def test_an_ordinary_row_has_nothing_to_explain() -> None:
    design, model = trained()
    assert explain(design, model, np.zeros((1, WIDTH))).max() < 0.2


def test_a_larger_cost_blames_no_more() -> None:
    design, model = trained()
    window = correlated(1, seed=4)
    window[0, 1] += 4.0
    sizes = [explain(design, model, window, alpha=alpha).sum() for alpha in (0.1, 0.5, 0.9)]
    assert sizes == sorted(sizes, reverse=True)


def test_a_missing_value_is_not_blamed() -> None:
    design, model = trained()
    window = correlated(1, seed=5)
    window[0, 1], window[0, 3] = np.nan, 9.0
    found = explain(design, model, window)
    assert found[1] == 0.0
    assert int(found.argmax()) == 3


def test_a_flat_channel_that_moves_is_blamed() -> None:
    rows = correlated(300, seed=6)
    rows[:, 4] = 7.0
    model = SETTINGS.model(rows)
    assert model is not None
    window = correlated(1, seed=7)
    window[0, 4] = 8.0
    assert int(explain(SETTINGS.design(WIDTH), model, window).argmax()) == 4
