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
    assert new.tolist() == [0, 1, 2]
    assert table.names == ["x", "y", "z"]


def test_known_names_keep_their_ids() -> None:
    table = KeyTable([])
    table.intern(["x", "y"], most=10)
    ids, new = table.intern(["y", "x"], most=10)
    assert ids.tolist() == [1, 0]
    assert new.tolist() == []


def test_names_past_the_most_are_refused_and_not_kept() -> None:
    table = KeyTable([])
    ids, new = table.intern(["x", "y", "z", "x"], most=2)
    assert ids.tolist() == [0, 1, -1, 0]
    assert new.tolist() == [0, 1]
    assert len(table) == table.live == 2


def test_no_name_gives_no_id() -> None:
    ids, new = KeyTable([]).intern([], most=5)
    assert ids.dtype == np.int64
    assert ids.shape == (0,)
    assert new.tolist() == []


def test_a_table_made_from_saved_names_goes_on_where_it_was() -> None:
    table = KeyTable(["x", "y"])
    ids, new = table.intern(["y", "new"], most=10)
    assert ids.tolist() == [1, 2]
    assert new.tolist() == [2]


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


def test_freed_ids_are_taken_again_smallest_first_and_old_names_are_new() -> None:
    table = KeyTable([])
    table.intern(list("abcd"), most=4)
    table.release(np.array([3, 1]))
    assert table.live == 2
    assert table.find("b") == table.find("") == -1
    assert table.ids().tolist() == [0, 2]

    ids, new = table.intern(["a", "d", "x", "y"], most=4)

    assert ids.tolist() == [0, 1, 3, -1]
    assert new.tolist() == [1, 3]
    assert table.names == ["a", "d", "c", "x"]
    assert table.live == len(table) == 4


def test_a_series_without_a_name_is_told_from_a_free_id() -> None:
    table = KeyTable([])
    table.intern(["a", "", "b"], most=9)
    table.release(np.array([0]))
    assert table.find("") == 1
    assert KeyTable(list(table.names), table.free).find("") == 1


@given(st.lists(st.tuples(NAMES, st.sets(st.integers(0, 7))), max_size=6), st.integers(0, 9))
def test_a_table_is_a_dictionary_of_few_numbers(
    acts: list[tuple[list[str], set[int]]], most: int
) -> None:
    table, plain = KeyTable([]), dict[str, int]()
    for names, goes in acts:
        for name in names:
            if name not in plain and len(plain) < most:
                plain[name] = min(set(range(99)) - set(plain.values()))
        wanted = [plain.get(name, -1) for name in names]
        assert table.intern(names, most)[0].tolist() == wanted
        gone = sorted(goes & set(plain.values()))
        table.release(np.array(gone, dtype=np.int64))
        plain = {name: key for name, key in plain.items() if key not in gone}
        assert {name: table.find(name) for name in plain} == plain
        assert table.ids().tolist() == sorted(plain.values())
