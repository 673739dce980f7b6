"""The network of `oracle_ad` on plain arrays: one window after another, each as if alone."""

from typing import NamedTuple

import numpy as np

from tocsin.detectors.compiled import compiled
from tocsin.pipeline.types import BoolArray, FloatArray


class OracleWeights(NamedTuple):
    """All learned numbers, for C channels and embeddings of D numbers.

    Gates stand in the order in, forget, out, candidate. The attention is shared by the channels;
    all else each channel has for itself.
    """

    past_in: FloatArray  # (C, 4 D), from the channel's value
    past_on: FloatArray  # (C, D, 4 D), from the step before
    past_bias: FloatArray  # (C, 4 D)
    pool: FloatArray  # (C, D), how much each step counts
    look: FloatArray  # (D, 3 D), queries, keys and values
    tell: FloatArray  # (D, D)
    first: FloatArray  # (C, D, 2 D), the decoder's first hidden and cell state
    first_bias: FloatArray  # (C, 2 D)
    next_on: FloatArray  # (C, D, 4 D)
    next_bias: FloatArray  # (C, 4 D)
    out: FloatArray  # (C, D)
    out_bias: FloatArray  # (C,)


class Reading(NamedTuple):
    """What the network makes of windows of T rows."""

    guess: FloatArray  # (B, C), the newest row as foretold by the rows before it
    distance: FloatArray  # (B, C, C), squared, between the channels' embeddings


def read(windows: FloatArray, weights: OracleWeights, heads: int, unit: bool) -> Reading:  # noqa: FBT001 - a setting, passed on
    """The reading of windows (B, T, C) without gaps; `unit` puts embeddings on a sphere.

    The newest row of a window has no part in its own reading. O(T C D^2) a window.
    """
    guess, distance = _read(np.ascontiguousarray(windows), weights, heads, unit)
    return Reading(guess, distance)


