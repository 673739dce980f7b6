"""The small transformer of `degradation_transformer` on plain arrays: one window after another."""

import math
from typing import NamedTuple

import numpy as np

from tocsin.detectors.compiled import compiled
from tocsin.pipeline.types import FloatArray

EPSILON = 1e-5  # of a normalised layer


class TransformerWeights(NamedTuple):
    """All learned numbers: N patches of P rows, C channels, width D, H heads, L blocks, F inner."""

    embed: FloatArray  # (P C, D)
    embed_bias: FloatArray  # (D,)
    norm_a: FloatArray  # (L, 2, D), gain and bias
    look: FloatArray  # (L, D, 3 D), queries, keys and values
    apart: FloatArray  # (L, 2 N - 1, H), what each distance in patches adds to attention
    tell: FloatArray  # (L, D, D)
    tell_bias: FloatArray  # (L, D)
    norm_b: FloatArray  # (L, 2, D)
    wide: FloatArray  # (L, D, F)
    wide_bias: FloatArray  # (L, F)
    back: FloatArray  # (L, F, D)
    back_bias: FloatArray  # (L, D)
    norm: FloatArray  # (2, D)
    head: FloatArray  # (D, F)
    head_bias: FloatArray  # (F,)
    last: FloatArray  # (F, P)
    last_bias: FloatArray  # (P,)


def centred(windows: FloatArray) -> FloatArray:
    """Values in 0 to 1 as the network takes them, in -1 to 1."""
    return 2.0 * windows - 1.0


@compiled
def logits(windows: FloatArray, w: TransformerWeights) -> FloatArray:
    """The logit of every row (B, N P) of windows (B, N P, C), each as if it were alone."""
    rows, frames, width = windows.shape
    patch = w.last.shape[1]
    found = np.zeros((rows, frames))
    for b in range(rows):
        x = _product(windows[b].reshape(frames // patch, patch * width), w.embed)
        _shift(x, w.embed_bias)
        for block in range(w.look.shape[0]):
            _attend(x, w, block)
            inner = _product(_normed(x, w.norm_b[block]), w.wide[block])
            _shift(inner, w.wide_bias[block])
            _soften(inner)
            _add(x, _product(inner, w.back[block]))
            _shift(x, w.back_bias[block])
        inner = _product(_normed(x, w.norm), w.head)
        _shift(inner, w.head_bias)
        _soften(inner)
        answer = _product(inner, w.last)
        _shift(answer, w.last_bias)
        found[b] = answer.reshape(frames)
    return found


@compiled
def _attend(x: FloatArray, w: TransformerWeights, block: int) -> None:
    """Tokens (N, D) look at all tokens and add what they see, in place."""
    tokens, size = x.shape
    heads = w.apart.shape[2]
    depth = size // heads
    parts = _product(_normed(x, w.norm_a[block]), w.look[block])
    seen = np.zeros((tokens, size))
    share = np.empty(tokens)
    for a in range(tokens):
        for head in range(heads):
            first = head * depth
            for b in range(tokens):
                share[b] = 0.0
                for j in range(first, first + depth):
                    share[b] += parts[a, j] * parts[b, size + j]
                share[b] /= np.sqrt(depth)
                share[b] += w.apart[block, a - b + tokens - 1, head]
            most = share.max()
            total = 0.0
            for b in range(tokens):
                share[b] = np.exp(share[b] - most)
                total += share[b]
            for b in range(tokens):
                for j in range(first, first + depth):
                    seen[a, j] += share[b] / total * parts[b, 2 * size + j]
    _add(x, _product(seen, w.tell[block]))
    _shift(x, w.tell_bias[block])


@compiled
def _product(x: FloatArray, weights: FloatArray) -> FloatArray:
    """The product of x (N, D) and weights (D, F), added up in the order of D."""
    found = np.zeros((x.shape[0], weights.shape[1]))
    for n in range(x.shape[0]):
        for i in range(x.shape[1]):
            for j in range(weights.shape[1]):
                found[n, j] += x[n, i] * weights[i, j]
    return found


@compiled
def _normed(x: FloatArray, scale: FloatArray) -> FloatArray:
    """Tokens (N, D) less their mean, over their deviation, times a gain and shifted."""
    found = np.empty(x.shape)
    for n in range(x.shape[0]):
        mean, square = 0.0, 0.0
        for j in range(x.shape[1]):
            mean += x[n, j]
        mean /= x.shape[1]
        for j in range(x.shape[1]):
            square += (x[n, j] - mean) ** 2
        spread = np.sqrt(square / x.shape[1] + EPSILON)
        for j in range(x.shape[1]):
            found[n, j] = (x[n, j] - mean) / spread * scale[0, j] + scale[1, j]
    return found


@compiled
def _soften(x: FloatArray) -> None:
    """Each number times the normal distribution's share below it, in place."""
    for n in range(x.shape[0]):
        for j in range(x.shape[1]):
            x[n, j] *= 0.5 * (1.0 + math.erf(x[n, j] / math.sqrt(2.0)))


@compiled
def _add(x: FloatArray, more: FloatArray) -> None:
    for n in range(x.shape[0]):
        for j in range(x.shape[1]):
            x[n, j] += more[n, j]


@compiled
def _shift(x: FloatArray, bias: FloatArray) -> None:
    for n in range(x.shape[0]):
        for j in range(x.shape[1]):
            x[n, j] += bias[j]
