import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tocsin.connectors import csv_file
from tocsin.connectors.columns import ROW_NUMBER
from tocsin.connectors.csv_file import CsvSource
from tocsin.connectors.csv_guess import guess_csv
from tocsin.connectors.memory import MemoryDesk
from tocsin.connectors.records import FieldMap
from tocsin.pipeline.errors import SourceError
from tocsin.pipeline.incidents import DeadLetter
from tocsin.pipeline.ports import Reading

FIELDS = FieldMap("ts", ("temp", "flow"), ("id",))
HEADER = "ts,id,temp,flow\n"
CLEAN = HEADER + "".join(f"{1_700_000_000 + i},p{i % 3},{i / 7},{i}\n" for i in range(300))

Step = Callable[[], object]


@dataclass
class ScriptClock:
    """A clock whose every wait runs the next step of a script."""

    steps: list[Step] = field(default_factory=list)

    def now(self) -> int:
        return 0

    def elapsed(self) -> float:
        return 0.0

    def wait(self, seconds: float) -> None:
        assert 0 < seconds < 1
        if self.steps:
            self.steps.pop(0)()


def readings(source: CsvSource, after: int | None = None) -> list[Reading]:
    desk = MemoryDesk({} if after is None else {source.path.name: after})
    return [reading for reading in source.read(desk) if reading is not None]


def rows(source: CsvSource, after: int | None = None) -> list[tuple[object, ...]]:
    """All that a source says of its rows; NaN as text, so that rows compare."""
    return [
        (name, int(time), [repr(v) for v in row], int(offset), raw)
        for r in readings(source, after)
        for name, time, row, offset, raw in zip(
            r.series, r.time, r.values.tolist(), r.offset, r.raw, strict=True
        )
    ]


def letters(source: CsvSource) -> list[DeadLetter]:
    return [letter for reading in readings(source) for letter in reading.rejected]


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str | bytes], Path]:
    def write(text: str | bytes) -> Path:
        path = tmp_path / "pump.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


Write = Callable[[str | bytes], Path]


def test_cells_become_rows(write: Write) -> None:
    path = write(HEADER + "1700000000,p1,20.5,3\n2023-11-14T22:13:21Z,p2, nan ,-1e3\n")
    assert rows(CsvSource(path, FIELDS)) == [
        ("p1", 1_700_000_000 * 10**9, ["20.5", "3.0"], 16, b"1700000000,p1,20.5,3"),
        ("p2", 1_700_000_001 * 10**9, ["nan", "-1000.0"], 37,
         b"2023-11-14T22:13:21Z,p2, nan ,-1e3"),
    ]  # fmt: skip


@pytest.mark.parametrize("size", [1, 7, 64, 299])
def test_rows_do_not_depend_on_the_batch_size(write: Write, size: int) -> None:
    path = write(CLEAN.replace("p1,1.0,", "p1,oops,") + "bad line\n")
    small = replace(CsvSource(path, FIELDS), rows=size)
    assert rows(small) == rows(CsvSource(path, FIELDS))
    assert letters(small) == letters(CsvSource(path, FIELDS))
    assert max(len(r.time) + len(r.rejected) for r in readings(small)) <= size


def test_reading_after_every_position_gives_exactly_the_rest(write: Write) -> None:
    source = CsvSource(write(CLEAN), FIELDS, rows=50)
    everything = rows(source)
    taken = 0
    for reading in readings(source):
        taken += len(reading.time)
        assert rows(source, reading.position) == everything[taken:]


CELLS = st.sampled_from(
    ["1", "-2.5", "+3", "", " ", "nan", "NaN", "nAn", "-nan", "NA", "inf", "-Infinity", "1e999",
     "1e5", ".5", "5.", "1_0", "0x1", "1e", "é", '"4"', '"4', "1,5", " 7 ", "\r", "1\r2"]
)  # fmt: skip
TIMES = st.sampled_from(
    [
        "1700000000",
        "0x1",
        "+1700000000",
        "1.7e9",
        "2023-11-14 22:13:20",
        "2023-11-14T22:13:20Z",
        "",
        "soon",
        " 1700000000 ",
    ]
)
KEYS = st.sampled_from(["p1", " p2", "", "p/3", "7", '"q"', "\u3000x"])
LINES = st.one_of(
    st.tuples(TIMES, KEYS, CELLS, CELLS).map(",".join),
    st.sampled_from(["", "  ", "1,2", ",,,", ",,,,"]),
)


