"""Features of windows, and the judgement of `scale_learning` on them: one row after another."""

from typing import Literal, NamedTuple

import numpy as np

from tocsin.detectors.compiled import compiled
from tocsin.pipeline.types import FloatArray

Divergence = Literal["surprise", "jensen_shannon", "published"]

DIVERGENCES: tuple[Divergence, ...] = ("surprise", "jensen_shannon", "published")
FEATURES = 6  # of a channel
LEAK = 0.1  # the slope of a hidden number below 0


class ScaleWeights(NamedTuple):
    """A trained network with its groups of subsets, for d features and H hidden numbers.

    `first` is the subset's frozen map and the network's first layer in one; what a subset leaves
    out has zeros.
    """

    first: FloatArray  # (G, S, d, H)
    first_bias: FloatArray  # (H,)
    last: FloatArray  # (H,)
    scales: FloatArray  # (G, S), what the network is asked for


@compiled
def described(windows: FloatArray) -> FloatArray:
    """Features (B, C x 6) of windows (B, T, C) without gaps, T at least 2, each as if alone.

    A channel's are its newest value, mean, standard deviation, slope, mean step without sign, and
    its newest step.
    """
    rows, frames, width = windows.shape
    found = np.zeros((rows, width * FEATURES))
    middle = (frames - 1) / 2.0
    reach = 0.0
    for t in range(frames):
        reach += (t - middle) ** 2
    for b in range(rows):
        for c in range(width):
            mean, square, slope, rough = 0.0, 0.0, 0.0, 0.0
            for t in range(frames):
                mean += windows[b, t, c] / frames
            for t in range(frames):
                off = windows[b, t, c] - mean
                square += off * off / frames
                slope += (t - middle) * off / reach
                if t > 0:
                    rough += abs(windows[b, t, c] - windows[b, t - 1, c]) / (frames - 1)
            newest = windows[b, frames - 1, c]
            step = newest - windows[b, frames - 2, c]
            first = c * FEATURES
            found[b, first], found[b, first + 1] = newest, mean
            found[b, first + 2], found[b, first + 3] = np.sqrt(square), slope
            found[b, first + 4], found[b, first + 5] = rough, step
    return found


def judge(
    features: FloatArray, weights: ScaleWeights, divergence: Divergence
) -> tuple[FloatArray, FloatArray]:
    """The mean divergence over groups (B,) of features (B, d), and what each channel adds (B, C).

    A channel adds what the divergence falls by when its features are at their means, not under 0.
    O(G S H (d + C)) a row.
    """
    return _judge(np.ascontiguousarray(features), weights, DIVERGENCES.index(divergence))


def diverged(answers: FloatArray, scales: FloatArray, divergence: Divergence) -> float:
    """How far the shares of `answers` (S,) are from those of `scales` (S,), both after a softmax.

    "surprise" is the Kullback-Leibler divergence from scales to answers, which has no upper
    bound; "jensen_shannon" that of Jensen and Shannon; "published" what the authors' program
    computes, whose logarithms are of shares that went through the softmax twice.

    >>> diverged(np.array([1.0, 2.0]), np.array([1.0, 2.0]), "surprise")
    0.0
    """
    return float(_diverged(answers, scales, DIVERGENCES.index(divergence)))


@compiled
def _judge(features: FloatArray, w: ScaleWeights, kind: int) -> tuple[FloatArray, FloatArray]:
    rows = features.shape[0]
    groups, subsets, size, hidden = w.first.shape
    width = size // FEATURES
    value, blame = np.zeros(rows), np.zeros((rows, width))
    answers = np.empty((width + 1, subsets))  # without one channel each, and with all
    parts = np.empty((width, hidden))
    for b in range(rows):
        for g in range(groups):
            for s in range(subsets):
                _lead(features[b], w.first[g, s], parts)
                for c in range(width + 1):
                    answers[c, s] = _answer(parts, c, w.first_bias, w.last)
            whole = _diverged(answers[width], w.scales[g], kind)
            value[b] += whole / groups
            for c in range(width):
                blame[b, c] += (whole - _diverged(answers[c], w.scales[g], kind)) / groups
        for c in range(width):
            blame[b, c] = max(blame[b, c], 0.0)
    return value, blame


@compiled
def _lead(features: FloatArray, first: FloatArray, parts: FloatArray) -> None:
    """What each channel's features add to the hidden numbers, into `parts` (C, H)."""
    parts[:] = 0.0
    for i in range(len(features)):
        c = i // FEATURES
        for h in range(parts.shape[1]):
            parts[c, h] += features[i] * first[i, h]


@compiled
def _answer(parts: FloatArray, without: int, bias: FloatArray, last: FloatArray) -> float:
    answer = 0.0
    for h in range(len(bias)):
        total = bias[h]
        for c in range(len(parts)):
            if c != without:
                total += parts[c, h]
        answer += (total if total > 0.0 else LEAK * total) * last[h]
    return answer


@compiled
def _diverged(answers: FloatArray, scales: FloatArray, kind: int) -> float:
    told, wanted = answers.copy(), scales.copy()
    _to_logarithms(told)
    _to_logarithms(wanted)
    total = 0.0
    if kind == 0:
        for s in range(len(told)):
            total += np.exp(wanted[s]) * (wanted[s] - told[s])
        return max(total, 0.0)
    if kind == 1:
        for s in range(len(told)):
            p, q = np.exp(told[s]), np.exp(wanted[s])
            middle = np.log(max((p + q) / 2.0, 1e-300))
            total += (p * (told[s] - middle) + q * (wanted[s] - middle)) / 2.0
        return max(total, 0.0)
    twice, again = np.exp(told), np.exp(wanted)
    _to_logarithms(twice)
    _to_logarithms(again)
    for s in range(len(told)):
        middle = max((np.exp(told[s]) + np.exp(wanted[s])) / 2.0, 1e-300)
        total += middle * (2.0 * np.log(middle) - twice[s] - again[s])
    return total


@compiled
def _to_logarithms(values: FloatArray) -> None:
    """The logarithm of the softmax, in place."""
    most = values.max()
    total = 0.0
    for s in range(len(values)):
        total += np.exp(values[s] - most)
    for s in range(len(values)):
        values[s] -= most + np.log(total)
