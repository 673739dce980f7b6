"""A table as a card of an HTML page: plain, or to be sorted, with rows marked and cells shaded."""

from collections.abc import Sequence
from dataclasses import dataclass

from tocsin.evaluation.pages.frame import safe
from tocsin.evaluation.table import Table


@dataclass(frozen=True, slots=True)
class Marks:
    """How a table is drawn beyond its words.

    `rows` are CSS classes, one a row, and `shades` numbers from 0 to 1, one a cell, None for a
    cell without colour; each is left out by (). `sortable` gives every column a button to sort by.
    """

    rows: Sequence[str] = ()
    shades: Sequence[Sequence[float | None]] = ()
    sortable: bool = False


def table_card(table: Table, marks: Marks = Marks()) -> str:
    """The markup of a table under its title, with its note below; all its words are escaped."""
    head = "".join(
        f'<th scope="col"{_number(table, column)}>{_heading(cell, sortable=marks.sortable)}</th>'
        for column, cell in enumerate(table.head)
    )
    rows = "".join(_row(table, place, marks) for place in range(len(table.rows)))
    note = f"<p>{safe(table.note, 2000)}</p>" if table.note else ""
    kind = ' class="sortable"' if marks.sortable else ""
    return (
        f'<div class="card"><h3>{safe(table.title)}</h3><div class="tall"><table{kind}>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>{note}</div>"
    )


def _heading(cell: str, *, sortable: bool) -> str:
    return f'<button type="button">{safe(cell)}</button>' if sortable else safe(cell)


def _row(table: Table, place: int, marks: Marks) -> str:
    kind = f' class="{marks.rows[place]}"' if marks.rows and marks.rows[place] else ""
    shades = marks.shades[place] if marks.shades else [None] * len(table.head)
    cells = "".join(
        f"<td{_number(table, column)}{_shade(shade)}>{safe(cell)}</td>"
        for column, (cell, shade) in enumerate(zip(table.rows[place], shades, strict=True))
    )
    return f"<tr{kind}>{cells}</tr>"


def _number(table: Table, column: int) -> str:
    return ' class="number"' if column in table.numbers else ""


def _shade(shade: float | None) -> str:
    return "" if shade is None else f' style="--shade: {shade:.2f}"'
