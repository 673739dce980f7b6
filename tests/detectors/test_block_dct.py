"""Block-DCT distances are those of scipy's transform and a matrix inverse."""

from typing import Any

import numpy as np
import pytest
from oracles import block_dct
from oracles.streams import blame_of, played

from tocsin.detectors.images.block_dct import BlockDct
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.types import FloatArray, Spec


@pytest.mark.parametrize("shape", [(16, 16), (13, 22)])
def test_each_place_has_the_distance_of_the_slow_version(shape: tuple[int, int]) -> None:
    frames = _camera(60, shape, seed=0)
    frames[np.random.default_rng(1).random(frames.shape) < 0.0005] = np.nan
    frames[40, 0, 0] = np.inf
    wanted = block_dct.distances(frames, 8, 20, 20)
    seen = blame_of(played(BlockDct(half_life=20), frames))
    across = -(-shape[1] // 8)
    for place in range(wanted.shape[1]):
        corner = (place // across * 8, place % across * 8)
        known = np.nan_to_num(wanted[:, place])
        np.testing.assert_allclose(seen[:, corner[0], corner[1]], known, rtol=1e-7)


def test_the_score_is_the_mean_of_the_largest_distances() -> None:
    frames = _camera(60, (16, 24), seed=2)
    wanted = block_dct.distances(frames, 8, 20, 20)
    seen = played(BlockDct(half_life=20, top=0.5), frames).value
    np.testing.assert_allclose(seen, np.sort(wanted, axis=1)[:, 3:].mean(axis=1), rtol=1e-7)


def test_the_blame_is_largest_where_the_stain_is() -> None:
    frames = _camera(120, (32, 48), seed=3)
    frames[-1, 8:16, 16:24] += 0.2
    blame = blame_of(played(BlockDct(), frames))[-1]
    stained = blame[8:16, 16:24].copy()
    blame[8:16, 16:24] = 0.0
    assert stained.min() > 2 * blame.max()


def test_cameras_do_not_learn_from_each_other() -> None:
    frames = _camera(120, (16, 16), seed=4)
    score = played(BlockDct(), frames).value
    assert score[-1] < 3.0
    assert played(BlockDct(), np.vstack([frames, frames[-1:, ::-1]])).value[-1] > 10.0


def test_a_frame_of_missing_pixels_has_no_score() -> None:
    frames = _camera(80, (16, 16), seed=5)
    frames[70] = np.nan
    score = played(BlockDct(), frames).value
    assert np.isnan(score[70])
    assert np.isfinite(score[71:]).all()


def test_a_still_camera_scores_nothing_until_it_moves() -> None:
    frames = np.repeat(_camera(1, (16, 16), seed=6), 70, axis=0)
    frames[-1, 3, 3] += 0.1
    score = played(BlockDct(), frames).value
    assert score[50:69].tolist() == [0.0] * 19
    assert score[69] == np.inf


def test_colour_frames_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"takes frames \(H, W\) of pixels; found \(8, 8, 3\)"):
        BlockDct().start(Spec((8, 8, 3)))


@pytest.mark.parametrize(
    ("setting", "value"), [("block", 1), ("coefficients", 0), ("eps", 0.0), ("top", 1.5)]
)
def test_a_setting_out_of_range_is_refused(setting: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"{setting} must be .*; found {value}"):
        BlockDct(**{setting: value})


def _camera(count: int, shape: tuple[int, int], seed: int) -> FloatArray:
    """Frames (N, H, W) of a fixed scene under wavering light, with noise."""
    rng = np.random.default_rng(seed)
    scene = 0.3 + np.add.outer(np.linspace(0, 0.3, shape[0]), np.linspace(0, 0.2, shape[1]))
    light = 1.0 + 0.02 * rng.standard_normal((count, 1, 1))
    frames: FloatArray = light * scene + 0.01 * rng.standard_normal((count, *shape))
    return frames
