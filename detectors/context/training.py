"""Training the encoder on drawn windows: the same losses from the same seed, stopped or not."""

import math
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tocsin.detectors.context import checkpoint, progress
from tocsin.detectors.context.encoder import Encoder, Size
from tocsin.detectors.context.examples import (
    Drawn,
    Examples,
    Recipe,
    Source,
    as_live,
    chunk,
    held_out,
)
from tocsin.detectors.context.views import observed, scale_of, views_of
from tocsin.detectors.device import one_thread
from tocsin.pipeline.errors import ConfigError, StateError
from tocsin.pipeline.types import BoolArray, FloatArray

_CHUNK = 8  # batches of a chunk
_CLEAN_SHARE = 0.2  # of the loss of the series before the anomaly
_EACH = 200  # the first steps, each of which has a line in the log
_SOME = 10  # steps a line, later
_TOGETHER = 32  # windows that are checked at once
_UNSEEN = -1e9  # the logit of a missing point: below all others


@dataclass(frozen=True, slots=True)
class Plan:
    """The settings of a training.

    The rate rises over `warm` steps to `rate`, stays, and falls along a half cosine to 0 over the
    last `fall` of the steps; it does so in each of `rounds`, of `steps` / `rounds` steps (warm
    restarts: Loshchilov and Hutter, 2017, arXiv:1608.03983). A training goes on from any checkpoint
    up to which its rates are the same, so it can be made longer while the rate is level, or by a
    round. What is kept is the moving average of the weights, `average` of it from before each step.
    With `precision` bfloat16, matrix products are of bfloat16 factors summed in float32.
    """

    steps: int = 20_000
    seed: int = 0
    rate: float = 6e-4
    warm: int = 500
    fall: float = 0.6
    rounds: int = 1
    decay: float = 0.01
    average: float = 0.998
    clip: float = 1.0
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    save_every: int = 500
    check_every: int = 1000
    check_windows: int = 1024
    size: Size = field(default_factory=Size)
    recipe: Recipe = field(default_factory=Recipe)

    def __post_init__(self) -> None:
        for name in ("steps", "warm", "rounds", "save_every", "check_every", "check_windows"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1; found {getattr(self, name)}")
        if self.steps % self.rounds:
            raise ConfigError(f"steps must be whole rounds; found {self.steps} in {self.rounds}")
        if not 0 < self.fall <= 1:
            raise ConfigError(f"fall must be a share in 0 to 1; found {self.fall}")

    def as_table(self) -> dict[str, Any]:
        """The settings as the log and the checkpoints have them."""
        return checkpoint.as_json(asdict(self))

    def rate_at(self, step: int) -> float:
        """The learning rate of a step, which count from 1."""
        whole = self.steps // self.rounds
        step = (step - 1) % whole + 1
        left = (whole - step) / max(1.0, self.fall * whole)  # 1 where the fall begins
        fallen = 0.5 - 0.5 * math.cos(math.pi * min(1.0, max(0.0, left)))
        return self.rate * min(1.0, step / self.warm) * fallen


@dataclass(slots=True)
class Pupil:
    """What a training has made so far."""

    step: int
    encoder: Encoder
    average: dict[str, Tensor]  # the moving average of the encoder's weights
    optimiser: torch.optim.AdamW


def train(
    source: Source, plan: Plan, folder: Path, *, until: int | None = None, ahead: bool = True
) -> Path:
    """Train until `plan.steps`, or go on from the folder's checkpoint; gives the weights' file.

    With `until` it stops after that step, and may be gone on with later.

    The folder gets `state.safetensors` (the checkpoint), `log.jsonl` (losses, and the average
    precision on held-out families), and at the end `rcd.safetensors` (the average weights, in
    float16). With `ahead`, another process draws the next windows meanwhile. One thread computes,
    so the same seed gives the same numbers on the same kind of machine; stopped and resumed they
    are the same to the bit. A checkpoint of other settings is a StateError that names them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "log.jsonl"
    pupil = _resumed(folder / "state.safetensors", plan)
    if pupil.step:
        progress.rewind(log, pupil.step)
    else:
        log.unlink(missing_ok=True)
        progress.append(log, [{"step": 0, "plan": plan.as_table(), "torch": torch.__version__}])
    with ExitStack() as stack:
        stack.enter_context(one_thread())
        batches = stack.enter_context(_Batches(source, plan, pupil.step, ahead=ahead))
        _study(pupil, plan, batches, _Desk(source, folder, log, until or plan.steps))
    weights = folder / "rcd.safetensors"
    _write_weights(weights, pupil, plan, source.kinds)
    return weights


@dataclass(frozen=True, slots=True)
class _Desk:
    source: Source
    folder: Path
    log: Path
    until: int


def _study(pupil: Pupil, plan: Plan, batches: Iterator[Examples], desk: _Desk) -> None:
    begun, windows = time.perf_counter(), 0
    while pupil.step < desk.until:
        batch = next(batches)
        terms = lesson(pupil, plan, batch)
        windows += len(batch.views)
        if pupil.step <= _EACH or pupil.step % _SOME == 0:
            seconds = round(time.perf_counter() - begun, 1)
            record = {"step": pupil.step, **terms, "windows": windows, "seconds": seconds}
            progress.append(desk.log, [record])
        if pupil.step % plan.check_every == 0 or pupil.step == plan.steps:
            found = check(pupil, plan, desk.source)
            progress.append(desk.log, [{"step": pupil.step, "average_precision": found}])
        if pupil.step % plan.save_every == 0 or pupil.step == desk.until:
            # What the log says of later steps is dropped when training goes on from here.
            save(desk.folder / "state.safetensors", pupil, plan)


def begin(plan: Plan) -> Pupil:
    """An untrained encoder; its first weights depend on the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.seed)
        encoder = Encoder(plan.size)
    average = {name: value.detach().clone() for name, value in encoder.named_parameters()}
    optimiser = torch.optim.AdamW(
        encoder.parameters(), lr=plan.rate, betas=(0.9, 0.98), weight_decay=plan.decay, fused=True
    )
    return Pupil(0, encoder, average, optimiser)


