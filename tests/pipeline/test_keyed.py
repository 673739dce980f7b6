"""Per-key state grows, moves and is forgotten without touching the other keys."""

from dataclasses import dataclass

import numpy as np
import pytest

from tocsin.pipeline.keyed import capacity, forget, grow, keyed_fields, per_key, put, take
from tocsin.pipeline.types import FloatArray, IntArray


@dataclass
class Inner:
    count: IntArray = per_key(0)  # (K,)


@dataclass
class Outer:
    shared: FloatArray  # (3,)
    inner: Inner
    mean: FloatArray = per_key(np.nan)  # (K, 2)


def started(keys: int) -> Outer:
    state = Outer(np.zeros(3), Inner(np.empty(0, dtype=np.int64)), np.empty((0, 2)))
    grow(state, keys)
    return state


def test_keyed_fields_are_found_inside_states_too() -> None:
    found = keyed_fields(started(0))
    assert found.keys() == {"inner.count", "mean"}
    assert found["inner.count"] == 0


@pytest.mark.parametrize(
    ("keys", "rows"), [(0, 0), (1, 8), (8, 8), (9, 16), (16, 16), (17, 32), (1000, 1024)]
)
def test_room_is_the_next_power_of_two(keys: int, rows: int) -> None:
    assert capacity(keys) == rows


def test_new_rows_hold_their_fill() -> None:
    state = started(3)
    assert np.isnan(state.mean).all()
    assert state.mean.shape == (8, 2)
    assert not state.inner.count.any()


def test_growing_keeps_what_is_there() -> None:
    state = started(8)
    state.mean[:] = np.arange(16).reshape(8, 2)
    grow(state, 9)
    assert state.mean[:8].ravel().tolist() == list(range(16))
    assert np.isnan(state.mean[8:]).all()


def test_growing_keeps_the_dtype() -> None:
    state = started(3)
    grow(state, 100)
    assert state.inner.count.dtype == np.int64


def test_state_never_shrinks() -> None:
    state = started(20)
    grow(state, 1)
    assert len(state.mean) == 32


def test_shared_fields_do_not_grow() -> None:
    assert started(20).shared.shape == (3,)


def test_taken_rows_are_copies() -> None:
    state = started(4)
    rows = take(state, np.array([1]))
    rows["mean"][...] = 7
    assert np.isnan(state.mean).all()


def test_put_brings_taken_rows_back() -> None:
    state = started(4)
    state.mean[:] = 1.0
    rows = take(state, np.array([1, 3]))
    state.mean[:] = 2.0
    state.inner.count[:] = 5
    put(state, np.array([1, 3]), rows)
    assert state.mean[:4, 0].tolist() == [2.0, 1.0, 2.0, 1.0]
    assert state.inner.count[:4].tolist() == [5, 0, 5, 0]


def test_a_forgotten_key_is_as_before_it_was_seen() -> None:
    state = started(4)
    state.mean[:] = 1.0
    state.inner.count[:] = 5
    forget(state, np.array([2]))
    assert np.isnan(state.mean[2]).all()
    assert state.inner.count[:4].tolist() == [5, 5, 0, 5]
    assert not np.isnan(state.mean[[0, 1, 3]]).any()
