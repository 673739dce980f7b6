"""Training: every term of every loss pulls, the seed decides, and the best is kept."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tocsin.detectors.reconstruction.network import convolutional_plan, dense_plan, respond
from tocsin.detectors.reconstruction.training import Lesson, Loss, Material, Training, train

PLAN = dense_plan(5, 16, 2)
LESSON = Lesson(rate=5e-3, epochs=4)
LOSSES: tuple[Loss, ...] = ("squared", "log_cosh", "logarithmic", "probabilistic")


def material(rows: int = 400, *, seed: int = 0, frames: int = 1) -> Material:
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(rows, frames, 2))
    mixed = np.tanh(hidden @ np.array([[1.0, 0.5, -1.0, 0.3, 0.0], [0.0, 1.0, 0.5, -1.0, 2.0]]))
    return Material(mixed, np.ones(mixed.shape), np.full(mixed.shape[1:], 2.0))


def taught(lesson: Lesson) -> Training:
    plan = dense_plan(5, 16, 2, heads=2 if lesson.loss == "probabilistic" else 1)
    return train(plan, lesson, material(), material(100, seed=1))


@pytest.mark.parametrize("loss", LOSSES)
def test_each_term_of_the_loss_is_positive_and_falls_in_the_first_steps(loss: Loss) -> None:
    steps = taught(replace(LESSON, loss=loss, sparse=0.05)).steps
    assert set(steps[0]) >= {"sparse"}
    assert len(steps[0]) == (3 if loss == "probabilistic" else 2)
    for name in steps[0]:
        terms = np.array([step[name] for step in steps])
        assert (terms > 0).all(), name
        assert terms[25:35].mean() < terms[:5].mean(), name


@pytest.mark.parametrize("loss", LOSSES)
def test_the_held_out_block_is_rebuilt_better(loss: Loss) -> None:
    held = taught(replace(LESSON, loss=loss)).held
    assert min(held) < 0.97 * held[0]


def test_convolutions_learn() -> None:
    lesson = replace(LESSON, rate=1e-2)
    plan = convolutional_plan(8, 5, 12, 4)
    told = train(plan, lesson, material(frames=8), material(100, seed=1, frames=8))
    assert told.held[-1] < 0.8 * told.held[0]


def test_one_seed_gives_the_same_weights_whatever_torch_draws() -> None:
    one = taught(LESSON)
    torch.rand(3)
    two = taught(LESSON)
    np.testing.assert_array_equal(one.theta, two.theta)
    assert one.steps == two.steps


def test_another_seed_gives_other_weights() -> None:
    assert (taught(LESSON).theta != taught(replace(LESSON, seed=1)).theta).any()


def test_training_leaves_torch_as_it_was() -> None:
    threads, drawn = torch.get_num_threads(), torch.get_rng_state()
    taught(replace(LESSON, epochs=1))
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), drawn)


def test_training_ends_once_the_held_out_block_gets_no_better() -> None:
    noise = np.random.default_rng(5).normal(size=(100, 1, 5))
    held = Material(noise, np.ones(noise.shape), np.ones((1, 5)))
    told = train(PLAN, replace(LESSON, epochs=40, rate=2e-2, patience=3), material(), held)
    assert len(told.held) < 40
    assert min(told.held[-3:]) >= min(told.held[:-3]) * (1 - 1e-3)


def test_what_is_not_known_teaches_nothing() -> None:
    whole = material()
    known = whole.known.copy()
    known[:, :, 2] = 0.0
    wild = whole.inputs.copy()
    wild[:, :, 2] = 0.0
    told = train(PLAN, LESSON, Material(wild, known, whole.reach), material(100, seed=1))
    # No slope ever reached the weights of that value's answer: its bias is as it began.
    assert told.theta[-5:][2] == 0.0
    assert (np.delete(told.theta[-5:], 2) != 0.0).all()


def test_hidden_inputs_are_rebuilt_from_the_others() -> None:
    rng = np.random.default_rng(6)
    alike = np.repeat(rng.normal(size=(400, 1, 1)), 5, axis=2)
    same = Material(alike, np.ones(alike.shape), np.ones((1, 5)))
    lesson = replace(LESSON, epochs=8, rate=2e-2)
    hiding = train(PLAN, replace(lesson, hide=0.3), same, same)
    seeing = train(PLAN, replace(lesson, hide=0.0), same, same)
    probe = alike.copy()
    probe[:, :, 0] = 0.0
    assert _error(hiding.theta, probe, alike) < _error(seeing.theta, probe, alike)


def _error(theta: np.ndarray, given: np.ndarray, wanted: np.ndarray) -> float:
    return float(((respond(PLAN, theta, given) - wanted) ** 2)[:, :, 0].mean())
