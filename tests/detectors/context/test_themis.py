"""Embeddings of windows, and how unlike clean ones they are."""

import sys
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.neighbors import LocalOutlierFactor

from tocsin.detectors.context.embedders import embedder
from tocsin.detectors.context.themis import EmbeddingSimilarity
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.types import FloatArray

WAVE = np.sin(np.arange(500) / 3.0) + np.random.default_rng(0).normal(0, 0.05, 500)
STRANGE = np.stack([WAVE[200:232], WAVE[200:232] ** 3, WAVE[200:232][::-1] * 2.0])[:, :, None]


def small(judge: Any = "lof", **settings: Any) -> EmbeddingSimilarity:
    given = {"window": 32, "bank": 60, "embedder": "convolutions"} | settings
    return EmbeddingSimilarity(judge=judge, **given)


def units_of_bank(scorer: EmbeddingSimilarity) -> FloatArray:
    windows = np.lib.stride_tricks.sliding_window_view((WAVE - WAVE.mean()) / WAVE.std(), 32)
    return windows[np.linspace(0, len(windows) - 1, scorer.bank).round().astype(int)]


def points_of(scorer: EmbeddingSimilarity) -> tuple[FloatArray, FloatArray, tuple[float, float]]:
    """The bank, the strange windows as points, and the usual score, of the slow obvious way."""
    bank = scorer.model(WAVE[:, None]).each[0]
    assert bank is not None
    units = (STRANGE[:, :, 0] - WAVE.mean()) / WAVE.std()
    found = bank.embedder.embed(units)
    if scorer.judge == "lof":
        made = bank.embedder.embed(units_of_bank(scorer))
        return bank.points, (found - made.mean(axis=0)) / made.std(axis=0), bank.usual
    return bank.points, found / np.linalg.norm(found, axis=1, keepdims=True), bank.usual


def value_of(scorer: EmbeddingSimilarity) -> FloatArray:
    return scorer.measure(scorer.model(WAVE[:, None]), STRANGE)[0]


def test_the_factor_is_that_of_scikit_learn() -> None:
    bank, points, (middle, spread) = points_of(small())
    wanted = -LocalOutlierFactor(20, novelty=True).fit(bank).score_samples(points)
    assert value_of(small()) * spread + middle == pytest.approx(wanted, rel=1e-9)


def test_the_spectral_score_is_what_the_eigenvectors_leave() -> None:
    bank, points, (middle, spread) = points_of(small("spectral"))
    value, vector = np.linalg.eigh(np.abs(bank @ bank.T))
    lead = vector[:, np.argsort(-np.abs(value))[:8]]
    alike = np.abs(points @ bank.T)
    wanted = np.linalg.norm(alike - alike @ lead @ lead.T, axis=1)
    assert value_of(small("spectral")) * spread + middle == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize(("judge", "most"), [("similarity", 60), ("trimmed", 20)])
def test_the_similarity_scores_are_means_of_cosines(judge: str, most: int) -> None:
    bank, points, (middle, spread) = points_of(small(judge))
    alike = np.sort(np.abs(points @ bank.T), axis=1)[:, -most:]
    wanted = 1.0 - alike.mean(axis=1)
    assert value_of(small(judge)) * spread + middle == pytest.approx(wanted, rel=1e-6)


def test_a_bank_of_two_kinds_leaves_nothing_of_either() -> None:
    square = np.sign(np.sin(np.arange(400) / 2.0))
    bank = small("spectral", rank=2).model(np.tile(square[:, None], (1, 1))).each[0]
    assert bank is not None
    alike = np.abs(bank.points @ bank.points.T)
    own = np.linalg.norm(alike - alike @ bank.axes @ bank.axes.T, axis=1)
    assert own.mean() < 0.2 * np.linalg.norm(alike, axis=1).mean()


@pytest.mark.parametrize("name", ["rcd", "convolutions"])
def test_a_window_is_embedded_as_if_it_were_alone(name: Any) -> None:
    windows = np.random.default_rng(1).normal(size=(11, 32))
    made = embedder(name, "", 0, windows)
    whole = made.embed(windows)
    assert all((made.embed(windows[i : i + 1])[0] == whole[i]).all() for i in range(11))


def test_convolutions_are_the_sums_they_say() -> None:
    windows = np.random.default_rng(2).normal(size=(3, 24))
    made: Any = embedder("convolutions", "", 5, windows)
    width, dilation = made._spans[0]
    taps = made._kernels[0, :width]
    spread = np.zeros((width - 1) * dilation + 1)
    spread[::dilation] = taps
    wanted = [np.convolve(window, spread[::-1], mode="valid").max() for window in windows]
    assert made.embed(windows)[:, 0] == pytest.approx(wanted)


def test_chronos_names_the_package_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "chronos", None)
    with pytest.raises(ConfigError, match="pip install chronos-forecasting"):
        embedder("chronos", "some/model", 0, np.zeros((2, 32)))


def test_chronos_is_asked_for_one_window_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    class Pipeline:
        @classmethod
        def from_pretrained(cls, model: str, device_map: str) -> "Pipeline":
            assert (model, device_map) == ("a/model", "cpu")
            return cls()

        def embed(self, context: Any) -> tuple[Any, None]:
            assert context.ndim == 1
            return torch.stack([context, context + 1.0]).T[None], None

    monkeypatch.setitem(sys.modules, "chronos", type("chronos", (), {"ChronosPipeline": Pipeline}))
    windows = np.array([[0.0, 2.0], [1.0, 3.0]])
    found = embedder("chronos", "a/model", 0, windows).embed(windows)
    assert found.tolist() == [[1.0, 2.0], [2.0, 3.0]]


def test_chronos_works_on_the_device_that_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class Pipeline:
        @classmethod
        def from_pretrained(cls, model: str, device_map: str) -> None:
            asked.append((model, device_map))

    monkeypatch.setitem(sys.modules, "chronos", type("chronos", (), {"ChronosPipeline": Pipeline}))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    embedder("chronos", "another/model", 0, np.zeros((2, 32)), "cuda:1")
    assert asked == [("another/model", "cuda:1")]


@pytest.mark.parametrize("name", ["rcd", "convolutions", "chronos"])
def test_a_device_that_is_not_here_is_refused_by_every_embedder(name: Any) -> None:
    with pytest.raises(ConfigError, match='device "cuda:99" is not here; there is cpu'):
        embedder(name, "", 0, np.zeros((2, 32)), "cuda:99")


def test_too_short_a_training_gives_no_opinion() -> None:
    scorer = small()
    value, blame = scorer.measure(scorer.model(WAVE[:36, None]), STRANGE)
    assert np.isnan(value).all()
    assert not blame.any()
