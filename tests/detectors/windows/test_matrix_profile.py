"""The matrix profile is that of a plain loop over all pairs, and that of stumpy."""

from typing import Any

import numpy as np
import pytest
from oracles import matrix_profile
from oracles.windows import signal, windows_of

from tocsin.detectors.windows import profile_offline
from tocsin.detectors.windows.left_profile import LeftProfile
from tocsin.detectors.windows.matrix_profile import MatrixProfile
from tocsin.evaluation.conformance import Subject, cases
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.keyed import grow, keyed_fields, read_field
from tocsin.pipeline.types import Batch, FloatArray, Scores, Spec

SMALL = MatrixProfile(train=100, memory=300, window=8)
PAST = LeftProfile(window=8, memory=80, warmup=24)
PLAIN = LeftProfile(window=8, memory=80, warmup=24, levels=False)


def stuck(rows: int, seed: int) -> FloatArray:
    """Waves (N,) with a flat stretch, twice at other levels."""
    series = signal(rows, 1, seed)[:, 0]
    series[rows // 3 : rows // 3 + 12] = 4.0
    series[rows // 2 : rows // 2 + 10] = 7.5
    return series


def stream(values: FloatArray, frames: int) -> Batch:
    """Windows of one key's rows (N, C), with NaN before the first."""
    before = np.full((frames - 1, values.shape[1]), np.nan)
    windows = windows_of(np.concatenate([before, values]), frames)
    return Batch(np.zeros(len(values), dtype=np.int64), np.arange(len(values)), windows)


def played(scorer: LeftProfile, values: FloatArray) -> Scores:
    state = scorer.start(Spec(values.shape[1:], scorer.frames))
    grow(state, 1)
    return scorer.advance(state, stream(values, scorer.frames))


def test_windows_score_as_in_the_slow_version() -> None:
    history, series = stuck(150, 1), stuck(60, 2)
    scorer = MatrixProfile(train=100, memory=300, window=8, levels=False)
    value, _ = scorer.measure(
        scorer.model(history[:, None]), windows_of(series[:, None], scorer.frames)
    )
    np.testing.assert_allclose(value, matrix_profile.join(series, history, 8), atol=1e-9)


@pytest.mark.slow  # stumpy compiles for most of a minute
def test_windows_score_as_by_stumpy() -> None:
    stumpy = pytest.importorskip("stumpy", reason="stumpy is the model")
    history, series = stuck(400, 3), stuck(200, 4)
    scorer = MatrixProfile(train=100, memory=500, window=16, levels=False)
    value, _ = scorer.measure(scorer.model(history[:, None]), windows_of(series[:, None], 16))
    theirs = stumpy.stump(series, 16, history, ignore_trivial=False)[:, 0]
    np.testing.assert_allclose(value, theirs.astype(np.float64), atol=1e-6)


def test_a_stream_scores_as_in_the_slow_version() -> None:
    series = stuck(260, 5)
    found = played(PLAIN, series[:, None]).value
    wanted = matrix_profile.left(series, 8, 80)
    np.testing.assert_allclose(found[24:], wanted[24:], atol=1e-9)
    assert np.isnan(found[:24]).all()


@pytest.mark.slow
def test_a_stream_scores_as_the_left_profile_of_stumpy() -> None:
    stumpy = pytest.importorskip("stumpy", reason="stumpy is the model")
    series = stuck(300, 6)
    nearest = stumpy.stump(series, 16)[:, 2].astype(np.int64)  # -1 where nothing is before
    windows = windows_of(series[:, None], 16)[:, :, 0]
    left = np.array(
        [matrix_profile.distance(windows[n], windows[other]) for n, other in enumerate(nearest)]
    )
    found = played(LeftProfile(window=16, memory=400, warmup=60, levels=False), series[:, None])
    np.testing.assert_allclose(found.value[80:], left[80 - 15 :], atol=1e-6)


def test_blame_is_the_difference_that_the_distance_is_made_of() -> None:
    rows = signal(200, 1, 7)
    scorer = MatrixProfile(train=100, memory=300, window=8, levels=False)
    value, blame = scorer.measure(scorer.model(rows[:150]), windows_of(rows[150:], 8))
    np.testing.assert_allclose(np.sqrt((blame**2).sum(axis=(1, 2))), value)


def test_the_mean_is_over_the_largest_channels() -> None:
    rows = signal(250, 3, 8)
    windows = windows_of(rows[200:], 8)
    each = []
    for c in range(3):
        alone = MatrixProfile(train=100, memory=300, window=8)
        each.append(alone.measure(alone.model(rows[:200, [c]]), windows[:, :, [c]])[0])
    some = MatrixProfile(train=100, memory=300, window=8, largest=2)
    value, _ = some.measure(some.model(rows[:200]), windows)
    np.testing.assert_allclose(value, np.sort(each, axis=0)[1:].mean(axis=0))


def test_a_value_beyond_the_training_range_adds_to_the_score() -> None:
    rows = signal(300, 1, 9)
    windows = np.repeat(windows_of(rows[200:208], 8), 2, axis=0)
    windows[1] += 2.0 * np.ptp(rows)
    value, _ = SMALL.measure(SMALL.model(rows[:200]), windows)
    assert value[1] > value[0] + np.sqrt(8)


def test_a_channel_without_training_has_no_part_in_the_score() -> None:
    rows = signal(250, 2, 10)
    windows = windows_of(rows[200:], 8)
    one = SMALL.measure(SMALL.model(rows[:200, :1]), windows[:, :, :1])[0]
    rows[:200, 1] = np.nan
    np.testing.assert_array_equal(SMALL.measure(SMALL.model(rows[:200]), windows)[0], one)


def test_a_gap_in_the_stream_is_filled_with_what_was_before() -> None:
    values = signal(200, 1, 11)
    holed, held = values.copy(), values.copy()
    holed[100:103], held[100:103] = np.nan, values[99]
    one, other = played(PAST, holed).value, played(PAST, held).value
    assert np.isnan(one[100:103]).all()
    np.testing.assert_array_equal(one[103:], other[103:])


def test_no_window_is_learned_across_rows_that_were_not() -> None:
    values = signal(200, 1, 12)
    state = PAST.start(Spec((1,), 8))
    grow(state, 1)
    batch = stream(values, 8)
    for row in range(200):
        if not 100 <= row < 104:
            PAST.learn(state, batch.take(np.array([row])))
    kept = ~np.isnan(state.inverse[0, 0, : state.used[0]])
    rows = state.rows[0, 0, : state.used[0]]
    known = {tuple(window.tolist()) for window in windows_of(values, 8)[:, :, 0]}
    assert kept.sum() > 60
    for end in np.flatnonzero(kept).tolist():
        if end >= 7:
            assert tuple(rows[end - 7 : end + 1].tolist()) in known


def test_a_new_shape_stands_out_in_a_stream() -> None:
    values = signal(400, 1, 13)
    values[300:308, 0] = values[300:308, 0][::-1]
    found = played(LeftProfile(window=16, memory=300, warmup=60, levels=False), values).value
    assert 300 <= 100 + np.nanargmax(found[100:]) < 320


@pytest.mark.parametrize("history", [0, 300])
def test_offline_rows_score_the_mean_of_the_windows_on_them(history: int) -> None:
    rows = signal(700, 2, 14)
    series = rows[300:].copy()
    series[200:208, 1] = series[200, 1]
    scorer = MatrixProfile(window=16, levels=False)
    found = scorer.offline(Spec((2,)), rows[:history], series)
    assert found.blame is not None
    assert 185 < found.value.argmax() < 225
    assert found.blame[found.value.argmax()].argmax() == 1
    if history:
        pairs = [matrix_profile.join(series[:40, c], rows[:300, c], 16) for c in range(2)]
        np.testing.assert_allclose(found.value[15], np.mean(pairs, axis=0)[:16].mean(), rtol=1e-6)


def test_offline_without_history_windows_are_compared_with_all_others() -> None:
    series = stuck(120, 15)
    scorer = MatrixProfile(train=100, memory=300, window=8, levels=False)
    found = scorer.offline(Spec((1,)), np.empty((0, 1)), series[:, None])
    windows = windows_of(series[:, None], 8)[:, :, 0]
    pairs = np.array([[matrix_profile.distance(a, b) for b in windows] for a in windows])
    rows = np.arange(len(windows))
    pairs[np.abs(rows[:, None] - rows) <= 2] = np.inf  # a quarter of a window
    each = np.concatenate([np.full(7, np.nan), pairs.min(axis=1), np.full(7, np.nan)])
    wanted = np.nanmean(np.lib.stride_tricks.sliding_window_view(each, 8), axis=1)
    np.testing.assert_allclose(found.value, wanted, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("history", [0, 300])
def test_offline_long_series_score_by_stumpy_as_short_ones(
    history: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("stumpy", reason="stumpy does long series")
    rows = signal(700, 2, 16)
    rows[500:512, 0] = rows[500, 0]
    scorer = MatrixProfile(window=16)
    short = scorer.offline(Spec((2,)), rows[:history], rows[300:])
    monkeypatch.setattr(profile_offline, "_DIRECT", 0)
    long = scorer.offline(Spec((2,)), rows[:history], rows[300:])
    assert long.blame is not None
    assert short.blame is not None
    np.testing.assert_allclose(long.value, short.value, atol=1e-6)
    np.testing.assert_allclose(long.blame, short.blame, atol=1e-6)


def test_memory_a_key_is_what_the_docstring_says() -> None:
    state = LeftProfile().start(Spec((3,), 32))
    grow(state, 8)
    size = sum(read_field(state, name).nbytes for name in keyed_fields(state))
    assert size == 8 * (20 * 2000 * 3 + 16 * 3 + 24)


@pytest.mark.parametrize(
    ("scorer", "setting", "value"),
    [
        (MatrixProfile, "window", 3),
        (MatrixProfile, "largest", -1),
        (LeftProfile, "window", 3),
        (LeftProfile, "warmup", 50),
        (LeftProfile, "memory", 100),
    ],
)
def test_a_setting_out_of_range_is_refused(scorer: Any, setting: str, value: int) -> None:
    with pytest.raises(ConfigError, match=f"{setting} must be .*; found {value}"):
        scorer(**{setting: value})


@pytest.mark.parametrize(
    "check", cases(Subject(scorer, Spec((2,), window=9)) for scorer in (SMALL, PAST))
)
def test_matrix_profiles_keep_the_promise(check: Any) -> None:
    check()