def lesson(pupil: Pupil, plan: Plan, batch: Examples) -> dict[str, float]:
    """One step, in place; gives the loss's terms, the rate and the gradient's norm."""
    pupil.step += 1
    rate = plan.rate_at(pupil.step)
    for group in pupil.optimiser.param_groups:
        group["lr"] = rate
    found, clean = losses(pupil.encoder, batch, plan.precision)
    pupil.optimiser.zero_grad()
    torch.autograd.backward(found + _CLEAN_SHARE * clean)
    norm = torch.nn.utils.clip_grad_norm_(pupil.encoder.parameters(), plan.clip)
    pupil.optimiser.step()
    # Early averages would be mostly of the random start.
    keep = min(plan.average, pupil.step / (pupil.step + 10.0))
    with torch.no_grad():
        for name, value in pupil.encoder.named_parameters():
            pupil.average[name].lerp_(value, 1.0 - keep)
    return {
        "found": found.item(),
        "clean": clean.item(),
        "rate": rate,
        "norm": float(norm),
    }


def losses(encoder: Encoder, batch: Examples, precision: str) -> tuple[Tensor, Tensor]:
    """The two terms: weighted cross-entropy of the labels, smooth L1 to the clean series."""
    views, label, weight, target, known = (torch.from_numpy(array) for array in batch)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bfloat16"):
        reading = encoder(views)
    each = functional.binary_cross_entropy_with_logits(
        reading.logit.float(), label, weight, reduction="mean"
    )
    off = functional.smooth_l1_loss(reading.clean.float(), target, reduction="none", beta=0.1)
    return each, (off * known).sum() / known.sum().clamp(min=1.0)


