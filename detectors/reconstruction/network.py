"""Small networks as plain arrays: what layers they have, and their answer, row by row.

All weights of a network are one vector, so that they are kept in a state like any other numbers.
Every layer is a convolution over frames; a dense network is one of a single frame.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tocsin.detectors.compiled import compiled
from tocsin.pipeline.types import FloatArray

LEAK = 0.1  # the slope of a bent layer below 0

_TAPS = 3  # frames that a convolution looks at
_HALVINGS = 4  # how much shorter the code of a convolutional network is than its input


class Layer(NamedTuple):
    """A convolution over frames: `taps` of them, every `stride`th, after `repeat` of each frame."""

    inputs: int
    outputs: int
    taps: int = 1
    stride: int = 1
    repeat: int = 1
    bent: bool = False  # negative sums count for a tenth

    @property
    def size(self) -> int:
        """Numbers it has: weights (taps, inputs, outputs) and a bias (outputs,)."""
        return (self.taps * self.inputs + 1) * self.outputs


@dataclass(frozen=True, slots=True)
class Plan:
    """The layers of a network that takes (frames, width) and gives (frames, width or twice it)."""

    frames: int
    width: int
    layers: tuple[Layer, ...]

    @property
    def size(self) -> int:
        """Numbers that the whole network has."""
        return sum(layer.size for layer in self.layers)

    def parts(self) -> Iterator[tuple[Layer, slice, slice]]:
        """Each layer with the places of its weights and of its bias in the vector."""
        first = 0
        for layer in self.layers:
            middle = first + layer.size - layer.outputs
            yield layer, slice(first, middle), slice(middle, first + layer.size)
            first += layer.size


def dense_plan(width: int, hidden: int, code: int, heads: int = 1) -> Plan:
    """All values of a window to a hidden layer, to the code, and back, `heads` numbers a value.

    A code of no numbers makes a network whose answer is always the same.

    >>> dense_plan(10, 20, 3).size
    573
    """
    layers = (
        Layer(width, hidden, bent=True),
        Layer(hidden, code),
        Layer(code, hidden, bent=True),
        Layer(hidden, heads * width),
    )
    return Plan(1, width, layers)


def convolutional_plan(frames: int, width: int, hidden: int, code: int, heads: int = 1) -> Plan:
    """Frames (T, C) to half as many and again half as many, with `code` numbers each, and back."""
    layers = (
        Layer(width, hidden, _TAPS, stride=2, bent=True),
        Layer(hidden, code, _TAPS, stride=2),
        Layer(code, hidden, _TAPS, repeat=2, bent=True),
        Layer(hidden, heads * width, _TAPS, repeat=2),
    )
    return Plan(frames, width, layers)


def fits_convolution(frames: int) -> bool:
    """Whether a window can be halved twice."""
    return frames >= _HALVINGS and frames % _HALVINGS == 0


def first_weights(plan: Plan, rng: np.random.Generator) -> FloatArray:
    """Random weights (P,) to begin with, and biases of 0.

    Spread as He and others propose: Delving deep into rectifiers, 2015, arXiv:1502.01852.
    """
    theta = np.zeros(plan.size)
    for layer, weights, _ in plan.parts():
        gain = 2.0 if layer.bent else 1.0
        reach = math.sqrt(3.0 * gain / max(layer.taps * layer.inputs, 1))
        theta[weights] = rng.uniform(-reach, reach, weights.stop - weights.start)
    return theta


def respond(plan: Plan, theta: FloatArray, windows: FloatArray) -> FloatArray:
    """The network's answer (B, T, heads x C) to windows (B, T, C) without NaN, each as if alone.

    A dense network takes and gives a single frame of all values.
    """
    found = np.ascontiguousarray(windows.reshape(len(windows), plan.frames, plan.width))
    for layer, weights, bias in plan.parts():
        matrix = theta[weights].reshape(layer.taps, layer.inputs, layer.outputs)
        found = _convolved(found, matrix, theta[bias], layer.stride, layer.repeat)
        if layer.bent:
            _bend(found.reshape(-1))
    return found


@compiled
def _convolved(
    windows: FloatArray, matrix: FloatArray, bias: FloatArray, stride: int, repeat: int
) -> FloatArray:
    """One layer over windows (B, T, I), row by row; beyond the ends of a window there are zeros."""
    rows, frames, inputs = windows.shape
    taps, outputs = matrix.shape[0], matrix.shape[2]
    long = frames * repeat
    found = np.empty((rows, long // stride, outputs))
    for b in range(rows):
        for t in range(found.shape[1]):
            for o in range(outputs):
                found[b, t, o] = bias[o]
            for k in range(taps):
                place = t * stride + k - taps // 2
                if 0 <= place < long:
                    for i in range(inputs):
                        value = windows[b, place // repeat, i]
                        for o in range(outputs):
                            found[b, t, o] += value * matrix[k, i, o]
    return found


@compiled
def _bend(values: FloatArray) -> None:
    for i in range(len(values)):
        if values[i] < 0.0:
            values[i] *= LEAK
