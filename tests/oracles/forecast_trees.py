"""What a tree forecast reads and says, written slowly: numpy a stretch, a walk a tree."""

import numpy as np

from tocsin.detectors.forecast.boosted import Trees
from tocsin.detectors.forecast.lags import Layout
from tocsin.pipeline.types import FloatArray


def own_past(window: FloatArray, layout: Layout, horizon: int) -> list[float]:
    """Features of one channel's window (T,), known up to `horizon` rows before its end."""
    known = window[: len(window) - horizon]
    found = [known[-lag] for lag in layout.lags]
    for width in layout.widths:
        stretch = known[len(known) - width :]
        there = stretch[~np.isnan(stretch)]
        if there.size:
            found += [there.mean(), there.std(), there.min(), there.max()]
        else:
            found += [np.nan] * 4
    return found


def said(trees: Trees, features: FloatArray, output: int) -> float:
    """What the trees say of one row (F,)."""
    total = 0.0
    for root in trees.root[:, output].tolist():
        node = root
        while trees.nodes[node, 1] >= 0:
            feature, left, right, missing_left = trees.nodes[node].tolist()
            value = features[feature]
            under = bool(missing_left) if np.isnan(value) else value < trees.numbers[node, 0]
            node = left if under else right
        total += trees.numbers[node, 1]
    return total
