"""What the signature detectors make of units, gaps, poor training and faults."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from tocsin.detectors.signature.learning import SignatureState
from tocsin.detectors.signature.signature_knn import SignatureKnn
from tocsin.detectors.signature.signature_mahalanobis import SignatureMahalanobis
from tocsin.evaluation.planted import area_under_curve
from tocsin.pipeline.errors import ConfigError, TocsinError
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.types import Batch, FloatArray, Spec

KNN = SignatureKnn(frames=8, train=200, corpus=64)
MAHALANOBIS = SignatureMahalanobis(frames=8, train=200)
BOTH = pytest.mark.parametrize("scorer", [KNN, MAHALANOBIS], ids=["knn", "mahalanobis"])


def wave(rows: int, width: int, seed: int = 0) -> FloatArray:
    """Channels that follow one slow wave, each with noise of its own."""
    rng = np.random.default_rng(seed)
    phase = np.arange(rows)[:, None] / 9.0 + np.arange(width)
    return np.sin(phase) + 0.1 * rng.standard_normal((rows, width))


def batch_of(rows: FloatArray, frames: int) -> Batch:
    windows = np.swapaxes(sliding_window_view(rows, frames, axis=0), 1, 2)
    return Batch(np.zeros(len(windows), dtype=np.int64), np.arange(len(windows)), windows)


def fitted(scorer: Any, rows: FloatArray) -> SignatureState:
    spec = Spec((rows.shape[1],), window=scorer.frames)
    state: SignatureState = scorer.fit(spec, [batch_of(rows, scorer.frames)])
    return state


def scored(scorer: Any, train: FloatArray, rows: FloatArray) -> FloatArray:
    """Scores of all but the first rows, which fill the first window."""
    value: FloatArray = scorer.score(fitted(scorer, train), batch_of(rows, scorer.frames)).value
    return value


@BOTH
@pytest.mark.parametrize("width", [1, 3, 12])
def test_other_units_leave_the_scores_alone(scorer: Any, width: int) -> None:
    train, rows = wave(400, width), wave(100, width, seed=1)
    rows[60:] += 2.0
    plain = scored(scorer, train, rows)
    scale = 10.0 ** np.random.default_rng(2).uniform(-6, 6, width)
    for factor in (1e-6, 1e6, scale):
        np.testing.assert_allclose(scored(scorer, train * factor, rows * factor), plain, rtol=1e-8)


@BOTH
def test_ordinary_rows_score_about_one(scorer: Any) -> None:
    found = scored(scorer, wave(2000, 2), wave(400, 2, seed=1))
    assert 0.7 < np.median(found) < 1.5


@BOTH
def test_learning_live_ends_where_fitting_the_same_rows_does(scorer: Any) -> None:
    rows = wave(400, 2)
    live = scorer.start(Spec((2,), window=8))
    grow(live, 1)
    whole = scorer.advance(live, batch_of(rows, 8)).value
    assert np.isnan(whole[:200]).all()
    assert np.isfinite(whole[200:]).all()
    # The first row that is learned is the newest of the first window.
    same = scorer.fit(Spec((2,), window=8), [batch_of(rows[7:207], 8)])
    np.testing.assert_array_equal(scorer.score(same, batch_of(rows, 8)).value[200:], whole[200:])


@BOTH
def test_history_may_come_in_pieces(scorer: Any) -> None:
    train, rows = batch_of(wave(300, 2), 8), batch_of(wave(50, 2, seed=1), 8)
    pieces = [train.take(part) for part in np.array_split(np.arange(len(train)), 5)]
    spec = Spec((2,), window=8)
    whole, parts = scorer.fit(spec, [train]), scorer.fit(spec, iter(pieces))
    np.testing.assert_array_equal(scorer.score(parts, rows).value, scorer.score(whole, rows).value)


def test_windows_across_a_break_in_the_training_rows_are_left_out() -> None:
    rows = wave(300, 1)
    rows[150:] += 50.0  # what came between was not learned
    batch = batch_of(rows, 8)
    learned = np.r_[0:143, 150 : len(batch)]  # no window holds both levels
    scorer = replace(KNN, trim=0.0)
    state = scorer.start(Spec((1,), window=8))
    grow(state, 1)
    scorer.advance(state, batch.take(learned))
    broken = np.flatnonzero(~state.follows[0, 1:])
    assert broken.tolist() == [142]
    assert state.held[0] > 0
    jump = scorer.score(state, batch.take(np.arange(143, 150))).value
    calm = scorer.score(state, batch.take(np.arange(100, 140))).value
    assert jump.min() > 3 * calm.max()


@BOTH
def test_contaminated_training_still_tells_faults_from_normal_rows(scorer: Any) -> None:
    rng = np.random.default_rng(3)
    rows = wave(600, 2, seed=1)
    wrong = np.zeros(600, dtype=np.bool_)
    for first in (100, 300, 500):
        rows[first : first + 20] += 3.0
        wrong[first : first + 20] = True
    for share in (0.0, 0.05, 0.1):
        train = wave(1000, 2)
        for first in rng.choice(100, int(share * 100), replace=False) * 10:
            train[first : first + 10] += rng.normal(0, 3)
        found = scored(scorer, train, rows)
        assert area_under_curve(wrong[7:], found) > 0.9


@BOTH
def test_what_is_trimmed_from_training_is_still_strange(scorer: Any) -> None:
    train, rows = wave(1000, 2), wave(100, 2, seed=1)
    train[500:520] += 3.0
    rows[50:70] += 3.0
    trimmed = scored(scorer, train, rows)[50:60]
    kept = scored(replace(scorer, trim=0.0), train, rows)[50:60]
    assert np.median(trimmed) > 2 * np.median(kept)


@BOTH
@pytest.mark.parametrize("kind", ["constant", "duplicated", "missing"])
def test_idle_channels_do_no_harm(scorer: Any, kind: str) -> None:
    def with_idle(rows: FloatArray) -> FloatArray:
        idle = {"constant": np.full(len(rows), 7.3), "duplicated": rows[:, 0]}
        return np.column_stack([rows, idle.get(kind, np.full(len(rows), np.nan))])

    rows = wave(100, 2, seed=1)
    rows[50] += 4.0
    found = scored(scorer, with_idle(wave(400, 2)), with_idle(rows))
    assert np.isfinite(found).all()
    assert found[43] > 3 * np.median(found)


@BOTH
def test_a_channel_that_begins_to_move_is_told_and_finite(scorer: Any) -> None:
    train, rows = wave(400, 2), wave(100, 2, seed=1)
    train[:, 1] = rows[:, 1] = 7.0
    rows[60:, 1] = 7.001
    found = scored(scorer, train, rows)
    assert np.isfinite(found).all()
    assert found[53:].min() > found[:53].max()


@BOTH
def test_fewer_windows_than_coordinates_are_scored(scorer: Any) -> None:
    train, rows = wave(30, 5), wave(100, 5, seed=1)
    rows[50] += 10.0
    state = fitted(scorer, train)
    assert state.mean.shape[1] > 30
    found = scorer.score(state, batch_of(rows, 8)).value
    assert np.isfinite(found).all()
    assert found.argmax() in range(43, 51)


@BOTH
def test_the_channel_at_fault_is_blamed(scorer: Any) -> None:
    rows = wave(60, 4, seed=1)
    rows[50, 2] += 4.0
    scores = scorer.score(fitted(scorer, wave(600, 4)), batch_of(rows, 8))
    assert scores.blame is not None
    assert scores.blame[43, -1].argmax() == 2
    assert not scores.blame[:, :-1].any()
    total = np.sqrt((scores.blame[:, -1] ** 2).sum(axis=1))
    np.testing.assert_allclose(total, scores.value, rtol=1e-12)


@BOTH
@pytest.mark.parametrize("has_history", [True, False])
def test_offline_scores_are_highest_at_the_fault(scorer: Any, has_history: bool) -> None:
    rows = wave(600, 2, seed=1)
    rows[300:306] += 3.0
    rows[100] = np.nan
    history = wave(400, 2) if has_history else np.empty((0, 2))
    scores = scorer.offline(Spec((2,)), history, rows)
    assert scores.value.shape == (600,)
    assert np.flatnonzero(np.isnan(scores.value)).tolist() == [100]
    assert 298 <= np.nanargmax(scores.value) <= 307
    assert scores.blame.shape == (600, 2)
    assert np.isfinite(scores.blame).all()


@BOTH
def test_offline_has_no_opinion_of_a_series_shorter_than_a_window(scorer: Any) -> None:
    scores = scorer.offline(Spec((1,)), wave(300, 1), wave(5, 1))
    assert np.isnan(scores.value).all()


def test_the_corpus_tells_regimes_apart_where_the_mean_does_not() -> None:
    rng = np.random.default_rng(4)
    level = np.where(np.arange(3000) // 50 % 2, 10.0, -10.0)[:, None]
    train = level + 0.1 * rng.standard_normal((3000, 1))
    between = 0.1 * rng.standard_normal((100, 1))
    knn = scored(KNN, train, between)
    assert knn.min() > np.percentile(scored(KNN, train, train[:1000]), 95)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("frames", 1),
        ("train", 15),
        ("depth", 9),
        ("coordinates", 0),
        ("shrinkage", 0.0),
        ("trim", 0.6),
        ("corpus", 0),
        ("neighbours", 65),
        ("augment", ("weather",)),
    ],
)
def test_settings_out_of_range_are_refused_by_name(setting: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=setting):
        replace(KNN, **{setting: value})


def test_short_windows_and_foreign_rows_are_refused() -> None:
    with pytest.raises(ConfigError, match="frames is 8"):
        KNN.start(Spec((1,), window=7))
    state = KNN.start(Spec((1,), window=8))
    with pytest.raises(TocsinError, match="room for 0"):
        KNN.score(state, batch_of(wave(9, 1), 8))
    grow(state, 1)
    with pytest.raises(TocsinError, match="values must be"):
        KNN.score(state, batch_of(wave(9, 2), 8))
