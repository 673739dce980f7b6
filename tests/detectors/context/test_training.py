"""Training gives the same numbers from the same seed, stopped or not, and it learns."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from tocsin.commands.training import Generated
from tocsin.detectors.context import checkpoint, progress
from tocsin.detectors.context.encoder import Size
from tocsin.detectors.context.examples import Drawn, Recipe, chunk
from tocsin.detectors.context.training import Plan, begin, lesson, train
from tocsin.pipeline.errors import ConfigError, StateError

TINY = Plan(
    steps=10,
    warm=2,
    precision="float32",
    save_every=5,
    check_every=5,
    check_windows=8,
    size=Size(width=16, heads=2, blocks=1, inner=32, fine=4),
    recipe=Recipe(length=64, points=512),
)


@dataclass(frozen=True)
class Spikes:
    """Waves, each with one spike."""

    kinds: tuple[str, ...] = ("spike",)

    def __call__(
        self, rng: np.random.Generator, count: int, length: int, *, held_out: bool
    ) -> Drawn:
        period = rng.uniform(8, 20, size=(count, 1)) + (20 if held_out else 0)
        clean = np.sin(2 * np.pi * np.arange(length) / period + rng.uniform(0, 6, (count, 1)))
        label = np.zeros((count, length), dtype=bool)
        label[np.arange(count), rng.integers(0, length, size=count)] = True
        return Drawn(clean + 4.0 * label, clean, label, np.zeros(count, dtype=np.int64))


def losses(log: Path) -> list[tuple[float, float]]:
    return [(r["found"], r["clean"]) for r in progress.read(log) if "found" in r]


def test_the_same_seed_gives_the_same_losses_to_the_bit(tmp_path: Path) -> None:
    train(Spikes(), TINY, tmp_path / "a", ahead=False)
    train(Spikes(), TINY, tmp_path / "b", ahead=False)
    assert losses(tmp_path / "a" / "log.jsonl") == losses(tmp_path / "b" / "log.jsonl")
    first, second = ((tmp_path / f / "rcd.safetensors").read_bytes() for f in "ab")
    assert first == second


def test_another_seed_gives_other_losses(tmp_path: Path) -> None:
    train(Spikes(), TINY, tmp_path / "a", ahead=False)
    train(Spikes(), replace(TINY, seed=1), tmp_path / "b", ahead=False)
    assert losses(tmp_path / "a" / "log.jsonl") != losses(tmp_path / "b" / "log.jsonl")


class PowerCut(Spikes):
    """Draws nothing after its first chunk."""

    def __call__(
        self, rng: np.random.Generator, count: int, length: int, *, held_out: bool
    ) -> Drawn:
        if not held_out and rng.bit_generator.seed_seq.entropy == [0, 1]:  # type: ignore[attr-defined] # its seed
            raise KeyboardInterrupt
        return super().__call__(rng, count, length, held_out=held_out)


@pytest.mark.parametrize("save_every", [3, 5, 8])
def test_stopped_and_resumed_is_as_never_stopped(tmp_path: Path, save_every: int) -> None:
    plan = replace(TINY, steps=14, save_every=save_every)
    whole = train(Spikes(), plan, tmp_path / "whole", ahead=False)
    with pytest.raises(KeyboardInterrupt):
        train(PowerCut(), plan, tmp_path / "cut", ahead=False)
    # What was logged after the checkpoint, and a line cut in the middle, are no part of it.
    with (tmp_path / "cut" / "log.jsonl").open("a") as log:
        log.write(json.dumps({"step": 9, "found": 0.0, "clean": 0.0}) + '\n{"ste')
    resumed = train(Spikes(), plan, tmp_path / "cut", ahead=False)
    assert resumed.read_bytes() == whole.read_bytes()
    want = losses(tmp_path / "whole" / "log.jsonl")
    assert losses(tmp_path / "cut" / "log.jsonl") == want


def test_windows_drawn_ahead_are_the_same(tmp_path: Path) -> None:
    # Another process can import the generator, and not this file.
    plan = replace(TINY, recipe=Recipe(length=256, points=512))
    train(Generated(), plan, tmp_path / "here", ahead=False)
    train(Generated(), plan, tmp_path / "ahead", ahead=True)
    assert losses(tmp_path / "here" / "log.jsonl") == losses(tmp_path / "ahead" / "log.jsonl")


def test_both_losses_are_positive_and_fall() -> None:
    plan = replace(TINY, steps=200, rate=1e-2)
    pupil = begin(plan)
    seen = []
    for number in range(8):
        seen += [lesson(pupil, plan, batch) for batch in chunk(Spikes(), plan.recipe, 0, number)]
    for term in ("found", "clean"):
        values = [each[term] for each in seen]
        assert min(values) > 0
        assert np.mean(values[-16:]) < 0.8 * np.mean(values[:8])


def test_every_weight_is_taught() -> None:
    plan = replace(TINY, steps=200)
    pupil = begin(plan)
    before = {n: v.detach().clone() for n, v in pupil.encoder.named_parameters()}
    for batch in chunk(Spikes(), plan.recipe, 0, 0):
        lesson(pupil, plan, batch)
    for name, value in pupil.encoder.named_parameters():
        assert not bool((value == before[name]).all()), name


def test_the_log_tells_how_well_held_out_families_are_judged(tmp_path: Path) -> None:
    train(Spikes(), TINY, tmp_path, ahead=False)
    checks = [r for r in progress.read(tmp_path / "log.jsonl") if "average_precision" in r]
    assert [r["step"] for r in checks] == [5, 10]
    assert set(checks[0]["average_precision"]) == {"all", "live", "spike"}


def test_weights_are_halves_with_a_header(tmp_path: Path) -> None:
    arrays, header = checkpoint.read(train(Spikes(), TINY, tmp_path, ahead=False))
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.float16)}
    assert header["plan"]["seed"] == 0
    assert header["steps"] == 10


def test_a_checkpoint_of_other_settings_is_refused(tmp_path: Path) -> None:
    train(Spikes(), TINY, tmp_path, ahead=False)
    with pytest.raises(StateError, match=r"was trained with rate 0\.0006, this run has 0\.5"):
        train(Spikes(), replace(TINY, rate=0.5), tmp_path, ahead=False)


def test_more_steps_after_the_rate_fell_are_refused(tmp_path: Path) -> None:
    train(Spikes(), TINY, tmp_path, ahead=False)
    with pytest.raises(StateError, match="was trained with steps 10, this run has 20"):
        train(Spikes(), replace(TINY, steps=20), tmp_path, ahead=False)


def test_a_checkpoint_that_does_not_tell_its_rounds_is_refused(tmp_path: Path) -> None:
    train(Spikes(), TINY, tmp_path, ahead=False)
    arrays, header = checkpoint.read(tmp_path / "state.safetensors")
    del header["plan"]["rounds"]
    checkpoint.write(tmp_path / "state.safetensors", arrays, header)
    with pytest.raises(StateError, match="was trained with rounds None, this run has 1"):
        train(Spikes(), TINY, tmp_path, ahead=False)


def test_a_training_that_is_done_goes_on_for_another_round(tmp_path: Path) -> None:
    """As if both rounds had been asked for at once."""
    twice = replace(TINY, steps=20, rounds=2)
    train(Spikes(), TINY, tmp_path / "one", ahead=False)
    after = train(Spikes(), twice, tmp_path / "one", ahead=False)
    at_once = train(Spikes(), twice, tmp_path / "two", ahead=False)
    assert after.read_bytes() == at_once.read_bytes()


def test_each_round_has_the_rates_of_a_training_of_its_own() -> None:
    alone, rounds = replace(TINY, steps=50, warm=5), replace(TINY, steps=150, warm=5, rounds=3)
    rates = [alone.rate_at(step) for step in range(1, 51)]
    assert max(rates) == alone.rate
    assert rates[0] == alone.rate / 5
    assert rates[-1] == 0.0
    assert [rounds.rate_at(step) for step in range(1, 151)] == 3 * rates


def test_rounds_that_are_not_whole_are_refused() -> None:
    with pytest.raises(ConfigError, match="steps must be whole rounds; found 10 in 3"):
        Plan(steps=10, rounds=3)


def test_a_plan_without_steps_is_refused() -> None:
    with pytest.raises(ConfigError, match="steps must be at least 1; found 0"):
        Plan(steps=0)
