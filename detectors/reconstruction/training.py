"""Training of small networks on windows, with torch: the same weights from the same seed.

One thread computes, in float64, and every random number is drawn by numpy. Each device has weights
of its own, which differ in the last digits. Training ends once a
held-out block of windows is rebuilt no better, and what is kept is the best for that block.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tocsin.detectors.device import CPU, working_on
from tocsin.detectors.reconstruction.errors import LEAST_LOG, MOST_LOG, NEARLY
from tocsin.detectors.reconstruction.network import LEAK, Plan, first_weights
from tocsin.pipeline.types import FloatArray

Loss = Literal["squared", "log_cosh", "logarithmic", "probabilistic"]

_LARGEST_BATCH, _SMALLEST_BATCH = 256, 8
_STEPS = 16  # an epoch has, unless batches would be larger or smaller than that
_MOMENTS = (0.9, 0.999)
_TINY = 1e-8
_BETTER = 1e-3  # relative; a smaller gain on the held-out block is none
_LN2 = float(np.log(2.0))


@dataclass(frozen=True, slots=True)
class Lesson:
    """How a network is trained.

    `noise` is the spread of what is added to the inputs, in their own spreads; `hide` the share of
    inputs that are put to 0, so that a value is rebuilt from the others. `sparse` weighs the mean
    size of the hidden numbers; `bias` and `uncertainty` the two terms of the probabilistic loss.
    """

    loss: Loss = "squared"
    rate: float = 1e-2
    epochs: int = 60
    patience: int = 6
    noise: float = 0.2
    hide: float = 0.0
    sparse: float = 0.0
    bias: float = 1.0
    uncertainty: float = 1.0
    seed: int = 0
    device: str = CPU

    def rate_at(self, epoch: int) -> float:
        """The rate of an epoch, which count from 0: it falls along a half cosine towards 0."""
        return self.rate * (0.5 + 0.5 * math.cos(math.pi * epoch / self.epochs))


class Material(NamedTuple):
    """Windows to learn from: inputs without NaN, which of them are known, and their full range."""

    inputs: FloatArray  # (B, T, C)
    known: FloatArray  # (B, T, C), 1 or 0
    reach: FloatArray  # (T, C), from the lowest to the highest value of a channel; positive

    def part(self, rows: slice) -> "Material":
        """Some of the windows."""
        return Material(self.inputs[rows], self.known[rows], self.reach)


@dataclass(slots=True)
class Training:
    """What a training made: the weights (P,), and how its losses went."""

    theta: FloatArray
    steps: list[dict[str, float]] = field(default_factory=list)  # each term of the loss, by step
    held: list[float] = field(default_factory=list)  # the loss on the held-out block, by epoch


def train(plan: Plan, lesson: Lesson, material: Material, held: Material) -> Training:
    """A network that rebuilds the windows of `material`, kept where it did best on `held`."""
    rng = np.random.default_rng(lesson.seed)
    result = Training(first_weights(plan, rng))
    with working_on(lesson.device) as device:
        pupil = Adam(torch.from_numpy(result.theta.copy()).to(device), lesson.rate)
        check = _tensors(held, held.inputs, device)
        best, patience = np.inf, lesson.patience
        for epoch in range(lesson.epochs):
            pupil.rate = lesson.rate_at(epoch)
            for batch in _batches(lesson, material, rng):
                here = _tensors(*batch, device)
                result.steps.append(_step(pupil, plan, lesson, here))
            with torch.no_grad():
                found = sum(
                    float(term) for term in _terms(plan, lesson, pupil.theta, check).values()
                )
            result.held.append(found)
            if found < best - _BETTER * abs(best) or not np.isfinite(best):
                best, patience = found, lesson.patience
                result.theta = pupil.theta.detach().cpu().numpy().copy()
            else:
                patience -= 1
            if patience <= 0:
                break
    return result


def forward(plan: Plan, theta: Tensor, windows: Tensor) -> Tensor:
    """The answer of `network.respond`, as torch can differentiate it."""
    found = windows.reshape(len(windows), plan.frames, plan.width)
    for layer, weights, bias in plan.parts():
        matrix = theta[weights].view(layer.taps, layer.inputs, layer.outputs)
        if layer.taps == 1 and layer.stride == layer.repeat == 1:
            found = found @ matrix[0] + theta[bias]
        else:
            wide = found.repeat_interleave(layer.repeat, dim=1).transpose(1, 2)
            kernel = matrix.permute(2, 1, 0)
            half = layer.taps // 2
            turned = functional.conv1d(wide, kernel, theta[bias], layer.stride, half)
            found = turned.transpose(1, 2)
        if layer.bent:
            found = functional.leaky_relu(found, LEAK)
    return found


class _Batch(NamedTuple):
    given: Tensor  # (B, T, C), with noise
    wanted: Tensor  # (B, T, C)
    known: Tensor  # (B, T, C)
    reach: Tensor  # (T, C)


class Adam:
    """Weights (P,), and steps of Adam over all of them at once.

    Source: Kingma and Ba, Adam: a method for stochastic optimization, 2015, arXiv:1412.6980.
    """

    def __init__(self, theta: Tensor, rate: float) -> None:
        self.theta = theta.requires_grad_()
        self.rate = rate
        self.step = 0
        self.mean = torch.zeros_like(theta)
        self.square = torch.zeros_like(theta)

    def learn(self, loss: Tensor) -> None:
        """One step down the slope of the loss."""
        (slope,) = torch.autograd.grad(loss, self.theta)
        self.step += 1
        early, late = _MOMENTS
        with torch.no_grad():
            self.mean.mul_(early).add_(slope, alpha=1 - early)
            self.square.mul_(late).addcmul_(slope, slope, value=1 - late)
            size = (self.square / (1 - late**self.step)).sqrt_().add_(_TINY)
            self.theta.addcdiv_(self.mean, size, value=-self.rate / (1 - early**self.step))


def _step(pupil: Adam, plan: Plan, lesson: Lesson, batch: _Batch) -> dict[str, float]:
    terms = _terms(plan, lesson, pupil.theta, batch)
    pupil.learn(torch.stack(list(terms.values())).sum())
    return {name: float(term.detach()) for name, term in terms.items()}


def _terms(plan: Plan, lesson: Lesson, theta: Tensor, batch: _Batch) -> dict[str, Tensor]:
    """The terms of the loss, each positive, over the known values."""
    answer = forward(plan, theta, batch.given).reshape(len(batch.given), plan.frames, -1)
    wanted = batch.wanted.reshape(len(answer), plan.frames, plan.width)
    known = batch.known.reshape(wanted.shape)
    count = known.sum().clamp_min(1.0)
    off = (answer[:, :, : plan.width] - wanted) * known
    if lesson.loss == "probabilistic":
        log = answer[:, :, plan.width :].clamp(LEAST_LOG, MOST_LOG)
        square = lesson.bias * (off**2 / (2 * log.exp())).sum() / count
        wide = lesson.uncertainty * (0.5 * (log - LEAST_LOG) * known).sum() / count
        terms = {"bias": square, "uncertainty": wide}
    else:
        reach = batch.reach.reshape(plan.frames, plan.width)
        terms = {lesson.loss: _errors(lesson.loss, off, reach).sum() / count}
    if lesson.sparse:
        terms["sparse"] = lesson.sparse * _activity(plan, theta, batch.given)
    return terms


def _errors(loss: Loss, off: Tensor, reach: Tensor) -> Tensor:
    if loss == "log_cosh":
        size = off.abs()
        return size + functional.softplus(-2 * size) - _LN2
    if loss == "logarithmic":
        return -torch.log1p(-((off / reach) ** 2).clamp_max(NEARLY))
    return off**2


def _activity(plan: Plan, theta: Tensor, windows: Tensor) -> Tensor:
    """The mean size of the first layer's numbers."""
    first = Plan(plan.frames, plan.width, plan.layers[:1])
    return forward(first, theta, windows).abs().mean()


def _batches(
    lesson: Lesson, material: Material, rng: np.random.Generator
) -> Iterator[tuple[Material, FloatArray]]:
    """The windows in a new order, some at a time, and their inputs with new noise."""
    rows = len(material.inputs)
    size = min(_LARGEST_BATCH, max(_SMALLEST_BATCH, rows // _STEPS))
    order = rng.permutation(rows)
    for first in range(0, rows, size):
        mine = order[first : first + size]
        some = Material(material.inputs[mine], material.known[mine], material.reach)
        given = some.inputs + lesson.noise * rng.standard_normal(some.inputs.shape)
        if lesson.hide:
            given = given * (rng.random(given.shape) >= lesson.hide)
        yield some, given


def _tensors(material: Material, given: FloatArray, device: torch.device) -> _Batch:
    parts = (np.ascontiguousarray(part) for part in (given, *material))
    return _Batch(*(torch.from_numpy(part).to(device) for part in parts))
