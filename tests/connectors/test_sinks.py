import io
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from tocsin.connectors.sinks import JsonLinesSink, TextSink, in_words
from tocsin.pipeline.errors import SinkError
from tocsin.pipeline.grouping import group_id
from tocsin.pipeline.incidents import Incident

HOUR = 3600 * 10**9
NAN = float("nan")


def incident(name: str = "i1", revision: int = 0) -> Incident:
    return Incident(
        id=name,
        revision=revision,
        state="open",
        kind="anomaly",
        series="pump-1",
        started_at=1_700_000_000 * 10**9,
        opened_at=1_700_000_000 * 10**9,
        ended_at=None,
        peak_at=1_700_000_000 * 10**9,
        score=4.0,
        tail=0.0001,
        alpha=0.001,
        severity=4.0,
        level="error",
        rows=3,
        channels=(("flow", 0.75), ("load", 0.25)),
        reason="tail below alpha",
    )


@contextmanager
def files_at_most(size: int) -> Iterator[None]:
    """Lets this process write no file beyond `size` bytes, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def held(path: Path) -> list[tuple[str, int]]:
    found = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    return [(one["id"], one["revision"]) for one in found]


def test_text_has_one_line_a_revision_and_none_for_a_repeat() -> None:
    stream = io.StringIO()
    sink = TextSink(stream)
    sink.send([incident(), incident(revision=1)])
    sink.send([incident()])
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert "2023-11-14T22:13:20Z" in lines[0]
    assert "pump-1: anomaly, by flow 75%, load 25%, severity 4.0" in lines[0]
    assert lines[1].endswith("[i1 r1]")


def test_words_of_a_health_incident_leave_out_what_it_has_not() -> None:
    silent = replace(incident(), kind="stale", severity=NAN, score=NAN, channels=())
    line = in_words(replace(silent, state="resolved", ended_at=silent.started_at + HOUR))
    assert "severity" not in line
    assert "lasted 1h, " in line


def test_an_incident_of_one_row_lasts_no_time() -> None:
    one = incident()
    assert "lasted" not in in_words(replace(one, state="resolved", ended_at=one.started_at))


def test_only_an_incident_that_joined_a_group_tells_of_it() -> None:
    plain = in_words(incident())
    assert in_words(replace(incident(), group=group_id("i1"))) == plain
    joined = in_words(replace(incident(), group="c6cd895f0743b8c7"))
    assert joined == plain.replace("  [i1 r0]", ", in group c6cd895f0743b8c7  [i1 r0]")


def test_a_name_with_control_characters_cannot_forge_a_line() -> None:
    line = in_words(replace(incident(), series="a\nfake\x1b[31m"))
    assert "\n" not in line
    assert "\x1b" not in line


def test_a_closed_stream_is_a_sink_error() -> None:
    stream = io.StringIO()
    stream.close()
    with pytest.raises(SinkError, match="stream"):
        TextSink(stream).send([incident()])


def test_lines_hold_each_revision_once_across_runs(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    first = JsonLinesSink(path)
    first.send([incident(), incident(revision=1)])
    first.send([incident(revision=1)])
    first.close()
    second = JsonLinesSink(path)
    second.send([incident(), incident("i2")])
    second.close()
    assert held(path) == [("i1", 0), ("i1", 1), ("i2", 0)]


def test_lines_are_the_incident_as_json(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    JsonLinesSink(path).send([incident()])
    assert orjson.loads(path.read_bytes()) == incident().to_json()


@pytest.mark.parametrize("cut", [1, 5, 60])
def test_a_torn_last_line_is_cut_off_and_sent_again(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "out.jsonl"
    JsonLinesSink(path).send([incident(), incident("i2")])
    path.write_bytes(path.read_bytes()[:-cut])
    JsonLinesSink(path).send([incident(), incident("i2")])
    assert held(path) == [("i1", 0), ("i2", 0)]


def test_a_line_torn_beyond_a_mebibyte_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    JsonLinesSink(path).send([incident()])
    path.write_bytes(path.read_bytes() + b"x" * (3 << 20))
    JsonLinesSink(path).send([incident("i2")])
    assert held(path) == [("i1", 0), ("i2", 0)]


def test_a_full_disk_is_a_sink_error_and_leaves_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    sink = JsonLinesSink(path)
    sink.send([incident()])
    before = path.read_bytes()
    with (
        files_at_most(len(before) + 100),
        pytest.raises(SinkError, match=r"out\.jsonl cannot be written: .*large"),
    ):
        sink.send([incident("i2")])
    assert path.read_bytes() == before
    sink.send([incident("i2")])
    assert held(path) == [("i1", 0), ("i2", 0)]


def test_what_cannot_be_appended_to_is_a_sink_error_with_path_and_reason(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="no regular file"):
        JsonLinesSink(tmp_path).send([incident()])
    with pytest.raises(SinkError, match=r"no/out\.jsonl cannot be written: No such file"):
        JsonLinesSink(tmp_path / "no" / "out.jsonl").send([incident()])


def test_a_foreign_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(b"dear diary\n")
    with pytest.raises(SinkError, match="line 1, is no incident"):
        JsonLinesSink(path).send([incident()])
    assert path.read_bytes() == b"dear diary\n"


def test_closing_twice_is_fine(tmp_path: Path) -> None:
    sink = JsonLinesSink(tmp_path / "out.jsonl")
    sink.send([incident()])
    sink.close()
    sink.close()
