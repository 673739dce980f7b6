"""Event F1: recall counts events, precision counts rows.

As the Event-based-F1 of TSB-AD (Liu, Paparrizos (2024), "The Elephant in the Room", NeurIPS,
ISBN 979-8-3313-1438-5), without its slip of dropping the last row of a series.
"""

import numpy as np
from numpy.typing import ArrayLike

from tocsin.evaluation.metrics.checked import alarmed, runs
from tocsin.evaluation.metrics.cuts import CUTS, best_cut
from tocsin.evaluation.metrics.parts import PrecisionRecall
from tocsin.evaluation.metrics.ranking import row_parts


def event_f1(labels: ArrayLike, scores: ArrayLike, cuts: int = CUTS) -> float:
    """The event F1 of the best of `cuts` cuts, an oracle; of alarms of 0 and 1, theirs.

    Rewards one hit in each event and no alarm elsewhere. Gamed by alarming in a single row of each
    event, and blind to how long the alarm takes to come. A constant score gets 0.000, a random one
    0.130. NaN, or labels of one kind only, are a TocsinError.

    >>> round(event_f1([1, 1, 0, 0, 1], [0, 1, 1, 0, 0]), 3)
    0.5
    """
    return best_cut(labels, scores, lambda truth, alarms: event_parts(truth, alarms).f1, cuts)


def event_parts(labels: ArrayLike, alarms: ArrayLike) -> PrecisionRecall:
    """Share of alarming rows that are anomalous, and share of events with at least one.

    Precision is 0 without an alarm; labels without an event are a TocsinError.

    >>> event_parts([1, 1, 0, 0, 1], [0, 1, 1, 0, 0])
    PrecisionRecall(precision=0.5, recall=0.5)
    """
    truth, raised = alarmed(labels, alarms)
    events = runs(truth)
    before = np.concatenate(([0], np.cumsum(raised)))
    hit = before[events[:, 1] + 1] > before[events[:, 0]]
    return PrecisionRecall(row_parts(truth, raised).precision, float(hit.mean()))
