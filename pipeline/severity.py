"""How far beyond the calibration scores a row lies, where its tail can fall no further."""

from typing import Any

import numpy as np

from tocsin.pipeline.types import IntArray

MOST = 6.0  # orders of magnitude

_HALVINGS = 16


def reach(calibrator: Any, state: Any, row: tuple[IntArray, IntArray], score: float) -> float:
    """Orders of magnitude by which a score exceeds the lowest one with the same, smallest tail.

    A tail ends at its floor, 1/(n+1) or a little later, and all scores beyond look alike; the raw
    score still tells a mild fault from a grave one (Cao et al. 2024, arXiv 2411.14515). `row` is
    the key (1,) and time (1,) of the score. 0 where the tail is above its floor, or the score is
    not positive; at most `MOST`. Added to -log10(tail) it never falls as the score rises.
    """
    key, time = row
    floor = float(calibrator.tail(state, key, time, np.array([np.inf]))[0])

    def at_floor(less: float) -> bool:
        lower = np.array([score / 10.0**less])
        return float(calibrator.tail(state, key, time, lower)[0]) <= floor

    if not score > 0 or not at_floor(0.0):
        return 0.0
    if at_floor(MOST):
        return MOST
    known, beyond = 0.0, MOST
    for _ in range(_HALVINGS):
        middle = (known + beyond) / 2
        known, beyond = (middle, beyond) if at_floor(middle) else (known, middle)
    return known
