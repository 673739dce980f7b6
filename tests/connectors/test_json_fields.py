"""Channels that no JSON record has are told once; those that come later are not."""

import logging
from pathlib import Path

import orjson
import pytest

from tocsin.connectors.json_fields import Unseen, flatten
from tocsin.connectors.jsonl_file import JsonArraySource, JsonLinesSource
from tocsin.connectors.memory import MemoryDesk
from tocsin.connectors.records import FieldMap, Stored

FIELDS = FieldMap("ts", ("payload.wind", "payload.rotr"))


def record(i: int, **payload: float | None) -> dict[str, object]:
    return {"ts": 1_700_000_000 + i, "payload": {"wind": 1.0, **payload}}


def stored(*records: object) -> list[Stored]:
    return [Stored(orjson.dumps(each), i) for i, each in enumerate(records)]


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [line.getMessage() for line in caplog.records if line.levelno == logging.WARNING]


def test_a_misspelt_channel_is_told_once_with_the_nearest_field(
    caplog: pytest.LogCaptureFixture,
) -> None:
    unseen = Unseen(FIELDS, "rows.jsonl")
    for i in range(0, 300, 50):
        unseen.see(stored(*(record(i + j, rotor=2.0) for j in range(50))))
        assert len(told(caplog)) == (i >= 50)
    assert told(caplog) == [
        "rows.jsonl: channel 'payload.rotr' is not in the first 100 records; "
        "did you mean 'payload.rotor'?"
    ]


def test_a_channel_that_is_there_at_times_or_null_is_not_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    unseen = Unseen(FIELDS, "rows.jsonl")
    unseen.see(stored(*(record(i) for i in range(98)), record(98, rotr=None), record(99)))
    unseen.close()
    assert told(caplog) == []


def test_a_source_that_ends_early_tells_of_what_it_had(caplog: pytest.LogCaptureFixture) -> None:
    unseen = Unseen(FieldMap("ts", ("payload.wind", "nope")), "rows.jsonl")
    unseen.see(stored(record(0, load=2.0)))
    unseen.close()
    assert told(caplog) == [
        "rows.jsonl: channel 'nope' is not in the first record; "
        "of fields that are not read there are 'payload.load'"
    ]


def test_records_of_a_list_and_of_the_whole_message_are_looked_into(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fields = FieldMap("ts", ("a", "$.site.hight"), records="rows")
    message = {"site": {"height": 3.0}, "rows": [{"ts": 1, "a": 1.0}, {"ts": 2, "a": 1.0}]}
    unseen = Unseen(fields, "topic", records=2)
    unseen.see(stored(message))
    assert told(caplog) == [
        "topic: channel '$.site.hight' is not in the first 2 records; did you mean '$.site.height'?"
    ]


def test_what_is_no_record_is_no_evidence(caplog: pytest.LogCaptureFixture) -> None:
    unseen = Unseen(FIELDS, "rows.jsonl")
    unseen.see([Stored(b"{", 0), Stored(None, 1), Stored(b"3", 2)])
    unseen.close()
    assert told(caplog) == []


@pytest.mark.parametrize("source", [JsonLinesSource, JsonArraySource])
def test_files_tell_of_a_misspelt_channel(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    source: type[JsonLinesSource] | type[JsonArraySource],
) -> None:
    path = tmp_path / "rows.json"
    records = [record(i, rotor=2.0) for i in range(5)]
    lines = b"\n".join(map(orjson.dumps, records))
    path.write_bytes(lines if source is JsonLinesSource else orjson.dumps(records))
    assert sum(len(r.time) for r in source(path, FIELDS).read(MemoryDesk()) if r is not None) == 5
    (line,) = told(caplog)
    assert line == (
        f"{path}: channel 'payload.rotr' is not in the first 5 records; "
        "did you mean 'payload.rotor'?"
    )


def test_paths_keep_dots_and_leave_lists_out() -> None:
    assert dict(flatten({"a.b": 1, "c": {"d": None}, "e": [1]})) == {"a\\.b": 1, "c.d": None}
