"""JSON messages into columns: which field is what, and what becomes of records that do not fit."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import numpy as np
import orjson

from tocsin.connectors.times import TimeUnit, parse_times
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.incidents import DeadLetter
from tocsin.pipeline.ports import Reading
from tocsin.pipeline.types import FloatArray, Spec

Record = Mapping[str, Any]
Row = tuple[str, int, list[float]]

_NAME_LIMIT = 1024  # characters of a series name
_NOTHING: Record = {}
_NUMBERS = {float, int, type(None)}
_KINDS = {
    bool: "true or false",
    str: "text",
    list: "a list",
    dict: "an object",
    int: "a number",
    float: "a number",
    type(None): "null",
}


class Message(Protocol):
    """What `decode` reads of a message; a kafka-python record is one, and so is `Stored`.

    `timestamp` is in milliseconds, as brokers keep it; it is not used as the time of a row.
    """

    @property
    def value(self) -> bytes | None: ...
    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def timestamp(self) -> int | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]] | None: ...


class Stored(NamedTuple):
    """A message from elsewhere than a broker: a line of a file, or a test's."""

    value: bytes | None
    offset: int
    key: bytes | None = None
    timestamp: int | None = None
    headers: Sequence[tuple[str, bytes | None]] = ()


@dataclass(frozen=True, slots=True)
class FieldMap:
    r"""Where a JSON record keeps its time, its channels and the name of its series.

    A field is named by a path: `temp`, or `payload.temp` for a nested one; `\.` is a dot inside a
    name, and `$.site` looks in the whole message rather than in one record of several. `records`
    is the path of the list of records inside a message; left empty, a message is one record, or a
    list of records.

    The series' name is the values of the `key` fields (text or whole numbers) joined by "/"; in a
    joined name a "/" or "%" of a value is written `%2F` or `%25`, so that names stay apart.
    Without `key` fields it is the message's key as UTF-8, and for a message without a key
    `unkeyed`; when that is empty, such a message is refused. Names have at most 1024 characters.

    `time_unit` and `zone` are those of `parse_times`. Messages over `max_bytes` are refused unread.

    Raises ConfigError for missing or repeated names and for an unknown unit or zone.
    """

    time: str
    channels: tuple[str, ...]
    key: tuple[str, ...] = ()
    time_unit: TimeUnit = "auto"
    zone: str = "UTC"
    records: str = ""
    unkeyed: str = "series"
    max_bytes: int = 8 * 1024 * 1024

    def __post_init__(self) -> None:
        names = (self.time, *self.channels, *self.key)
        if not self.channels or not all(names):
            raise ConfigError(f"a field map needs a time field and channels; found {self}")
        if len(set(self.channels)) != len(self.channels):
            raise ConfigError(f"a channel is named twice in {self.channels}")
        if self.max_bytes < 1:
            raise ConfigError(f"max_bytes is {self.max_bytes}; it must be at least 1")
        parse_times((), self.time_unit, self.zone)

    def spec(self) -> Spec:
        """The item shape and channel names of the rows."""
        return Spec(item=(len(self.channels),), channels=self.channels)


def decode(messages: Sequence[Message], part: str, position: int, fields: FieldMap) -> Reading:
    """The rows (B, C) of a partition's messages, with a dead letter for each record without one.

    Refused, with stage "decode": a message without value, over `max_bytes`, or not JSON (`NaN`,
    `Infinity` and numbers past float64 are not JSON); a message or record that is no object; a
    record without a good time or series name; one in which no channel is declared; and one whose
    channel holds text (also "3.5"), a bool, a list or an object. A channel that is missing or null
    is NaN. A bad record in a message of several is refused alone. An empty list has no rows and
    nothing to refuse.

    Records are read column by column; only those that stand out are looked at one by one.

    >>> fields = FieldMap(time="ts", channels=("temp",), key=("id",))
    >>> sent = [Stored(b'{"id": "p1", "ts": 1700000000, "temp": 20.5}', 0), Stored(b"{", 1)]
    >>> reading = decode(sent, "telemetry/0", 2, fields)
    >>> reading.series, reading.values.tolist(), reading.rejected[0].position
    (['p1'], [[20.5]], 1)
    """
    table = _Table(messages, fields)
    time, bad_time = parse_times(table.column(fields.time), fields.time_unit, fields.zone)
    series, bad_name = table.names()
    values, bad_value = table.numbers()
    for i in sorted({*bad_time, *bad_name, *bad_value}):
        row = read_record(table.records[i], table.bodies[i], messages[table.source[i]].key, fields)
        if isinstance(row, str):
            table.refused.append((table.source[i], table.index[i], row))
            table.dropped.append(i)
        else:
            series[i], time[i], values[i] = row
    source = table.source
    if table.dropped:
        kept = np.delete(np.arange(len(series)), table.dropped)
        time, values = time[kept], values[kept]
        series = [series[i] for i in kept.tolist()]
        source = [source[i] for i in kept.tolist()]
    return Reading(
        part=part,
        position=position,
        series=series,
        time=time,
        values=values,
        offset=np.array([messages[i].offset for i in source], dtype=np.int64),
        raw=[messages[i].value or b"" for i in source],
        rejected=[_letter(messages[i], part, at, why) for i, at, why in sorted(table.refused)],
    )


