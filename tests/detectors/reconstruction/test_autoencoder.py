"""The autoencoder as a detector: what it finds, whom it blames, and what lasts."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tocsin.detectors.reconstruction import autoencoder, autoencoder_model
from tocsin.detectors.reconstruction.autoencoder import Autoencoder, AutoencoderState
from tocsin.detectors.reconstruction.autoencoder_model import FLAT, LEFT_OUT
from tocsin.detectors.reconstruction.network import Plan
from tocsin.detectors.reconstruction.training import Lesson, Material, Training, train
from tocsin.evaluation.checks.snapshots import header_of
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.state import load, save
from tocsin.pipeline.types import Batch, FloatArray, Scores, Spec

VARIANTS: tuple[dict[str, Any], ...] = (
    {},
    {"error": "mahalanobis"},
    {"error": "log_cosh"},
    {"error": "logarithmic"},
    {"error": "probabilistic"},
    {"mean_shift": 2},
    {"attenuate": True},
    {"window": 4},
    {"window": 4, "kind": "convolutional"},
)


def small(**settings: Any) -> Autoencoder:
    return Autoencoder(**{"train": 60, "memory": 200, "epochs": 6, **settings})


def rows_of(count: int, seed: int, width: int = 4) -> FloatArray:
    """Channels that follow two hidden signals, one of them in a bent way."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(count, 2))
    mixed = np.tanh(hidden @ np.random.default_rng(99).normal(size=(2, width)))
    return mixed + 0.05 * rng.normal(size=mixed.shape)


def windows_of(rows: FloatArray, frames: int) -> FloatArray:
    stacked = [rows[i : i + frames] for i in range(len(rows) - frames + 1)]
    return np.stack(stacked)


def stream(rows: FloatArray, frames: int) -> Batch:
    values = windows_of(rows, frames)
    return Batch(np.zeros(len(values), dtype=np.int64), np.arange(len(values)), values)


def begun(scorer: Autoencoder, width: int = 4) -> AutoencoderState:
    state = scorer.start(Spec((width,), window=scorer.frames))
    grow(state, 1)
    return state


def same(one: Scores, two: Scores) -> None:
    np.testing.assert_array_equal(one.value, two.value)
    assert one.blame is not None
    np.testing.assert_array_equal(one.blame, two.blame)


@pytest.mark.parametrize("settings", VARIANTS, ids=str)
def test_a_window_scores_the_same_alone_and_in_any_company(settings: dict[str, Any]) -> None:
    scorer = small(**settings)
    model = scorer.model(rows_of(150, seed=0))
    rows = rows_of(40, seed=1) * 2
    rows[::7, 1] = np.nan
    windows = windows_of(rows, scorer.frames)
    value, blame = scorer.measure(model, windows)
    assert not np.isnan(value).any()
    order = np.random.default_rng(2).permutation(len(windows))
    mixed = scorer.measure(model, windows[order])
    np.testing.assert_array_equal(mixed[0], value[order])
    np.testing.assert_array_equal(mixed[1], blame[order])
    alone = scorer.measure(model, windows[5:6])
    assert alone[0][0] == value[5]
    np.testing.assert_array_equal(alone[1][0], blame[5])


@pytest.mark.parametrize("settings", [{}, {"window": 4}, {"window": 4, "mean_shift": 1}], ids=str)
def test_what_comes_later_changes_no_score_before_it(settings: dict[str, Any]) -> None:
    scorer = small(**settings)
    rows = rows_of(160, seed=3)
    other = rows.copy()
    other[120:] = 50.0 * rows_of(40, seed=4)
    before = 120 - scorer.frames + 1
    one = scorer.advance(begun(scorer), stream(rows, scorer.frames))
    two = scorer.advance(begun(scorer), stream(other, scorer.frames))
    np.testing.assert_array_equal(one.value[:before], two.value[:before])
    assert np.isfinite(one.value[80:before]).all()


def test_saved_in_mid_stream_and_restored_it_goes_on_to_the_bit(tmp_path: Path) -> None:
    scorer = small()
    whole = stream(rows_of(160, seed=5), 1)
    wanted = scorer.advance(begun(scorer), whole)
    for cut in (30, 100):  # in training, and after it
        state = begun(scorer)
        scorer.advance(state, whole.take(np.arange(cut)))
        save(tmp_path / "state.zip", header_of(scorer), state)
        back = load(tmp_path / "state.zip", header_of(scorer), scorer.start(Spec((4,))))
        rest = scorer.advance(back, whole.take(np.arange(cut, 160)))
        np.testing.assert_array_equal(rest.value, wanted.value[cut:])


def test_a_restored_state_is_not_trained_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = small()
    state = scorer.fit(Spec((4,)), [stream(rows_of(150, seed=6), 1)])
    odd = stream(rows_of(5, seed=7), 1)
    wanted = scorer.score(state, odd)
    save(tmp_path / "state.zip", header_of(scorer), state)
    back = load(tmp_path / "state.zip", header_of(scorer), scorer.start(Spec((4,))))
    monkeypatch.delattr(autoencoder, "build")
    same(scorer.score(back, odd), wanted)


