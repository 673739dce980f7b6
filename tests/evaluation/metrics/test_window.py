"""The buffer width is the lag of the highest peak of the autocorrelation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.evaluation.metrics import vus_window
from tocsin.evaluation.metrics.window import NO_PERIOD
from tocsin.pipeline.errors import TocsinError


def slow_window(values):
    """Lag by lag, peak by peak."""
    off = np.array(values) - np.mean(values)
    lags = range(min(401, len(off)))
    curve = [sum(off[: len(off) - lag] * off[lag:]) / sum(off * off) for lag in lags][3:]
    places = range(1, len(curve) - 1)
    peaks = [i for i in places if curve[i - 1] < curve[i] > curve[i + 1]]
    if not peaks:
        return NO_PERIOD
    best = max(peaks, key=lambda i: curve[i])
    return best + 3 if 3 <= best <= 300 else NO_PERIOD


@given(st.integers(0, 2**32), st.integers(2, 90), st.integers(5, 300))
def test_the_window_equals_a_walk_over_lags(seed, period, rows):
    noise = np.random.default_rng(seed).standard_normal(rows)
    signal = np.sin(np.arange(rows) * 2 * np.pi / period) + 0.3 * noise
    assert vus_window(signal) == slow_window(signal)


@pytest.mark.parametrize("period", [5, 310])
def test_a_period_out_of_range_is_not_taken(period):
    assert vus_window(np.arange(5000) % period == 0) == NO_PERIOD


@pytest.mark.parametrize("signal", [[1.0], [2.0] * 50, [0.0, 1.0, 2.0]], ids=len)
def test_a_signal_without_a_period_gets_the_usual_window(signal):
    assert vus_window(signal) == NO_PERIOD


def test_only_the_beginning_is_looked_at():
    begin = np.sin(np.arange(20_000) * 2 * np.pi / 40)
    assert vus_window(np.concatenate((begin, np.arange(1e5) % 77))) == 40


def test_a_missing_value_is_refused_with_its_row():
    with pytest.raises(TocsinError, match="values: row 1 is nan"):
        vus_window([0.0, np.nan, 1.0])
