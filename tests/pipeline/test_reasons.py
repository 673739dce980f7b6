"""Reasons that differ by a value only are one; names of fields tell them apart."""

import pytest

from tocsin.pipeline.reasons import Reasons


def counted(*reasons: str) -> Reasons:
    found = Reasons()
    for reason in reasons:
        found.add(reason)
    return found


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("channel 'a' holds 'ERR', not a number", "channel 'a' holds '1,5', not a number"),
        ("time '10.03.2025' is not a number or ISO 8601", "time 'x' is not a number or ISO 8601"),
        ("time 12 is implausible", "time -3.5 is implausible"),
        ("3 cells, wanted 4", "17 cells, wanted 4"),
        ("channel 'a' holds \"it's\", not a number", "channel 'a' holds '', not a number"),
    ],
)
def test_a_value_makes_no_reason_of_its_own(one: str, other: str) -> None:
    ((total, example, differs),) = counted(one, other).most()
    assert (total, example, differs) == (2, one, True)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("channel 'a' holds 'ERR', not a number", "channel 'b' holds 'ERR', not a number"),
        ("key 'site' is empty", "key 'pump' is empty"),
        ("time 'x' is not a number or ISO 8601", "time 'x' is implausible"),
        ("its series' newest row is newer", "its series' newest row is as old"),
    ],
)
def test_names_and_words_tell_reasons_apart(one: str, other: str) -> None:
    assert [each.differs for each in counted(one, other).most()] == [False, False]


def test_the_most_frequent_come_first() -> None:
    found = counted("few", "many", "many", "some", "many", "some")
    assert [(each.example, each.total) for each in found.most(2)] == [("many", 3), ("some", 2)]


def test_endless_reasons_are_counted_in_little_room() -> None:
    names = [chr(ord("a") + i % 26) * (i // 26 + 1) for i in range(2600)]
    found = counted(*(f"found {name}" for name in names))
    assert sum(each.total for each in found.most()) == len(names)
    assert len(found.most()) <= 1001
    assert found.most(1)[0].example == "other reasons"


def test_joining_leaves_the_parts_alone() -> None:
    found = counted("late")
    both = found.joined({"late": 2, "ahead": 1})
    assert [each.total for each in both.most()] == [3, 1]
    assert [each.total for each in found.most()] == [1]
