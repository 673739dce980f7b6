"""The streaming matrix profile against stumpy's `stumpi`, fed the same values one by one."""

import time
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from tocsin.detectors.windows.left_profile import LeftProfile
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.types import Batch, FloatArray, Spec

MEMORY = 2000
_FEW = 100  # values, of which each takes stumpy some milliseconds


def report(rounds: int = 3) -> Iterator[str]:
    """One line a window length: by blocks, and tick by tick as `stumpi` is fed."""
    if find_spec("stumpy") is None:
        yield "left matrix profile: left out, stumpy is not installed"
        return
    stumpy = import_module("stumpy")
    rng = np.random.default_rng(0)
    values = np.sin(np.arange(MEMORY + 4 * _FEW) / 9) + 0.2 * rng.normal(size=MEMORY + 4 * _FEW)
    for window in (32, 128):
        past = stumpy.stumpi(values[:MEMORY], window, egress=True)
        scorer = LeftProfile(window=window, memory=MEMORY, warmup=3 * window)
        cut = np.lib.stride_tricks.sliding_window_view(values, window)[:, :, None].copy()
        ready = MEMORY + 1 - window
        state = scorer.start(Spec((1,), window))
        grow(state, 1)
        scorer.advance(state, _batch(cut[:ready]))
        past.update(values[MEMORY])  # compiles
        whole, single = [], []
        for number in range(rounds):
            first = number * _FEW
            theirs = _seconds(past, values[MEMORY + 1 + first : MEMORY + 1 + first + _FEW])
            rows = cut[ready + first : ready + first + _FEW]
            whole.append(theirs / _advanced(scorer, state, [_batch(rows)]))
            single.append(theirs / _advanced(scorer, state, [_batch(row[None]) for row in rows]))
        blocks, ticks = sorted(whole)[rounds // 2], sorted(single)[rounds // 2]
        yield (
            f"stumpi / ours, window {window:>3} over {MEMORY} rows "
            f"{blocks:6.0f}x in blocks {ticks:6.0f}x tick by tick"
        )


def _batch(windows: FloatArray) -> Batch:
    return Batch(np.zeros(len(windows), dtype=np.int64), np.arange(len(windows)), windows)


def _seconds(profile: Any, values: FloatArray) -> float:
    began = time.perf_counter()
    for value in values:
        profile.update(value)
    return time.perf_counter() - began


def _advanced(scorer: LeftProfile, state: Any, batches: list[Batch]) -> float:
    began = time.perf_counter()
    for batch in batches:
        scorer.advance(state, batch)
    return time.perf_counter() - began


if __name__ == "__main__":
    for line in report():
        print(line, flush=True)
