"""Tuning on clean history helps on what was held out of it, or changes nothing."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tocsin.detectors.context import checkpoint
from tocsin.detectors.context.encoder import Encoder, Size
from tocsin.detectors.context.planting import KINDS, planted
from tocsin.detectors.context.rcd import RelativeContext
from tocsin.detectors.context.rcd_tuned import RcdTuned
from tocsin.detectors.context.shipped import encoder_of
from tocsin.detectors.context.tuning import Lessons, Tuned, pools, tune
from tocsin.detectors.trained import TrainingState
from tocsin.pipeline.errors import ConfigError, StateError
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.types import Batch, FloatArray, Scores, Spec

SMALL = Size(width=16, heads=2, blocks=3, inner=32, fine=4)
WINDOWS: dict[str, Any] = {"window": 32, "scales": (1, 2), "wide": 64, "wide_scales": (1, 2)}
Make = Callable[..., RcdTuned]


@pytest.fixture
def weights(tmp_path: Path) -> str:
    """A small encoder of random weights: what it says is nonsense until it is tuned."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        numbers = Encoder(SMALL).state_dict()
    path = tmp_path / "weights.safetensors"
    arrays = {name: value.numpy() for name, value in numbers.items()}
    checkpoint.write(path, arrays, {"size": asdict(SMALL)})
    return str(path)


@pytest.fixture
def make(weights: str) -> Make:
    def made(**settings: Any) -> RcdTuned:
        tuning = {"steps": 12, "batch": 8, "rate": 1e-2, "train": 200, "memory": 400}
        return RcdTuned(**{**WINDOWS, **tuning, "weights": weights, **settings})

    return made


def as_rcd(scorer: RcdTuned) -> RelativeContext:
    return RelativeContext(**WINDOWS, weights=scorer.weights)


def waves(rows: int, width: int = 1, seed: int = 0) -> FloatArray:
    rng = np.random.default_rng(seed)
    return np.sin(np.arange(rows)[:, None] / 6.0) + 0.1 * rng.standard_normal((rows, width))


def windows(values: FloatArray, frames: int) -> Batch:
    """Every row of a series (N, C) with the rows before it."""
    padded = np.concatenate([np.full((frames - 1, values.shape[1]), np.nan), values])
    every = np.lib.stride_tricks.sliding_window_view(padded, frames, axis=0)
    place = np.arange(len(values))
    return Batch(0 * place, place, np.ascontiguousarray(every.transpose(0, 2, 1)))


def fitted(scorer: RcdTuned, history: FloatArray) -> TrainingState:
    spec = Spec(history.shape[1:], window=scorer.frames)
    return scorer.fit(spec, [windows(history, scorer.frames)])


def blank(scorer: RcdTuned | RelativeContext, width: int = 1) -> Any:
    state = scorer.start(Spec((width,), window=scorer.frames))
    grow(state, 1)
    return state


def same(found: Scores, wanted: Scores) -> None:
    np.testing.assert_array_equal(found.value, wanted.value)
    assert found.blame is not None
    assert wanted.blame is not None
    np.testing.assert_array_equal(found.blame, wanted.blame)


def digest(tuned: Tuned) -> str:
    assert tuned.weights
    return blake2b(b"".join(array.tobytes() for array in tuned.weights.values())).hexdigest()


def test_what_is_held_out_is_judged_better_after_tuning(make: Make) -> None:
    tuned = make().model(waves(400))
    assert tuned.after < 0.9 * tuned.before
    assert tuned.weights


def test_shipped_weights_find_planted_spikes_after_tuning() -> None:
    scorer = RcdTuned(window=128, scales=(1,), wide=256, wide_scales=(1,), steps=8)
    values = waves(600)
    spikes = [450, 520, 580]
    values[spikes] += 2.0
    assert scorer.model_of(values[:400]).weights
    value = scorer.offline(Spec((1,)), values[:400], values[400:]).value
    at = np.array(spikes) - 400
    assert value[at].min() > np.quantile(np.delete(value, at), 0.97)


def test_tuning_that_harms_is_dropped(make: Make) -> None:
    scorer, values = make(rate=0.9), waves(500)
    tuned = scorer.model(values[:400])
    assert tuned.after > tuned.before
    assert not tuned.weights
    found = scorer.offline(Spec((1,)), values[:400], values[400:])
    same(found, as_rcd(scorer).offline(Spec((1,)), values[:400], values[400:]))
    coming = windows(values, scorer.frames).take(np.arange(400, 500))
    state = blank(as_rcd(scorer))
    state.seen[0] = scorer.warmup
    same(scorer.score(fitted(scorer, values[:400]), coming), as_rcd(scorer).score(state, coming))


