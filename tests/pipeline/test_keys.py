"""Names become dense ids in the order they first appear, up to the most that are kept."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tocsin.pipeline.keys import KeyTable

NAMES = st.lists(st.sampled_from("abcdefgh"), max_size=30)


def test_ids_are_given_in_the_order_of_appearance() -> None:
    table = KeyTable([])
    ids, new = table.intern(["x", "y", "x", "z"], most=10)
    assert ids.tolist() == [0, 1, 0, 2]
    assert new == 3
    assert table.names == ["x", "y", "z"]


def test_known_names_keep_their_ids() -> None:
    table = KeyTable([])
    table.intern(["x", "y"], most=10)
    ids, new = table.intern(["y", "x"], most=10)
    assert ids.tolist() == [1, 0]
    assert new == 0


def test_names_past_the_most_are_refused_and_not_kept() -> None:
    table = KeyTable([])
    ids, new = table.intern(["x", "y", "z", "x"], most=2)
    assert ids.tolist() == [0, 1, -1, 0]
    assert new == len(table) == 2


def test_no_name_gives_no_id() -> None:
    ids, new = KeyTable([]).intern([], most=5)
    assert ids.dtype == np.int64
    assert ids.shape == (0,)
    assert new == 0


def test_a_table_made_from_saved_names_goes_on_where_it_was() -> None:
    table = KeyTable(["x", "y"])
    ids, new = table.intern(["y", "new"], most=10)
    assert ids.tolist() == [1, 2]
    assert new == 1


def test_names_loaded_into_a_table_are_known() -> None:
    table = KeyTable([])
    table.names = ["x", "y"]
    assert table.intern(["y"], most=10)[0].tolist() == [1]


@given(NAMES, st.integers(0, 30), st.integers(0, 9))
def test_any_cut_gives_the_same_ids(names: list[str], cut: int, most: int) -> None:
    whole, halves = KeyTable([]), KeyTable([])
    wanted, _ = whole.intern(names, most)
    found = [halves.intern(part, most)[0] for part in (names[:cut], names[cut:])]
    np.testing.assert_array_equal(np.concatenate(found), wanted)
    assert halves.names == whole.names