def check(pupil: Pupil, plan: Plan, source: Source) -> dict[str, float]:
    """Average precision of the average weights on held-out families, by kind.

    `live` is of the newest points of windows as they are seen live, the others of all points of
    whole windows, scaled by all of them; `short` is of windows an eighth as long.
    """
    encoder = Encoder(plan.size)
    encoder.load_state_dict(pupil.average)
    recipe = plan.recipe
    drawn = held_out(source, plan.check_windows, recipe.length, plan.seed)
    logit, label = _judged(encoder, drawn, recipe.length)
    found = progress.by_kind(logit, label, drawn.kind, source.kinds)
    if recipe.form == "live":
        live = as_live(drawn, np.random.default_rng(plan.seed))
        logit, label = _judged(encoder, live, live.values.shape[1] - 1)
        found["live"] = progress.average_precision(logit[:, -1], label[:, -1])
    else:
        short = held_out(source, plan.check_windows, recipe.length // 8, plan.seed)
        logit, label = _judged(encoder, short, recipe.length // 8)
        found["short"] = progress.average_precision(logit.ravel(), label.ravel())
    return {name: round(value, 4) for name, value in found.items()}


def _judged(encoder: Encoder, drawn: Drawn, context: int) -> tuple[FloatArray, BoolArray]:
    """Logits and labels (B, L) of drawn windows; what is missing is below all and unlabelled."""
    scale = scale_of(drawn.values, np.full(len(drawn.values), context))
    views = torch.from_numpy(views_of(drawn.values, scale))
    with torch.inference_mode():
        parts = [encoder(part).logit.numpy() for part in torch.split(views, _TOGETHER)]
    seen = observed(drawn.values)
    logit = np.where(seen, np.concatenate(parts).astype(np.float64), _UNSEEN)
    return logit, drawn.label & seen


def save(path: Path, pupil: Pupil, plan: Plan) -> None:
    """Write the checkpoint: weights, their average, the optimiser's moments, step and settings."""
    arrays = {f"average.{name}": value.numpy() for name, value in pupil.average.items()}
    for name, value in pupil.encoder.named_parameters():
        arrays[f"weight.{name}"] = value.detach().numpy()
        for moment, tensor in pupil.optimiser.state[value].items():
            if moment != "step":
                arrays[f"{moment}.{name}"] = tensor.numpy()
    checkpoint.write(path, arrays, {"step": pupil.step, "plan": plan.as_table()})


def load(path: Path, plan: Plan) -> Pupil:
    """The training that `save` wrote; StateError where its settings are others."""
    arrays, header = checkpoint.read(path)
    step = int(header["step"])
    _same_course(path, header["plan"], plan, step)
    pupil = begin(plan)
    pupil.step = step
    with torch.no_grad():
        for name, value in pupil.encoder.named_parameters():
            value.copy_(torch.from_numpy(arrays[f"weight.{name}"]))
            pupil.average[name].copy_(torch.from_numpy(arrays[f"average.{name}"]))
            pupil.optimiser.state[value] = {
                "step": torch.tensor(float(step)),
                "exp_avg": torch.from_numpy(arrays[f"exp_avg.{name}"].copy()),
                "exp_avg_sq": torch.from_numpy(arrays[f"exp_avg_sq.{name}"].copy()),
            }
    return pupil


def _resumed(path: Path, plan: Plan) -> Pupil:
    return load(path, plan) if path.exists() else begin(plan)


def _same_course(path: Path, was: dict[str, Any], plan: Plan, step: int) -> None:
    """Refuse a checkpoint whose first steps this plan would have taken otherwise."""
    now = plan.as_table()
    free = {"save_every", "check_every", "check_windows"}
    if was.keys() >= {"steps", "rounds"}:
        before = replace(plan, steps=was["steps"], rounds=was["rounds"])
        if all(before.rate_at(one) == plan.rate_at(one) for one in range(1, step + 1)):
            free |= {"steps", "rounds"}
    differing = [name for name in now if name not in free and now[name] != was.get(name)]
    if differing:
        name = differing[0]
        raise StateError(
            f"{path}: was trained with {name} {was.get(name)}, this run has {now[name]}"
        )


def _write_weights(path: Path, pupil: Pupil, plan: Plan, kinds: tuple[str, ...]) -> None:
    halves = {name: value.half().numpy() for name, value in pupil.average.items()}
    header = {
        "size": asdict(plan.size),
        "plan": plan.as_table(),
        "steps": pupil.step,
        "kinds": list(kinds),
        "torch": torch.__version__,
    }
    checkpoint.write(path, halves, header)


class _Batches:
    """The batches from a step on, in order; another process may draw the next two chunks."""

    def __init__(self, source: Source, plan: Plan, step: int, *, ahead: bool) -> None:
        self._what = (source, plan.recipe, plan.seed)
        self._next = step // _CHUNK  # the chunk that is asked for next
        self._skip = step % _CHUNK  # batches of the first chunk that were used before
        self._ready: list[Examples] = []
        self._coming: list[Future[list[Examples]]] = []
        # A fresh interpreter: a fork of a process with torch's threads may hang.
        spawned = get_context("spawn")
        self._pool = ProcessPoolExecutor(1, mp_context=spawned) if ahead else None

    def __enter__(self) -> "_Batches":
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def __iter__(self) -> "_Batches":
        return self

    def __next__(self) -> Examples:
        while not self._ready:
            self._ready = self._drawn()[self._skip :]
            self._skip = 0
        return self._ready.pop(0)

    def _drawn(self) -> list[Examples]:
        if self._pool is None:
            self._next += 1
            return chunk(*self._what, self._next - 1)
        while len(self._coming) < 3:
            self._coming.append(self._pool.submit(chunk, *self._what, self._next))
            self._next += 1
        return self._coming.pop(0).result()