def test_a_series_that_is_not_tuned_yet_is_scored_as_rcd_does(make: Make) -> None:
    scorer, values = make(), waves(200, 2)
    batch = windows(values, scorer.frames)
    rcd = as_rcd(scorer)
    same(scorer.advance(blank(scorer, 2), batch), rcd.advance(blank(rcd, 2), batch))


def test_without_history_offline_is_that_of_rcd(make: Make) -> None:
    scorer, values = make(), waves(300, 2)
    nothing = np.empty((0, 2))
    found = scorer.offline(Spec((2,)), nothing, values)
    same(found, as_rcd(scorer).offline(Spec((2,)), nothing, values))


def test_scores_change_after_the_row_that_ends_the_training(make: Make) -> None:
    scorer, values = make(), waves(230)
    batch = windows(values, scorer.frames)
    found = scorer.advance(blank(scorer), batch).value
    rcd = as_rcd(scorer)
    wanted = rcd.advance(blank(rcd), batch).value
    np.testing.assert_array_equal(found[:200], wanted[:200])
    assert (found[200:] != wanted[200:]).all()


def test_tick_by_tick_is_as_all_at_once(make: Make) -> None:
    scorer, batch = make(train=128), windows(waves(150), 64)
    state = blank(scorer)
    parts = []
    for tick in batch.ticks():
        parts.append(scorer.score(state, tick).value)
        scorer.learn(state, tick)
    found = scorer.advance(blank(scorer), batch).value
    np.testing.assert_array_equal(found, np.concatenate(parts))


def test_rows_score_the_same_in_any_company_after_tuning(make: Make) -> None:
    scorer, values = make(), waves(500, 2)
    state = fitted(scorer, values[:300])
    batch = windows(values, scorer.frames)
    whole = scorer.score(state, batch.take(np.arange(300, 500))).value
    for rows in ([499], [370, 499, 450], list(range(301, 500, 7))):
        some = scorer.score(state, batch.take(np.array(rows))).value
        np.testing.assert_array_equal(some, whole[np.array(rows) - 300])


def test_what_follows_a_row_changes_nothing_live(make: Make) -> None:
    scorer, values = make(), waves(300)
    changed = values.copy()
    changed[260:] = 1e6
    before, after = (
        scorer.advance(blank(scorer), windows(each, scorer.frames)).value
        for each in (values, changed)
    )
    np.testing.assert_array_equal(before[:260], after[:260])
    assert (before[260:] != after[260:]).any()


def test_tuning_gives_the_same_bits_twice_whatever_the_threads(make: Make) -> None:
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(digest(make().model(waves(400, 2))))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1]


def test_another_seed_gives_other_weights(make: Make) -> None:
    assert digest(make(seed=1).model(waves(400))) != digest(make().model(waves(400)))


ELSEWHERE = """
import sys
from hashlib import blake2b
import numpy as np
from tocsin.detectors.context.rcd_tuned import RcdTuned
scorer = RcdTuned(window=32, scales=(1, 2), wide=64, wide_scales=(1, 2), steps=12, batch=8,
                  rate=1e-2, train=200, memory=400, weights=sys.argv[1])
noise = 0.1 * np.random.default_rng(0).standard_normal((400, 1))
tuned = scorer.model(np.sin(np.arange(400)[:, None] / 6.0) + noise)
print(blake2b(b"".join(array.tobytes() for array in tuned.weights.values())).hexdigest())
"""


def test_tuning_gives_the_same_bits_in_another_process(make: Make, weights: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, weights], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == digest(make().model(waves(400)))


WITHOUT = """
import sys
sys.modules["torch"] = None
from tocsin.detectors.catalogue import CATALOGUE, Entry, load
from tocsin.pipeline.errors import ConfigError
CATALOGUE["rcd_tuned"] = Entry(
    "rcd_tuned", "tocsin.detectors.context.rcd_tuned:RcdTuned", "", extra="deep"
)
try:
    load("rcd_tuned")
except ConfigError as error:
    print(error)
"""


def test_without_torch_the_error_names_what_to_install() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip().endswith("pip install 'tocsin[deep]'")


def test_the_weights_that_come_along_stay_as_they_are(make: Make, weights: str) -> None:
    before = {n: value.clone() for n, value in encoder_of(weights).state_dict().items()}
    tuned = make().model(waves(400))
    assert all((value == before[n]).all() for n, value in encoder_of(weights).state_dict().items())
    after = tuned.encoder.state_dict()
    changed = {name for name in before if bool((after[name] != before[name]).any())}
    assert changed == set(tuned.weights)
    assert not any(name.startswith(("embed.", "blocks.0.")) for name in changed)


def test_the_newest_quarter_is_not_learned(make: Make) -> None:
    values = waves(400)
    other = values.copy()
    other[300:] = values[300:][::-1]
    first, second = make().model(values), make().model(other)
    assert first.before != second.before
    assert digest(first) == digest(second)


