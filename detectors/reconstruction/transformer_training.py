"""How the transformer of `degradation_transformer` is trained: to find the rows that were spoiled.

Training is in double precision, in one thread and from a seed of its own, so that the same rows
give the same weights on the same device; what leaves is plain arrays.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tocsin.detectors.device import CPU, working_on
from tocsin.detectors.reconstruction.degrading import Degrading, degraded
from tocsin.detectors.reconstruction.transformer_kernel import EPSILON, TransformerWeights, centred
from tocsin.pipeline.types import BoolArray, FloatArray

_CLIP = 1.0  # longest gradient
_DECAY = 1e-4  # of weights, a step and unit of rate
_WARM = 0.1  # of the steps, in which the rate rises
_BIAS = 0.02  # deviation of the first distances' biases, cut at two


@dataclass(frozen=True, slots=True)
class Size:
    """How large a transformer is."""

    patches: int = 16
    patch: int = 4
    width: int = 32
    heads: int = 4
    blocks: int = 2
    inner: int = 64


@dataclass(frozen=True, slots=True)
class Lessons:
    """What it is trained on, and for how long."""

    degrading: Degrading
    steps: int = 600
    batch: int = 32
    rate: float = 3e-3
    seed: int = 0
    device: str = CPU


def train(
    windows: FloatArray, hard: BoolArray, size: Size, lessons: Lessons
) -> tuple[TransformerWeights, FloatArray]:
    """Weights, and the loss (S,) of each step, from clean windows (B, W, C) in 0 to 1.

    `hard` (C,) are channels of categories. The loss is the binary cross entropy of "spoiled", a
    row; windows are drawn and spoiled anew for every step.
    """
    rng = np.random.default_rng(lessons.seed)
    first = begun(windows.shape[2], size, rng)
    with working_on(lessons.device) as device:
        w = {name: torch.tensor(x, requires_grad=True) for name, x in first._asdict().items()}
        optimizer = torch.optim.AdamW(w.values(), lr=lessons.rate, weight_decay=_DECAY)
        losses = np.empty(lessons.steps)
        for step in range(lessons.steps):
            for group in optimizer.param_groups:
                group["lr"] = lessons.rate * _pace(step, lessons.steps)
            values, labels = spoiled(windows, hard, lessons, rng)
            found = logits_of(torch.from_numpy(centred(values)).to(device), w)
            wanted = torch.from_numpy(labels).to(device)
            loss = functional.binary_cross_entropy_with_logits(found, wanted)
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(w.values(), _CLIP)
            optimizer.step()
            optimizer.zero_grad()
            losses[step] = float(loss.detach())
        arrays = {name: x.detach().cpu().numpy().copy() for name, x in w.items()}
    return TransformerWeights(**arrays), losses


def begun(channels: int, size: Size, rng: np.random.Generator) -> TransformerWeights:
    """Weights before training: products after Glorot and Bengio (2010), biases 0, gains 1."""
    d, f, count = size.width, size.inner, size.blocks

    def product(*shape: int) -> FloatArray:
        reach = math.sqrt(6.0 / (shape[-2] + shape[-1]))
        return rng.uniform(-reach, reach, shape)

    near = _BIAS * rng.normal(size=(count, 2 * size.patches - 1, size.heads)).clip(-2, 2)
    unit = np.stack([np.ones(d), np.zeros(d)])  # (2, D)
    each = np.repeat(unit[None], count, axis=0)  # (L, 2, D)
    return TransformerWeights(
        embed=product(size.patch * channels, d),
        embed_bias=np.zeros(d),
        norm_a=each,
        look=product(count, d, 3 * d),
        apart=near,
        tell=product(count, d, d),
        tell_bias=np.zeros((count, d)),
        norm_b=each.copy(),
        wide=product(count, d, f),
        wide_bias=np.zeros((count, f)),
        back=product(count, f, d),
        back_bias=np.zeros((count, d)),
        norm=unit,
        head=product(d, f),
        head_bias=np.zeros(f),
        last=product(f, size.patch),
        last_bias=np.zeros(size.patch),
    )


def spoiled(
    windows: FloatArray, hard: BoolArray, lessons: Lessons, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """A batch of drawn windows (B, W, C) after degradation, and their labels (B, W), 0 or 1."""
    drawn = rng.integers(len(windows), size=lessons.batch).tolist()
    made = [degraded(windows, row, hard, lessons.degrading, rng) for row in drawn]
    labels = np.stack([one.label for one in made]).astype(np.float64)
    return np.stack([one.window for one in made]), labels


def logits_of(windows: Tensor, w: dict[str, Tensor]) -> Tensor:
    """The logit of every row (B, W) of windows (B, W, C)."""
    rows, frames, width = windows.shape
    patch = w["last"].shape[1]
    x = windows.reshape(rows, frames // patch, patch * width) @ w["embed"] + w["embed_bias"]
    tokens = torch.arange(frames // patch)
    apart = tokens[:, None] - tokens[None, :] + len(tokens) - 1  # (N, N)
    for block in range(w["look"].shape[0]):
        own = {name: w[name][block] for name in _OF_A_BLOCK}
        x = x + _seen(_normed(x, own["norm_a"]), apart, own)
        inner = functional.gelu(_normed(x, own["norm_b"]) @ own["wide"] + own["wide_bias"])
        x = x + inner @ own["back"] + own["back_bias"]
    inner = functional.gelu(_normed(x, w["norm"]) @ w["head"] + w["head_bias"])
    answer: Tensor = inner @ w["last"] + w["last_bias"]
    return answer.reshape(rows, frames)


_OF_A_BLOCK = (
    *("norm_a", "look", "apart", "tell", "tell_bias"),
    *("norm_b", "wide", "wide_bias", "back", "back_bias"),
)


def _seen(x: Tensor, apart: Tensor, own: dict[str, Tensor]) -> Tensor:
    rows, tokens, size = x.shape
    heads = own["apart"].shape[1]
    parts = (x @ own["look"]).view(rows, tokens, 3, heads, size // heads)
    query, key, value = parts.permute(2, 0, 3, 1, 4)  # each (B, H, N, depth)
    bias = own["apart"][apart].permute(2, 0, 1)  # (H, N, N)
    share = (query @ key.transpose(2, 3) / (size // heads) ** 0.5 + bias).softmax(dim=3)
    seen = (share @ value).transpose(1, 2).reshape(rows, tokens, size)
    told: Tensor = seen @ own["tell"] + own["tell_bias"]
    return told


def _normed(x: Tensor, scale: Tensor) -> Tensor:
    return functional.layer_norm(x, x.shape[-1:], scale[0], scale[1], EPSILON)


def _pace(step: int, steps: int) -> float:
    """The rate's share: rising at first, then falling to 0 along a cosine."""
    warm = max(1, int(_WARM * steps))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1.0 + math.cos(math.pi * (step - warm) / max(steps - warm, 1)))
