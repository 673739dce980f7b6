import re

import pytest

from tocsin.evaluation.report.tables import heat_card, leading_number, ranked_card
from tocsin.evaluation.table import Table


def shades(card):
    return [float(found) for found in re.findall(r"--shade: ([\d.]+)", card)]


def table(*cells):
    rows = tuple((f"d{place}", cell) for place, cell in enumerate(cells))
    return Table("By data set", ("detector", "plant"), rows, numbers=(1,))


def test_cells_are_shaded_from_their_columns_worst_to_its_best():
    assert shades(heat_card(table("0.2", "0.6", "0.3"), ())) == [0.0, 1.0, 0.25]


def test_a_missing_number_has_no_shade():
    assert shades(heat_card(table("0.2", "-", "0.6"), ())) == [0.0, 1.0]


def test_a_column_of_equal_numbers_tells_nothing_by_shade():
    assert shades(heat_card(table("0.5", "0.5"), ())) == []


def test_words_are_never_shaded():
    named = Table("A", ("detector", "plant"), (("1", "0.2"), ("2", "0.4")), numbers=(1,))
    assert shades(heat_card(named, ())) == [0.0, 1.0]


def test_a_control_is_known_by_its_whole_name():
    named = Table("A", ("detector",), (("random",), ("random_forest",), ("random (offline)",)))
    rows = re.findall(r"<tr( class=\"control\")?><td>([^<]*)", ranked_card(named, ("random",)))
    assert [name for kind, name in rows if kind] == ["random", "random (offline)"]


def test_every_heading_is_a_button_to_sort_by():
    card = ranked_card(table("1"), ())
    assert card.count('<button type="button">') == 2
    assert '<table class="sortable">' in card


@pytest.mark.parametrize(
    ("cell", "number"),
    [("0.43 [0.4, 0.5]", 0.43), ("-1e-3", -0.001), ("< 0.001", 0.001), ("-", None), ("", None),
     ("**0.5**", 0.5), (".5", 0.5), ("none", None), ("+0.2", 0.2)],
)  # fmt: skip
def test_a_cells_number_is_the_one_it_begins_with(cell, number):
    assert leading_number(cell) == number
