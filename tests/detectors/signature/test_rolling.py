"""The rolling signature is that of the window from scratch, however long the stream."""

import numpy as np
import pytest

from tocsin.detectors.signature.kernel import signatures
from tocsin.detectors.signature.rolling import RollingSignature
from tocsin.pipeline.errors import ConfigError, TocsinError
from tocsin.pipeline.types import FloatArray


def points(rows: int, width: int, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).standard_normal((rows, width))


def windows(stream: FloatArray, frames: int, ends: list[int]) -> FloatArray:
    return np.stack([stream[end + 1 - frames : end + 1] for end in ends])


@pytest.mark.parametrize("resync", [1000, 1_000_000])
def test_after_20000_steps_it_is_still_that_of_the_batch(resync: int) -> None:
    stream = points(20_100, 3)
    rolling = RollingSignature(frames=50, depth=3, resync=resync)
    found = rolling.push(rolling.start(3), stream)
    ends = [49, 500, 10_000, 19_999, 20_099]
    wanted = signatures(windows(stream, 50, ends), 3)
    largest = np.abs(wanted).max(axis=1, keepdims=True)
    assert (np.abs(found[ends] - wanted) <= 1e-9 * largest).all()


def test_a_wild_point_leaves_no_rounding_behind() -> None:
    stream = points(400, 2)
    stream[200] = 1e7
    rolling = RollingSignature(frames=20, depth=3)
    found = rolling.push(rolling.start(2), stream)
    ends = [230, 300, 399]
    wanted = signatures(windows(stream, 20, ends), 3)
    np.testing.assert_allclose(found[ends], wanted, rtol=1e-9, atol=1e-9)


def test_points_may_come_in_pieces_of_any_size() -> None:
    stream = points(300, 2)
    rolling = RollingSignature(frames=10, depth=2, resync=37)
    whole = rolling.push(rolling.start(2), stream)
    state = rolling.start(2)
    parts = [rolling.push(state, part) for part in np.array_split(stream, [1, 2, 15, 120])]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_too_few_points_have_no_signature() -> None:
    rolling = RollingSignature(frames=5)
    found = rolling.push(rolling.start(2), points(6, 2))
    assert np.isnan(found[:4]).all()
    assert np.isfinite(found[4:]).all()


def test_impossible_settings_and_points_are_refused() -> None:
    with pytest.raises(ConfigError, match="2 frames"):
        RollingSignature(frames=1)
    rolling = RollingSignature(frames=3)
    with pytest.raises(TocsinError, match="points must be"):
        rolling.push(rolling.start(2), points(4, 3))
