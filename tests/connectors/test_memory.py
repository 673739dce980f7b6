from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from tocsin.connectors.memory import (
    ABORT,
    END,
    PAUSE,
    AbortedError,
    Item,
    MemoryDeadLetters,
    MemoryDesk,
    MemorySink,
    MemorySource,
    Poison,
    Row,
    rows_of,
)
from tocsin.pipeline.errors import ConfigError, SinkError
from tocsin.pipeline.incidents import DeadLetter, Incident

NAN = float("nan")
FIRST = Incident(
    "i1", 0, "open", "anomaly", "p1", 1, 1, None, 1, 2.0, 0.1, 0.2, 1.0, "info", 1, (), "why"
)


def some_rows(count: int, first: int = 0) -> list[Row]:
    return [Row("p1", i, [float(i)], str(i).encode()) for i in range(first, first + count)]


def read(source: MemorySource, positions: dict[str, int] | None = None) -> list[int]:
    got = source.read(MemoryDesk(positions or {}))
    return [time for reading in got if reading is not None for time in reading.time.tolist()]


@pytest.mark.parametrize("cuts", [(1,), (2, 1, 3), (100,)])
def test_rows_do_not_depend_on_the_cuts(cuts: Sequence[int]) -> None:
    items: list[Item] = [*some_rows(5), PAUSE, *some_rows(4, first=5)]
    source = MemorySource({"a": items}, cuts=cuts)
    got = [reading for reading in source.read(MemoryDesk()) if reading is not None]
    assert np.concatenate([r.values for r in got])[:, 0].tolist() == list(range(9))
    assert [raw for r in got for raw in r.raw] == [str(i).encode() for i in range(9)]
    assert max(len(r.time) for r in got) <= max(cuts)


def test_reading_after_any_position_gives_exactly_the_rest() -> None:
    source = MemorySource({"a": some_rows(6)}, cuts=(4,))
    for after in range(7):
        assert read(source, {"a": after}) == list(range(after, 6))


def test_pause_is_an_idle_moment() -> None:
    source = MemorySource({"a": [*some_rows(1), PAUSE, *some_rows(1, first=1)]})
    assert [reading is None for reading in source.read(MemoryDesk())] == [False, True, False]


def test_abort_crashes_once_and_reading_goes_on_from_before_it() -> None:
    source = MemorySource({"a": [*some_rows(2), ABORT, *some_rows(2, first=2)]}, cuts=(2,))
    with pytest.raises(AbortedError, match="item 2 of a"):
        read(source)
    assert read(source, {"a": 0}) == [0, 1, 2, 3]


def test_end_ends_a_run_and_the_next_goes_on() -> None:
    source = MemorySource({"a": [*some_rows(2), END, *some_rows(1, first=2)]})
    assert read(source) == [0, 1]
    assert read(source, {"a": 3}) == [2]


def test_a_trailing_signal_does_not_hang_or_add_readings() -> None:
    source = MemorySource({"a": [*some_rows(1), PAUSE]})
    assert list(source.read(MemoryDesk()))[1:] == [None]
    assert len(list(source.read(MemoryDesk()))) == 1


def test_parts_are_read_in_turn_and_claimed_once() -> None:
    desk = MemoryDesk()
    source = MemorySource({"a": some_rows(3), "b": some_rows(1)}, cuts=(1,))
    parts = [reading.part for reading in source.read(desk) if reading is not None]
    assert parts == ["a", "b", "a", "a"]
    assert desk.claimed == ["a", "b"]


def test_poison_becomes_a_dead_letter_in_its_place() -> None:
    source = MemorySource({"a": [*some_rows(1), Poison(b"{", "not JSON"), *some_rows(1, first=1)]})
    (reading,) = source.read(MemoryDesk())
    assert reading is not None
    assert reading.rejected == [DeadLetter("a", 1, 0, "not JSON", "decode", b"{")]
    assert reading.offset.tolist() == [0, 2]


def test_frames_keep_their_shape() -> None:
    rows = rows_of(["cam"], [5], np.ones((1, 2, 3)))
    source = MemorySource({"a": rows})
    assert source.spec().item == (2, 3)
    (reading,) = source.read(MemoryDesk())
    assert reading is not None
    assert reading.values.shape == (1, 2, 3)


def test_commits_are_remembered_and_bad_cuts_refused() -> None:
    source = MemorySource({"a": []})
    source.commit({"a": 4})
    assert source.committed == {"a": 4}
    with pytest.raises(ConfigError):
        MemorySource({}, cuts=(0,))


def test_a_repeated_incident_changes_nothing_and_the_latest_is_known() -> None:
    sink = MemorySink()
    second = replace(FIRST, revision=1, state="resolved")
    sink.send([FIRST, second])
    sink.send([replace(FIRST, reason="other")])
    assert list(sink.incidents.values()) == [FIRST, second]
    assert sink.latest() == {"i1": second}


def test_a_failing_sink_keeps_nothing_and_then_recovers() -> None:
    sink = MemorySink(failures=2)
    for _ in range(2):
        with pytest.raises(SinkError):
            sink.send([FIRST])
    assert not sink.incidents
    sink.send([FIRST])
    assert list(sink.incidents) == [("i1", 0)]


def test_a_lost_answer_keeps_what_was_sent() -> None:
    sink = MemorySink(failures=1, lose_answer=True)
    with pytest.raises(SinkError):
        sink.send([FIRST])
    assert list(sink.incidents) == [("i1", 0)]


def test_dead_letters_are_kept_once_and_can_be_told_to_fail() -> None:
    letters = MemoryDeadLetters(failures=1)
    letter = DeadLetter("a", 1, 0, "bad", "decode", b"x")
    with pytest.raises(SinkError):
        letters.send([letter])
    letters.send([letter])
    letters.send([letter])
    assert list(letters.letters.values()) == [letter]
