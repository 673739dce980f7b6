from dataclasses import replace
from itertools import islice
from pathlib import Path

import orjson
import pytest

from tocsin.connectors.jsonl_file import (
    JsonArraySource,
    JsonLinesSource,
    guess_json_array,
    guess_json_lines,
)
from tocsin.connectors.memory import MemoryDesk
from tocsin.connectors.records import FieldMap, Stored, decode
from tocsin.pipeline.errors import SourceError
from tocsin.pipeline.ports import Reading, Source

FIELDS = FieldMap("ts", ("in.temp", "flow"), ("id",))
RECORDS = [
    {"ts": 1_700_000_000 + i // 2, "id": f"p{i % 2}", "in": {"temp": i / 4}, "flow": i}
    for i in range(40)
]
LINES = b"".join(orjson.dumps(record) + b"\n" for record in RECORDS)


class Grower:
    """A clock that adds to a file when it is first waited for."""

    def __init__(self, path: Path, text: bytes) -> None:
        self.path = path
        self.text = text

    def now(self) -> int:
        return 0

    def elapsed(self) -> float:
        return 0.0

    def wait(self, seconds: float) -> None:
        with self.path.open("ab") as file:
            file.write(self.text)
        self.text = b""


def readings(source: Source, part: str, after: int | None = None) -> list[Reading]:
    desk = MemoryDesk({} if after is None else {part: after})
    return [reading for reading in source.read(desk) if reading is not None]


def rows(got: list[Reading]) -> list[tuple[object, ...]]:
    return [
        (name, int(time), [repr(v) for v in row], raw)
        for r in got
        for name, time, row, raw in zip(r.series, r.time, r.values.tolist(), r.raw, strict=True)
    ]


def file(folder: Path, text: bytes) -> Path:
    path = folder / "pump.data"
    path.write_bytes(text)
    return path


def test_lines_give_the_rows_that_messages_give(tmp_path: Path) -> None:
    source = JsonLinesSource(file(tmp_path, LINES), FIELDS)
    sent = [Stored(line, i) for i, line in enumerate(LINES.splitlines())]
    assert rows(readings(source, "pump.data")) == rows([decode(sent, "t/0", 40, FIELDS)])


@pytest.mark.parametrize("size", [1, 7, 100])
def test_lines_read_after_every_position_give_the_rest(tmp_path: Path, size: int) -> None:
    source = JsonLinesSource(file(tmp_path, LINES), FIELDS, rows=size)
    everything = rows(readings(source, "pump.data"))
    assert len(everything) == 40
    taken = 0
    for reading in readings(source, "pump.data"):
        taken += len(reading.time)
        rest = readings(source, "pump.data", reading.position)
        assert rows(rest) == everything[taken:]


def test_a_bad_line_is_a_dead_letter_at_its_byte(tmp_path: Path) -> None:
    text = LINES.splitlines(keepends=True)
    source = JsonLinesSource(file(tmp_path, text[0] + b"{oops\n\n" + text[1]), FIELDS)
    (reading,) = readings(source, "pump.data")
    (letter,) = reading.rejected
    assert (letter.position, letter.value) == (len(text[0]), b"{oops")
    assert letter.reason.startswith("not JSON")
    assert len(reading.time) == 2


def test_followed_lines_come_as_the_file_grows(tmp_path: Path) -> None:
    first, second = LINES.splitlines(keepends=True)[:2]
    path = file(tmp_path, first + second[:10])
    clock = Grower(path, second[10:])
    source = JsonLinesSource(path, FIELDS, follow=True, clock=clock)
    got = list(islice(source.read(MemoryDesk()), 3))
    assert [None if r is None else r.series for r in got] == [["p0"], None, ["p1"]]


def test_a_followed_file_may_be_empty_at_first(tmp_path: Path) -> None:
    path = file(tmp_path, b"")
    with pytest.raises(SourceError, match="is empty"):
        JsonLinesSource(path, FIELDS).spec()
    source = JsonLinesSource(path, FIELDS, follow=True, clock=Grower(path, LINES))
    got = list(islice(source.read(MemoryDesk()), 2))
    assert got[0] is None
    assert got[1] is not None
    assert len(got[1].time) == 40


def test_records_without_time_are_numbered_and_keep_their_bytes(tmp_path: Path) -> None:
    path = file(tmp_path, b'{"temp":1.5}\n[1]\n{"temp":2.5}\n')
    source = JsonLinesSource(path, rows=1)
    got = readings(source, "pump.data")
    assert [row[1] for row in rows(got)] == [0, 2 * 10**9]
    assert [row[3] for row in rows(got)] == [b'{"temp":1.5}', b'{"temp":2.5}']
    assert [letter.value for r in got for letter in r.rejected] == [b"[1]"]
    rest = readings(source, "pump.data", got[1].position)
    assert [row[1] for row in rows(rest)] == [2 * 10**9]


def test_a_guess_looks_into_nested_objects(tmp_path: Path) -> None:
    found = guess_json_lines(file(tmp_path, LINES))
    assert found.fields.time == "ts"
    assert found.fields.channels == ("in.temp", "flow")
    assert found.fields.key == ("id",)
    assert found.every == 10**9
    assert len(rows(readings(JsonLinesSource(found.path), "pump.data"))) == 40


@pytest.mark.parametrize("size", [1, 7, 100])
def test_an_array_gives_the_rows_of_its_lines_and_resumes_by_record(
    tmp_path: Path, size: int
) -> None:
    path = file(tmp_path, orjson.dumps(RECORDS, option=orjson.OPT_INDENT_2))
    source = JsonArraySource(path, FIELDS, rows=size)
    everything = rows(readings(source, "pump.data"))
    sent = [Stored(line, i) for i, line in enumerate(LINES.splitlines())]
    assert everything == rows([decode(sent, "t/0", 40, FIELDS)])
    for after in (0, 1, 13, 40):
        assert rows(readings(source, "pump.data", after)) == everything[after:]


def test_an_array_inside_an_object_is_found_by_its_path(tmp_path: Path) -> None:
    path = file(tmp_path, orjson.dumps({"data": {"rows": RECORDS}}))
    fields = replace(FIELDS, records="data.rows")
    assert len(rows(readings(JsonArraySource(path, fields), "pump.data"))) == 40
    with pytest.raises(SourceError, match="no JSON array of records at 'data'"):
        readings(JsonArraySource(path, replace(FIELDS, records="data")), "pump.data")


def test_a_bad_record_of_an_array_is_a_dead_letter(tmp_path: Path) -> None:
    path = file(tmp_path, orjson.dumps([RECORDS[0], 7, RECORDS[1]]))
    (reading,) = readings(JsonArraySource(path, FIELDS), "pump.data")
    assert [(letter.position, letter.value) for letter in reading.rejected] == [(1, b"7")]
    assert reading.offset.tolist() == [0, 2]


def test_what_is_no_array_is_a_source_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is not JSON"):
        guess_json_array(file(tmp_path, b"[1, 2"))
    with pytest.raises(SourceError, match="no JSON array of records at the top"):
        guess_json_array(file(tmp_path, b'{"a": 1}'))
    with pytest.raises(SourceError, match="no JSON object"):
        guess_json_array(file(tmp_path, b"[1, 2]"))
    source = JsonArraySource(file(tmp_path, orjson.dumps(RECORDS)), FIELDS)
    with pytest.raises(SourceError, match="after 41"):
        readings(source, "pump.data", 41)
