"""A stream in which many series fall silent, one after another and together, while others alarm."""

import numpy as np
from oracles.pipeline_runs import SECOND, Stream

from tocsin.pipeline.grouping import Grouping

BY_TIME = Grouping(4 * SECOND, 15 * SECOND, shared=0.0)
BY_BLAME = Grouping(6 * SECOND, 20 * SECOND, shared=0.4, most=4)


def silences(seed: int, ticks: int = 240, keys: int = 6) -> Stream:
    """Noise with bursts; series pause often, for between one and sixty of their ticks."""
    rng = np.random.default_rng(seed)
    key, tick = np.tile(np.arange(keys), ticks), np.repeat(np.arange(ticks), keys)
    values = rng.normal(size=(len(key), 2))
    keep = np.ones(len(key), dtype=bool)
    for which in range(keys):
        for first in rng.integers(30, ticks, 5).tolist():
            keep &= (key != which) | (tick < first) | (tick > first + int(rng.integers(1, 60)))
    for first in rng.integers(60, ticks, 12).tolist():
        burst = (key == rng.integers(keys)) & (tick >= first) & (tick < first + 6)
        values[burst, rng.integers(2)] += 9.0
    return Stream([f"s{which}" for which in key[keep]], tick[keep] * SECOND, values[keep])
