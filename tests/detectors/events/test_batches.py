"""What is small in every row of a window is found, with the channel and the rows that made it."""

from typing import Any

import numpy as np
import pytest

from tocsin.detectors.events.batches import BatchTest
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.types import FloatArray

SMALL = BatchTest(window=24, train=100, toys=24, reference=128, centres=16)


def noise(rows: int, seed: int, channels: int = 3) -> FloatArray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, 1)) + 0.5 * rng.normal(size=(rows, channels))


def judged(*windows: FloatArray) -> FloatArray:
    return SMALL.measure(SMALL.model(noise(400, 0)), np.stack(windows))[0]


def test_ordinary_windows_are_near_zero() -> None:
    score = judged(*noise(24 * 40, 1).reshape(40, 24, 3))
    assert abs(np.median(score)) < 1.5
    assert np.quantile(score, 0.9) < 4.0


@pytest.mark.parametrize("kind", ["shift", "spread", "relation", "stuck"])
def test_what_is_small_in_every_row_is_found(kind: str) -> None:
    window = noise(24, 2)
    if kind == "shift":
        window[:, 1] += 1.0
    elif kind == "spread":
        window[:, 1] *= 2.5
    elif kind == "relation":
        window[:, 1] *= -1.0
    else:
        window[:, 1] = window[0, 1]
    assert judged(window)[0] > 6.0


def test_the_channel_and_the_rows_that_moved_are_blamed() -> None:
    window = noise(24, 3)
    window[12:, 2] += 4.0
    _, blame = SMALL.measure(SMALL.model(noise(400, 0)), window[None])
    assert blame[0].sum(axis=0).argmax() == 2
    assert blame[0, 12:, 2].sum() > 3 * blame[0, :12, 2].sum()


def test_the_order_of_rows_does_not_matter() -> None:
    window = noise(24, 4) + 1.0
    there, back = judged(window, window[::-1])
    np.testing.assert_allclose(there, back, rtol=1e-6)


def test_half_a_window_is_judged_and_less_is_not() -> None:
    half, less = noise(24, 5), noise(24, 5)
    half[:12], less[:13] = np.nan, np.nan
    score = judged(half, less)
    assert np.isfinite(score[0])
    assert np.isnan(score[1])


def test_too_little_training_has_no_opinion() -> None:
    assert SMALL.model(noise(30, 6)) is None
    value, _ = SMALL.measure(None, noise(24, 7)[None])
    assert np.isnan(value).all()


@pytest.mark.parametrize("name", ["window", "reference", "toys", "centres", "penalty"])
def test_settings_out_of_range_are_refused(name: str) -> None:
    settings: dict[str, Any] = {name: 0}
    with pytest.raises(ConfigError, match=name):
        BatchTest(**settings)
