"""Which rows belong to the series that a pattern names."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

import numpy as np

from tocsin.pipeline.types import BoolArray, IntArray


def of_series(pattern: str, series: Sequence[str], key: IntArray) -> BoolArray:
    """Rows (N,) whose series, by the names of the keys, match a shell pattern.

    >>> of_series("pump-*", ["pump-1", "fan-1"], np.array([0, 1, 0])).tolist()
    [True, False, True]
    """
    if pattern == "*":
        return np.ones(len(key), dtype=bool)
    keys, place = np.unique(key, return_inverse=True)
    named = np.array([fnmatchcase(series[int(which)], pattern) for which in keys], dtype=bool)
    return np.asarray(named[place])
