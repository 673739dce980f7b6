"""Slow, obvious versions of what the reconstruction detectors compute, in plain loops."""

import math

import numpy as np

from tocsin.detectors.reconstruction.network import Plan
from tocsin.pipeline.types import FloatArray


def answer(plan: Plan, theta: FloatArray, window: FloatArray) -> FloatArray:
    """The network's answer (T, O) to one window (T, C), sum by sum."""
    found = window.reshape(plan.frames, plan.width)
    first = 0
    for layer in plan.layers:
        count = layer.taps * layer.inputs * layer.outputs
        matrix = theta[first : first + count].reshape(layer.taps, layer.inputs, layer.outputs)
        bias = theta[first + count : first + count + layer.outputs]
        first += count + layer.outputs
        padding = np.zeros((layer.taps // 2, layer.inputs))
        padded = np.vstack([padding, np.repeat(found, layer.repeat, axis=0), padding])
        ends = range(0, len(padded) - layer.taps + 1, layer.stride)
        found = np.stack(
            [bias + sum(padded[t + k] @ matrix[k] for k in range(layer.taps)) for t in ends]
        )
        if layer.bent:
            found = np.where(found < 0, 0.1 * found, found)
    return found


def mean_shifted(points: FloatArray, bank: FloatArray, rounds: int, count: int) -> FloatArray:
    """Points (B, D) after rounds in which they, and the bank (N, D), move to their neighbours."""
    for _ in range(rounds):
        points, bank = _means(points, bank, count), _means(bank, bank, count)
    return points


def _means(points: FloatArray, bank: FloatArray, count: int) -> FloatArray:
    near = [np.argsort(((bank - x) ** 2).sum(axis=1), kind="stable")[:count] for x in points]
    return np.stack([bank[rows].mean(axis=0) for rows in near])


def sparse_bias(matrix: FloatArray, points: FloatArray, alpha: float, unit: float) -> FloatArray:
    """The bias (D,) of a linear network x -> x @ matrix, by many small proximal steps."""
    left = matrix - np.eye(len(points))  # of a row: (x + b) @ left
    length = 1.0 / ((1 - alpha) * np.linalg.norm(left, 2) ** 2)
    bias = np.zeros(len(points))
    for _ in range(20_000):
        slope = (1 - alpha) * ((points + bias) @ left) @ left.T
        aimed = bias - length * slope
        bias = np.sign(aimed) * np.maximum(np.abs(aimed) - length * alpha * unit, 0.0)
    return bias


def probabilistic_error(left: float, log: float, bias: float, uncertainty: float) -> float:
    """One value's error: its squared residual over twice the variance, and the spread's size."""
    log = min(max(log, 2 * math.log(0.01)), 2 * math.log(100.0))
    return bias * left**2 / (2 * math.exp(log)) + uncertainty * math.log(
        math.sqrt(math.exp(log)) / 0.01
    )
