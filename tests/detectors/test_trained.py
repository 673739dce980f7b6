"""What trained detectors share: rows kept in the state, models made of them, two ways to train."""

import numpy as np
import pytest

from tocsin.detectors import trained
from tocsin.detectors.classical.knn import Knn
from tocsin.detectors.trained import covering_mean, training_windows
from tocsin.detectors.windows.window_std import WindowStd
from tocsin.pipeline.errors import ConfigError, TocsinError
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.types import Batch, FloatArray, Spec


def windows(values: FloatArray, frames: int, first: int = 0) -> Batch:
    """Rows (N, C) of one series as windows, from the row `first` on."""
    padded = np.concatenate((np.full((frames - 1, values.shape[1]), np.nan), values))
    stacked = np.stack([padded[i : i + frames] for i in range(len(values))])[first:]
    times = np.arange(first, len(values))
    return Batch(np.zeros(len(stacked), dtype=np.int64), times, stacked)


def noise(rows: int, channels: int = 2, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).normal(size=(rows, channels))


def test_learning_row_by_row_keeps_what_fitting_keeps() -> None:
    scorer, spec = WindowStd(window=5, train=60, memory=100), Spec((2,), window=5)
    batch = windows(noise(60), 5)
    fitted = scorer.fit(spec, [batch])
    state = scorer.start(spec)
    grow(state, 1)
    for tick in batch.ticks():
        scorer.learn(state, tick)
    assert state.mark[0] == fitted.mark[0] != 0
    assert state.rows[0].tobytes() == fitted.rows[0].tobytes()


def test_rows_that_were_not_learned_leave_a_seam() -> None:
    scorer, spec = WindowStd(window=5, train=60, memory=100), Spec((2,), window=5)
    batch = windows(noise(70), 5)
    learned = np.delete(np.arange(70), np.arange(30, 40))
    fitted = scorer.fit(spec, [batch.take(learned)])
    kept = fitted.rows[0, : fitted.used[0]]
    seams = np.flatnonzero(np.isnan(kept).all(axis=1))
    assert seams.tolist() == [30]
    assert (kept[31:35] == batch.values[40, :4]).all()
    assert len(training_windows(kept, 5)) == 26 + 30


def test_a_long_history_is_thinned_evenly_to_the_memory() -> None:
    scorer, spec = Knn(train=20, memory=50), Spec((1,))
    values = np.arange(1000.0)[:, None]
    state = scorer.fit(spec, [windows(values, 1)])
    kept = state.rows[0, : state.used[0], 0]
    assert len(kept) == 50
    assert (kept[0], kept[-1]) == (0, 999)
    assert np.ptp(np.diff(kept)) <= 1


def test_a_window_detector_keeps_whole_stretches_of_a_long_history() -> None:
    scorer, spec = WindowStd(window=5, train=60, memory=200), Spec((1,), window=5)
    state = scorer.fit(spec, [windows(np.arange(5000.0)[:, None], 5)])
    kept = state.rows[0, : state.used[0], 0]
    steps = np.diff(kept)
    assert len(kept) <= 200
    assert (steps[~np.isnan(steps)] == 1).all()
    assert kept[~np.isnan(kept)][-1] > 4900


def test_a_model_that_was_forgotten_is_made_again_the_same() -> None:
    scorer, spec = Knn(train=60, memory=100), Spec((2,))
    state = scorer.fit(spec, [windows(noise(80), 1)])
    odd = windows(noise(20, seed=1), 1)
    before = scorer.score(state, odd).value
    trained._MODELS.clear()
    assert scorer.score(state, odd).value.tobytes() == before.tobytes()


def test_two_series_with_other_rows_have_models_of_their_own() -> None:
    scorer, spec = Knn(train=60, memory=100), Spec((1,))
    near, far = noise(80, 1), 100 + noise(80, 1, seed=1)
    keys = np.repeat([0, 1], 80)
    both = Batch(keys, np.tile(np.arange(80), 2), np.concatenate((near, far))[:, None])
    state = scorer.fit(spec, [both])
    asked = Batch(np.array([0, 1]), np.array([99, 99]), np.full((2, 1, 1), 100.0))
    score = scorer.score(state, asked).value
    assert score[0] > 100 * score[1]


