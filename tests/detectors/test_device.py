"""Networks work where the setting says; there is no graphics card in most test machines.

Without one, their work is played on torch's "meta" device, which has shapes and no numbers: most
operations refuse a tensor that was left on the processor, as they do on a graphics card.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from itertools import count
from threading import Event, Thread
from typing import Any

import numpy as np
import pytest
import torch
from oracles.windows import signal, windows_of
from torch import Tensor

from tocsin.detectors import device as device_module
from tocsin.detectors.catalogue import load
from tocsin.detectors.context.shipped import answers, encoder_of, packs
from tocsin.detectors.device import devices, one_thread, torch_device, working_on
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.types import Batch, FloatArray, Spec

KEPT: dict[str, Any] = {"train": 60, "memory": 300}
PATCHED = {"patches": 3, "patch": 2, "width": 4, "heads": 2, "blocks": 1, "inner": 4}
CONVOLUTIONAL = {"window": 8, "kind": "convolutional", "error": "probabilistic"}
READING: dict[str, Any] = {"window": 32, "scales": (1, 2), "wide": 64, "wide_scales": (1,)}
EMBEDDING: dict[str, Any] = {"window": 16, "bank": 20, "judge": "trimmed"}
SETTINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "dense": ("autoencoder", {**KEPT, "epochs": 2, "attenuate": True, "sparse": 0.1}),
    "convolutional": ("autoencoder", {**KEPT, "epochs": 2, **CONVOLUTIONAL}),
    "oracle_ad": ("oracle_ad", {**KEPT, "steps": 6, "window": 4, "width": 4, "heads": 2}),
    "degradation": ("degradation_transformer", {**KEPT, "steps": 3, **PATCHED}),
    "hyperbolic": ("hyperbolic", {**KEPT, "steps": 3, "window": 6, "hidden": 8, "code": 2}),
    "scale_learning": ("scale_learning", {**KEPT, "steps": 3, "window": 6, "width": 6}),
    "rcd_tuned": ("rcd_tuned", {"train": 200, "memory": 400, "steps": 2, "batch": 2, **READING}),
    "themis": ("themis", {**KEPT, **EMBEDDING}),
}
MODULES = (
    *("reconstruction.training", "reconstruction.attenuation", "reconstruction.oracle_network"),
    *("reconstruction.transformer_training", "reconstruction.hyperbolic_training"),
    *("reconstruction.scale_learning_training", "context.tuning"),
    "context.shipped",
)
SCORERS: dict[str, Any] = {name: load(which)(**kept) for name, (which, kept) in SETTINGS.items()}
each = pytest.mark.parametrize("scorer", SCORERS.values(), ids=list(SCORERS))
RCD: Any = load("rcd")(**READING)
by_the_encoder = pytest.mark.parametrize(
    "scorer", [RCD, SCORERS["rcd_tuned"], SCORERS["themis"]], ids=["rcd", "rcd_tuned", "themis"]
)
on_a_card = pytest.mark.skipif(not torch.cuda.is_available(), reason="no graphics card here")


def live(scorer: Any) -> FloatArray:
    """The scores of a young series' rows, as they come in."""
    windows = windows_of(signal(110, 2, seed=0), scorer.frames)
    state = scorer.start(Spec((2,), window=scorer.frames))
    grow(state, 1)
    place = np.arange(len(windows))
    value: FloatArray = scorer.advance(state, Batch(0 * place, place, windows)).value
    assert np.isfinite(value).any()
    return value


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
    """Networks on "cuda" work on "meta" instead; where the numbers that were read came from."""
    read: list[str] = []

    @contextmanager
    def elsewhere(name: str) -> Iterator[torch.device]:
        assert name in ("cuda", "meta")  # as it is set, and as the encoder says where it is
        with torch.device("meta") as there:
            yield there

    def found(name: str) -> torch.device:
        return torch.device("meta" if name == "cuda" else name)

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
    for name in ("rcd", "rcd_tuned", "themis", "shipped", "embedders"):
        monkeypatch.setattr(
            import_module(f"tocsin.detectors.context.{name}"), "torch_device", found
        )
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


