"""How much detectors lose when the history they are trained on is not clean.

Labelled series of our own generator; into the training prefix, stretches of the series' own
anomalies are written until 5 or 10 % of its rows are anomalous. VUS-PR of the two-sided form on the
rest, mean over the series: `python benchmarks/contamination.py`.
"""

from typing import Any

import numpy as np

from tocsin.detectors.catalogue import CATALOGUE, load
from tocsin.evaluation.datasets.generator import generate
from tocsin.evaluation.datasets.labelled import Labelled
from tocsin.evaluation.measures import complete
from tocsin.evaluation.metrics import vus_pr
from tocsin.evaluation.table import Table
from tocsin.pipeline.types import FloatArray, Spec

SHARES = (0.0, 0.05, 0.1)
SERIES, CHANNELS, LENGTH = 8, (1, 3), 6000
WINDOW = 100  # rows


def table() -> Table:
    """A row a detector that is trained, has a two-sided form and is no network."""
    series = [
        labelled
        for channels in CHANNELS
        for labelled in generate(11, channels=channels, length=LENGTH, series=SERIES // 2)
    ]
    rows = []
    for name, entry in CATALOGUE.items():
        light = entry.item == "channels" and entry.extra != "deep"  # those would take hours
        scorer: Any = load(name)() if light else None
        if hasattr(scorer, "offline") and hasattr(scorer, "fit"):
            found = [np.mean([_score(scorer, one, share) for one in series]) for share in SHARES]
            rows.append((name, *(f"{value:.3f}" for value in found)))
    rows.sort(key=lambda row: -float(row[1]))
    head = ("detector", *(f"{share:.0%} anomalous" for share in SHARES))
    return Table("Training on history that is not clean, VUS-PR", head, tuple(rows), (1, 2, 3))


def _score(scorer: Any, labelled: Labelled, share: float) -> float:
    values, label = labelled.stream.values, labelled.truth.label
    history = contaminated(labelled, share)
    rest = values[labelled.train :]
    found = scorer.offline(Spec((values.shape[1],)), history, rest).value
    truth = label[labelled.train :].astype(np.float64)
    return float(vus_pr(truth, complete(found), WINDOW))


def contaminated(labelled: Labelled, share: float) -> FloatArray:
    """The training prefix (M, C), with the series' own anomalies over a share of its rows."""
    history = labelled.stream.values[: labelled.train].copy()
    events = labelled.truth.events
    rng = np.random.default_rng(labelled.train)
    spoiled = np.zeros(len(history), dtype=bool)
    while spoiled.mean() < share:
        event = events[rng.integers(len(events))]
        stretch = labelled.stream.values[event.first : event.last + 1][: len(history) // 20]
        first = int(rng.integers(len(history) - len(stretch)))
        history[first : first + len(stretch)] = stretch
        spoiled[first : first + len(stretch)] = True
    return history


if __name__ == "__main__":
    print("\n".join(table().lines()))
