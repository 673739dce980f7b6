"""Scale learning equals its plain sums, learns, and finds what is off in a window."""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
import torch
from oracles import scale_learning as oracle
from oracles.windows import signal, windows_of

from tocsin.detectors.reconstruction.scale_learning import ScaleLearning, ScaleModel
from tocsin.detectors.reconstruction.scale_learning_kernel import (
    DIVERGENCES,
    Divergence,
    described,
    diverged,
    judge,
)
from tocsin.detectors.reconstruction.scale_learning_training import (
    divergences,
    drawn,
    importance,
    train,
)
from tocsin.detectors.scaling import scaled
from tocsin.evaluation.planted import area_under_curve
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.types import FloatArray

WAVE = ScaleLearning(
    window=8, groups=5, subsets=6, width=12, hidden=12, steps=200, batch=64, rate=0.02
)
HOW = ScaleLearning(groups=2, subsets=3, width=4, hidden=5, steps=5, batch=16).lessons
FRAMES = 8
each = pytest.mark.parametrize("kind", DIVERGENCES)


@lru_cache(maxsize=1)
def wave_model() -> ScaleModel:
    model = WAVE.model(signal(400, 2, seed=0))
    assert model is not None
    return model


def clean(rows: int, seed: int) -> FloatArray:
    return windows_of(signal(rows, 2, seed), FRAMES)


def placed(rows: int, size: int) -> FloatArray:
    """Correlated features (rows, size) in spreads."""
    rng = np.random.default_rng(1)
    return rng.normal(size=(rows, size)) + rng.normal(size=(rows, 1)) * np.linspace(0, 1, size)


def test_features_are_the_obvious_ones() -> None:
    windows = clean(30, 2)
    for window, found in zip(windows, described(windows), strict=True):
        assert found == pytest.approx(oracle.features(window), rel=1e-9, abs=1e-9)


@each
def test_divergences_of_scoring_and_training_are_the_plain_sums(kind: Divergence) -> None:
    rng = np.random.default_rng(3)
    told, scales = rng.normal(0, 3, (20, 7)), rng.normal(0, 2, 7)
    wanted = np.array([oracle.divergence(row, scales, kind) for row in told])
    assert [diverged(row, scales, kind) for row in told] == pytest.approx(wanted, abs=1e-12)
    found = divergences(torch.from_numpy(told), torch.from_numpy(scales), kind)
    assert found.numpy() == pytest.approx(wanted, abs=1e-12)


@each
def test_the_judgement_is_the_plain_one_and_blame_what_a_channel_adds(kind: Divergence) -> None:
    weights, _ = train(placed(60, 12), HOW)
    rows = placed(10, 12)
    value, blame = judge(rows, weights, kind)
    assert value == pytest.approx([oracle.score(row, weights, kind) for row in rows], abs=1e-12)
    for c in range(2):
        without = rows.copy()
        without[:, 6 * c : 6 * c + 6] = 0.0
        less = np.array([oracle.score(row, weights, kind) for row in without])
        assert blame[:, c] == pytest.approx(np.maximum(value - less, 0.0), abs=1e-12)


def test_the_divergence_of_jensen_and_shannon_is_bounded_and_surprise_is_not() -> None:
    scales, wild = np.array([0.0, 1.0, 2.0]), np.array([1e4, 0.0, 0.0])
    assert diverged(wild, scales, "jensen_shannon") < np.log(2.0)
    assert diverged(wild, scales, "surprise") > 5e3
    assert diverged(wild, scales, "published") < 10.0


@each
def test_the_loss_is_positive_and_falls(kind: Divergence) -> None:
    # Groups differ in what is left at best, so the losses of one are compared.
    shape = ScaleLearning(groups=1, subsets=5, width=8, hidden=8, divergence=kind).lessons
    _, loss = train(placed(100, 12), replace(shape, steps=80, batch=32, rate=0.02))
    assert (loss > 0).all()
    assert loss[10:20].mean() < loss[:10].mean()
    assert loss[-10:].mean() < loss[10:20].mean()


