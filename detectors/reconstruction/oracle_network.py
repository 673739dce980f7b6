"""How the network of `oracle_ad` is trained: all channels' recurrent cells in one product a step.

Training is in double precision, in one thread and from a seed of its own, so that the same rows
give the same weights on the same device; what leaves is plain arrays.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tocsin.detectors.device import CPU, working_on
from tocsin.detectors.reconstruction.oracle_network_kernel import OracleWeights
from tocsin.pipeline.types import FloatArray, IntArray

_CLIP = 1.0  # longest gradient
_DECAY = 0.01  # of weights, a step and unit of rate
_COLLAPSED = 0.05  # of what it was in the first pass


@dataclass(frozen=True, slots=True)
class Training:
    """How the network is trained; terms of the loss are weighted as in the reference."""

    width: int = 16
    heads: int = 4
    steps: int = 400
    batch: int = 128
    rate: float = 3e-3
    rebuild: float = 0.1  # weight of the past's error
    structure: float = 3.0  # weight of the distances' deviation
    unit: bool = True
    seed: int = 0
    device: str = CPU


class Trace(NamedTuple):
    """What training went through; `loss` is a row a step, the others a number a pass.

    The columns of `loss` are the error of the newest row, the error of the past, and the deviation
    of the distances, NaN in the first pass, which has no structure to deviate from yet.
    """

    loss: FloatArray  # (S, 3)
    distance: FloatArray  # (P,), mean between the embeddings of two channels
    motion: FloatArray  # (P,), mean variance of an embedding over windows, over its squared length

    @property
    def collapsed(self) -> bool:
        """Whether embeddings came to lie in one place, or no longer move with the window.

        Either makes the deviation small for every window, broken or not, so that it tells nothing.
        """
        return _fell(self.distance) or _fell(self.motion)


class Unfolded(NamedTuple):
    """What the network makes of a batch (B, T, C) in training."""

    values: Tensor  # (C, B, T), the past rebuilt and the newest row foretold
    embedding: Tensor  # (C, B, D)
    distance: Tensor  # (B, C, C)


def train(windows: FloatArray, how: Training) -> tuple[OracleWeights, Trace]:
    """The network trained on windows (B, T, C) without gaps, B at least 1."""
    rng = np.random.default_rng(how.seed)
    with working_on(how.device) as device:
        weights = begun(windows.shape[2], how.width, rng)
        return _trained(weights, torch.from_numpy(windows).to(device), how, rng)


def begun(channels: int, width: int, rng: np.random.Generator) -> OracleWeights:
    """Weights before training: uniform within one over the root of the width, biases too."""
    c, d = channels, width
    shapes = [
        *((c, 4 * d), (c, d, 4 * d), (c, 4 * d), (c, d), (d, 3 * d), (d, d)),
        *((c, d, 2 * d), (c, 2 * d), (c, d, 4 * d), (c, 4 * d), (c, d), (c,)),
    ]
    return OracleWeights(*(rng.uniform(-1, 1, shape) / np.sqrt(d) for shape in shapes))


def unfolded(windows: Tensor, w: dict[str, Tensor], how: Training) -> Unfolded:
    """The forward pass over windows (B, T, C), all channels at once."""
    past = windows[:, :-1].permute(2, 0, 1)  # (C, B, T - 1)
    own = _remembered(past, w)
    mixed = own + _taken(own.transpose(0, 1), w, how.heads).transpose(0, 1)
    if how.unit:
        mixed = functional.normalize(mixed, dim=2, eps=1e-12)
    apart = mixed.transpose(0, 1)  # (B, C, D)
    distance = (apart[:, :, None] - apart[:, None]).square().sum(dim=3)
    return Unfolded(_foretold(mixed, windows.shape[1], w), mixed, distance)


def _trained(
    weights: OracleWeights, windows: Tensor, how: Training, rng: np.random.Generator
) -> tuple[OracleWeights, Trace]:
    w = {name: torch.tensor(x, requires_grad=True) for name, x in weights._asdict().items()}
    optimizer = torch.optim.AdamW(w.values(), lr=how.rate, weight_decay=_DECAY)
    losses: list[list[float]] = []
    passes: list[tuple[float, float]] = []
    usual: Tensor | None = None  # (C, C), the mean distances of the pass before
    while len(losses) < how.steps:
        seen: list[Unfolded] = []
        for chosen in _batches(len(windows), how, rng)[: how.steps - len(losses)]:
            batch = windows[torch.from_numpy(chosen).to(windows.device)]
            found = unfolded(batch, w, how)
            terms = _terms(found, batch, usual)
            weighted = terms[0] + how.rebuild * terms[1]
            whole = weighted if usual is None else weighted + how.structure * terms[2]
            torch.autograd.backward(whole)
            torch.nn.utils.clip_grad_norm_(w.values(), _CLIP)
            optimizer.step()
            optimizer.zero_grad()
            losses.append([float(term.detach()) for term in terms])
            seen.append(Unfolded(*(part.detach() for part in found)))
        usual = torch.cat([found.distance for found in seen]).mean(dim=0)
        passes.append((_mean_apart(usual), _motion(seen)))
    arrays = OracleWeights(**{name: x.detach().cpu().numpy().copy() for name, x in w.items()})
    health = np.array(passes).T
    return arrays, Trace(np.array(losses), health[0], health[1])


def _batches(rows: int, how: Training, rng: np.random.Generator) -> list[IntArray]:
    """One pass over the windows in a drawn order, in batches of about one size."""
    return np.array_split(rng.permutation(rows), -(-rows // how.batch))


def _terms(found: Unfolded, batch: Tensor, usual: Tensor | None) -> list[Tensor]:
    off = (found.values - batch.permute(2, 0, 1)).square()
    apart = torch.tensor(np.nan) if usual is None else (found.distance - usual).square().mean()
    return [off[:, :, -1].mean(), off[:, :, :-1].mean(), apart]


def _mean_apart(distance: Tensor) -> float:
    count = distance.shape[0]
    return float(distance.sum()) / max(count * (count - 1), 1)


def _motion(seen: list[Unfolded]) -> float:
    points = torch.cat([found.embedding for found in seen], dim=1)  # (C, B, D)
    spread = points.var(dim=1, correction=0).sum(dim=1)
    return float((spread / points.square().sum(dim=2).mean(dim=1).clamp_min(1e-300)).mean())


def _fell(passes: FloatArray) -> bool:
    return bool(passes[-1] < _COLLAPSED * passes[0])


def _remembered(past: Tensor, w: dict[str, Tensor]) -> Tensor:
    """Each channel's embedding (C, B, D) of its past (C, B, T)."""
    channels, rows, steps = past.shape
    size = w["pool"].shape[1]
    hidden = past.new_zeros(channels, rows, size)
    cell = past.new_zeros(channels, rows, size)
    states = []
    for t in range(steps):
        given = past[:, :, t, None] * w["past_in"][:, None] + w["past_bias"][:, None]
        hidden, cell = _step(torch.baddbmm(given, hidden, w["past_on"]), cell)
        states.append(hidden)
    every = torch.stack(states, dim=2)  # (C, B, T, D)
    share = torch.einsum("cbtd,cd->cbt", every, w["pool"]).softmax(dim=2)
    return (share[..., None] * every).sum(dim=2)


