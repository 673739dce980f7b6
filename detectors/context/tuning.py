"""Tuning the encoder on one clean history: the same weights from the same rows and seed.

The last blocks and all that follows them go on learning, on windows of the history into which
anomalies were planted; what comes before them stays as it was. One thread computes, in float32,
and every random number is drawn by numpy. Each device has weights of its own, which differ in the
last digits.
"""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor

from tocsin.detectors.context import blocks
from tocsin.detectors.context.encoder import Encoder, Reading
from tocsin.detectors.context.examples import NEWEST, Examples, Form, examples
from tocsin.detectors.context.planting import planted
from tocsin.detectors.context.shipped import encoder_of
from tocsin.detectors.context.training import losses
from tocsin.detectors.context.views import PATCH, Singles
from tocsin.detectors.device import CPU, working_on
from tocsin.detectors.scaling import robust_scale, scaled
from tocsin.pipeline.types import FloatArray, IntArray

FEWEST = 8 * PATCH  # rows of a history that is worth tuning on

_LAST = 2  # blocks that go on learning
_BEHIND = ("norm.", "unfold.", "skip.", "mix.", "out.")  # what follows the blocks
_HELD = 4  # one row in so many, the newest, is held out
_SHORTEST = 2 * PATCH  # points of a window
_EXAMS = 4  # batches of held-out windows at each scale
_WARM = 0.1  # share of the steps in which the rate rises
_CLIP = 1.0  # the longest slope
_MOMENTS = (0.9, 0.999)
_TINY = 1e-8
_DIGITS = 6  # of a channel's spreads: other units round otherwise, and must not tune otherwise


@dataclass(frozen=True, slots=True)
class Lessons:
    """How the encoder is tuned: on windows of `window` blocks of each of `scales` rows."""

    steps: int
    rate: float
    batch: int  # windows a step
    seed: int
    window: int
    scales: tuple[int, ...]
    device: str = CPU
    form: Form = "live"  # of the encoder that is tuned, where no other weights are named


class Tuned(NamedTuple):
    """An encoder, and what tuning changed of the weights it came with: nothing, where it is empty.

    `before` and `after` are the losses on held-out windows, NaN where nothing was tried.
    """

    encoder: Encoder
    weights: dict[str, Singles]
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Pool:
    """The windows of `length` blocks of `size` rows in rows (N, C), by their first row."""

    rows: FloatArray
    size: int
    length: int
    starts: IntArray  # (P,)

    def draw(self, rng: np.random.Generator, count: int, form: Form) -> Examples:
        """A batch of so many windows with planted anomalies, for live ones half scaled as such."""
        channel = rng.integers(self.rows.shape[1], size=count)
        windows, others = (self._cut(rng, channel) for _ in range(2))
        if form == "offline":
            whole = np.full(count, self.length)
            return examples(planted(rng, windows, others, 0.0), np.ones(count), whole, rng)
        live = rng.random(count) < 0.5
        context = np.where(live, self.length - 1, self.length)
        drawn = planted(rng, windows, others)
        return examples(drawn, np.ones(count), context, rng, newest=NEWEST)

    def _cut(self, rng: np.random.Generator, channel: IntArray) -> FloatArray:
        start = rng.choice(self.starts, size=len(channel))
        span = np.arange(self.length * self.size)
        series = self.rows[start[:, None] + span, channel[:, None]]
        return blocks.ending(series, self.length, self.size)


def untuned(weights: str, form: Form, device: str) -> Tuned:
    """The encoder with the weights of a file, or those that come along for a form, as they are."""
    return Tuned(encoder_of(weights, form, device), {}, np.nan, np.nan)


def tune(rows: FloatArray, lessons: Lessons, weights: str) -> Tuned:
    """The encoder tuned on clean rows (N, C), or as it was where that is no better.

    A seam, a row without any value, is crossed by windows only where there are none without. The
    newest quarter of the rows is held out; what was tuned is kept if the loss is lower on windows
    of that. Histories of under 128 rows, and those in which nothing moves, change nothing.
    """
    shown = _shown(rows)
    cut = len(shown) - len(shown) // _HELD
    ready, held = pools(shown[:cut], lessons), pools(shown[cut:], lessons)
    if len(shown) < FEWEST or not ready or not held:
        return untuned(weights, lessons.form, lessons.device)
    exams = list(_exams(held, lessons))
    # Before the work moves: what is loaded there would stay there.
    came = encoder_of(weights, lessons.form, lessons.device)
    with working_on(lessons.device), torch.enable_grad():
        pupil = _bridged(deepcopy(came))
        before = _loss(pupil, exams)
        _study(pupil, ready, lessons)
        after = _loss(pupil, exams)
    if not after < before:
        return Tuned(came, {}, before, after)
    changed = {name: value.detach().cpu().numpy().copy() for name, value in _taught(pupil).items()}
    return Tuned(_with(came, changed), changed, before, after)


