"""JSON files: a record a line, whole or followed, or one array of records."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson

from tocsin.connectors.clocks import Clock, SystemClock
from tocsin.connectors.columns import ROW_NUMBER
from tocsin.connectors.guessing import Guess, guess_columns
from tocsin.connectors.json_fields import Unseen, flatten
from tocsin.connectors.lines import count_lines, first_lines, read_lines
from tocsin.connectors.records import FieldMap, Stored, decode
from tocsin.connectors.sniff import check_file, check_text, head, mark_length
from tocsin.pipeline.errors import SourceError
from tocsin.pipeline.ports import Desk, Reading
from tocsin.pipeline.types import Spec

_SAMPLE_ROWS = 2000


@dataclass(frozen=True, slots=True)
class JsonLinesSource:
    """The records of a JSON lines file; positions are the byte that the next line starts at.

    A line is decoded as a message is (`records.decode`), so that a file gives the rows that its
    lines give through a broker; lines that do not fit are dead letters with their bytes. Without
    `fields` they are guessed from the first rows. A channel that no record has is a warning, see
    `json_fields.Unseen`. `follow`, `rows` and `part` are those of `CsvSource`, and so are the
    errors.
    """

    path: Path
    fields: FieldMap | None = None
    follow: bool = False
    rows: int = 4096
    part: str = ""
    clock: Clock = field(default=SystemClock(), compare=False)

    def spec(self) -> Spec:
        return self._fields().spec()

    def read(self, desk: Desk) -> Iterator[Reading | None]:
        fields = self._fields()
        part = self.part or self.path.name
        first = mark_length(self.path)
        start = max(desk.claim(part) or 0, first)
        row = count_lines(self.path, first, start) if fields.time == ROW_NUMBER else 0
        unseen = Unseen(fields, self.path)
        for lines in read_lines(self.path, start, self.rows, clock=self.clock, follow=self.follow):
            if lines is None:
                yield None
                continue
            offsets = lines.offset.tolist()
            stored = [Stored(line, at) for line, at in zip(lines, offsets, strict=True)]
            if stored:
                unseen.see(stored)
                yield _decode(stored, part, lines.next, fields, row)
            row += len(stored)
        unseen.close()

    def commit(self, positions: Mapping[str, int]) -> None:
        pass

    def close(self) -> None:
        pass

    def _fields(self) -> FieldMap:
        if self.fields is None:
            return guess_json_lines(self.path).fields
        # A followed file may be empty still, where nothing has to be guessed from it.
        if not self.follow or check_file(self.path).st_size:
            check_text(head(self.path), self.path)
        return self.fields


@dataclass(frozen=True, slots=True)
class JsonArraySource:
    """The records of a file that is one JSON array; positions count records.

    Where `fields.records` names a path, the file is an object with the array there. The file is
    held in memory whole. Records are decoded as messages are; one that does not fit is a dead
    letter with its JSON, written anew without white space.

    Raises SourceError for a file that is missing, empty, no JSON or no array of records.
    """

    path: Path
    fields: FieldMap | None = None
    rows: int = 4096
    part: str = ""

    def spec(self) -> Spec:
        return self._fields().spec()

    def read(self, desk: Desk) -> Iterator[Reading | None]:
        fields = self._fields()
        part = self.part or self.path.name
        records = _load_array(self.path, fields.records)
        single = replace(fields, records="")
        start = desk.claim(part) or 0
        if start > len(records):
            raise SourceError(
                f"{self.path} has {len(records)} records and reading was to go on after {start}: "
                f"it was replaced; reset the saved state to read it afresh"
            )
        unseen = Unseen(single, self.path)
        for first in range(start, len(records), self.rows):
            last = min(first + self.rows, len(records))
            stored = [Stored(_dump(records[i]), i) for i in range(first, last)]
            unseen.see(stored)
            yield _decode(stored, part, last, single, first)
        unseen.close()

    def commit(self, positions: Mapping[str, int]) -> None:
        pass

    def close(self) -> None:
        pass

    def _fields(self) -> FieldMap:
        return self.fields or guess_json_array(self.path).fields


def guess_json_lines(path: Path) -> Guess:
    """What a JSON lines file holds, from at most its first 2000 lines and 256 KiB.

    Nested objects are looked into; their fields are named by paths such as `payload.temp`.
    """
    records = []
    for line in first_lines(path)[:_SAMPLE_ROWS]:
        try:
            records.append(orjson.loads(line))
        except orjson.JSONDecodeError:
            continue  # reading makes it a dead letter; a guess needs only what can be read
    return _guess(records, path, "jsonl")


def guess_json_array(path: Path) -> Guess:
    """What a file with one JSON array holds, from its first 2000 records."""
    return _guess(_load_array(path, "")[:_SAMPLE_ROWS], path, "json")


def _guess(records: Sequence[object], path: Path, form: Any) -> Guess:
    flat = [dict(flatten(record)) for record in records if isinstance(record, dict)]
    names = {name: None for record in flat for name in record}
    if not names:
        raise SourceError(f"{path} has no JSON object among its first records")
    sample = {name: [record.get(name) for record in flat] for name in names}
    return guess_columns(sample, path, form, path.stem)


def _load_array(path: Path, records: str) -> list[Any]:
    start = head(path)
    check_text(start, path)
    try:
        found = orjson.loads(path.read_bytes().removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise SourceError(f"{path} is not JSON: {error}") from error
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from error
    for name in records.split(".") if records else ():
        found = found.get(name) if isinstance(found, dict) else None
    if not isinstance(found, list):
        wanted = f"at {records!r}" if records else "at the top"
        raise SourceError(f"{path} has no JSON array of records {wanted}")
    return found


def _decode(
    stored: Sequence[Stored], part: str, position: int, fields: FieldMap, first_row: int
) -> Reading:
    """The rows of some records; where row numbers are the time, each record is given its own."""
    if fields.time != ROW_NUMBER:
        return decode(stored, part, position, fields)
    unit = "s" if fields.time_unit == "auto" else fields.time_unit
    numbered = [_numbered(message, first_row + i) for i, message in enumerate(stored)]
    reading = decode(numbered, part, position, replace(fields, time_unit=unit))
    value = {message.offset: message.value for message in stored}
    return replace(
        reading,
        raw=[value[at] or b"" for at in reading.offset.tolist()],
        rejected=[replace(letter, value=value[letter.position]) for letter in reading.rejected],
    )


def _numbered(message: Stored, row: int) -> Stored:
    try:
        record = orjson.loads(message.value or b"")
    except orjson.JSONDecodeError:
        return message
    if not isinstance(record, dict):
        return message
    return message._replace(value=orjson.dumps({**record, ROW_NUMBER: row}))


def _dump(record: object) -> bytes:
    return orjson.dumps(record)