SCORE = """
import sys
from pathlib import Path
import numpy as np
from tocsin.detectors.reconstruction.autoencoder import Autoencoder
from tocsin.evaluation.checks.snapshots import header_of
from tocsin.pipeline.state import load
from tocsin.pipeline.types import Batch, Spec
folder = Path(sys.argv[1])
scorer = Autoencoder(train=60, memory=200, epochs=6, window=4, mean_shift=1)
state = load(folder / "state.zip", header_of(scorer), scorer.start(Spec((4,), window=4)))
values = np.load(folder / "values.npy")
key = np.zeros(len(values), dtype=np.int64)
np.save(folder / "score.npy", scorer.score(state, Batch(key, np.arange(len(key)), values)).value)
"""


def test_another_process_scores_the_same_bits_from_the_saved_state(tmp_path: Path) -> None:
    scorer = small(window=4, mean_shift=1)
    state = scorer.fit(Spec((4,), window=4), [stream(rows_of(150, seed=8), 4)])
    odd = stream(rows_of(20, seed=9), 4)
    save(tmp_path / "state.zip", header_of(scorer), state)
    np.save(tmp_path / "values.npy", odd.values)
    subprocess.run([sys.executable, "-c", SCORE, str(tmp_path)], check=True)
    found = np.load(tmp_path / "score.npy")
    np.testing.assert_array_equal(found, scorer.score(state, odd).value)


WITHOUT = """
import sys
sys.modules["torch"] = None
from tocsin.detectors.catalogue import CATALOGUE, Entry, load
from tocsin.pipeline.errors import ConfigError
CATALOGUE["autoencoder"] = Entry(
    "autoencoder", "tocsin.detectors.reconstruction.autoencoder:Autoencoder", "", extra="deep"
)
try:
    load("autoencoder")
except ConfigError as error:
    print(error)
"""


def test_without_torch_the_error_names_what_to_install() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip().endswith("pip install 'tocsin[deep]'")


def test_a_broken_relation_that_is_not_linear_stands_out() -> None:
    rng = np.random.default_rng(10)
    angle = rng.uniform(0, 2 * np.pi, 800)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    scorer = Autoencoder(epochs=30, code=1, hidden=32)
    model = scorer.model(circle + 0.02 * rng.normal(size=circle.shape))
    usual, _ = scorer.measure(model, circle[:200, None])
    inside, _ = scorer.measure(model, 0.05 * circle[:50, None])
    assert np.median(inside) > np.quantile(usual, 0.9)


def test_blame_is_largest_in_the_row_and_channel_at_fault() -> None:
    scorer = small(window=4, epochs=20)
    model = scorer.model(rows_of(300, seed=11))
    windows = windows_of(rows_of(20, seed=12), 4)
    windows[:, 2, 1] += 8.0
    _, blame = scorer.measure(model, windows)
    hit = blame.reshape(len(windows), -1).argmax(axis=1) == 2 * 4 + 1
    assert hit.mean() > 0.9


def test_held_out_windows_share_no_row_with_those_that_are_learned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: list[Material] = []

    def spy(plan: Plan, lesson: Lesson, material: Material, held: Material) -> Training:
        given.extend([material, held])
        return train(plan, lesson, material, held)

    monkeypatch.setattr(autoencoder_model, "train", spy)
    rows = rows_of(100, seed=13)
    rows[:, 0] = np.arange(100)
    small(window=4, epochs=1).model(rows)
    learned, held = (material.inputs[:, :, 0] for material in given)
    assert len(held) == 19  # a fifth of 97 windows
    assert learned.max() < held.min()


def test_a_channel_that_is_mostly_missing_counts_for_nothing() -> None:
    rows = rows_of(150, seed=15)
    rows[np.arange(150) % 4 > 0, 2] = np.nan
    scorer = small()
    model = scorer.model(rows)
    assert model is not None
    assert model.role[2] == LEFT_OUT
    window = rows_of(1, seed=16)[None]
    wild = window.copy()
    wild[0, 0, 2] = 1e6
    assert scorer.measure(model, window)[0] == scorer.measure(model, wild)[0]


def test_a_flat_channel_counts_once_it_moves() -> None:
    rows = rows_of(150, seed=17)
    rows[:, 1] = 3.0
    scorer = small()
    model = scorer.model(rows)
    assert model is not None
    assert model.role[1] == FLAT
    window = rows_of(1, seed=18)[None]
    window[0, 0, 1] = 3.0
    moved = window.copy()
    moved[0, 0, 1] = 3.1
    value, blame = scorer.measure(model, np.concatenate([window, moved]))
    assert value[1] > value[0]
    assert int(blame[1, 0].argmax()) == 1


def test_the_blamed_channel_is_explained_from_the_state() -> None:
    scorer = small(epochs=15)
    state = scorer.fit(Spec((4,)), [stream(rows_of(400, seed=19), 1)])
    window = rows_of(1, seed=20)
    window[0, 3] += 10.0
    assert int(scorer.explanation(state, 0, window).argmax()) == 3


def test_an_untrained_series_has_nothing_to_explain() -> None:
    scorer = small()
    found = scorer.explanation(begun(scorer), 0, np.ones((1, 4)))
    np.testing.assert_array_equal(found, np.zeros(4))


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"kind": "recurrent"}, "kind"),
        ({"error": "absolute"}, "error"),
        ({"window": 0}, "window"),
        ({"kind": "convolutional", "window": 6}, "window"),
        ({"epochs": 0}, "epochs"),
        ({"rate": 0.0}, "rate"),
        ({"hide": 1.0}, "hide"),
        ({"clip": 0.5}, "clip"),
        ({"mean_shift": -1}, "mean_shift"),
    ],
)
def test_a_setting_out_of_range_is_named(settings: dict[str, Any], name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        Autoencoder(**settings)
