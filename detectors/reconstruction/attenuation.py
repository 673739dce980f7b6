"""Feature attenuation: what could not be rebuilt is faded towards its reconstruction, then rebuilt.

In the first reconstruction an anomaly leaks into the values beside it, because the network reads
it. So a small second network looks at the errors of the first pass and says which values are to be
trusted; the others are mixed with their reconstruction, and the window is rebuilt again. It is
trained on clean windows in which it is known what was put wrong: some values of a channel are
exchanged with those of another window. No label is used.

After Park and others, Feature attenuation of defective representation can resolve incomplete
masking on anomaly detection, 2024, arXiv:2407.04597, which fades parts of images; this form for
windows of a series is our own.
"""

import numpy as np
import torch
from torch.nn import functional

from tocsin.detectors.compiled import compiled
from tocsin.detectors.device import CPU, working_on
from tocsin.detectors.reconstruction.network import Layer, Plan, first_weights, respond
from tocsin.detectors.reconstruction.training import Adam, forward
from tocsin.pipeline.types import FloatArray

_HIDDEN = 16  # numbers between errors and mask
_MOST_HIDDEN = 64
_RATE = 3e-3
_BATCH = 64
_STEPS = 400
_DOUBT = -2.0  # logit of the mask to begin with: nearly everything is trusted


def mask_plan(size: int) -> Plan:
    """Two layers from a window's errors (D,) to a logit for each value."""
    hidden = min(max(_HIDDEN, size), _MOST_HIDDEN)
    return Plan(1, size, (Layer(size, hidden, bent=True), Layer(hidden, size)))


def faded(
    points: FloatArray, rebuilt: FloatArray, apart: FloatArray, theta: FloatArray
) -> FloatArray:
    """Points (B, D), mixed with their reconstruction (B, D) where errors `apart` (B, D) say so."""
    plan = mask_plan(points.shape[1])
    logit = respond(plan, theta, seen(apart)[:, None, :])[:, 0]
    mixed = np.empty(points.shape)
    _mix(points, rebuilt, logit, mixed)
    return mixed


def seen(apart: FloatArray) -> FloatArray:
    """Errors as the small network is given them: how many standard deviations, compressed."""
    sizes = np.empty(apart.shape)
    _compress(apart.reshape(-1), sizes.reshape(-1))
    return sizes


def exchanged(points: FloatArray, channels: int, rng: np.random.Generator) -> FloatArray:
    """Points (B, T C) in each of which one channel, or two, comes from another point.

    Half of the points stay as they are, so that the network learns to leave clean ones alone.
    """
    rows = len(points)
    found = points.copy().reshape(rows, -1, channels)
    other = found[rng.permutation(rows)]
    chosen = rng.integers(0, channels, (rows, 2))
    wrong = np.zeros((rows, 1, channels), dtype=bool)
    wrong[np.arange(rows), 0, chosen[:, 0]] = True
    twice = rng.random(rows) < 0.3
    wrong[twice, 0, chosen[twice, 1]] = True
    wrong &= (rng.random(rows) < 0.5)[:, None, None]
    return np.where(wrong, other, found).reshape(rows, -1)


def train_mask(
    apart: FloatArray, wrong: FloatArray, seed: int, on: str = CPU
) -> tuple[FloatArray, list[float]]:
    """Weights of the small network, and its losses, from errors (B, D) and what was wrong (B, D).

    The loss is the cross-entropy of the mask; it is trained `on` a device.
    """
    rng = np.random.default_rng(seed)
    plan = mask_plan(apart.shape[1])
    theta = first_weights(plan, rng)
    theta[-apart.shape[1] :] = _DOUBT
    with working_on(on) as device:
        pupil = Adam(torch.from_numpy(theta.copy()).to(device), _RATE)
        given = torch.from_numpy(seen(apart)).to(device)
        wanted = torch.from_numpy(wrong).to(device)
        losses = []
        for _ in range(_STEPS):
            some = torch.from_numpy(rng.integers(0, len(apart), _BATCH)).to(device)
            logit = forward(plan, pupil.theta, given[some])[:, 0]
            loss = functional.binary_cross_entropy_with_logits(logit, wanted[some])
            pupil.learn(loss)
            losses.append(float(loss.detach()))
        return pupil.theta.detach().cpu().numpy().copy(), losses


@compiled
def _compress(apart: FloatArray, sizes: FloatArray) -> None:
    for i in range(len(apart)):
        sizes[i] = np.log1p(abs(apart[i]))


@compiled
def _mix(points: FloatArray, rebuilt: FloatArray, logit: FloatArray, mixed: FloatArray) -> None:
    for b in range(points.shape[0]):
        for i in range(points.shape[1]):
            if logit[b, i] >= 0.0:
                fade = 1.0 / (1.0 + np.exp(-logit[b, i]))
            else:
                raised = np.exp(logit[b, i])
                fade = raised / (1.0 + raised)
            mixed[b, i] = points[b, i] * (1.0 - fade) + rebuilt[b, i] * fade
