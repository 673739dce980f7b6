"""Which rows each row is judged by where a detector is fitted anew: slow, and row by row."""

from typing import Any

import numpy as np

from tocsin.pipeline.keyed import grow
from tocsin.pipeline.types import Batch, FloatArray, Spec


def windows(values: FloatArray, frames: int, key: int = 0) -> Batch:
    """Rows (N, C) of one series as windows that end at each of them, a second apart."""
    padded = np.concatenate((np.full((frames - 1, values.shape[1]), np.nan), values))
    stacked = np.stack([padded[i : i + frames] for i in range(len(values))])
    keys = np.full(len(values), key, dtype=np.int64)
    return Batch(keys, np.arange(len(values), dtype=np.int64) * 1_000_000_000, stacked)


def scores(scorer: Any, values: FloatArray, given: int = 0) -> list[float]:
    """The score of each row (N, C) after the first `given`, which are a history, or none."""
    rows = windows(values, scorer.frames)
    first = given or scorer.of.warmup
    found = []
    for row in range(given, len(values)):
        frozen = [first] if given else []  # a history counts at once
        at = first + scorer.every if given else first
        while at + scorer.lag <= row:
            frozen.append(at)
            at += scorer.every
        if not frozen:
            found.append(np.nan)
            continue
        seen = 0 if frozen[-1] == given else max(0, frozen[-1] - scorer.memory)
        found.append(_judged(scorer.of, rows, (seen, frozen[-1]), row))
    return found


def _judged(of: Any, rows: Batch, fitted: tuple[int, int], row: int) -> float:
    """The score of a row by the rows it is fitted on, and those learned since."""
    spec = Spec(rows.values.shape[2:], rows.values.shape[1])
    state = of.fit(spec, [rows.take(np.arange(*fitted))])
    grow(state, 1)
    for since in range(fitted[1], row):
        of.learn(state, rows.take(np.array([since])))
    return float(of.score(state, rows.take(np.array([row]))).value[0])
