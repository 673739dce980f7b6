"""The report's tables: controls set apart, cells shaded by how good they are."""

import re
from collections.abc import Collection, Sequence

from tocsin.evaluation.pages.table import Marks, table_card
from tocsin.evaluation.table import Table

_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


def ranked_card(table: Table, controls: Collection[str]) -> str:
    """A table to sort by any column, with the rows of controls set apart."""
    return table_card(table, Marks(rows=_kinds(table, controls), sortable=True))


def heat_card(table: Table, controls: Collection[str]) -> str:
    """The same, with each number shaded from its column's worst, 0, to its best, 1."""
    columns = [_shades(table, column) for column in range(len(table.head))]
    shades = [[column[row] for column in columns] for row in range(len(table.rows))]
    return table_card(table, Marks(rows=_kinds(table, controls), shades=shades, sortable=True))


def leading_number(cell: str) -> float | None:
    """The number a cell begins with, marks of print left aside; None where there is none.

    >>> leading_number("**0.43** [0.39, 0.47]"), leading_number("3 of 4"), leading_number("-")
    (0.43, 3.0, None)
    """
    found = _NUMBER.match(cell.lstrip("* †<>~"))
    return float(found[0]) if found else None


def _kinds(table: Table, controls: Collection[str]) -> list[str]:
    return ["control" if _is_control(row, controls) else "" for row in table.rows]


def _is_control(row: Sequence[str], controls: Collection[str]) -> bool:
    """Whether the row is named for a control, be it with a mark behind the name."""
    return bool(row) and any(row[0] == name or row[0].startswith(f"{name} ") for name in controls)


def _shades(table: Table, column: int) -> list[float | None]:
    """Places between a column's smallest and largest number; none where all are equal."""
    if column not in table.numbers:
        return [None] * len(table.rows)
    values = [leading_number(row[column]) for row in table.rows]
    known = [value for value in values if value is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)
    if low == high:
        return [None] * len(table.rows)
    return [None if value is None else (value - low) / (high - low) for value in values]
