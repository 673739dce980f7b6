"""What looks like an anomaly and is none: an event that comes again and again."""

import numpy as np

from tocsin.evaluation.datasets.kinds_scene import Scene
from tocsin.pipeline.types import FloatArray

FEWEST, MOST = 6, 13  # times that the same event comes


def repeated(rng: np.random.Generator, scene: Scene) -> FloatArray:
    """The clean series (T,) with the same event 6 to 13 times: at even distances, or anywhere.

    The events are alike in shape and nearly alike in size, and each stands clear of the next.
    """
    length = len(scene.clean)
    times = int(rng.integers(FEWEST, MOST + 1))
    room = length // times
    rows = int(np.exp(rng.uniform(0.0, np.log(max(min(room / 2.5, 60.0), 1.0)))))
    slack = rng.uniform(0.0, 0.15) if rng.random() < 0.5 else 1.0
    start = slack * rng.random(times) * (room - rows)  # within each one's share of the series
    first = np.arange(times) * room + start.astype(np.int64)
    shape = _shape(rng, rows) * np.exp(rng.uniform(np.log(3.0), np.log(20.0))) * scene.unit
    shape = shape * rng.choice([-1.0, 1.0])
    size = rng.normal(1.0, rng.uniform(0.0, 0.12), times)
    out = scene.clean.copy()
    out[first[:, None] + np.arange(rows)] += size[:, None] * shape
    return out


def _shape(rng: np.random.Generator, rows: int) -> FloatArray:
    """A bump, a peak that dies away, a plateau, a saw, or ringing, of size 1."""
    along = (np.arange(rows) + 0.5) / rows
    shapes = (
        np.sin(np.pi * along),
        np.exp(-4.0 * along),
        np.ones(rows),
        along,
        np.sin(np.pi * along) * np.sin(2.0 * np.pi * along * rng.integers(2, 6)),
    )
    return shapes[int(rng.integers(len(shapes)))]
