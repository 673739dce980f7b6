"""How numbers and times of a file are written, told from its first cells."""

import re
from collections.abc import Iterable, Sequence
from itertools import product

from tocsin.connectors.dialect import read_moments

ASK_OF_COMMAS = "say what the comma is with decimal or thousands of the csv source"

_DATES = (
    *("%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%Y/%m/%d", "%Y-%m-%d", "%d-%m-%Y", "%m-%d-%Y"),
    *("%Y.%m.%d", "%d-%b-%Y", "%d %b %Y", "%b %d, %Y", "%d.%m.%y", "%m/%d/%y", "%d/%m/%y"),
)
_CLOCKS = ("%H:%M:%S", "%H:%M", "%H:%M:%S.%f", "%H:%M:%S,%f", "%I:%M:%S %p", "%I:%M %p")
_FORMATS = (*_DATES, *(f"{d}{between}{c}" for d, between, c in product(_DATES, " T", _CLOCKS)))
_COMPACT = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
_FEW = 20

_DATED = re.compile(
    r"(?:\d{4}([./-])\d{1,2}\1\d{1,2}|\d{1,2}([./-])\d{1,2}\2\d{4}|\d{1,2}[ -][^\W\d]{3}[ -]\d{4})"
    r"(?:[ T,].*)?",
    re.ASCII,
)
_ZONE_NAME = re.compile(r"(.*[\dM]) ([A-Z]{3,5})")
_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(?:\.\d{3})+", re.ASCII)
_COMMA = re.compile(r"[+-]?(?:\d+|\d{1,3}(?:\.\d{3})+),\d+(?:[eE][+-]?\d+)?", re.ASCII)
_MAY_BE_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}", re.ASCII)
_NUMBER = re.compile(
    rf"{_COMMA.pattern}|{_GROUPED.pattern}|[+-]?\d*\.?\d*(?:[eE][+-]?\d+)?", re.ASCII
)
_COMMAED = re.compile(r"[+-]?\d+(?:[.,]\d+)*", re.ASCII)


def decimal_commas(columns: Iterable[Sequence[str]]) -> tuple[str, str]:
    """The signs before fractions and between thousands: (",", "") or (",", "."), else ("", "").

    Commas are decimal where a number leaves no other reading (`8,5`, not `1,729`) and no column
    has numbers with a decimal point. Points part thousands where a number has both (`1.729,5`).
    """
    sure = both = points = groups = False
    for cells in columns:
        if not _most(cells, _NUMBER):
            continue
        commas = [cell for cell in cells if _COMMA.fullmatch(cell)]
        pointed = [cell for cell in cells if "." in cell and "," not in cell]
        sure = sure or any(not _MAY_BE_THOUSANDS.fullmatch(cell) for cell in commas)
        both = both or any("." in cell for cell in commas)
        groups = groups or bool(pointed)
        points = points or any(not _GROUPED.fullmatch(cell) for cell in pointed)
    if not sure or points or (groups and not both):
        return "", ""
    return ",", "." if both else ""


def looks_like_commas(cells: Sequence[str]) -> bool:
    """Whether cells that are no numbers would be some if their commas were understood."""
    return any("," in cell for cell in cells) and _most(cells, _COMMAED)


def looks_like_dates(cells: Sequence[str]) -> bool:
    """Whether nine cells in ten begin with a day, a month and a year."""
    return _most(cells, _DATED)


def compact_format(cells: Sequence[str]) -> str:
    """The format of dates that are all written as one number, such as 20250310, or ""."""
    sizes = {len(cell) if cell.isdecimal() and cell[:2] in ("19", "20") else 0 for cell in cells}
    form = _COMPACT.get(sizes.pop(), "") if len(sizes) == 1 else ""
    return "" if form and None in read_moments(cells, form) else form


def usual_formats(cells: Sequence[str]) -> tuple[str, ...]:
    """The usual formats that read the most cells, nine in ten at least.

    One, or several where days and months cannot be told apart; none where the cells are otherwise.

    >>> usual_formats(["03/04/2025 10:00"])
    ('%m/%d/%Y %H:%M', '%d/%m/%Y %H:%M')
    >>> usual_formats(["03/04/2025 10:00", "03/29/2025 10:00"])
    ('%m/%d/%Y %H:%M',)
    """
    few = cells[:_FEW]
    likely = [form for form in _FORMATS if 2 * read_moments(few, form).count(None) <= len(few)]
    read = {form: read_moments(cells, form) for form in likely}
    missed = {form: moments.count(None) for form, moments in read.items()}
    least = min(missed.values(), default=len(cells))
    if not cells or least > len(cells) // 10:
        return ()
    return tuple(form for form, count in missed.items() if count == least)


def zoned_formats(cells: Sequence[str]) -> tuple[str, ...]:
    """The formats of cells that all end with one name of a zone, such as CET, which is in them."""
    parts = [_ZONE_NAME.fullmatch(cell) for cell in cells[:_FEW]]
    heads = [part[1] for part in parts if part]
    names = {part[2] for part in parts if part}
    if len(heads) < len(parts) or len(names) != 1:
        return ()
    name = names.pop()
    return tuple(f"{form} {name}" for form in usual_formats(heads))


def _most(cells: Sequence[str], pattern: re.Pattern[str]) -> bool:
    """Whether nine cells in ten, and at least one, are of a pattern."""
    fits = sum(pattern.fullmatch(cell) is not None for cell in cells)
    return bool(cells) and 10 * fits >= 9 * len(cells)
