"""Which column of a table is the time, which name the series and which are channels: a guess."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from tocsin.connectors.columns import ROW_NUMBER
from tocsin.connectors.dialect import Dialect
from tocsin.connectors.dialect_guess import (
    ASK_OF_COMMAS,
    looks_like_commas,
    looks_like_dates,
    usual_formats,
    zoned_formats,
)
from tocsin.connectors.records import FieldMap
from tocsin.connectors.sniff import Format
from tocsin.connectors.times import TimeUnit, parse_times
from tocsin.pipeline.errors import SourceError
from tocsin.pipeline.types import IntArray

Sample = Mapping[str, Sequence[object]]  # column -> its first cells: None, a number or text

_TIMES = (
    *("timestamp", "datetime", "time", "date", "ts", "@timestamp", "date_time", "event_time"),
    *("time_stamp", "eventtime", "epoch", "utc", "ds"),
)
_LABELS = frozenset(
    {"label", "labels", "anomaly", "anomalies", "is_anomaly", "changepoint", "event", "outlier"}
)
_KEYS = frozenset(
    {"asset", "asset_id", "device", "device_id", "entity", "host", "hostname", "id", "key"}
    | {"machine", "machine_id", "sensor", "sensor_id", "series", "series_id", "unit", "unit_id"}
)
_COUNTERS = frozenset({"", "index", "unnamed: 0", "id", "row"})
_WORDS: dict[Format, str] = {
    "csv": "CSV",
    "jsonl": "JSON lines",
    "json": "a JSON array",
    "parquet": "Parquet",
}
_SPANS = (
    (86_400_000_000_000, "d"),
    (3_600_000_000_000, "h"),
    (60_000_000_000, "min"),
    (1_000_000_000, "s"),
    (1_000_000, "ms"),
    (1_000, "us"),
    (1, "ns"),
)


@dataclass(frozen=True, slots=True)
class Guess:
    """What a file was taken for, from its first rows.

    `fields` names the time, the series and the channels, and is what a source reads with. `labels`
    are columns that look like the answer; `left_out` the other columns that are not read, each
    with the reason. `every` is the median step of one series in nanoseconds, None when there is
    none; `rows_seen` is how many rows the guess is made from. `dialect` says how a CSV file is
    written. `doubts` are sentences on columns left out that hardly ought to be.
    """

    path: Path
    format: Format
    fields: FieldMap
    labels: tuple[str, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    every: int | None = None
    rows_seen: int = 0
    dialect: Dialect = field(default=Dialect())
    doubts: tuple[str, ...] = ()

    @property
    def has_time(self) -> bool:
        """Whether rows carry a time; row numbers stand for it where they do not."""
        return self.fields.time != ROW_NUMBER

    def to_json(self) -> dict[str, Any]:
        """The guess as plain values; the time is None where row numbers stand for it."""
        fields, dialect = self.fields, self.dialect
        return {
            "format": self.format,
            "time": fields.time if self.has_time else None,
            "time_unit": fields.time_unit,
            "time_format": dialect.time_format,
            "decimal": dialect.point,
            "thousands": dialect.thousands,
            "channels": fields.channels,
            "key": fields.key,
            "labels": self.labels,
            "left_out": dict(self.left_out),
            "doubts": self.doubts,
        }

    def words(self) -> tuple[str, ...]:
        """The guess for people, a sentence a line."""
        fields, dialect = self.fields, self.dialect
        name = {"\t": "tab"}.get(dialect.delimiter, repr(dialect.delimiter))
        form = _WORDS[self.format] + (f", cells parted by {name}" if dialect.delimiter else "")
        head = ", without a header" if dialect.header is False else ""
        lines = [f"{self.path.name} is {form}{head}."]
        if dialect.decimal or dialect.thousands:
            thousands = f", {dialect.thousands!r} between thousands" if dialect.thousands else ""
            lines.append(f"Numbers are written with decimal {dialect.point!r}{thousands}.")
        if self.has_time:
            unit = "" if fields.time_unit == "auto" else f"in {fields.time_unit} since 1970, "
            unit = f"written {dialect.time_format}, " if dialect.time_format else unit
            lines.append(f"Time is {fields.time!r} ({unit}{fields.zone} where it names no zone).")
        else:
            lines.append("No column is a time: row numbers stand for seconds since 1970.")
        if self.every is not None:
            lines.append(f"A series has a row every {_span(self.every)}.")
        lines.append(f"Channels ({len(fields.channels)}): {_listed(fields.channels)}.")
        if fields.key:
            lines.append(f"Series are told apart by {_listed(fields.key)}.")
        if self.labels:
            lines.append(f"Left out, they look like labels: {_listed(self.labels)}.")
        lines += [f"Left out: {name!r}, {why}." for name, why in self.left_out]
        return tuple(lines)


def guess_columns(sample: Sample, path: Path, form: Format, series: str, time: str = "") -> Guess:
    """What each column of a sample is; `series` names the series when no column does.

    - The time is `time`, or the first column with a name like `timestamp` that can be read as one,
      or else the first whose cells all can. Small whole numbers count only under such a name, as
      seconds.
    - Columns called `label`, `anomaly`, `changepoint`, … are the answer, not data.
    - A column names the series if it is called `host`, `asset`, … and repeats, or if it is text
      and tells rows of one time apart.
    - The other columns of numbers are channels.

    Raises SourceError when no column holds numbers, and when none can be read as the time though
    one is called so or looks like it.
    """
    labels = tuple(name for name in sample if _tail(name) in _LABELS)
    rest = {name: cells for name, cells in sample.items() if name not in labels}
    time, unit, moments = find_time({time: rest[time]} if time in rest else rest)
    unread = _unread(rest, form, found=time)
    if time == ROW_NUMBER and unread:
        raise SourceError(f"{path}: {next(iter(unread.values()))}")
    rest.pop(time, None)
    keys = _find_keys(rest, moments)
    asked = {name: _commas(cells) for name, cells in rest.items() if form == "csv"}
    channels, left_out = [], []
    for name, cells in rest.items():
        why = asked.get(name) or _no_channel(name, cells)
        if name in keys:
            continue
        if why:
            left_out.append((name, why))
        else:
            channels.append(name)
    doubts = [why for name, why in unread.items() if name not in channels]
    doubts += [f"column {name!r} holds {why}" for name, why in left_out if asked.get(name)]
    if not channels:
        what = doubts[0] if doubts else f"it has {_listed(tuple(sample))}"
        raise SourceError(f"{path} has no column of numbers; {what}")
    fields = FieldMap(time, tuple(channels), keys, time_unit=unit, unkeyed=series)
    every = _step(moments, [sample[name] for name in keys])
    rows = len(next(iter(sample.values())))
    return Guess(path, form, fields, labels, tuple(left_out), every, rows, doubts=tuple(doubts))


def named_times(sample: Sample) -> list[str]:
    """The columns whose name says that they are the time, the likeliest first."""
    return [name for wanted in _TIMES for name in sample if _tail(name) == wanted]


def _unread(sample: Sample, form: Format, found: str) -> dict[str, str]:
    """Columns that say they are the time, or look like it where no time was found; and why not."""
    named = [name for name in named_times(sample) if name != found]
    others = [name for name in sample if name not in named] if found == ROW_NUMBER else []
    dated = [name for name in others if looks_like_dates(_texts(sample[name]))]
    return {
        name: f"column {name!r} looks like the time and cannot be read: {_why(sample[name], form)}"
        for name in (*named, *dated)
        if _read_times(sample[name], "auto") is None and _read_times(sample[name], "s") is None
    }


def _why(cells: Sequence[object], form: Format) -> str:
    """Why cells are no times, with one of them, and what can be done about it."""
    present = [cell for cell in cells if cell is not None]
    bad = parse_times(present)[1]
    if not bad:
        return "it is empty in most of the first rows"
    texts = _texts(present)
    if form != "csv" or not texts:
        return bad[min(bad)]
    formats = usual_formats(texts) or zoned_formats(texts) or ("%d.%m.%Y %H:%M",)
    such = " or ".join(map(repr, formats[:2]))
    return f"{bad[min(bad)]}; say how it is written with time_format of the csv source: {such}"


def _texts(cells: Sequence[object]) -> list[str]:
    return [cell for cell in cells if isinstance(cell, str)]


def find_time(sample: Sample) -> tuple[str, TimeUnit, IntArray]:
    """The time column, its unit and its times in nanoseconds (B,), 0 where there is none."""
    named = named_times(sample)
    for name in named:
        for unit in ("auto", "s"):
            moments = _read_times(sample[name], unit)
            if moments is not None:
                return name, unit, moments
    for name, cells in sample.items():
        moments = None if name in named else _read_times(cells, "auto")
        if moments is not None and (_is_text(cells) or (np.diff(moments) >= 0).all()):
            return name, "auto", moments
    rows = len(next(iter(sample.values())))
    return ROW_NUMBER, "s", np.arange(rows, dtype=np.int64) * 10**9


def _read_times(cells: Sequence[object], unit: TimeUnit) -> IntArray | None:
    """The cells as times, or None unless nine in ten are."""
    moments, bad = parse_times(cells, unit)
    return moments if cells and len(bad) <= len(cells) // 10 else None


def _find_keys(sample: Sample, moments: IntArray) -> tuple[str, ...]:
    named = tuple(
        name for name, cells in sample.items() if _tail(name) in _KEYS and _repeats(cells)
    )
    if named or len(set(moments.tolist())) == len(moments):
        return named
    for name, cells in sample.items():
        if _is_text(cells) and _repeats(cells):
            pairs = set(zip(moments.tolist(), cells, strict=True))
            if len(pairs) >= 0.95 * len(moments):
                return (name,)
    return ()


def _no_channel(name: str, cells: Sequence[object]) -> str:
    """Why a column is no channel, or ""."""
    present = [cell for cell in cells if cell is not None]
    if not present:
        return "empty in the first rows"
    if _is_text(present):
        return "text"
    numbers = [c for c in present if isinstance(c, int | float) and not isinstance(c, bool)]
    if len(numbers) < len(present) - len(present) // 10:
        return "not a number"
    if _tail(name) in _COUNTERS and _counts(present):
        return "a row number"
    return ""


def _commas(cells: Sequence[object]) -> str:
    """What to ask of a column of text that looks like numbers, or ""."""
    texts = _texts(cells)
    if not _is_text(cells) or not looks_like_commas(texts):
        return ""
    cell = next(text for text in texts if "," in text)
    return f"{cell[:60]!r}: {ASK_OF_COMMAS}"


def _counts(cells: Sequence[object]) -> bool:
    numbers = [cell for cell in cells if isinstance(cell, int | float)]
    return len(numbers) > 2 and bool((np.diff(np.array(numbers, dtype=np.float64)) == 1).all())


def _repeats(cells: Sequence[object]) -> bool:
    return None not in cells and len(set(cells)) <= max(1, len(cells) // 2)


def _is_text(cells: Sequence[object]) -> bool:
    """Whether more than one cell in ten is or was text; fewer are bad cells among numbers."""
    return sum(isinstance(cell, str | datetime) for cell in cells) > len(cells) // 10


def _tail(name: str) -> str:
    """The last name of a path, for comparing."""
    return name.rsplit(".", 1)[-1].strip().casefold()


def _step(moments: IntArray, keys: Sequence[Sequence[object]]) -> int | None:
    """The median step of the series with the most rows, None when it does not move."""
    names = list(zip(*keys, strict=True)) if keys else [()] * len(moments)
    if not names:
        return None
    most = Counter(names).most_common(1)[0][0]
    mine = moments[[name == most for name in names]]
    steps = np.diff(np.sort(mine[mine > 0]))
    steps = steps[steps > 0]
    return int(np.median(steps)) if steps.size else None


def _span(nanoseconds: int) -> str:
    """A span in its largest fitting unit.

    >>> _span(300_000_000_000)
    '5 min'
    """
    size, unit = next((size, unit) for size, unit in _SPANS if nanoseconds >= size)
    return f"{nanoseconds / size:.4g} {unit}"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:12]))
    return shown if len(names) <= 12 else f"{shown} and {len(names) - 12} more"
