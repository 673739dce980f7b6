"""VUS and PATE leave the walk over thresholds and rows far behind, in memory linear in rows."""

import time
import tracemalloc

import numpy as np
import pytest
from oracles import metrics_proximity, metrics_volume

from tocsin.evaluation.metrics import pate, volumes

PAIRS = [(0, 0), (0, 100), (100, 0), (100, 100)]
SLOW = {
    "vus": lambda t, s: metrics_volume.volumes(t.tolist(), s.tolist(), 2),
    "pate": lambda t, s: metrics_proximity.pate(t.tolist(), s.tolist(), PAIRS),
}
FAST = {"vus": lambda t, s: volumes(t, s, 2), "pate": pate}
both = pytest.mark.parametrize("name", FAST)


def series(rows):
    labels = np.arange(rows) % 250 >= 230
    return labels, np.random.default_rng(0).random(rows) + 0.5 * labels


def seconds(metric, labels, scores):
    began = time.perf_counter()
    metric(labels, scores)
    return time.perf_counter() - began


@both
def test_the_fast_way_is_at_least_fifty_times_as_fast(name):
    given = series(1000)
    FAST[name](*given)  # compiles
    quick = min(seconds(FAST[name], *given) for _ in range(5))
    assert seconds(SLOW[name], *given) > 50 * quick


@both
def test_memory_grows_in_line_with_rows(name):
    FAST[name](*series(1000))
    peaks = []
    for rows in (20_000, 200_000):
        given = series(rows)
        tracemalloc.start()
        FAST[name](*given)
        peaks.append(tracemalloc.get_traced_memory()[1] / rows)
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]
    assert peaks[1] < 200  # bytes a row
