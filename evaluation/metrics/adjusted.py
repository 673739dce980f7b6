"""Point-adjusted F1 and PA%K: shown only to be compared with papers, and to be warned about.

Kim, Choi, Choi, Lee, Yoon (2022), "Towards a Rigorous Evaluation of Time-Series Anomaly Detection",
AAAI, 10.1609/aaai.v36i7.20680.
"""

import numpy as np
from numpy.typing import ArrayLike

from tocsin.evaluation.metrics.checked import alarmed, runs
from tocsin.evaluation.metrics.cuts import CUTS, best_cut
from tocsin.evaluation.metrics.parts import Warned
from tocsin.evaluation.metrics.ranking import row_parts
from tocsin.pipeline.errors import TocsinError
from tocsin.pipeline.types import BoolArray

WARNING = (
    "point adjustment counts a whole event as found after one hit; random scores come close to "
    "the best detectors"
)


def pa_f1(labels: ArrayLike, scores: ArrayLike, cuts: int = CUTS) -> Warned:
    """Point-adjusted F1 of the best of `cuts` cuts, an oracle; of alarms of 0 and 1, theirs.

    One alarm inside an event marks all of it as found. Rewards one hit in each event, the more so
    the longer the events are. Gamed by random scores, which hit long events by chance: never a
    headline number, and the result carries that warning. A constant score gets 0.000, a random one
    0.783. NaN, or labels of one kind only, are a TocsinError.

    >>> pa_f1([0, 1, 1, 1, 0], [0, 0, 1, 0, 0]).value
    1.0
    """
    return pa_k_f1(labels, scores, percent=0.0, cuts=cuts)


def pa_k_f1(
    labels: ArrayLike, scores: ArrayLike, *, percent: float = 20.0, cuts: int = CUTS
) -> Warned:
    """PA%K: as `pa_f1`, but an event is marked only if over `percent` of its rows alarm.

    Rewards covering part of each event. Gamed less than `pa_f1`, yet the jump at `percent` still
    gives rows that never alarmed; 100 is plain F1. A constant score gets 0.000, a random one 0.256.

    >>> pa_k_f1([0, 1, 1, 1, 0], [0, 0, 1, 0, 0], percent=50).value
    0.5
    """
    if not 0 <= percent <= 100:
        raise TocsinError(f"percent: {percent}, wanted 0 to 100")

    def judge(truth: BoolArray, alarms: BoolArray) -> float:
        return row_parts(truth, adjusted(truth, alarms, percent)).f1

    return Warned(best_cut(labels, scores, judge, cuts), WARNING)


def adjusted(labels: ArrayLike, alarms: ArrayLike, percent: float = 0.0) -> BoolArray:
    """The alarms (N,), with events of which over `percent` of the rows alarm marked whole.

    >>> adjusted([0, 1, 1, 1, 0], [1, 0, 1, 0, 0]).tolist()
    [True, True, True, True, False]
    """
    truth, raised = alarmed(labels, alarms)
    events = runs(truth)
    before = np.concatenate(([0], np.cumsum(raised)))
    hits = before[events[:, 1] + 1] - before[events[:, 0]]
    lengths = events[:, 1] - events[:, 0] + 1
    marked = 100.0 * hits > percent * lengths
    filled = raised.copy()
    filled[truth] |= np.repeat(marked, lengths)
    return filled