def test_the_encoder_is_brought_to_a_device_once(without_numbers: list[str]) -> None:
    there = encoder_of("", "live", "cuda")
    assert there.device.type == "meta"
    assert encoder_of("", "live", "cuda") is there
    assert encoder_of("").device.type == "cpu"
    assert without_numbers == []


@by_the_encoder
def test_the_encoder_reads_on_its_device(scorer: Any, without_numbers: list[str]) -> None:
    live(replace(scorer, device="cuda"))
    assert set(without_numbers) == {"meta"}


@pytest.mark.parametrize("scorer", [RCD, SCORERS["rcd_tuned"]], ids=["rcd", "rcd_tuned"])
def test_the_encoder_reads_on_its_device_offline(scorer: Any, without_numbers: list[str]) -> None:
    series = signal(100, 2, seed=0)
    replace(scorer, device="cuda").offline(Spec((2,)), series[:0], series)
    assert set(without_numbers) == {"meta"}


def test_what_was_tuned_on_a_device_reads_there(
    without_numbers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = count(0, -1)
    monkeypatch.setattr(Tensor, "item", lambda _: float(next(losses)))
    scorer = replace(SCORERS["rcd_tuned"], device="cuda")
    model = scorer.model(signal(300, 2, seed=0))
    assert model.weights
    assert {value.device.type for value in model.encoder.state_dict().values()} == {"meta"}
    without_numbers.clear()
    scorer.measure(model, windows_of(signal(70, 2, seed=1), scorer.frames))
    assert set(without_numbers) == {"meta"}


@pytest.mark.parametrize("scorer", [RCD, *SCORERS.values()], ids=["rcd", *SCORERS])
def test_networks_work_on_the_processor_unless_it_is_said(scorer: Any) -> None:
    assert replace(scorer, device="cpu") == scorer


def test_on_the_processor_the_encoder_gives_its_own_bits() -> None:
    views = np.random.default_rng(0).normal(size=(11, 4, 32)).astype(np.float32)
    encoder = encoder_of("")
    with torch.inference_mode(), one_thread():
        plain = [encoder(torch.from_numpy(pack)).logit.numpy() for pack in packs(views)]
    found = answers(encoder, views, lambda own, pack: own(pack).logit)
    assert found.tobytes() == np.concatenate(plain)[:11].astype(np.float64).tobytes()


def test_a_device_that_is_not_here_is_refused_by_rcd() -> None:
    other = replace(RCD, device="cuda:99")
    with pytest.raises(ConfigError, match='device "cuda:99" is not here; there is cpu'):
        other.start(Spec((2,), window=other.frames))
    with pytest.raises(ConfigError, match="cuda:99"):
        other.offline(Spec((2,)), np.empty((0, 2)), signal(100, 2, seed=0))


def test_the_order_of_a_card_is_kept_until_the_last_has_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(device_module, "torch_device", lambda _: torch.device("meta"))
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    in_order = torch.are_deterministic_algorithms_enabled
    begun, ended = Event(), Event()

    def work() -> None:
        with working_on("cuda"):
            begun.set()
            assert ended.wait(10)

    other = Thread(target=work)
    with working_on("cuda"):
        other.start()
        assert begun.wait(10)
    kept = in_order()
    ended.set()
    other.join()
    assert kept
    assert not in_order()


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


@on_a_card
def test_rcd_on_a_card_is_near_the_processor() -> None:
    np.testing.assert_allclose(live(replace(RCD, device="cuda")), live(RCD), rtol=0.01, atol=0.01)


@on_a_card
def test_rows_score_the_same_in_any_company_on_a_card() -> None:
    views = np.random.default_rng(0).normal(size=(11, 4, 256)).astype(np.float32)
    encoder = encoder_of("", "live", "cuda")
    whole, turned, last = (
        answers(encoder, some, lambda own, pack: own(pack).logit)
        for some in (views, views[::-1], views[10:])
    )
    assert whole.tobytes() == turned[::-1].tobytes()
    assert whole[10:].tobytes() == last.tobytes()