@settings(max_examples=300)
@given(st.lists(LINES, max_size=4), st.sampled_from(["\n", "\r\n"]))
@example(["1700000000,p1,inf,1"], "\n")
@example(["1700000000,p1,nAn,1"], "\n")
@example(["1700000000, p1,1,1"], "\r\n")
@example(["0x6553f100,p1,1,1"], "\n")
@example(["1700000000,p1,1,1", "12,p1,1,1"], "\n")
@example(["1700000000,p1,,1", "", "  "], "\n")
@example(["1700000000,p1,1,1\r1700000000,p1,1,1"], "\n")
def test_the_fast_path_gives_what_the_careful_one_gives(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], end: str
) -> None:
    path = tmp_path_factory.mktemp("fast") / "pump.csv"
    path.write_bytes((HEADER + "".join(line + end for line in lines)).encode())
    source = CsvSource(path, FIELDS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_file, "_FEWEST_FOR_ARROW", 1)
        fast = rows(source), letters(source)
        patch.setattr(csv_file, "_FEWEST_FOR_ARROW", 10**9)
        assert fast == (rows(source), letters(source))


def test_clean_blocks_take_the_fast_path(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(CLEAN)
    careful = rows(CsvSource(path, FIELDS, rows=10))
    monkeypatch.setattr(csv_file, "_careful", None)
    assert rows(CsvSource(path, FIELDS, rows=100)) == careful


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1700000000,p1,1", "3 cells, wanted 4"),
        ("1700000000,p1,1,2,3", "5 cells, wanted 4"),
        ("1700000000,p1,warm,2", "channel 'temp' holds 'warm', not a number"),
        ("1700000000,p1,inf,2", "channel 'temp' holds 'inf', not a number"),
        ("1700000000,p1,1e999,2", "infinite"),
        ("soon,p1,1,2", "time 'soon' is not a number"),
        (",p1,1,2", "empty time"),
        ("12,p1,1,2", "implausible"),
        ("1700000000,,1,2", "key 'id' is empty"),
        ('1700000000,"p1,1,2', "quoted cell does not end"),
    ],
)
def test_a_bad_line_is_a_dead_letter_with_its_bytes_and_place(
    write: Write, line: str, reason: str
) -> None:
    source = CsvSource(write(HEADER + f"1700000000,p1,1,2\n{line}\n1700000001,p1,1,2\n"), FIELDS)
    (letter,) = letters(source)
    assert reason in letter.reason
    assert (letter.part, letter.position, letter.stage) == ("pump.csv", 34, "decode")
    assert letter.value == line.encode()
    assert len(rows(source)) == 2


def test_a_line_that_is_not_utf8_is_a_dead_letter(write: Write) -> None:
    source = CsvSource(write(HEADER.encode() + b"1700000000,\xff,1,2\n"), FIELDS)
    assert letters(source)[0].value == b"1700000000,\xff,1,2"


def test_quoted_cells_marks_and_line_ends_are_understood(write: Write) -> None:
    text = 'ts;"id";temp;flow\r\n1700000000;"a;""b""";1;2\r\n\r\n1700000001;c;3;4'
    source = CsvSource(write(b"\xef\xbb\xbf" + text.encode()), FIELDS)
    assert [row[0] for row in rows(source)] == ['a;"b"', "c"]
    assert rows(source)[0][4] == b'1700000000;"a;""b""";1;2'
    assert rows(source, readings(replace(source, rows=1))[0].position)[0][0] == "c"


def test_series_names_are_joined_as_those_of_messages(write: Write) -> None:
    fields = FieldMap("ts", ("temp",), ("site", "id"))
    source = CsvSource(write("ts,site,id,temp\n1700000000,a/b,7%,1\n"), fields)
    assert rows(source)[0][0] == "a%2Fb/7%25"


def test_missing_columns_are_named(write: Write) -> None:
    with pytest.raises(SourceError, match=r"no column 'flow'; it has 'ts', 'id', 'temp'"):
        CsvSource(write("ts,id,temp\n1700000000,a,1\n"), FIELDS).spec()