def test_training_is_a_function_of_rows_and_seed_alone() -> None:
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    one, loss = train(placed(30, 6), HOW)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    torch.manual_seed(3)
    two, again = train(placed(30, 6), HOW)
    assert np.array_equal(loss, again)
    for left, right in zip(one, two, strict=True):
        assert np.array_equal(left, right)


def test_subsets_of_one_size_share_a_map_and_have_their_share_as_scale() -> None:
    how = ScaleLearning(groups=8, subsets=8, width=4, sharp=5.0).lessons
    rows = placed(50, 6)
    task = drawn(rows, how, np.random.default_rng(4))
    weight = importance(rows)
    maps: dict[int, FloatArray] = {}
    for lead, scale in zip(task.lead.reshape(64, 6, 4), task.scales.reshape(64), strict=True):
        chosen = lead.any(axis=1)
        assert scale == pytest.approx(5.0 * weight[chosen].sum() / weight.sum())
        rows_of_map = np.sort(lead[chosen], axis=0)  # features come in any order
        assert np.array_equal(maps.setdefault(int(chosen.sum()), rows_of_map), rows_of_map)
    assert len(maps) == 6


def test_features_alike_in_correlation_weigh_the_same() -> None:
    assert importance(np.repeat(placed(20, 1), 3, axis=1)).tolist() == [1.0, 1.0, 1.0]
    assert importance(np.zeros((20, 3))).tolist() == [1.0, 1.0, 1.0]
    assert importance(placed(20, 50)).tolist() == [1.0] * 50


def test_ordinary_rows_score_about_one() -> None:
    assert np.mean(WAVE.measure(wave_model(), clean(300, 5))[0]) == pytest.approx(1.0, abs=0.3)


def test_spikes_stand_out_and_their_channel_is_blamed() -> None:
    sound, wrong = clean(80, 6), clean(80, 7)
    wrong[:, -1, 1] += 250.0  # five deviations
    value, blame = WAVE.measure(wave_model(), np.concatenate([sound, wrong]))
    faulty = np.repeat([False, True], len(sound))
    assert area_under_curve(faulty, value) > 0.95
    assert (blame[faulty, -1].argmax(axis=1) == 1).mean() > 0.95
    assert not blame[:, :-1].any()


def test_the_score_is_the_divergence_over_its_mean_in_training() -> None:
    model = wave_model()
    values = (clean(400, 0) - model.scale.centre) / model.scale.spread
    found, _ = judge(scaled(described(values), model.features), model.weights, WAVE.divergence)
    assert found.mean() == pytest.approx(model.usual, rel=1e-9)


def test_channels_that_stand_still_in_training_are_seen_to_move() -> None:
    still = np.full((100, 2), 3.0)
    scorer = replace(WAVE, steps=100)
    model = scorer.model(still)
    windows = np.stack([still[:FRAMES], still[:FRAMES]])
    windows[1, -1, 0] += 1.0
    unmoved, moved = scorer.measure(model, windows)[0]
    assert moved > 2 * unmoved


@pytest.mark.parametrize(
    ("make", "setting"),
    [
        (lambda: ScaleLearning(window=1), "window"),
        (lambda: ScaleLearning(groups=0), "groups"),
        (lambda: ScaleLearning(subsets=1), "subsets"),
        (lambda: ScaleLearning(width=0), "width"),
        (lambda: ScaleLearning(hidden=0), "hidden"),
        (lambda: ScaleLearning(sharp=0.0), "sharp"),
        (lambda: ScaleLearning(noise=-0.1), "noise"),
        (lambda: ScaleLearning(steps=0), "steps"),
        (lambda: ScaleLearning(batch=0), "batch"),
        (lambda: ScaleLearning(rate=0.0), "rate"),
        (lambda: ScaleLearning(divergence="mean"), "divergence"),  # type: ignore[arg-type]  # wrong on purpose
    ],
)
def test_a_setting_that_cannot_be_is_refused(make: Callable[[], object], setting: str) -> None:
    with pytest.raises(ConfigError, match=setting):
        make()
