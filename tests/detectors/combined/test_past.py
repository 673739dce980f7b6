"""History is kept as rows, and its windows come out again as they went in."""

import numpy as np
from oracles.streams import rough

from tocsin.detectors.combined.past import halved, left_out, stretches, thinned
from tocsin.detectors.rows import tidied
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.types import Batch, FloatArray
from tocsin.pipeline.window import Window

KEYS = 3


def history(frames: int, seed: int) -> Batch:
    """Windows of rough rows of some keys, in (time, key) order, with rows left out."""
    rng = np.random.default_rng(seed)
    values = rough(60 * KEYS, 2, seed)
    keep = rng.random(len(values)) < 0.8
    key = np.tile(np.arange(KEYS, dtype=np.int64), 60)[keep]
    time = np.repeat(np.arange(60, dtype=np.int64), KEYS)[keep]
    stage = Window(frames)
    state = stage.start((2,))
    grow(state, KEYS)
    return stage.advance(state, key, time, values[keep])


def test_windows_come_out_as_they_went_in() -> None:
    for frames in (1, 4):
        given = history(frames, seed=frames)
        # One part is cut out, so that the windows after it do not follow on those before.
        parts = [given.take(np.arange(50)), given.take(np.arange(70, len(given)))]
        past = stretches(iter(parts), frames)
        for key in range(KEYS):
            mine = [part for part in past if part.key == key]
            windows = [batch for part in mine for batch in part.windows()]
            rows = np.concatenate([part.take(part.key == key).values for part in parts])
            time = np.concatenate([part.take(part.key == key).time for part in parts])
            np.testing.assert_array_equal(np.concatenate([b.values for b in windows]), tidied(rows))
            np.testing.assert_array_equal(np.concatenate([b.time for b in windows]), time)
            assert frames == 1 or len(mine) == 2


def test_every_nth_window_can_be_had() -> None:
    (part,) = stretches([history(4, seed=7).take(np.arange(0)), _one_key()], 4)
    (some,) = part.windows(phase=1, step=3)
    assert some.time.tolist() == [1, 4, 7]
    np.testing.assert_array_equal(some.values, _one_key().values[1::3])


def test_halves_are_the_earlier_and_the_later_windows() -> None:
    past = stretches([_one_key(), history(4, seed=8)], 4)
    early, late = halved(past)
    for key in range(KEYS):
        sizes = [sum(len(part) for part in half if part.key == key) for half in (early, late)]
        assert sizes[1] - sizes[0] in (0, 1)
        assert sum(sizes) == sum(len(part) for part in past if part.key == key)


def test_each_half_is_scored_by_what_the_other_taught() -> None:
    past = stretches([_one_key()], 4)

    def fit(parts: list) -> set[int]:
        return {time for part in parts for time in part.time.tolist()}

    def score(taught: set[int], windows: Batch) -> FloatArray:
        assert not taught & set(windows.time.tolist())
        return windows.time.astype(float)

    assert left_out(past, fit, score)[0].tolist() == list(range(9))


def test_few_of_many_scores_are_spread_over_them() -> None:
    score = np.append(np.arange(101.0), np.nan)
    assert thinned(score, 5).tolist() == [0.0, 25.0, 50.0, 75.0, 100.0]
    assert len(thinned(score, 500)) == 101


def _one_key() -> Batch:
    rows = np.arange(24.0).reshape(12, 2)
    windows = np.stack([rows[i : i + 4] for i in range(9)])
    return Batch(np.zeros(9, dtype=np.int64), np.arange(9), windows)
