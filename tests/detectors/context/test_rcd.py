"""The zero-shot detector looks at the past alone, and at each row alone."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tocsin.detectors.context import checkpoint
from tocsin.detectors.context.encoder import Encoder, Size
from tocsin.detectors.context.rcd import RelativeContext, RelativeContextState
from tocsin.detectors.context.reading import shared
from tocsin.detectors.context.shipped import WEIGHTS
from tocsin.pipeline.errors import ConfigError, StateError, TocsinError
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.types import Batch, FloatArray, Scores, Spec

SMALL = Size(width=32, heads=2, blocks=2, inner=64, fine=4)


@pytest.fixture
def scorer(tmp_path: Path) -> RelativeContext:
    """A small detector with random weights: what it says is nonsense, but always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        weights = Encoder(SMALL).state_dict()
    path = tmp_path / "weights.safetensors"
    arrays = {name: value.numpy() for name, value in weights.items()}
    checkpoint.write(path, arrays, {"size": asdict(SMALL)})
    return RelativeContext(
        window=64, scales=(1, 2), wide=128, wide_scales=(1, 2), weights=str(path)
    )


def waves(rows: int, width: int = 1, seed: int = 0) -> FloatArray:
    rng = np.random.default_rng(seed)
    return np.sin(np.arange(rows)[:, None] / 6.0) + 0.1 * rng.standard_normal((rows, width))


def started(scorer: RelativeContext, width: int, seen: int = 0) -> RelativeContextState:
    """A state with room for one key, which had so many rows."""
    state = scorer.start(Spec((width,), window=scorer.frames))
    grow(state, 1)
    state.seen[0] = seen
    return state


def played(scorer: RelativeContext, values: FloatArray) -> Scores:
    """The live scores of every row of a series (N, C)."""
    frames = scorer.frames
    padded = np.concatenate([np.full((frames - 1, values.shape[1]), np.nan), values])
    windows = np.lib.stride_tricks.sliding_window_view(padded, frames, axis=0)
    count = len(values)
    batch = Batch(
        np.zeros(count, dtype=np.int64),
        np.arange(count),
        windows.transpose(0, 2, 1),
    )
    return scorer.advance(started(scorer, values.shape[1]), batch)


def offline(scorer: RelativeContext, values: FloatArray) -> Scores:
    width = values.shape[1]
    return scorer.offline(Spec((width,)), np.empty((0, width)), values)


def test_rows_score_the_same_in_any_company(scorer: RelativeContext) -> None:
    values = waves(200, 2)
    whole = played(scorer, values)
    frames = scorer.frames
    padded = np.concatenate([np.full((frames - 1, 2), np.nan), values])
    state = started(scorer, 2, seen=scorer.warmup)
    for rows in ([199], [70, 199, 150], list(range(60, 200, 7))):
        windows = np.stack([padded[row : row + frames] for row in rows])
        batch = Batch(np.zeros(len(rows), dtype=np.int64), np.array(rows), windows)
        some = scorer.score(state, batch)
        np.testing.assert_array_equal(some.value, whole.value[rows])
        assert some.blame is not None
        assert whole.blame is not None
        np.testing.assert_array_equal(some.blame, whole.blame[rows])


def test_what_follows_a_row_changes_nothing(scorer: RelativeContext) -> None:
    values = waves(200)
    changed = values.copy()
    changed[150:] = 1e6
    before, after = played(scorer, values).value, played(scorer, changed).value
    np.testing.assert_array_equal(before[:150], after[:150])
    assert (before[150:] != after[150:]).any()


def test_offline_looks_at_what_follows(scorer: RelativeContext) -> None:
    values = waves(200)
    changed = values.copy()
    changed[150:] += 5.0
    before, after = offline(scorer, values).value, offline(scorer, changed).value
    assert (before[140:150] != after[140:150]).any()


def test_a_key_without_room_is_refused(scorer: RelativeContext) -> None:
    state = started(scorer, 1)
    key = np.array([10**6])
    with pytest.raises(TocsinError, match="keys 1000000 to 1000000 in a state with room for"):
        scorer.score(state, Batch(key, key, np.zeros((1, scorer.frames, 1))))


def test_no_opinion_before_there_is_a_context(scorer: RelativeContext) -> None:
    value = played(scorer, waves(200)).value
    assert np.isnan(value[: scorer.warmup]).all()
    assert np.isfinite(value[scorer.warmup :]).all()


def test_another_unit_gives_the_same_scores(scorer: RelativeContext) -> None:
    values = waves(200, 2)
    other = played(scorer, 512.0 * values - 64.0).value
    np.testing.assert_allclose(played(scorer, values).value, other, atol=1e-4)


def test_a_missing_newest_value_has_no_opinion(scorer: RelativeContext) -> None:
    values = waves(200, 2)
    values[190, 0] = np.nan
    values[195] = np.nan
    values[197, 1] = np.inf
    scores = played(scorer, values)
    assert np.isnan(scores.value).nonzero()[0].tolist() == [*range(63), 195]
    assert scores.blame is not None
    assert scores.blame[190, -1, 0] == 0.0
    assert scores.blame[190, -1, 1] > 0.0