def read_record(record: Record, body: Record, key: bytes | None, fields: FieldMap) -> Row | str:
    """One record's series, time and values, or why it has none: the careful form of `decode`.

    `body` is the whole message where that is an object, `key` the message's key.
    """
    raw_time = _column([record], [body], fields.time)
    if raw_time[0] is None:
        return f"no time: {fields.time!r} is missing or null"
    time, bad = parse_times(raw_time, fields.time_unit, fields.zone)
    if bad:
        return bad[0]
    parts = [_column([record], [body], path)[0] for path in fields.key]
    name, reason = _joined(fields.key, parts) if parts else _key_name(key, fields.unkeyed)
    if reason:
        return reason
    found = [_column([record], [body], path)[0] for path in fields.channels]
    for channel, value in zip(fields.channels, found, strict=True):
        if type(value) not in _NUMBERS:
            return f"channel {channel!r} holds {_KINDS[type(value)]}, not a number"
    if not any(declares(record, body, path) for path in fields.channels):
        have = ", ".join(sorted(map(str, record))[:8])
        return f"no known channel: wanted {', '.join(fields.channels[:8])}; found {have or 'none'}"
    return name, int(time[0]), [np.nan if value is None else float(value) for value in found]


def records_of(messages: Sequence[Message], fields: FieldMap) -> list[tuple[Record, Record]]:
    """The records of some messages, each with its whole message; what is no record is left out."""
    table = _Table(messages, fields)
    return list(zip(table.records, table.bodies, strict=True))


def declares(record: Record, body: Record, path: str) -> bool:
    """Whether a record has a field, be it null."""
    outer, (*parents, name) = _steps(path)
    return name in _parents([body if outer else record], parents)[0]


class _Table:
    """The records of some messages, where each stood, and what was refused on the way.

    `records[i]` is record `index[i]` of message `source[i]`, whose whole object is `bodies[i]`.
    """

    def __init__(self, messages: Sequence[Message], fields: FieldMap) -> None:
        self.messages = messages
        self.fields = fields
        self.refused: list[tuple[int, int, str]] = []
        self.dropped: list[int] = []
        found = _parse_all(messages, fields.max_bytes)
        plain = not fields.records
        if plain and set(map(type, found)) <= {dict}:
            self.records: list[Record] = found
            self.bodies = found
            self.source = list(range(len(found)))
            self.index = [0] * len(found)
            return
        self.records, self.bodies, self.source, self.index = [], [], [], []
        for i, body in enumerate(found):
            if isinstance(body, _Refusal):
                self.refused.append((i, 0, body.reason))
            elif plain and isinstance(body, dict):
                self._add(i, 0, body, body)
            else:
                self._unpack(i, body)

    def _add(self, i: int, j: int, record: Record, body: Record) -> None:
        self.records.append(record)
        self.bodies.append(body)
        self.source.append(i)
        self.index.append(j)

    def _unpack(self, i: int, body: object) -> None:
        """Add the records of a message that holds a list of them, or should."""
        path = self.fields.records
        outer: Record = body if isinstance(body, dict) else _NOTHING
        inner = body if isinstance(body, list) else _column([outer], [outer], path)[0]
        if not isinstance(inner, list):
            wanted = f"a list at {path!r}" if path else "an object or a list of objects"
            have = inner if path and outer else body
            self.refused.append((i, 0, f"found {_KINDS[type(have)]}, wanted {wanted}"))
            return
        for j, record in enumerate(inner):
            if isinstance(record, dict):
                self._add(i, j, record, outer)
            else:
                reason = f"record {j} is {_KINDS[type(record)]}, not an object"
                self.refused.append((i, j, reason))

    def column(self, path: str) -> list[Any]:
        """The value at a path in every record, None where there is none."""
        return _column(self.records, self.bodies, path)

    def names(self) -> tuple[list[str], list[int]]:
        """The series of each record, and the indices of those that need a closer look."""
        if not self.fields.key:
            keys = [self.messages[i].key for i in self.source]
            known = {key: _key_name(key, self.fields.unkeyed)[0] for key in set(keys)}
            names = [known[key] for key in keys]
            return names, _odd_names(names)
        columns = [list(_texts(self.column(path))) for path in self.fields.key]
        if len(columns) == 1:
            return columns[0], _odd_names(columns[0])
        odd = [i for column in columns for i in _odd_names(column)]
        names = ["/".join(parts) for parts in zip(*map(_escaped, columns), strict=True)]
        return names, odd + _odd_names(names)

    def numbers(self) -> tuple[FloatArray, list[int]]:
        """The channels (B, C), and the indices of the rows that need a closer look."""
        values = np.empty((len(self.records), len(self.fields.channels)))  # (B, C)
        odd: list[int] = []
        gaps = False
        for c, path in enumerate(self.fields.channels):
            column = self.column(path)
            kinds = set(map(type, column))
            if not kinds <= _NUMBERS:
                wrong = [i for i, value in enumerate(column) if type(value) not in _NUMBERS]
                odd += wrong
                for i in wrong:
                    column[i] = None
            gaps = gaps or type(None) in kinds
            values[:, c] = np.array(column, dtype=np.float64)  # None becomes NaN
        if gaps:
            odd += np.flatnonzero(np.isnan(values).all(axis=1)).tolist()
        return values, odd