@compiled
def apart(
    newest: FloatArray,
    there: BoolArray,
    guess: FloatArray,
    distance: FloatArray,
    structure: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Error (B,), deviation (B,), and both a channel (B, C), of a reading of newest rows (B, C).

    The error is the mean over the values that are `there`; a channel's deviation is the sum of its
    row in what `distance` is off from `structure`.
    """
    rows, width = newest.shape
    error, deviation = np.zeros(rows), np.zeros(rows)
    errors, deviations = np.zeros((rows, width)), np.zeros((rows, width))
    for b in range(rows):
        count, square = 0, 0.0
        for c in range(width):
            if there[b, c]:
                count += 1
                errors[b, c] = abs(newest[b, c] - guess[b, c])
                error[b] += errors[b, c]
            for other in range(width):
                off = abs(distance[b, c, other] - structure[c, other])
                deviations[b, c] += off
                square += off * off
        error[b] /= max(count, 1)
        deviation[b] = np.sqrt(square)
    return error, deviation, errors, deviations


@compiled
def _read(
    windows: FloatArray,
    w: OracleWeights,
    heads: int,
    unit: bool,  # noqa: FBT001 - a kernel takes no keywords
) -> tuple[FloatArray, FloatArray]:
    rows, frames, width = windows.shape
    guess, distance = np.zeros((rows, width)), np.zeros((rows, width, width))
    for b in range(rows):
        own = np.zeros((width, w.pool.shape[1]))
        for c in range(width):
            hidden = _remember(
                windows[b, : frames - 1, c], w.past_in[c], w.past_on[c], w.past_bias[c]
            )
            _pool(hidden, w.pool[c], own[c])
        mixed = _mixed(own, w.look, w.tell, heads)
        if unit:
            _on_sphere(mixed)
        for c in range(width):
            start = w.first_bias[c].copy()
            _add_product(mixed[c], w.first[c], start)
            hidden = _foretell(start, w.next_on[c], w.next_bias[c], frames)
            guess[b, c] = w.out_bias[c]
            for j in range(len(hidden)):
                guess[b, c] += hidden[j] * w.out[c, j]
        _distances(mixed, distance[b])
    return guess, distance


@compiled
def _remember(past: FloatArray, into: FloatArray, on: FloatArray, bias: FloatArray) -> FloatArray:
    """The states (T - 1, D) of a channel's cell over its past (T - 1,)."""
    size = on.shape[0]
    states = np.zeros((len(past), size))
    hidden, cell = np.zeros(size), np.zeros(size)
    for t in range(len(past)):
        gates = bias.copy()
        for j in range(4 * size):
            gates[j] += past[t] * into[j]
        _step(gates, hidden, cell, on)
        for j in range(size):
            states[t, j] = hidden[j]
    return states


@compiled
def _pool(states: FloatArray, weight: FloatArray, pooled: FloatArray) -> None:
    """States (T - 1, D) to one embedding (D,), weighed by attention."""
    pull = np.zeros(states.shape[0])
    for t in range(states.shape[0]):
        for j in range(states.shape[1]):
            pull[t] += states[t, j] * weight[j]
    _soften(pull)
    for t in range(states.shape[0]):
        for j in range(states.shape[1]):
            pooled[j] += pull[t] * states[t, j]


@compiled
def _foretell(start: FloatArray, on: FloatArray, bias: FloatArray, steps: int) -> FloatArray:
    """The state (D,) of a channel's second cell after `steps` steps from `start` (2 D,)."""
    size = on.shape[0]
    hidden, cell = np.empty(size), np.empty(size)
    for j in range(size):
        hidden[j] = np.tanh(start[j])
        cell[j] = np.tanh(start[size + j])
    for _ in range(steps):
        gates = bias.copy()
        _step(gates, hidden, cell, on)
    return hidden


@compiled
def _add_product(x: FloatArray, weights: FloatArray, total: FloatArray) -> None:
    """Add x (D,) times weights (D, F) to `total` (F,)."""
    for i in range(weights.shape[0]):
        for j in range(weights.shape[1]):
            total[j] += x[i] * weights[i, j]


@compiled
def _step(gates: FloatArray, hidden: FloatArray, cell: FloatArray, on: FloatArray) -> None:
    """One step of a recurrent cell: `hidden` and `cell` (D,) are changed."""
    size = len(hidden)
    _add_product(hidden, on, gates)
    for j in range(size):
        let_in = 1.0 / (1.0 + np.exp(-gates[j]))
        keep = 1.0 / (1.0 + np.exp(-gates[size + j]))
        let_out = 1.0 / (1.0 + np.exp(-gates[2 * size + j]))
        cell[j] = keep * cell[j] + let_in * np.tanh(gates[3 * size + j])
        hidden[j] = let_out * np.tanh(cell[j])


@compiled
def _mixed(own: FloatArray, look: FloatArray, tell: FloatArray, heads: int) -> FloatArray:
    """Embeddings (C, D) and what each takes over from the others."""
    width, size = own.shape
    depth = size // heads
    parts = np.zeros((width, 3 * size))
    for c in range(width):
        _add_product(own[c], look, parts[c])
    mixed = own.copy()
    for c in range(width):
        taken = np.zeros(size)
        for first in range(0, size, depth):
            _take(parts, c, first, depth, taken)
        _add_product(taken, tell, mixed[c])
    return mixed


@compiled
def _take(parts: FloatArray, c: int, first: int, depth: int, taken: FloatArray) -> None:
    """What one head of channel `c`, of numbers `first` and on, sees of all channels, (D,)."""
    width, size = len(parts), len(taken)
    share = np.zeros(width)
    for other in range(width):
        for j in range(first, first + depth):
            share[other] += parts[c, j] * parts[other, size + j]
        share[other] /= np.sqrt(depth)
    _soften(share)
    for other in range(width):
        for j in range(first, first + depth):
            taken[j] += share[other] * parts[other, 2 * size + j]


@compiled
def _soften(pull: FloatArray) -> None:
    """Shares that sum to 1, in place."""
    most = pull.max()
    total = 0.0
    for i in range(len(pull)):
        pull[i] = np.exp(pull[i] - most)
        total += pull[i]
    for i in range(len(pull)):
        pull[i] /= total


@compiled
def _on_sphere(points: FloatArray) -> None:
    """Points (C, D) at length 1, in place; the origin stays."""
    for c in range(points.shape[0]):
        square = 0.0
        for j in range(points.shape[1]):
            square += points[c, j] * points[c, j]
        length = max(np.sqrt(square), 1e-12)
        for j in range(points.shape[1]):
            points[c, j] /= length


@compiled
def _distances(points: FloatArray, distance: FloatArray) -> None:
    for a in range(points.shape[0]):
        for b in range(points.shape[0]):
            square = 0.0
            for j in range(points.shape[1]):
                off = points[a, j] - points[b, j]
                square += off * off
            distance[a, b] = square