def test_a_channel_is_scored_alone(scorer: RelativeContext) -> None:
    values = waves(200, 2)
    alone = played(scorer, values[:, :1])
    together = played(scorer, values)
    assert alone.blame is not None
    assert together.blame is not None
    np.testing.assert_array_equal(alone.blame[:, -1, 0], together.blame[:, -1, 0])


def test_one_channel_twice_scores_as_once(scorer: RelativeContext) -> None:
    values = waves(200)
    twice = played(scorer, np.repeat(values, 2, axis=1)).value
    np.testing.assert_array_equal(twice, played(scorer, values).value)


@pytest.mark.parametrize("value", [0.0, 3.7, -1e300])
def test_constant_channels_are_scored(scorer: RelativeContext, value: float) -> None:
    values = np.full((200, 1), value)
    assert np.isfinite(played(scorer, values).value[64:]).all()
    assert np.isfinite(offline(scorer, values).value).all()


@pytest.mark.parametrize("rows", [1, 5, 16, 100, 128, 129, 400])
def test_offline_gives_every_row_a_score(scorer: RelativeContext, rows: int) -> None:
    scores = offline(scorer, waves(rows, 3))
    assert np.isfinite(scores.value).all()
    assert scores.blame is not None
    assert scores.blame.shape == (rows, 3)


@pytest.mark.parametrize("turn", ["upside down", "backwards"])
def test_offline_a_series_is_as_strange_from_either_side(
    scorer: RelativeContext, turn: str
) -> None:
    values = waves(128, 2)
    found = offline(scorer, values).value
    turned = -values if turn == "upside down" else values[::-1]
    again = offline(scorer, turned).value
    back = again if turn == "upside down" else again[::-1]
    np.testing.assert_allclose(back, found, atol=1e-5)


def test_offline_what_is_usual_for_a_channel_is_taken_off(scorer: RelativeContext) -> None:
    values = waves(300, 1)
    alone = offline(scorer, values).value
    assert np.median(alone) == pytest.approx(0.0, abs=1e-12)
    twice = offline(scorer, np.repeat(values, 2, axis=1)).value
    np.testing.assert_allclose(twice, alone)


def test_a_row_shares_the_logits_of_its_neighbours_and_keeps_the_peak() -> None:
    logit = np.random.default_rng(4).normal(size=200)
    found = shared(logit)
    for row in range(200):
        near = logit[max(0, row - 8) : row + 9]
        assert found[row] == 0.5 * logit[row] + 0.5 * near.max()
    assert found.argmax() == logit.argmax()


def test_offline_history_is_context_and_not_scored(scorer: RelativeContext) -> None:
    values = waves(300)
    scores = scorer.offline(Spec((1,)), values[:100], values[100:])
    np.testing.assert_array_equal(scores.value, offline(scorer, values).value[100:])


def test_offline_rows_that_are_missing_have_no_opinion(scorer: RelativeContext) -> None:
    values = waves(300)
    values[40:60] = np.nan
    value = offline(scorer, values).value
    assert np.isnan(value).nonzero()[0].tolist() == list(range(40, 60))


def test_too_short_windows_are_refused(scorer: RelativeContext) -> None:
    with pytest.raises(ConfigError, match="rcd looks at 128 rows; the windows have 4"):
        scorer.start(Spec((1,), window=4))
    state = started(scorer, 1)
    short = Batch(np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64), np.zeros((1, 4, 1)))
    with pytest.raises(TocsinError, match="values must be"):
        scorer.score(state, short)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window": 100}, "window must be a multiple of 32"),
        ({"wide": 4096}, "wide must be a multiple of 32, at most 1024"),
        ({"scales": ()}, "scales must be of 1 to 64 rows"),
        ({"wide_scales": (0,)}, "wide_scales must be of 1 to 64 rows"),
        ({"scales": (2, 4)}, "scales must have 1"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        RelativeContext(**settings)


def test_a_file_that_holds_no_weights_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    checkpoint.write(path, {"a": np.zeros(2)}, {"size": asdict(SMALL)})
    with pytest.raises(StateError, match="not weights of this encoder"):
        offline(RelativeContext(weights=str(path)), waves(50))
    with pytest.raises(StateError, match="cannot be read"):
        offline(RelativeContext(weights=str(tmp_path / "none")), waves(50))


def test_shipped_weights_find_planted_spikes_offline() -> None:
    values = waves(600)
    spikes = [300, 420, 555]
    values[spikes] += 2.0
    value = offline(RelativeContext(scales=(1,)), values).value
    assert value[spikes].min() > np.nanquantile(np.delete(value, spikes), 0.99)


def test_shipped_weights_judge_rows_alone_to_the_bit() -> None:
    scorer = RelativeContext(scales=(1,))
    values = waves(300)
    whole = played(scorer, values).value
    for last in (258, 299):
        alone = played(scorer, values[: last + 1]).value
        np.testing.assert_array_equal(alone[255:], whole[255 : last + 1])


def test_shipped_weights_are_small() -> None:
    assert sum(path.stat().st_size for path in WEIGHTS.values()) < 10_000_000
