"""How the network of `scale_learning` is trained: to tell how much of a row it was shown.

Training is in double precision, in one thread and from a seed of its own, so that the same rows
give the same weights on the same device; what leaves is plain arrays.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tocsin.detectors.device import working_on
from tocsin.detectors.reconstruction.scale_learning_kernel import LEAK, Divergence, ScaleWeights
from tocsin.detectors.reconstruction.training import Adam
from tocsin.pipeline.types import FloatArray

_SIZES = 50  # of subsets, at most
_MANY = 50  # features; from here on all weigh alike
_LEAST = 1e-300


@dataclass(frozen=True, slots=True)
class Lessons:
    """What is drawn, and how the network is trained on it: settings of the detector."""

    groups: int
    subsets: int
    width: int
    hidden: int
    sharp: float
    divergence: Divergence
    noise: float
    steps: int
    batch: int
    rate: float
    seed: int
    device: str


class Task(NamedTuple):
    """The subsets of features (d), each led to W numbers by a frozen map, and their scales."""

    lead: FloatArray  # (G, S, d, W), zeros for features that are not in the subset
    scales: FloatArray  # (G, S)


def train(features: FloatArray, how: Lessons) -> tuple[ScaleWeights, FloatArray]:
    """Weights, and the loss (N,) of each step, from features (B, d) of clean rows, in spreads."""
    rng = np.random.default_rng(how.seed)
    task = drawn(features, how, rng)
    first = rng.uniform(-1.0, 1.0, (how.width, how.hidden)) / np.sqrt(how.width)
    last = rng.uniform(-1.0, 1.0, how.hidden) / np.sqrt(how.hidden)
    begun = np.concatenate((first.reshape(-1), np.zeros(how.hidden), last))
    losses = np.empty(how.steps)
    with working_on(how.device) as device:
        every, lead, scales, theta = (
            torch.from_numpy(np.ascontiguousarray(part)).to(device)
            for part in (features, task.lead, task.scales, begun)
        )
        pupil = Adam(theta, how.rate)
        for step in range(how.steps):
            pupil.rate = how.rate * (0.5 + 0.5 * np.cos(np.pi * step / how.steps))
            rows = every[torch.from_numpy(rng.integers(len(features), size=how.batch)).to(device)]
            noise = how.noise * rng.standard_normal(tuple(rows.shape))
            rows = rows + torch.from_numpy(noise).to(device)
            group = int(rng.integers(how.groups))
            told = answers(rows, lead[group], pupil.theta, how)
            loss = divergences(told, scales[group], how.divergence).mean()
            pupil.learn(loss)
            losses[step] = float(loss.detach())
        found = [part.detach().cpu().numpy().copy() for part in _parts(pupil.theta, how)]
    return ScaleWeights(task.lead @ found[0], found[1], found[2], task.scales), losses


def drawn(features: FloatArray, how: Lessons, rng: np.random.Generator) -> Task:
    """Groups of subsets of random sizes; those of one size share one random map.

    A subset's scale is `sharp` times its share of the features' weights.
    """
    size = features.shape[1]
    sizes = np.sort(rng.permutation(size)[:_SIZES] + 1)
    maps = {n: rng.uniform(-1.0, 1.0, (n, how.width)) / np.sqrt(n) for n in sizes.tolist()}
    weight = importance(features)
    lead = np.zeros((how.groups, how.subsets, size, how.width))
    scales = np.zeros((how.groups, how.subsets))
    for g in range(how.groups):
        for s in range(how.subsets):
            count = int(rng.choice(sizes))
            chosen = rng.permutation(size)[:count]
            lead[g, s, chosen] = maps[count]
            scales[g, s] = how.sharp * weight[chosen].sum() / weight.sum()
    return Task(lead, scales)


def importance(features: FloatArray) -> FloatArray:
    """The weight (d,) of each feature, 0 to 1: its mean correlation with all, without sign.

    From 50 features on, or where all are correlated alike, each weighs 1.

    >>> importance(np.array([[1.0, 2.0, 0.0], [2.0, 4.0, 1.0], [3.0, 6.0, 0.0]])).round(6).tolist()
    [1.0, 1.0, 0.0]
    """
    size = features.shape[1]
    if size >= _MANY or len(features) < 2:
        return np.ones(size)
    off = features - features.mean(axis=0)
    length = np.sqrt((off * off).sum(axis=0))
    unit = off / np.where(length > 0, length, 1.0)
    mean = np.abs(unit.T @ unit).mean(axis=1)
    reach = float(np.ptp(mean))
    return np.ones(size) if reach < 1e-9 else np.asarray((mean - mean.min()) / reach)


def answers(rows: Tensor, lead: Tensor, theta: Tensor, how: Lessons) -> Tensor:
    """The network's answers (B, S) to features (B, d), by the maps (S, d, W) of one group."""
    shown = torch.einsum("bd,sdw->bsw", rows, lead)
    first, bias, last = _parts(theta, how)
    found: Tensor = functional.leaky_relu(shown @ first + bias, LEAK) @ last
    return found


def divergences(told: Tensor, scales: Tensor, divergence: Divergence) -> Tensor:
    """`scale_learning_kernel.diverged` of answers (B, S) from scales (S,): (B,)."""
    log_p, log_q = told.log_softmax(dim=1), scales.log_softmax(dim=0)[None]
    if divergence == "surprise":
        return (log_q.exp() * (log_q - log_p)).sum(dim=1)
    middle = (log_p.exp() + log_q.exp()) / 2.0
    log_m = middle.clamp_min(_LEAST).log()
    if divergence == "jensen_shannon":
        return (log_p.exp() * (log_p - log_m) + log_q.exp() * (log_q - log_m)).sum(dim=1) / 2.0
    twice = log_p.exp().log_softmax(dim=1) + log_q.exp().log_softmax(dim=1)
    return (middle * (2.0 * log_m - twice)).sum(dim=1)


def _parts(theta: Tensor, how: Lessons) -> tuple[Tensor, Tensor, Tensor]:
    """The first layer (W, H), its bias (H,), and the last layer (H,)."""
    cut = how.width * how.hidden
    bias, last = theta[cut : cut + how.hidden], theta[cut + how.hidden :]
    return theta[:cut].view(how.width, how.hidden), bias, last
