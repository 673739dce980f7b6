"""Time of VUS and PATE over growing series, their memory, and their ratio to the slow oracles."""

import importlib
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tocsin.evaluation.metrics import pate, volumes

WINDOW = 100
REFERENCE_SECONDS = {
    "VUS": 15.5,
    "PATE": 169.0,
}  # TSB-AD 1.5 and pate 0.1.1, 10,000 rows, measured once and elsewhere: no ratio is made of it

Measured = Callable[[Any, Any], Any]


def series(rows: int, seed: int = 0) -> tuple[Any, Any]:
    """Labels (N,) with an event of 50 rows in 1,000, and scores (N,) that know a little."""
    labels = np.arange(rows) % 1000 >= 950
    return labels, np.random.default_rng(seed).random(rows) + 0.5 * labels


def seconds(metric: Measured, labels: Any, scores: Any, rounds: int = 3) -> float:
    """The best of a few rounds."""
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        metric(labels, scores)
        took.append(time.perf_counter() - began)
    return min(took)


def peak_bytes(metric: Measured, labels: Any, scores: Any) -> int:
    """The most memory that the numpy arrays of one call hold at once."""
    tracemalloc.start()
    metric(labels, scores)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def oracles() -> dict[str, Measured]:
    """The slow versions of the test suite."""
    folder = str(Path(__file__).parent.parent / "tests")
    sys.path.insert(0, folder)
    try:
        volume = importlib.import_module("oracles.metrics_volume")
        proximity = importlib.import_module("oracles.metrics_proximity")
    finally:
        sys.path.remove(folder)
    pairs = [(0, 0), (0, 100), (100, 0), (100, 100)]
    return {
        "VUS": lambda t, s: volume.volumes(t.tolist(), s.tolist(), 4),
        "PATE": lambda t, s: proximity.pate(t.tolist(), s.tolist(), pairs),
    }


def report(largest: int = 1_000_000) -> Iterator[str]:
    """Lines of the table; the first call of each metric, which compiles it, is not counted."""
    fast: dict[str, Measured] = {"VUS": lambda t, s: volumes(t, s, WINDOW), "PATE": pate}
    for name, metric in fast.items():
        metric(*series(2000))
        rows = 10_000
        while rows <= largest:
            given = series(rows)
            took, peak = seconds(metric, *given), peak_bytes(metric, *given)
            line = f"{name:<5} {rows:>9,} rows {took:8.3f} s   {peak / rows:4.0f} bytes a row"
            if rows == 10_000:
                line += f"   (the published package once took {REFERENCE_SECONDS[name]:.4g} s)"
            yield line
            rows *= 10
    for name, slow in oracles().items():
        given = series(2000)
        quick = (lambda t, s: volumes(t, s, 4)) if name == "VUS" else pate
        ratio = seconds(slow, *given, rounds=1) / seconds(quick, *given)
        yield f"{name:<5} {2000:>9,} rows, slow oracle / ours {ratio:8,.0f}"


if __name__ == "__main__":
    for text in report():
        print(text)
