"""A silence covers its interval and its series."""

import numpy as np
import pytest

from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.rules.silence import Silence

NAMES = ["pump-1", "pump-2", "fan"]


def test_the_end_is_not_part_of_a_silence() -> None:
    covered = Silence(10, 20).covers(NAMES, np.zeros(4, dtype=np.int64), np.array([9, 10, 19, 20]))
    assert covered.tolist() == [False, True, True, False]


def test_only_matching_series_are_silenced() -> None:
    covered = Silence(0, 9, "pump-*").covers(NAMES, np.array([2, 0, 1, 0]), np.full(4, 5))
    assert covered.tolist() == [False, True, True, True]


def test_a_silence_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(ConfigError, match="a silence begins before it ends"):
        Silence(5, 5)
