"""Networks as plain arrays: their answer is the sum it says, and torch's, and each row's own."""

import numpy as np
import pytest
import torch
from oracles.reconstruction_networks import answer

from tocsin.detectors.reconstruction.network import (
    Plan,
    convolutional_plan,
    dense_plan,
    first_weights,
    respond,
)
from tocsin.detectors.reconstruction.training import forward

PLANS = (dense_plan(6, 9, 2), dense_plan(6, 9, 2, heads=2), convolutional_plan(8, 3, 5, 2))


def weights_of(plan: Plan) -> np.ndarray:
    return first_weights(plan, np.random.default_rng(1)) + 0.1


@pytest.mark.parametrize("plan", PLANS)
def test_answers_are_those_of_the_slow_version(plan: Plan) -> None:
    theta = weights_of(plan)
    windows = np.random.default_rng(2).normal(size=(7, plan.frames, plan.width))
    wanted = np.stack([answer(plan, theta, window) for window in windows])
    np.testing.assert_allclose(respond(plan, theta, windows), wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("plan", PLANS)
def test_what_is_trained_is_what_scores(plan: Plan) -> None:
    theta = weights_of(plan)
    windows = np.random.default_rng(3).normal(size=(7, plan.frames, plan.width))
    trained = forward(plan, torch.from_numpy(theta), torch.from_numpy(windows)).numpy()
    np.testing.assert_allclose(respond(plan, theta, windows), trained, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("plan", PLANS)
def test_a_row_alone_has_the_bits_it_has_in_company(plan: Plan) -> None:
    theta = weights_of(plan)
    windows = np.random.default_rng(4).normal(size=(33, plan.frames, plan.width))
    together = respond(plan, theta, windows)
    alone = np.concatenate([respond(plan, theta, window[None]) for window in windows[::-1]])
    np.testing.assert_array_equal(alone[::-1], together)


def test_a_code_of_no_numbers_answers_the_same_to_every_window() -> None:
    plan = dense_plan(1, 4, 0)
    found = respond(plan, weights_of(plan), np.array([[[-3.0]], [[0.0]], [[5.0]]]))
    assert np.ptp(found) == 0.0


def test_a_convolutional_answer_is_as_long_as_its_window() -> None:
    plan = convolutional_plan(12, 2, 4, 1, heads=2)
    assert respond(plan, weights_of(plan), np.zeros((1, 12, 2))).shape == (1, 12, 4)
