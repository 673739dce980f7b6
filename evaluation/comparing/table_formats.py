"""Tables as CSV, Markdown and LaTeX, with every special character escaped."""

import csv
import io
import re
from collections.abc import Collection, Sequence

from tocsin.evaluation.table import Table
from tocsin.evaluation.wording import plain
from tocsin.pipeline.errors import TocsinError

_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?")
_MARKDOWN = re.compile(r"([\\`*_|~$])|(?<=\])(?=\()")
_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "†": r"\textsuperscript{\textdagger}",
    "…": r"\ldots{}",
    "±": r"\ensuremath{\pm}",
    "\N{MULTIPLICATION SIGN}": r"\ensuremath{\times}",
}


def to_csv(table: Table) -> str:
    r"""Head and rows as CSV (RFC 4180, but lines end with \n); title and note are left out.

    >>> to_csv(Table("Faults", ("kind", "n"), (("a,b", "3"),)))
    'kind,n\n"a,b",3\n'
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows((table.head, *table.rows))
    return text.getvalue()


def to_markdown(table: Table, highest: Collection[int] = (), lowest: Collection[int] = ()) -> str:
    """The table as GitHub's Markdown, with the best value of the columns named set bold.

    `highest` and `lowest` are places of columns, 0 being the first, whose best is the highest or
    the lowest number; values that read alike are all bold. A cell counts by the number it begins
    with, and not at all where it begins with none.
    """
    best = _best(table, highest, lowest)
    rows = [
        [_bold_markdown(cell, is_best=(i, j) in best) for j, cell in enumerate(row)]
        for i, row in enumerate(table.rows)
    ]
    rule = ["---:" if j in table.numbers else "---" for j in range(len(table.head))]
    head = [_markdown(cell) for cell in table.head]
    lines = [f"| {' | '.join(row)} |" for row in (head, rule, *rows)]
    title = [f"**{_markdown(table.title)}**", ""] if table.title else []
    note = ["", _markdown(table.note, most=len(table.note))] if table.note else []
    return "\n".join([*title, *lines, *note]) + "\n"


def to_latex(table: Table, highest: Collection[int] = (), lowest: Collection[int] = ()) -> str:
    """The table as a LaTeX `table` in the manner of booktabs, best values bold as in Markdown.

    Needs the package booktabs, T1 as font encoding, and UTF-8, which is LaTeX's default.
    """
    best = _best(table, highest, lowest)
    body = [
        _latex_row([_bold_latex(cell, is_best=(i, j) in best) for j, cell in enumerate(row)])
        for i, row in enumerate(table.rows)
    ]
    columns = "".join("r" if j in table.numbers else "l" for j in range(len(table.head)))
    caption = [rf"\caption{{{_latex(table.title)}}}"] if table.title else []
    note = [r"\par\smallskip", rf"\footnotesize {_latex(table.note, most=len(table.note))}"]
    lines = [
        r"\begin{table}",
        r"\centering",
        *caption,
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        _latex_row([_latex(cell) for cell in table.head]),
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}",
        *(note if table.note else []),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _best(table: Table, highest: Collection[int], lowest: Collection[int]) -> set[tuple[int, int]]:
    """Row and column of each best cell."""
    for j in (*highest, *lowest):
        if not 0 <= j < len(table.head):
            raise TocsinError(
                f"table {table.title!r} has {len(table.head)} columns, so none at place {j}"
            )
    found: set[tuple[int, int]] = set()
    for j in (*highest, *lowest):
        read = [(i, _leading(row[j])) for i, row in enumerate(table.rows)]
        known = [(i, value) for i, value in read if value is not None]
        if known:
            pick = max if j in highest else min
            top = pick(value for _, value in known)
            found |= {(i, j) for i, value in known if value == top}
    return found


def _leading(cell: str) -> float | None:
    match = _NUMBER.match(cell)
    return float(match[0]) if match else None


def _bold_markdown(cell: str, *, is_best: bool) -> str:
    return f"**{_markdown(cell)}**" if is_best else _markdown(cell)


def _markdown(text: str, most: int = 200) -> str:
    """`text` so that Markdown shows it as it is: no markup, no HTML, no link, no new cell."""
    safe = plain(text, most).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKDOWN.sub(lambda match: f"\\{match[0]}", safe)


def _bold_latex(cell: str, *, is_best: bool) -> str:
    return rf"\textbf{{{_latex(cell)}}}" if is_best else _latex(cell)


def _latex(text: str, most: int = 200) -> str:
    return "".join(_LATEX.get(c, c) for c in plain(text, most))


def _latex_row(cells: Sequence[str]) -> str:
    # After a line's end LaTeX takes "[" or "*" for an option of it; an empty group prevents that.
    guard = "{}" if cells and cells[0][:1] in {"[", "*"} else ""
    return f"{guard}{' & '.join(cells)} \\\\"
