from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.connectors.dead_letters import (
    JsonLinesDeadLetters,
    from_json,
    read_dead_letters,
    to_json,
)
from tocsin.pipeline.errors import SinkError, SourceError
from tocsin.pipeline.incidents import DeadLetter

LETTER = DeadLetter(
    "telemetry/3", 42, 0, "not JSON", "decode", b'{"temp":', b"p1", 1_700_000_000_000,
    (("traceparent", b"00-ab"), ("raw", b"\xff\x00")),
)  # fmt: skip


@given(
    value=st.none() | st.binary(),
    key=st.none() | st.binary(),
    part=st.text(st.characters(codec="utf-8")),
    headers=st.lists(st.tuples(st.text(st.characters(codec="utf-8")), st.binary()), max_size=2),
)
def test_any_letter_comes_back_whole(
    value: bytes | None, key: bytes | None, part: str, headers: list[tuple[str, bytes]]
) -> None:
    letter = DeadLetter(part, 1, 2, "why", "order", value, key, None, tuple(headers))
    assert from_json(orjson.loads(orjson.dumps(to_json(letter)))) == letter


def test_a_broker_part_is_named_as_topic_partition_and_offset() -> None:
    said = to_json(LETTER)
    assert (said["topic"], said["partition"], said["offset"]) == ("telemetry", 3, 42)
    assert "topic" not in to_json(DeadLetter("pump.csv", 0, 0, "bad", "decode", None))


def test_bytes_are_text_where_they_can_be_and_base64_where_not() -> None:
    said = to_json(LETTER)
    assert said["value"] == {"text": '{"temp":'}
    assert said["headers"][1] == {"name": "raw", "value": {"base64": "/wA="}}


def test_letters_are_kept_once_across_runs_and_torn_lines(tmp_path: Path) -> None:
    path = tmp_path / "dead.jsonl"
    other = DeadLetter("telemetry/3", 42, 1, "bad", "decode", b"x")
    JsonLinesDeadLetters(path).send([LETTER, other])
    path.write_bytes(path.read_bytes()[:-3])
    again = JsonLinesDeadLetters(path)
    again.send([LETTER, other])
    again.send([other])
    again.close()
    assert list(read_dead_letters(path)) == [LETTER, other]


def test_reading_passes_over_a_torn_line_and_refuses_a_foreign_one(tmp_path: Path) -> None:
    path = tmp_path / "dead.jsonl"
    JsonLinesDeadLetters(path).send([LETTER])
    path.write_bytes(path.read_bytes() + b'{"part"')
    assert list(read_dead_letters(path)) == [LETTER]
    path.write_bytes(b"[]\n")
    with pytest.raises(SourceError, match="line 1, is no dead letter"):
        list(read_dead_letters(path))
    with pytest.raises(SinkError, match="line 1, is no dead letter"):
        JsonLinesDeadLetters(path).send([LETTER])
    with pytest.raises(SourceError, match="cannot be read"):
        list(read_dead_letters(tmp_path / "none"))


def test_a_folder_is_a_sink_error(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="no regular file"):
        JsonLinesDeadLetters(tmp_path).send([LETTER])
