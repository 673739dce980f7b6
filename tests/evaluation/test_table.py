import pytest

from tocsin.evaluation.table import Table
from tocsin.pipeline.errors import TocsinError


def test_wide_characters_keep_columns_aligned():
    lines = Table("", ("name", "n"), (("温度", "1"), ("load", "2")), numbers=(1,)).lines()
    assert lines[-2:] == ["温度  1", "load  2"]


def test_a_table_without_rows_has_its_head():
    assert Table("Faults", ("kind", "n"), ()).lines() == ["Faults", "kind  n", "----  -"]


def test_a_row_of_another_length_is_refused():
    with pytest.raises(TocsinError, match="2 columns, but a row of 1"):
        Table("Faults", ("kind", "n"), (("spike",),))


def test_names_cannot_break_a_line_or_steer_the_terminal():
    lines = Table("", ("name",), (("a\nb\x1b[2J",),)).lines()
    assert lines[-1] == "a\\nb\\x1b[2J"
