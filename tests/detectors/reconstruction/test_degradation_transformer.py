"""The transformer finds faults it never saw, and its compiled form is the one in training."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pytest
import torch
from oracles.windows import windows_of

from tocsin.detectors.reconstruction.degradation_transformer import (
    DegradationTransformer,
    TransformerModel,
)
from tocsin.detectors.reconstruction.degrading import Degrading
from tocsin.detectors.reconstruction.transformer_kernel import TransformerWeights, centred, logits
from tocsin.detectors.reconstruction.transformer_training import (
    Lessons,
    Size,
    begun,
    logits_of,
    train,
)
from tocsin.evaluation.planted import area_under_curve
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.types import FloatArray, Spec

SMALL = DegradationTransformer(
    patches=8,
    patch=2,
    width=16,
    blocks=1,
    inner=32,
    steps=150,
    rate=5e-3,
    degrading=Degrading(longest=0.4),
    train=400,
    memory=500,
)
SIZE = Size(patches=4, patch=3, width=6, heads=2, blocks=2, inner=5)


def wave(rows: int, seed: int) -> FloatArray:
    """Two channels (N, 2) of one rhythm, in other units, with a little noise."""
    rng = np.random.default_rng(seed)
    clean = np.sin(np.arange(rows)[:, None] / 2.5 + np.array([0.0, 1.0]))
    return 3.0 + np.array([1.0, 50.0]) * (clean + 0.05 * rng.normal(size=clean.shape))


@lru_cache(maxsize=1)
def model() -> TransformerModel:
    found = SMALL.model(wave(400, seed=0))
    assert found is not None
    return found


def random_weights(width: int) -> TransformerWeights:
    first = begun(width, SIZE, np.random.default_rng(0))
    rng = np.random.default_rng(1)
    return TransformerWeights(*(x + 0.1 * rng.normal(size=x.shape) for x in first))


def some_windows(width: int) -> FloatArray:
    return np.random.default_rng(2).random((9, 12, width))


@pytest.mark.parametrize("width", [1, 3])
def test_the_compiled_network_equals_the_one_in_training(width: int) -> None:
    w = random_weights(width)
    tensors = {name: torch.from_numpy(x) for name, x in w._asdict().items()}
    want = logits_of(torch.from_numpy(some_windows(width)), tensors).numpy()
    assert logits(some_windows(width), w) == pytest.approx(want, abs=1e-12)


def test_a_window_scores_the_same_in_any_company() -> None:
    w, windows = random_weights(3), some_windows(3)
    whole = logits(windows, w)
    order = np.random.default_rng(3).permutation(len(windows))
    assert np.array_equal(logits(windows[order], w), whole[order])
    assert np.array_equal(logits(windows[4:5], w), whole[4:5])


def test_attention_adds_the_bias_of_the_distance_in_patches() -> None:
    # Without queries and keys the bias alone decides; one that is huge for the patch before
    # makes a token take over what that patch has, and nothing of any other.
    size = Size(patches=3, patch=1, width=4, heads=1, blocks=1, inner=4)
    first = begun(1, size, np.random.default_rng(4))
    look = np.concatenate([np.zeros((4, 8)), np.eye(4)], axis=1)[None]
    apart = np.zeros((1, 5, 1))
    apart[0, 2 + 1] = 200.0  # own place less the other's is 1
    w = first._replace(look=look, apart=apart, tell=np.eye(4)[None])
    plain, newest, oldest = logits(
        np.array([[0.1, 0.5, 0.8], [0.1, 0.5, 0.2], [0.9, 0.5, 0.8]])[..., None], w
    )
    assert newest[1] == plain[1]
    assert newest[2] != plain[2]
    assert oldest[1] != plain[1]
    assert oldest[2] == pytest.approx(plain[2], abs=1e-12)


def test_the_loss_is_positive_and_falls() -> None:
    loss = model().loss
    assert (loss > 0).all()
    assert loss[10:40].mean() < loss[:10].mean()
    assert loss[-30:].mean() < 0.75 * loss[:10].mean()


def test_every_weight_is_moved_by_training() -> None:
    windows, hard = some_windows(2), np.zeros(2, dtype=np.bool_)
    lessons = Lessons(Degrading(), steps=5, batch=4)
    before = begun(2, SIZE, np.random.default_rng(lessons.seed))
    after, _ = train(windows, hard, SIZE, lessons)
    for name, old, new in zip(before._fields, before, after, strict=True):
        assert np.abs(new - old).max() > 1e-4, name


def test_training_is_the_same_whatever_the_global_generators_hold() -> None:
    windows, hard = some_windows(2), np.zeros(2, dtype=np.bool_)
    torch.manual_seed(1)
    one, _ = train(windows, hard, SIZE, Lessons(Degrading(), steps=3, batch=4))
    state = torch.get_rng_state()
    two, _ = train(windows, hard, SIZE, Lessons(Degrading(), steps=3, batch=4))
    assert torch.equal(torch.get_rng_state(), state)
    for left, right in zip(one, two, strict=True):
        assert np.array_equal(left, right)


@pytest.mark.parametrize("fault", ["stuck", "backwards"])
def test_rows_out_of_rhythm_within_the_range_are_found(fault: str) -> None:
    windows = windows_of(wave(300, seed=1), SMALL.frames)
    wrong, last = windows.copy(), windows[:, -5:]
    wrong[:, -5:] = last[:, :1] if fault == "stuck" else last[:, ::-1]
    score = SMALL.measure(model(), np.concatenate([windows, wrong]))[0]
    assert area_under_curve(np.repeat([False, True], len(windows)), score) > 0.8


def test_a_value_outside_the_range_counts_by_how_far_and_its_channel_is_blamed() -> None:
    windows = windows_of(wave(80, seed=2), SMALL.frames)
    far, farther = windows.copy(), windows.copy()
    far[:, -1, 1] += 300.0
    farther[:, -1, 1] += 3000.0
    usual, some, more = (SMALL.measure(model(), x)[0] for x in (windows, far, farther))
    assert some.min() > usual.max()
    assert (more > some).all()
    blame = SMALL.measure(model(), far)[1]
    assert (blame[:, -1].argmax(axis=1) == 1).all()
    assert not blame[:, :-1].any()


def test_offline_a_fault_stands_out_in_its_rows() -> None:
    series = wave(300, seed=3)
    series[150:156, 0] = series[150, 0]
    found = SMALL.offline(Spec((2,)), wave(400, seed=0), series)
    assert found.value.shape == (300,)
    assert np.isfinite(found.value).all()
    assert 148 <= found.value.argmax() <= 157


def test_offline_the_channel_that_left_its_range_is_blamed() -> None:
    series = wave(100, seed=6)
    series[50, 1] += 300.0
    found = SMALL.offline(Spec((2,)), wave(400, seed=0), series)
    assert found.value.argmax() == 50
    assert found.blame is not None
    assert found.blame[50].argmax() == 1


def test_offline_each_row_has_the_mean_over_the_windows_that_cover_it() -> None:
    series = wave(25, seed=4)  # not a whole number of patches after the first window
    found = SMALL.offline(Spec((2,)), wave(400, seed=0), series)
    starts = [0, 2, 4, 6, 8, 9]
    scale, weights, _ = model()
    placed = (series - scale.centre) / scale.spread
    shown = centred(placed.clip(-0.25, 1.25))
    each = logits(np.stack([shown[s : s + 16] for s in starts]), weights)
    for row in range(25):
        inside = [each[k, row - s] for k, s in enumerate(starts) if s <= row < s + 16]
        far = 10 * max(0.0, placed[row].max() - 1, -placed[row].min())
        assert found.value[row] == pytest.approx(np.mean(inside) + far)


def test_offline_a_short_series_has_no_opinion() -> None:
    few = wave(SMALL.frames - 1, seed=5)
    assert np.isnan(SMALL.offline(Spec((2,)), np.empty((0, 2)), few).value).all()


@pytest.mark.parametrize(
    ("make", "setting"),
    [
        (lambda: DegradationTransformer(patches=1), "patches"),
        (lambda: DegradationTransformer(patch=0), "patch"),
        (lambda: DegradationTransformer(width=30), "width"),
        (lambda: DegradationTransformer(blocks=0), "blocks"),
        (lambda: DegradationTransformer(steps=0), "steps"),
        (lambda: DegradationTransformer(rate=1.0), "rate"),
        (lambda: Degrading(soft=0.9), "soft, uniform, peak and length"),
        (lambda: Degrading(peak=-0.1), "peak"),
        (lambda: Degrading(longest=0.0), "longest"),
        (lambda: Degrading(late=1.5), "late"),
        (lambda: Degrading(around=-1), "around"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(make: Callable[[], object], setting: str) -> None:
    with pytest.raises(ConfigError, match=setting):
        make()