@dataclass(frozen=True, slots=True)
class _Refusal:
    reason: str


def _parse_all(messages: Sequence[Message], limit: int) -> list[Any]:
    """The JSON of each message, or a `_Refusal`."""
    values = [message.value for message in messages]
    sent = [value for value in values if value is not None]
    if len(sent) == len(values) and max(map(len, sent), default=0) <= limit:
        try:
            return list(map(orjson.loads, sent))
        except orjson.JSONDecodeError:
            pass  # one of them is not JSON; the careful way says which
    return [_parse(value, limit) for value in values]


def _parse(value: bytes | None, limit: int) -> object:
    if value is None:
        return _Refusal("no value: a tombstone holds no record")
    if len(value) > limit:
        return _Refusal(f"message of {len(value)} bytes is over max_bytes, {limit}")
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError as error:
        return _Refusal(f"not JSON: {error}")


@lru_cache(maxsize=4096)
def _steps(path: str) -> tuple[bool, tuple[str, ...]]:
    """Whether a path starts at the whole message, and the names it goes through."""
    names = [name.replace("\\.", ".") for name in re.split(r"(?<!\\)\.", path)]
    return names[0] == "$", tuple(names[1:] if names[0] == "$" else names)


def _parents(records: Sequence[Record], names: Iterable[str]) -> Sequence[Record]:
    """The objects at a path in every record; an empty one where there is none."""
    for name in names:
        inner = [record.get(name) for record in records]
        records = [value if isinstance(value, dict) else _NOTHING for value in inner]
    return records


def _column(records: Sequence[Record], bodies: Sequence[Record], path: str) -> list[Any]:
    outer, (*parents, name) = _steps(path)
    return [record.get(name) for record in _parents(bodies if outer else records, parents)]


def _texts(column: list[Any]) -> list[str]:
    """Key values as text; "" for what cannot name a series."""
    if set(map(type, column)) <= {str}:
        return column
    return [v if type(v) is str else str(v) if type(v) is int else "" for v in column]


def _escaped(column: list[str]) -> list[str]:
    """Key values without the "/" that joins them, and without what stands for it."""
    joined = "".join(column)
    if "/" not in joined and "%" not in joined:
        return column
    return [text.replace("%", "%25").replace("/", "%2F") for text in column]


def _odd_names(names: list[str]) -> list[int]:
    sizes = list(map(len, names))
    if not sizes or (min(sizes) > 0 and max(sizes) <= _NAME_LIMIT):
        return []
    return [i for i, size in enumerate(sizes) if not 0 < size <= _NAME_LIMIT]


def _key_name(key: bytes | None, unkeyed: str) -> tuple[str, str]:
    """The series that a message key names, or "" and why it names none."""
    if key is None:
        return unkeyed, "" if unkeyed else "the message has no key to name its series"
    try:
        name = key.decode()
    except UnicodeDecodeError:
        return "", "the message key is not UTF-8"
    if not 0 < len(name) <= _NAME_LIMIT:
        return "", f"the message key has {len(name)} characters, wanted 1 to {_NAME_LIMIT}"
    return name, ""


def _joined(paths: tuple[str, ...], parts: list[Any]) -> tuple[str, str]:
    """The series that key values name, or "" and why they name none."""
    for path, part in zip(paths, parts, strict=True):
        if type(part) is not str and type(part) is not int:
            return "", f"key {path!r} is {_KINDS[type(part)]}, wanted text or a whole number"
        if part == "":
            return "", f"key {path!r} is empty"
    texts = [str(part) for part in parts]
    name = (
        "/".join(text for (text,) in map(_escaped, ([t] for t in texts))) if parts[1:] else texts[0]
    )
    if len(name) > _NAME_LIMIT:
        return "", f"the series name has {len(name)} characters, at most {_NAME_LIMIT} are taken"
    return name, ""


def _letter(message: Message, part: str, index: int, reason: str) -> DeadLetter:
    return DeadLetter(
        part=part,
        position=message.offset,
        index=index,
        reason=reason,
        stage="decode",
        value=message.value,
        key=message.key,
        timestamp=message.timestamp,
        headers=tuple((name, value or b"") for name, value in message.headers or ()),
    )
