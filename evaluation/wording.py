"""How names, times and durations are written for people."""

from tocsin.pipeline.incidents import iso

_UNITS = (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000), ("ms", 1))


def plain(text: str, most: int = 200) -> str:
    r"""`text` on one line, at most `most` characters; what cannot be printed is spelled out.

    Names come from outside: an escape sequence must not reach a terminal, nor a line break a
    table, nor a lone surrogate a file.

    >>> plain("pump\x1b[31m"), plain("a long name", most=6)
    ('pump\\x1b[31m', 'a lon…')
    """
    if len(text) > most:
        text = text[: most - 1] + "…"
    return "".join(c if c.isprintable() else _spelled(c) for c in text)


def moment(nanoseconds: int) -> str:
    """A time in UTC to the second.

    >>> moment(1_700_000_000_123_456_789)
    '2023-11-14 22:13:20'
    """
    return iso(nanoseconds)[:19].replace("T", " ")


def moment_utc(nanoseconds: int) -> str:
    """A time to the second that names its zone, for those who may live in another.

    >>> moment_utc(1_700_000_000_123_456_789)
    '2023-11-14 22:13:20 UTC'
    """
    return f"{moment(nanoseconds)} UTC"


def duration(nanoseconds: int) -> str:
    """A length of time in its two largest units.

    >>> duration(3_725_000_000_000), duration(90_000_000), duration(0)
    ('1 h 2 min', '90 ms', '0 s')
    """
    left = round(abs(nanoseconds) / 1_000_000)
    if left >= 60_000:
        left = round(left / 1_000) * 1_000
    parts: list[tuple[int, str]] = []
    for unit, size in _UNITS:
        count, left = divmod(left, size)
        if count or parts:
            parts.append((count, unit))
    shown = " ".join(f"{count} {unit}" for count, unit in parts[:2] if count)
    return ("-" if nanoseconds < 0 and shown else "") + (shown or "0 s")


def number(value: float) -> str:
    """A number to three figures; a dash for NaN, which is "no opinion".

    >>> number(4.56789), number(float("nan")), number(12000.0)
    ('4.57', '-', '12000')
    """
    if value != value:  # noqa: PLR0124 (NaN is the only number unequal to itself)
        return "-"
    return f"{value:.0f}" if 1_000 <= abs(value) < 1e6 else f"{value:.3g}"


def plural(count: int, noun: str) -> str:
    """A count with its noun.

    >>> plural(1, "incident"), plural(2, "incident"), plural(3, "series")
    ('1 incident', '2 incidents', '3 series')
    """
    return f"{count} {noun}" if count == 1 or noun.endswith("s") else f"{count} {noun}s"


def _spelled(character: str) -> str:
    return character.encode("unicode_escape").decode()
