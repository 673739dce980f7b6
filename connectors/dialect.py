"""How a CSV file is written: what parts its cells, decimal commas, dates of any form."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from tocsin.pipeline.errors import ConfigError

MISSING = ("", "nan", "NaN", "NAN", "NA", "N/A", "n/a", "null", "NULL", "None", "none", "-nan")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a CSV file is written.

    `delimiter` parts the cells, and `header` says whether the first line names the columns; what is
    left out of these is guessed. `decimal` stands before the fraction of a number ("" is a point),
    `thousands` parts its digits in threes ("" is none), and `time_format` says how times are
    written, as `datetime.strptime` takes it ("" is numbers and ISO 8601). Where the columns are
    guessed, so are those of these three that are left out.

    Raises ConfigError for signs that are not one character or the same, and for a format that
    `strptime` does not know.

    >>> Dialect(decimal=",", thousands=".").plain("1.729,5")
    '1729.5'
    """

    delimiter: str = ""
    header: bool | None = None
    decimal: str = ""
    thousands: str = ""
    time_format: str = ""

    def __post_init__(self) -> None:
        for name in ("delimiter", "decimal", "thousands"):
            sign: str = getattr(self, name)
            if len(sign) > 1:
                raise ConfigError(f"{name} is {sign!r}; it must be one character")
        for name, sign in (("decimal", self.decimal), ("thousands", self.thousands)):
            if sign.isalnum() or sign in ("+", "-", '"'):
                raise ConfigError(f"{name} is {sign!r}, which stands for itself in a number")
        if self.thousands and self.thousands == self.point:
            raise ConfigError(f"decimal and thousands are both {self.thousands!r}")
        _check_format(self.time_format)

    @property
    def point(self) -> str:
        """What stands before the fraction of a number."""
        return self.decimal or "."

    def plain(self, text: str) -> str:
        """A number in the C manner, or "" for what is none."""
        if not _pattern(self.point, self.thousands).fullmatch(text):
            return ""
        if self.thousands:
            text = text.replace(self.thousands, "")
        return text if self.point == "." else text.replace(self.point, ".")

    def cell(self, text: str) -> object:
        """A cell for a guess: a number, text, or None where it is missing."""
        text = text.strip()
        if text in MISSING:
            return None
        number = self.plain(text)
        return float(number) if number else text

    def times(self, texts: Sequence[str]) -> tuple[Sequence[object], dict[int, str]]:
        """What `parse_times` is to read, and by index why a text is no time in the format."""
        if not self.time_format:
            return texts, {}
        moments = read_moments(texts, self.time_format)
        bad = {
            i: f"time {texts[i][:60]!r} is not written {self.time_format!r}"
            for i, moment in enumerate(moments)
            if moment is None
        }
        return moments, bad


def read_moments(texts: Sequence[str], form: str) -> list[datetime | None]:
    """Each text as a moment, without a zone unless it names an offset; None where it is none."""
    known = {text: _moment(text, form) for text in set(texts)}
    return [known[text] for text in texts]


def _moment(text: str, form: str) -> datetime | None:
    try:
        return datetime.strptime(text, form)  # noqa: DTZ007 - the zone is that of the source
    except ValueError:
        return None


@lru_cache(maxsize=64)
def _pattern(point: str, thousands: str) -> re.Pattern[str]:
    digits, point = r"\d+", re.escape(point)
    if thousands:
        digits = rf"(?:\d{{1,3}}(?:{re.escape(thousands)}\d{{3}})+|\d+)"
    number = rf"[+-]?(?:{digits}(?:{point}\d*)?|{point}\d+)(?:[eE][+-]?\d+)?"
    return re.compile(number, re.ASCII)


def _check_format(form: str) -> None:
    if "%Z" in form:
        raise ConfigError(
            f"time_format {form!r} has %Z, which no name of a zone can be read by; write the name "
            "as it stands in the cells, such as 'CET', and say which it is with zone"
        )
    if form and "%" not in form:
        raise ConfigError(f"time_format {form!r} has no field; wanted one like '%d.%m.%Y %H:%M'")
    try:
        datetime.strptime("", form)  # noqa: DTZ007 - nothing is read, only the format is looked at
    except (ValueError, re.error) as error:
        if not str(error).startswith("time data"):  # that is, only "" is not written so
            raise ConfigError(f"time_format {form!r} cannot be used: {error}") from error