@pytest.mark.parametrize("rows", [1, 20, 127])
def test_too_short_a_history_changes_nothing(make: Make, rows: int) -> None:
    scorer, values = make(), waves(300)
    assert not scorer.model_of(values[:rows]).weights
    assert not fitted(scorer, values[: min(rows, 60)]).mark.any()
    found = scorer.offline(Spec((1,)), values[:rows], values[rows:])
    same(found, as_rcd(scorer).offline(Spec((1,)), values[:rows], values[rows:]))


def test_a_short_history_is_enough_for_a_fit(make: Make) -> None:
    scorer = make(scales=(1, 4), memory=600)
    assert 2 * scorer.frames > 130
    assert fitted(scorer, waves(130)).mark[0]
    assert scorer.model_of(waves(130)).weights


@pytest.mark.parametrize("still", [0.0, 3.7, -1e100, np.nan])
def test_a_channel_that_never_moves_changes_nothing(make: Make, still: float) -> None:
    values = waves(400)
    beside = np.concatenate([np.full((400, 1), still), values], axis=1)
    assert digest(make().model(beside)) == digest(make().model(values))
    assert not make().model(np.full((400, 2), still)).weights


def test_missing_values_are_bridged_and_never_labelled(make: Make) -> None:
    values = waves(400, 2)
    values[np.random.default_rng(1).random(values.shape) < 0.1] = np.nan
    tuned = make().model(values)
    assert np.isfinite([tuned.before, tuned.after]).all()
    assert all(np.isfinite(array).all() for array in tuned.weights.values())
    drawn = planted(np.random.default_rng(0), values.T[:, :64], values.T[:, 64:128])
    np.testing.assert_array_equal(np.isnan(drawn.values), np.isnan(values.T[:, :64]))
    assert not drawn.label[np.isnan(drawn.values)].any()


def test_another_unit_tunes_the_same(make: Make) -> None:
    values = waves(400, 2)
    assert digest(make().model(37.0 * values - 1e4)) == digest(make().model(values))


def test_windows_cross_seams_only_where_there_are_none_without() -> None:
    lessons = Lessons(steps=1, rate=1e-3, batch=2, seed=0, window=32, scales=(1, 2))
    rows = waves(161)
    rows[80] = np.nan
    for pool in pools(rows, lessons):
        span = pool.starts[:, None] + np.arange(pool.size * pool.length)
        assert not (span == 80).any()
        assert len(pool.starts) == 161 + 1 - 2 * span.shape[1]
    rows[::20] = np.nan
    assert [len(pool.starts) for pool in pools(rows, lessons)] == [161 - 31, 161 - 63]


def test_every_kind_is_planted_where_the_label_is() -> None:
    rng = np.random.default_rng(0)
    clean = np.sin(np.arange(96) / rng.uniform(2, 9, (600, 1))) + 0.1 * rng.normal(size=(600, 96))
    drawn = planted(rng, clean, clean[::-1])
    assert set(drawn.kind.tolist()) == {-1, *range(len(KINDS))}
    assert not ((drawn.values != drawn.clean) & ~drawn.label).any()
    np.testing.assert_array_equal(drawn.clean, clean)
    np.testing.assert_array_equal(drawn.label.any(axis=1), drawn.kind >= 0)
    late = drawn.label[:, -1].mean()  # as they are seen live
    assert late > 2.0 * drawn.label[:, 20].mean() > 0


def test_nothing_is_planted_where_nothing_moves() -> None:
    still = np.full((50, 64), 7.0)
    drawn = planted(np.random.default_rng(0), still, still)
    assert not drawn.label.any()
    np.testing.assert_array_equal(drawn.values, still)


def test_a_scale_without_room_for_a_window_is_left_out(weights: str) -> None:
    lessons = Lessons(steps=1, rate=1e-3, batch=2, seed=0, window=32, scales=(1, 16))
    assert not np.isnan(tune(waves(128), lessons, weights).before)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window": 100}, "window must be a multiple of 32"),
        ({"scales": (2, 4)}, "scales must have 1"),
        ({"wide_scales": (0,)}, "wide_scales must be of 1 to 64 rows"),
        ({"train": 100}, "train must be 128 or more; found 100"),
        ({"memory": 220}, "memory must be 264 or more"),
        ({"steps": 0}, "steps must be 1 or more; found 0"),
        ({"rate": 1.0}, "rate must be above 0 and under 1"),
        ({"seed": -1}, "seed must be 0 or more"),
    ],
)
def test_settings_out_of_range_are_refused(
    make: Make, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        make(**settings)


def test_a_file_that_holds_no_weights_is_refused(make: Make, tmp_path: Path) -> None:
    with pytest.raises(StateError, match="cannot be read"):
        make(weights=str(tmp_path / "none")).model(waves(400))
