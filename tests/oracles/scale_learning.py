"""What `scale_learning` computes of one row, subset by subset and in plain sums."""

import numpy as np

from tocsin.detectors.reconstruction.scale_learning_kernel import ScaleWeights
from tocsin.pipeline.types import FloatArray


def features(window: FloatArray) -> FloatArray:
    """The six features of each channel of a window (T, C), channel after channel: (6 C,)."""
    times = np.arange(len(window), dtype=float)
    found = []
    for x in window.T:
        steps = np.diff(x)
        slope = np.polyfit(times, x, 1)[0]
        found += [x[-1], x.mean(), x.std(), slope, np.abs(steps).mean(), steps[-1]]
    return np.array(found)


def softmax(x: FloatArray) -> FloatArray:
    part = np.exp(x - x.max())
    return np.asarray(part / part.sum(), dtype=np.float64)


def divergence(answers: FloatArray, scales: FloatArray, kind: str) -> float:
    """How far the shares of answers (S,) are from those of scales (S,)."""
    p, q = softmax(answers), softmax(scales)
    m = (p + q) / 2
    if kind == "surprise":
        return float((q * np.log(q / p)).sum())
    if kind == "jensen_shannon":
        return float(((p * np.log(p / m)).sum() + (q * np.log(q / m)).sum()) / 2)
    return float((m * np.log(m / softmax(p))).sum() + (m * np.log(m / softmax(q))).sum())


def score(row: FloatArray, w: ScaleWeights, kind: str) -> float:
    """The mean divergence over groups of one row of features (d,)."""
    found = []
    for lead, scales in zip(w.first, w.scales, strict=True):
        hidden = [row @ one + w.first_bias for one in lead]
        answers = [np.where(h > 0, h, 0.1 * h) @ w.last for h in hidden]
        found.append(divergence(np.array(answers), scales, kind))
    return float(np.mean(found))
