"""A small table of words and numbers, for a terminal or a page."""

from dataclasses import dataclass
from unicodedata import combining, east_asian_width

from tocsin.evaluation.wording import plain
from tocsin.pipeline.errors import TocsinError


@dataclass(frozen=True, slots=True)
class Table:
    r"""Rows of text under a heading; the columns in `numbers` are set to the right.

    >>> table = Table("Faults", ("kind", "found"), (("spike", "3"), ("drift", "12")), numbers=(1,))
    >>> print("\n".join(table.lines()))
    Faults
    kind   found
    -----  -----
    spike      3
    drift     12
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: tuple[int, ...] = ()
    note: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.head):
                raise TocsinError(
                    f"table {self.title!r} has {len(self.head)} columns, but a row of {len(row)}"
                )

    def lines(self) -> list[str]:
        """The table as lines of a terminal, columns aligned, names made safe to print."""
        head = [plain(cell) for cell in self.head]
        body = [[plain(cell) for cell in row] for row in self.rows]
        widths = [max(map(_width, column)) for column in zip(head, *body, strict=True)]
        drawn = [self._line(row, widths) for row in (head, ["-" * w for w in widths], *body)]
        return [self.title, *drawn, *([self.note] if self.note else [])]

    def _line(self, row: list[str], widths: list[int]) -> str:
        gaps = [" " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)]
        cells = [
            gap + cell if i in self.numbers else cell + gap
            for i, (cell, gap) in enumerate(zip(row, gaps, strict=True))
        ]
        return "  ".join(cells).rstrip()


def _width(text: str) -> int:
    """Columns a terminal takes: wide characters take two, combining marks none."""
    return sum(0 if combining(c) else 2 if east_asian_width(c) in {"W", "F"} else 1 for c in text)
