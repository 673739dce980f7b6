"""Two passes: what could not be rebuilt is faded, and the second reconstruction is cleaner."""

from functools import cache

import numpy as np

from tocsin.detectors.reconstruction.attenuation import exchanged, faded, mask_plan, train_mask
from tocsin.detectors.reconstruction.autoencoder import Autoencoder
from tocsin.detectors.reconstruction.autoencoder_model import Model
from tocsin.pipeline.types import FloatArray

WIDTH = 6


def correlated(rows: int, seed: int) -> FloatArray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, 1)) + 0.2 * rng.normal(size=(rows, WIDTH))


def errors_and_answer() -> tuple[FloatArray, FloatArray]:
    rng = np.random.default_rng(0)
    wrong = (rng.random((400, WIDTH)) < 0.15).astype(float)
    return rng.normal(size=wrong.shape) + 6 * wrong, wrong


def test_the_loss_of_the_mask_is_positive_and_falls() -> None:
    _, losses = train_mask(*errors_and_answer(), seed=1)
    assert min(losses) > 0
    assert np.mean(losses[20:30]) < np.mean(losses[:5])
    assert np.mean(losses[-20:]) < 0.7 * np.mean(losses[:20])


def test_values_that_are_badly_rebuilt_are_faded_and_others_are_not() -> None:
    theta, _ = train_mask(*errors_and_answer(), seed=1)
    apart = np.zeros((1, WIDTH))
    apart[0, 2] = 8.0
    mixed = faded(np.ones((1, WIDTH)), np.zeros((1, WIDTH)), apart, theta)
    assert mixed[0, 2] < 0.3
    assert np.delete(mixed[0], 2).min() > 0.7


def test_fading_of_a_row_does_not_depend_on_its_company() -> None:
    rng = np.random.default_rng(2)
    theta = rng.normal(size=mask_plan(WIDTH).size)
    points, rebuilt, apart = rng.normal(size=(3, 20, WIDTH))
    alone = [
        faded(points[i : i + 1], rebuilt[i : i + 1], apart[i : i + 1], theta) for i in range(20)
    ]
    np.testing.assert_array_equal(np.concatenate(alone), faded(points, rebuilt, apart, theta))


def test_half_of_the_points_are_exchanged_in_at_most_two_channels() -> None:
    points = np.random.default_rng(3).normal(size=(400, 4 * 3))
    other = exchanged(points, 3, np.random.default_rng(4))
    changed = (other != points).reshape(400, 4, 3)
    assert set(changed.any(axis=1).sum(axis=1).tolist()) == {0, 1, 2}
    assert 0.35 < changed.any(axis=(1, 2)).mean() < 0.65
    assert (changed.all(axis=1) == changed.any(axis=1)).all()  # whole channels of a window


@cache
def fitted(*, attenuate: bool) -> tuple[Autoencoder, Model]:
    scorer = Autoencoder(code=1, epochs=20, attenuate=attenuate)
    model = scorer.model(correlated(600, seed=5))
    assert model is not None
    return scorer, model


def test_a_second_pass_blames_a_wrong_channel_more_clearly_than_one() -> None:
    rows = correlated(60, seed=6)
    rows[:, 3] -= np.copysign(4.0, rows[:, 3])
    shares = {}
    for attenuate in (False, True):
        scorer, model = fitted(attenuate=attenuate)
        _, blame = scorer.measure(model, rows[:, None])
        shares[attenuate] = (blame[:, 0, 3] / blame[:, 0].sum(axis=1)).mean()
    assert shares[True] > shares[False] + 0.02


def test_a_second_pass_leaves_clean_rows_rebuilt_as_well() -> None:
    left = {}
    for attenuate in (False, True):
        _, model = fitted(attenuate=attenuate)
        left[attenuate] = float(np.sqrt((model.width**2 + model.offset**2).mean()))
    assert left[True] <= 1.05 * left[False]