def test_rows_up_to_the_end_of_training_have_no_opinion_in_one_block() -> None:
    scorer, spec = Knn(train=60, memory=100), Spec((2,))
    state = scorer.start(spec)
    grow(state, 1)
    score = scorer.advance(state, windows(noise(100), 1)).value
    assert np.isnan(score[:60]).all()
    assert not np.isnan(score[60:]).any()


def test_a_history_too_short_to_train_on_is_gone_on_with() -> None:
    scorer, spec = WindowStd(window=10, train=60, memory=100), Spec((1,), window=10)
    values = noise(80, 1)
    state = scorer.fit(spec, [windows(values[:15], 10)])
    assert state.mark[0] == 0
    score = scorer.advance(state, windows(values, 10, first=15)).value
    assert np.isnan(score[:45]).all()
    assert not np.isnan(score[45:]).any()


def test_a_spec_with_shorter_windows_is_refused() -> None:
    with pytest.raises(ConfigError, match="WindowStd needs windows of 50 rows; found 1"):
        WindowStd().start(Spec((1,)))


@pytest.mark.parametrize("settings", [{"train": 1}, {"memory": 10}])
def test_room_for_too_few_rows_is_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(settings))} must be"):
        Knn(**settings)


def test_a_key_without_room_is_refused() -> None:
    scorer = Knn(train=60, memory=100)
    with pytest.raises(TocsinError, match="keys 0 to 0 in a state with room for 0"):
        scorer.score(scorer.start(Spec((2,))), windows(noise(1), 1))


def test_offline_is_the_mean_over_the_windows_that_cover_a_row() -> None:
    scores = np.array([1.0, np.nan, 4.0])
    frames, wanted = 3, []
    for row in range(len(scores) + frames - 1):
        over = [scores[w] for w in range(len(scores)) if w <= row < w + frames]
        over = [score for score in over if not np.isnan(score)]
        wanted.append(np.mean(over) if over else np.nan)
    np.testing.assert_array_equal(covering_mean(scores, frames), wanted)


def test_offline_without_history_is_trained_on_the_series_itself() -> None:
    scorer, series = Knn(), noise(300)
    none = np.empty((0, 2))
    itself = scorer.offline(Spec((2,)), none, series).value
    assert itself.tobytes() == scorer.offline(Spec((2,)), series, series).value.tobytes()
    assert not np.isnan(itself).any()


def test_an_empty_series_has_no_scores_offline() -> None:
    found = WindowStd(window=50).offline(Spec((1,)), noise(200, 1), np.empty((0, 1)))
    assert found.value.shape == (0,)


def test_the_same_numbers_in_wider_rows_have_a_model_of_their_own() -> None:
    scorer, numbers = Knn(train=60, memory=100), noise(80, 2)
    for wide in (numbers, numbers.reshape(160, 1)[:100], numbers.reshape(40, 4)):
        spec = Spec((wide.shape[1],))
        state = scorer.fit(spec, [windows(wide, 1)])
        assert not np.isnan(scorer.score(state, windows(wide, 1)).value).any()


def test_the_model_of_rows_is_the_one_that_fitting_them_scores_by() -> None:
    scorer, rows, asked = WindowStd(window=5, train=60, memory=100), noise(80), noise(90, seed=1)
    state = scorer.fit(Spec((2,), window=5), [windows(rows, 5, first=4)])
    batch = windows(asked, 5)
    model = scorer.model_of(rows)
    assert model is not None
    found = scorer.measure(model, batch.values)[0]
    assert found.tobytes() == scorer.score(state, batch).value.tobytes()
    assert scorer.model_of(rows[:9]) is None
