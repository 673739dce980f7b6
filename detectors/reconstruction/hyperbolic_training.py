"""How the network of `hyperbolic` is trained: rebuilt windows near their own, in the ball.

Training is in double precision, in one thread and from a seed of its own, so that the same rows
give the same weights on the same device; what leaves is plain arrays.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tocsin.detectors.device import working_on
from tocsin.detectors.reconstruction.network import Plan, dense_plan, first_weights
from tocsin.detectors.reconstruction.training import Adam, forward
from tocsin.pipeline.types import FloatArray

_EDGE = 8.0  # longest vector in training: beyond it, a slope along the ball is all but 0
_TINY = 1e-14  # keeps the slope of a root finite at 0
_LEAST = 1e-6  # mean square of the vectors; what is less counts as this


@dataclass(frozen=True, slots=True)
class Lessons:
    """What the network is, and how it is trained: settings of the detector, which say more."""

    hidden: int
    code: int
    ball: int
    reach: float
    plain: float
    even: float
    steps: int
    batch: int
    rate: float
    seed: int
    device: str


class BallNetwork(NamedTuple):
    """A network that rebuilds windows, the map to the ball, and the losses of its training."""

    plan: Plan
    theta: FloatArray  # (P,), of the network
    turn: FloatArray  # (D, H)
    shift: FloatArray  # (H,)
    loss: FloatArray  # (S, 3), distance in the ball, squared error, unevenness of the map


def train(windows: FloatArray, how: Lessons) -> BallNetwork:
    """The network and the map of windows (B, D) in spreads, B at least 1."""
    rng = np.random.default_rng(how.seed)
    size = windows.shape[1]
    ball = min(how.ball, size)
    plan = dense_plan(size, how.hidden, how.code)
    turn = rng.normal(size=(size, ball)) / np.sqrt(size)
    first = np.concatenate((first_weights(plan, rng), turn.reshape(-1), np.zeros(ball)))
    losses = np.empty((how.steps, 3))
    with working_on(how.device) as device:
        every = torch.from_numpy(np.ascontiguousarray(windows)).to(device)
        pupil = Adam(torch.from_numpy(first).to(device), how.rate)
        weights = torch.tensor([1.0, how.plain, how.even], dtype=torch.float64)
        for step in range(how.steps):
            pupil.rate = how.rate * (0.5 + 0.5 * np.cos(np.pi * step / how.steps))
            drawn = torch.from_numpy(rng.integers(len(windows), size=how.batch)).to(device)
            terms = terms_of(every[drawn], pupil.theta, plan, how.reach)
            pupil.learn((weights * terms).sum())
            losses[step] = terms.detach().cpu().numpy()
        with torch.no_grad():
            found, shift = _map(pupil.theta, plan)
            found = found * _gain(every @ found, how.reach)
    parts = (pupil.theta[: plan.size], found, shift)
    arrays = [part.detach().cpu().numpy().copy() for part in parts]
    return BallNetwork(plan, arrays[0], arrays[1], arrays[2], losses)


def terms_of(windows: Tensor, theta: Tensor, plan: Plan, reach: float) -> Tensor:
    """The three terms of the loss (3,) of a batch of windows (B, D)."""
    rebuilt = forward(plan, theta[: plan.size], windows).reshape(windows.shape)
    turn, shift = _map(theta, plan)
    own = windows @ turn
    gain = _gain(own, reach)
    away = apart(gain * own + shift, gain * (rebuilt @ turn) + shift)
    across = turn.T @ turn
    count = len(across)
    uneven = across * (count / torch.trace(across)) - torch.eye(count, dtype=across.dtype)
    return torch.stack([away.mean(), (rebuilt - windows).square().mean(), uneven.square().mean()])


def apart(one: Tensor, other: Tensor) -> Tensor:
    """`hyperbolic_ball.distances` of vectors (B, H), cut in length, so that slopes stay finite."""
    (near, one_way), (far, other_way) = _parted(one), _parted(other)
    across = (one_way - other_way).square().sum(dim=1) / 4.0
    square = torch.sinh(near - far).square() + across * torch.sinh(2 * near) * torch.sinh(2 * far)
    found: Tensor = 2.0 * torch.asinh(torch.sqrt(square + _TINY))
    return found


def _parted(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Lengths (B,), cut, and directions (B, H)."""
    length = torch.sqrt(vectors.square().sum(dim=1) + _TINY)
    return length.clamp_max(_EDGE), vectors / length[:, None]


def _map(theta: Tensor, plan: Plan) -> tuple[Tensor, Tensor]:
    """`turn` (D, H) and `shift` (H,), which stand behind the weights of the network."""
    rest = theta[plan.size :]
    ball = len(rest) // (plan.width + 1)
    return rest[:-ball].view(plan.width, ball), rest[-ball:]


def _gain(vectors: Tensor, reach: float) -> Tensor:
    """What brings vectors (B, H) to a root mean square length of `reach`.

    Without it the shortest way to a small distance is to shrink the map to nothing.
    """
    square = vectors.square().sum(dim=1).mean()
    return reach / torch.sqrt(square.clamp_min(_LEAST))