def test_row_numbers_stand_for_time_wherever_reading_starts(write: Write) -> None:
    source = CsvSource(write("1.5,2\n\n2.5,3\nx,y\n" + "3.5,4\n" * 20), rows=1)
    assert source.spec().channels == ("c0", "c1")
    times = [0, 1, *range(3, 23)]
    assert [row[1] for row in rows(source)] == [time * 10**9 for time in times]
    second = readings(source)[1].position
    assert [row[1] for row in rows(source, second)] == [time * 10**9 for time in times[2:]]


def test_a_followed_file_gives_complete_lines_as_it_grows(write: Write) -> None:
    path = write(HEADER + "1700000000,p1,1,2\n17000")

    def add(text: str) -> Step:
        return lambda: path.write_text(path.read_text() + text)

    clock = ScriptClock([add("00001,p1,3,4"), add("\n1700000002,p1,5,6\n")])
    source = CsvSource(path, FIELDS, follow=True, clock=clock)
    got = list(islice(source.read(MemoryDesk()), 5))
    assert [None if r is None else r.values[:, 0].tolist() for r in got] == [
        [1.0], None, None, [3.0, 5.0], None,
    ]  # fmt: skip
    assert got[3] is not None
    assert got[3].position == path.stat().st_size


def test_a_followed_file_that_is_cut_replaced_or_gone_is_a_source_error(write: Write) -> None:
    def trouble(step: Callable[[Path], object]) -> None:
        path = write(CLEAN)
        source = CsvSource(path, FIELDS, follow=True, clock=ScriptClock([lambda: step(path)]))
        list(islice(source.read(MemoryDesk()), 5))

    def replace_it(path: Path) -> None:
        other = path.with_suffix(".new")
        other.write_text(CLEAN)
        other.replace(path)

    with pytest.raises(SourceError, match="was cut to 20 bytes"):
        trouble(lambda path: os.truncate(path, 20))
    with pytest.raises(SourceError, match="replaced by another file"):
        trouble(replace_it)
    with pytest.raises(SourceError, match="moved away"):
        trouble(Path.unlink)


def test_a_file_shorter_than_the_position_is_a_source_error(write: Write) -> None:
    with pytest.raises(SourceError, match="was to go on at byte 99999"):
        readings(CsvSource(write(CLEAN), FIELDS), after=99999)


def test_delimiters_are_guessed(write: Write) -> None:
    for delimiter in ",;\t|":
        found = guess_csv(write(CLEAN.replace(",", delimiter)))
        assert found.dialect.delimiter == delimiter
        assert found.fields.channels == ("temp", "flow")
        assert found.fields.key == ("id",)


def test_a_guess_tells_time_labels_and_text_apart(write: Write) -> None:
    text = "".join(f"note {i},{60 * i},{i % 2},{0.5 * i},\n" for i in range(20))
    found = guess_csv(write("what,Timestamp,label,temp,spare\n" + text))
    assert (found.fields.time, found.fields.time_unit) == ("Timestamp", "s")
    assert found.fields.channels == ("temp",)
    assert found.labels == ("label",)
    assert dict(found.left_out) == {"what": "text", "spare": "empty in the first rows"}
    assert found.every == 60 * 10**9
    assert "A series has a row every 1 min." in found.words()
    assert len(rows(CsvSource(found.path))) == 20


def test_a_file_without_header_and_time_says_so(write: Write) -> None:
    found = guess_csv(write("1.5,0\n2.5,0\n3.5,1\n"))
    assert found.fields.time == ROW_NUMBER
    assert (found.fields.channels, found.labels) == (("c0",), ("c1",))
    words = " ".join(found.words())
    assert "without a header" in words
    assert "row numbers stand for seconds since 1970" in words


def test_a_row_without_a_last_line_end_counts(write: Write) -> None:
    source = CsvSource(write("ts,temp\n1700000000,1"))
    assert np.concatenate([r.values for r in readings(source)]).tolist() == [[1.0]]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("ts,temp\n", "a header and no rows"),
        ("ts,note\n1700000000,hello\n", "no column of numbers"),
        (b"ts,temp\n\x00\x01", "is binary"),
        (b"\x1f\x8b\x08abc", "a gzip archive"),
        ("a,b\n1\n1\n1,2,3\n", "is no table"),
    ],
)
def test_a_file_that_is_no_table_is_a_source_error(
    write: Write, text: str | bytes, what: str
) -> None:
    with pytest.raises(SourceError, match=what):
        CsvSource(write(text)).spec()
