"""A slow, obvious version of the network of `oracle_ad`, and channels whose coupling can break."""

import numpy as np

from tocsin.detectors.reconstruction.oracle_network_kernel import OracleWeights
from tocsin.pipeline.types import FloatArray


def coupled(rows: int, seed: int, *, broken: bool) -> FloatArray:
    """Two channels (N, 2) that wander together; broken, each wanders as before, but alone."""
    rng = np.random.default_rng(seed)
    pushes = rng.normal(size=(rows + 50, 2))
    if not broken:
        pushes[:, 1] = 0.998 * pushes[:, 0] + np.sqrt(1 - 0.998**2) * pushes[:, 1]
    values = np.zeros(pushes.shape)
    for t in range(1, len(pushes)):
        values[t] = 0.7 * values[t - 1] + pushes[t]
    return values[50:]


def reading(
    window: FloatArray, w: OracleWeights, heads: int, *, unit: bool
) -> tuple[FloatArray, FloatArray]:
    """The newest row as foretold (C,), and squared distances (C, C), of one window (T, C)."""
    width, size = w.pool.shape
    own = np.zeros((width, size))
    for c in range(width):
        states, hidden, cell = [], np.zeros(size), np.zeros(size)
        for value in window[:-1, c]:
            gates = value * w.past_in[c] + hidden @ w.past_on[c] + w.past_bias[c]
            hidden, cell = cell_step(gates, cell)
            states.append(hidden)
        share = softmax(np.array(states) @ w.pool[c])
        own[c] = share @ np.array(states)
    mixed = own + attention(own @ w.look, heads) @ w.tell
    if unit:
        mixed /= np.linalg.norm(mixed, axis=1, keepdims=True)
    guess = np.zeros(width)
    for c in range(width):
        start = np.tanh(mixed[c] @ w.first[c] + w.first_bias[c])
        hidden, cell = start[:size], start[size:]
        for _ in window:
            hidden, cell = cell_step(hidden @ w.next_on[c] + w.next_bias[c], cell)
        guess[c] = hidden @ w.out[c] + w.out_bias[c]
    distance = [[np.linalg.norm(a - b) ** 2 for b in mixed] for a in mixed]
    return guess, np.array(distance, dtype=np.float64)


def cell_step(gates: FloatArray, cell: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The hidden state and the cell (D,) after gates (4 D,): in, forget, out, candidate."""
    let_in, keep, let_out, candidate = np.split(gates, 4)
    cell = sigmoid(keep) * cell + sigmoid(let_in) * np.tanh(candidate)
    return sigmoid(let_out) * np.tanh(cell), cell


def attention(parts: FloatArray, heads: int) -> FloatArray:
    """What each token sees (N, D), from queries, keys and values (N, 3 D)."""
    query, key, value = np.split(parts, 3, axis=1)
    depth = query.shape[1] // heads
    seen = []
    for first in range(0, query.shape[1], depth):
        own = slice(first, first + depth)
        share = [softmax(q @ key[:, own].T / np.sqrt(depth)) for q in query[:, own]]
        seen.append(np.array(share) @ value[:, own])
    return np.concatenate(seen, axis=1)


def softmax(x: FloatArray) -> FloatArray:
    part = np.exp(x - x.max())
    return np.asarray(part / part.sum(), dtype=np.float64)


def sigmoid(x: FloatArray) -> FloatArray:
    return np.asarray(1.0 / (1.0 + np.exp(-x)), dtype=np.float64)
