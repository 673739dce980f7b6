"""Which incidents to ask a person about next, when there is time for a few only."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from tocsin.pipeline.incidents import Incident
from tocsin.pipeline.labels import Label


def next_to_ask(
    incidents: Sequence[Incident], labels: Iterable[Label], most: int
) -> list[Incident]:
    """At most `most` incidents without a label, the most telling first.

    An answer tells most where the detector was least sure, so incidents come by how little their
    smallest tail lies under the alarm level, in tens; one that asks something itself comes before
    all others. Each incident of a series that was chosen already, or labelled, makes its next one
    count as one ten surer, so that the questions go around the series. Incidents of health have no
    score and are never asked about.

    After uncertainty sampling with a penalty for likeness: Settles, Active Learning Literature
    Survey, University of Wisconsin, 2009, technical report 1648.
    """
    known = list(labels)
    answered = {label.incident for label in known}
    open_ones = [one for one in incidents if one.kind == "anomaly" and one.id not in answered]
    asked = Counter(label.series for label in known)
    chosen: list[Incident] = []
    while open_ones and len(chosen) < most:
        first = min(open_ones, key=lambda one: (not one.asks, _sureness(one, asked), one.id))
        open_ones.remove(first)
        asked[first.series] += 1
        chosen.append(first)
    return chosen


def _sureness(incident: Incident, asked: Counter[str]) -> float:
    """How far under the level the tail lies, in tens, and a ten for each question of its series."""
    depth = incident.alpha / incident.tail if incident.tail > 0 else math.inf
    return (math.log10(depth) if depth > 0 else 0.0) + asked[incident.series]