def pools(rows: FloatArray, lessons: Lessons) -> list[Pool]:
    """The windows of rows (N, C) at each scale; none of scales that would give under 32 points."""
    found = []
    for size in lessons.scales:
        length = min(lessons.window, len(rows) // size // PATCH * PATCH)
        if length < _SHORTEST or not rows.shape[1]:
            continue
        seam = np.isnan(rows).all(axis=1)
        spans = sliding_window_view(seam, length * size)
        whole = np.flatnonzero(~spans.any(axis=1))
        starts = whole if whole.size else np.arange(len(spans))
        found.append(Pool(rows, size, length, starts))
    return found


def _bridged(pupil: Encoder) -> Encoder:
    """The encoder, which takes views from the processor, and gives its reading back to it."""
    if pupil.device.type == CPU:
        return pupil

    def brought(_: torch.nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(views.to(pupil.device) for views in given)

    def back(_: torch.nn.Module, __: tuple[Tensor, ...], found: Reading) -> Reading:
        return Reading(*(part.cpu() for part in found))

    pupil.register_forward_pre_hook(brought)
    pupil.register_forward_hook(back)
    return pupil


def _shown(rows: FloatArray) -> FloatArray:
    """The channels (N, C') that move, in their own spreads, rounded."""
    scale = robust_scale(rows)
    moving = scale.spread > 0
    return np.round(scaled(rows, scale)[:, moving], _DIGITS)


def _exams(held: list[Pool], lessons: Lessons) -> Iterator[Examples]:
    rng = np.random.default_rng([lessons.seed, 1])
    for pool in held:
        for _ in range(_EXAMS):
            yield pool.draw(rng, lessons.batch, lessons.form)


def _study(pupil: Encoder, ready: list[Pool], lessons: Lessons) -> None:
    """All steps, in place."""
    rng = np.random.default_rng([lessons.seed, 0])
    taught = list(_taught(pupil).values())
    for value in taught:
        value.requires_grad_()
    moments = [(torch.zeros_like(value), torch.zeros_like(value)) for value in taught]
    for step in range(lessons.steps):
        batch = ready[step % len(ready)].draw(rng, lessons.batch, lessons.form)
        found, _ = losses(pupil, batch, "float32")
        slopes = torch.autograd.grad(found, taught, allow_unused=True, materialize_grads=True)
        norm = float(torch.linalg.vector_norm(torch.stack([slope.norm() for slope in slopes])))
        short = min(1.0, _CLIP / max(norm, _TINY))
        with torch.no_grad():
            for value, slope, (mean, square) in zip(taught, slopes, moments, strict=True):
                _move(value, mean, square, short * slope, _rate(lessons, step), step + 1)


def _move(
    value: Tensor, mean: Tensor, square: Tensor, slope: Tensor, rate: float, step: int
) -> None:
    """One step of Adam, in place; torch's own takes five seconds to be imported.

    Source: Kingma and Ba, Adam: a method for stochastic optimization, 2015, arXiv:1412.6980.
    """
    early, late = _MOMENTS
    mean.lerp_(slope, 1.0 - early)
    square.mul_(late).addcmul_(slope, slope, value=1.0 - late)
    size = (square / (1.0 - late**step)).sqrt_().add_(_TINY)
    value.addcdiv_(mean, size, value=-rate / (1.0 - early**step))


def _rate(lessons: Lessons, step: int) -> float:
    """The rate of a step, which count from 0: it rises for a tenth of them, and falls to 0."""
    rising = (step + 1) / max(1.0, _WARM * lessons.steps)
    return lessons.rate * min(1.0, rising) * (1.0 - step / lessons.steps)


def _loss(pupil: Encoder, exams: list[Examples]) -> float:
    """The mean loss of the labels over batches."""
    with torch.no_grad():
        return float(np.mean([losses(pupil, exam, "float32")[0].item() for exam in exams]))


def _taught(encoder: Encoder) -> dict[str, torch.nn.Parameter]:
    first = max(0, encoder.size.blocks - _LAST)
    starts = (*(f"blocks.{i}." for i in range(first, encoder.size.blocks)), *_BEHIND)
    return {n: value for n, value in encoder.named_parameters() if n.startswith(starts)}


def _with(encoder: Encoder, changed: dict[str, Singles]) -> Encoder:
    """An encoder with some weights changed; it shares the memory of all others."""
    with torch.device("meta"):  # no numbers are drawn for what is replaced at once
        fresh = Encoder(encoder.size)
    tensors = {n: torch.from_numpy(array).to(encoder.device) for n, array in changed.items()}
    fresh.load_state_dict({**encoder.state_dict(), **tensors}, assign=True)
    return fresh.eval().requires_grad_(requires_grad=False)