def _foretold(embedding: Tensor, steps: int, w: dict[str, Tensor]) -> Tensor:
    """The values (C, B, T) that embeddings (C, B, D) unfold to."""
    start = torch.baddbmm(w["first_bias"][:, None], embedding, w["first"]).tanh()
    hidden, cell = start.chunk(2, dim=2)
    states = []
    for _ in range(steps):
        gates = torch.baddbmm(w["next_bias"][:, None], hidden, w["next_on"])
        hidden, cell = _step(gates, cell)
        states.append(hidden)
    every = torch.stack(states, dim=2)
    return torch.einsum("cbtd,cd->cbt", every, w["out"]) + w["out_bias"][:, None, None]


def _step(gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    size = cell.shape[2]
    let_in, keep, let_out = gates[..., : 3 * size].sigmoid().chunk(3, dim=2)
    cell = torch.addcmul(keep * cell, let_in, gates[..., 3 * size :].tanh())
    return let_out * cell.tanh(), cell


def _taken(own: Tensor, w: dict[str, Tensor], heads: int) -> Tensor:
    """What each channel's embedding (B, C, D) takes over from the others, by attention."""
    rows, channels, size = own.shape
    parts = (own @ w["look"]).view(rows, channels, 3, heads, size // heads)
    query, key, value = parts.permute(2, 0, 3, 1, 4)  # each (B, heads, C, depth)
    share = (query @ key.transpose(2, 3) / (size // heads) ** 0.5).softmax(dim=3)
    seen = (share @ value).transpose(1, 2).reshape(rows, channels, size)
    taken: Tensor = seen @ w["tell"]
    return taken
