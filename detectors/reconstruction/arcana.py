"""Which channels to blame: the smallest change of a window after which it is rebuilt well.

A reconstruction error smears: a faulty channel spoils the reconstruction of the channels that go
with it. The bias found here is added to the window before the network sees it, and a bias in few
places costs least, so that the channel which is at fault is told from those which only follow it.

Source: Roelofs and others, Autoencoder-based anomaly root cause analysis for wind turbines, 2021,
doi:10.1016/j.egyai.2021.100065. There the search stops after a number of steps of a fixed size;
here it ends at a minimum, in units of ordinary residuals. In the units of values scaled to 0 to 1
no bias would ever be worth its cost at that minimum.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tocsin.detectors.device import one_thread
from tocsin.detectors.reconstruction.autoencoder_model import ACTIVE, FLAT, Design, Model, prepare
from tocsin.detectors.reconstruction.network import Plan
from tocsin.detectors.reconstruction.training import forward
from tocsin.pipeline.types import FloatArray

_MOST = 500  # steps
_SETTLED = 1e-7  # relative gain of a step that ends the search
_HALVINGS = 60  # of a step
_ROUNDING = 1e-12


class Search(NamedTuple):
    """What a bias is sought for."""

    points: FloatArray  # (D,) of a window, in spreads
    low: FloatArray  # (D,), where the network's input is cut
    high: FloatArray  # (D,)
    free: FloatArray  # (D,), 1 where there may be a bias, 0 elsewhere
    alpha: float = 0.5  # cost of a bias, beside what it mends
    unit: float = 1.0  # an ordinary residual, in spreads


def explain(design: Design, model: Model, window: FloatArray, *, alpha: float = 0.5) -> FloatArray:
    """The importance (C,) of each channel of a window (T, C): its bias's mean size, in spreads.

    `alpha` in 0 to 1 is what a bias costs beside what it mends: the larger, the fewer channels are
    blamed, and with 0.5 none for less than one ordinary residual. A channel that was flat in
    training counts for as much as it moved; one that was left out counts for nothing, and so does
    a missing value. Cost: some hundred passes through the network, forward and back.
    """
    ready = prepare(model, window[None, -design.frames :])
    points, known = ready.points[0], ready.known[0]
    free = known * np.tile(model.role == ACTIVE, design.frames)
    bias = np.zeros(design.size)
    if free.any():
        low, high = (np.tile(limit, design.frames) for limit in (model.low, model.high))
        unit = float(np.sqrt((model.width[free > 0] ** 2).mean()))
        bias = bias_vector(design.plan, model.theta, Search(points, low, high, free, alpha, unit))
    bias += points * known * np.tile(model.role == FLAT, design.frames)
    return np.asarray(np.abs(bias).reshape(-1, design.channels).mean(axis=0), dtype=np.float64)


def bias_vector(plan: Plan, theta: FloatArray, search: Search) -> FloatArray:
    """The bias (D,) that makes the least of (1 - alpha) / 2 |r|^2 + alpha unit |b|_1.

    r is what is left of the points with their bias after their reconstruction. Found by proximal
    steps, each halved until it does not overshoot, so that values without blame are exactly 0.

    Source of the search: Beck and Teboulle, A fast iterative shrinkage-thresholding algorithm for
    linear inverse problems, 2009, doi:10.1137/080716542.
    """
    with one_thread():
        problem = _Problem(plan, theta, search)
        bias, length = torch.zeros_like(problem.points), 1.0
        cost, slope = problem.at(bias)
        for _ in range(_MOST):
            before = cost + problem.price(bias)
            bias, cost, slope, length = _step(problem, bias, cost, slope, length)
            if before - (cost + problem.price(bias)) <= _SETTLED * before:
                break
            length *= 2.0  # the next step may be longer again
        return np.asarray(bias.numpy(), dtype=np.float64)


class _Problem:
    """The smooth part of what is minimised, with its slope, and the price of a bias."""

    def __init__(self, plan: Plan, theta: FloatArray, search: Search) -> None:
        self.plan, self.weights = plan, torch.from_numpy(np.array(theta))
        self.points, self.low, self.high, self.free = (
            torch.from_numpy(np.array(part, dtype=np.float64)) for part in search[:4]
        )
        self.share = (1.0 - search.alpha) / 2
        self.rate = search.alpha * search.unit

    def at(self, bias: Tensor) -> tuple[float, Tensor]:
        """The smooth part at a bias (D,), and its slope (D,)."""
        mine = bias.detach().requires_grad_()
        moved = self.points + mine
        given = torch.minimum(torch.maximum(moved, self.low), self.high)
        answer = forward(self.plan, self.weights, given[None]).reshape(self.plan.frames, -1)
        left = (answer[:, : self.plan.width].reshape(-1) - moved) * self.free
        cost = self.share * (left**2).sum()
        (slope,) = torch.autograd.grad(cost, mine)
        return float(cost.detach()), slope * self.free

    def price(self, bias: Tensor) -> float:
        return self.rate * float(bias.abs().sum())


def _step(
    problem: _Problem, bias: Tensor, cost: float, slope: Tensor, length: float
) -> tuple[Tensor, float, Tensor, float]:
    """The next bias, with its cost, its slope and how long the step was."""
    for _ in range(_HALVINGS):
        aimed = bias - length * slope
        shrunk = aimed.sign() * (aimed.abs() - length * problem.rate).clamp_min(0.0)
        moved = shrunk - bias
        found, next_slope = problem.at(shrunk)
        bound = cost + float((slope * moved).sum()) + float((moved**2).sum()) / (2 * length)
        if found <= bound + _ROUNDING * abs(cost):
            return shrunk, found, next_slope, length
        length /= 2.0
    return bias, cost, slope, length
