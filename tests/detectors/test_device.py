"""Networks are trained where the setting says; there is no graphics card in most test machines.

Without one, training is played on torch's "meta" device, which has shapes and no numbers: most
operations refuse a tensor that was left on the processor, as they do on a graphics card.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch
from oracles.windows import signal, windows_of
from torch import Tensor

from tocsin.detectors.catalogue import load
from tocsin.detectors.device import devices, one_thread, torch_device, working_on
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.types import Batch, Spec

KEPT: dict[str, Any] = {"train": 60, "memory": 300}
PATCHED = {"patches": 3, "patch": 2, "width": 4, "heads": 2, "blocks": 1, "inner": 4}
CONVOLUTIONAL = {"window": 8, "kind": "convolutional", "error": "probabilistic"}
READING = {"window": 32, "scales": (1, 2), "wide": 64, "wide_scales": (1,), "batch": 2}
SETTINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "dense": ("autoencoder", {**KEPT, "epochs": 2, "attenuate": True, "sparse": 0.1}),
    "convolutional": ("autoencoder", {**KEPT, "epochs": 2, **CONVOLUTIONAL}),
    "oracle_ad": ("oracle_ad", {**KEPT, "steps": 6, "window": 4, "width": 4, "heads": 2}),
    "degradation": ("degradation_transformer", {**KEPT, "steps": 3, **PATCHED}),
    "hyperbolic": ("hyperbolic", {**KEPT, "steps": 3, "window": 6, "hidden": 8, "code": 2}),
    "scale_learning": ("scale_learning", {**KEPT, "steps": 3, "window": 6, "width": 6}),
    "rcd_tuned": ("rcd_tuned", {"train": 200, "memory": 400, "steps": 2, **READING}),
}
MODULES = (
    *("reconstruction.training", "reconstruction.attenuation", "reconstruction.oracle_network"),
    *("reconstruction.transformer_training", "reconstruction.hyperbolic_training"),
    *("reconstruction.scale_learning_training", "context.tuning"),
)
SCORERS: dict[str, Any] = {name: load(which)(**kept) for name, (which, kept) in SETTINGS.items()}
each = pytest.mark.parametrize("scorer", SCORERS.values(), ids=list(SCORERS))
on_a_card = pytest.mark.skipif(not torch.cuda.is_available(), reason="no graphics card here")


class Brought(torch.autograd.Function):
    """A tensor without numbers, brought to the processor, with a way back for slopes."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        ctx.like = tensor
        return torch.full(tuple(tensor.shape), 0.5, dtype=tensor.dtype, device="cpu")

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Tensor:
        assert slopes[0].device.type == "cpu"
        return torch.empty_like(ctx.like)


@pytest.fixture
def without_numbers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Trainings on "cuda" work on "meta" instead; where the numbers they read came from."""
    read: list[str] = []

    @contextmanager
    def elsewhere(name: str) -> Iterator[torch.device]:
        assert name == "cuda"
        with torch.device("meta") as there:
            yield there

    def brought(tensor: Tensor) -> Tensor:
        if tensor.device.type != "meta":
            return tensor
        read.append("meta")
        return Brought.apply(tensor)

    def number(tensor: Tensor) -> float:
        read.append(tensor.device.type)
        return 0.5

    for name in MODULES:
        monkeypatch.setattr(import_module(f"tocsin.detectors.{name}"), "working_on", elsewhere)
    monkeypatch.setattr(Tensor, "cpu", brought)
    monkeypatch.setattr(Tensor, "__float__", number)
    monkeypatch.setattr(Tensor, "item", number)
    return read


def test_the_processor_is_always_there() -> None:
    assert devices()[0] == "cpu"
    assert torch_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["gpu", "", "cpu:1", "mps", "cuda:99", "meta"])
def test_a_device_that_is_not_here_is_refused_with_those_that_are(name: str) -> None:
    with pytest.raises(ConfigError, match=f'device "{name}" is not here; there is cpu'):
        torch_device(name)


def test_cards_are_named_as_torch_names_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert devices() == ("cpu", "cuda", "cuda:0", "cuda:1")
    assert torch_device("cuda:1") == torch.device("cuda", 1)


@each
def test_a_device_that_is_not_here_is_refused_at_the_start_and_in_a_fit(scorer: Any) -> None:
    other, spec = replace(scorer, device="cuda:99"), Spec((2,), window=scorer.frames)
    with pytest.raises(ConfigError, match='device "cuda:99" is not here; there is cpu'):
        other.start(spec)
    windows = windows_of(signal(200, 2, seed=0), scorer.frames)
    batch = Batch(np.zeros(len(windows), dtype=np.int64), np.arange(len(windows)), windows)
    with pytest.raises(ConfigError, match="cuda:99"):
        other.fit(spec, [batch])
    with pytest.raises(ConfigError, match="cuda:99"):
        other.model(signal(200, 2, seed=0))


def test_work_on_the_processor_leaves_torch_as_it_was() -> None:
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    with working_on("cpu") as here:
        assert torch.get_num_threads() == 1
        assert torch.empty(1).device == here
    with pytest.raises(ConfigError), working_on("none"):
        pass
    with pytest.raises(ZeroDivisionError), one_thread():
        raise ZeroDivisionError
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == before


@each
def test_training_keeps_all_its_tensors_on_its_device(
    scorer: Any, without_numbers: list[str]
) -> None:
    replace(scorer, device="cuda").model(signal(300, 2, seed=0))
    assert "meta" in without_numbers


@each
@on_a_card
def test_scores_of_weights_from_a_card_are_near_those_of_the_processor(scorer: Any) -> None:
    rows, windows = signal(300, 2, seed=0), windows_of(signal(200, 2, seed=1), scorer.frames)
    here, there = (
        other.measure(other.model(rows), windows)[0]
        for other in (scorer, replace(scorer, device="cuda"))
    )
    assert np.isfinite(there).all()
    np.testing.assert_allclose(there, here, rtol=0.05, atol=0.05)


@each
@on_a_card
def test_a_card_gives_the_same_weights_again(scorer: Any) -> None:
    other = replace(scorer, device="cuda")
    rows, windows = signal(300, 2, seed=0), windows_of(signal(200, 2, seed=1), scorer.frames)
    one, two = (other.measure(other.model(rows), windows)[0] for _ in range(2))
    assert one.tobytes() == two.tobytes()
