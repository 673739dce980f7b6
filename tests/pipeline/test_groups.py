"""Rows gathered by key keep their order, and runs are counted as one would by hand."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tocsin.pipeline.groups import group, run_lengths

KEYS = st.lists(st.integers(0, 4), max_size=30)


@given(KEYS)
def test_each_group_has_the_rows_of_its_key_in_their_order(keys: list[int]) -> None:
    groups = group(np.array(keys, dtype=np.int64))
    assert groups.keys.tolist() == sorted(set(keys))
    for which, first, count in zip(groups.keys, groups.start, groups.count, strict=True):
        rows = groups.order[first : first + count].tolist()
        assert rows == [row for row, key in enumerate(keys) if key == which]


@given(KEYS)
def test_place_and_round_say_which_group_and_which_row_of_it(keys: list[int]) -> None:
    groups = group(np.array(keys, dtype=np.int64))
    for row, place, nth in zip(groups.order, groups.place, groups.round, strict=True):
        assert groups.keys[place] == keys[row]
        assert nth == keys[:row].count(keys[row])


def test_scattered_values_stand_where_their_rows_stood() -> None:
    key = np.array([3, 1, 3, 2, 1])
    groups = group(key)
    assert groups.scatter(key[groups.order]).tolist() == key.tolist()


def test_scattering_keeps_the_shape_of_a_row() -> None:
    groups = group(np.array([1, 0]))
    frames = np.arange(8).reshape(2, 2, 2)
    assert groups.scatter(frames).tolist() == frames[::-1].tolist()


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.booleans()), max_size=40))
def test_run_lengths_are_those_counted_row_by_row(rows: list[tuple[int, bool, bool]]) -> None:
    key = np.array([which for which, *_ in rows], dtype=np.int64)
    repeats = np.array([flags for _, *flags in rows], dtype=bool).reshape(-1, 2)
    groups = group(key)
    before = np.stack((groups.keys * 7, groups.keys * 11), axis=1)
    runs = {which: [which * 7, which * 11] for which in groups.keys.tolist()}
    wanted = np.zeros(repeats.shape, dtype=np.int64)
    for row, which in enumerate(key.tolist()):
        for column in (0, 1):
            runs[which][column] = runs[which][column] + 1 if repeats[row, column] else 0
            wanted[row, column] = runs[which][column]
    found = run_lengths(repeats[groups.order], groups, before)
    np.testing.assert_array_equal(groups.scatter(found), wanted)
