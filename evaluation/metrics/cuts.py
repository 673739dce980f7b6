"""From a score to the alarms of its best cut: how metrics of alarms are told for scores."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from tocsin.evaluation.metrics.checked import labelled, reined
from tocsin.pipeline.errors import TocsinError
from tocsin.pipeline.types import BoolArray

CUTS = 100

Judge = Callable[[BoolArray, BoolArray], float]


def best_cut(labels: ArrayLike, scores: ArrayLike, judge: Judge, cuts: int = CUTS) -> float:
    """The best value of `judge(truth, alarms)` over alarms `score > cut`: an oracle.

    The cuts stand evenly between the smallest and the largest score, as in TSB-AD, and infinite
    scores count as just beyond the finite ones. A score of only 0 and 1 is judged as the alarms it
    is. A constant score never alarms. NaN, or labels of one kind only, are a TocsinError.

    >>> best_cut([0, 1, 0], [0.1, 0.9, 0.2], lambda truth, alarms: float((truth == alarms).mean()))
    1.0
    """
    if cuts < 2:
        raise TocsinError(f"cuts: {cuts}, wanted at least 2")
    truth, found = labelled(labels, scores)
    found = reined(found)
    best, before = -np.inf, -1
    for cut in np.linspace(found.min(), found.max(), cuts):
        alarms = found > cut
        count = int(alarms.sum())
        if count != before:  # equally many alarms are the same alarms
            best, before = max(best, judge(truth, alarms)), count
    return best
