"""Files as spreadsheets and loggers export them: decimal commas, and dates of many forms."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tocsin.connectors import csv_file
from tocsin.connectors.csv_file import CsvSource
from tocsin.connectors.csv_guess import guess_csv
from tocsin.connectors.dialect import Dialect
from tocsin.connectors.dialect_guess import decimal_commas, usual_formats
from tocsin.connectors.guessing import Guess, guess_columns
from tocsin.connectors.memory import MemoryDesk
from tocsin.connectors.records import FieldMap
from tocsin.connectors.times import parse_times
from tocsin.pipeline.errors import ConfigError, SourceError
from tocsin.pipeline.ports import Reading

FIELDS = FieldMap("Zeit", ("Leistung", "Temp"), ("Anlage",))
HEADER = "Zeit;Anlage;Leistung;Temp\n"
GERMAN = HEADER + "".join(
    f"{1 + i // 144:02}.03.2025 {i // 6 % 24:02}:{i % 6}0;WT {k};{i + k};{i % 7},{i % 10}5\n"
    for i in range(200)
    for k in range(3)
)
Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str) -> Path:
        path = tmp_path / "export.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def column(*cells: str, name: str = "time") -> str:
    """A table of a column and a channel, whose values are cells of one digit."""
    return f"{name},a\n" + "".join(f"{cell},{i % 10}\n" for i, cell in enumerate(cells))


def read(source: CsvSource) -> Reading:
    (reading,) = [reading for reading in source.read(MemoryDesk()) if reading is not None]
    return reading


def nanoseconds(*texts: str) -> list[int]:
    return parse_times(texts)[0].tolist()


def test_a_german_export_is_read_as_it_is_meant(write: Write) -> None:
    path = write(GERMAN)
    found = guess_csv(path)
    assert (found.fields.time, found.fields.key) == ("Zeit", ("Anlage",))
    assert found.fields.channels == ("Leistung", "Temp")
    assert (found.dialect.decimal, found.dialect.time_format) == (",", "%d.%m.%Y %H:%M")
    assert found.every == 600 * 10**9
    words = " ".join(found.words())
    assert "Numbers are written with decimal ','." in words
    assert "Time is 'Zeit' (written %d.%m.%Y %H:%M, UTC" in words
    reading = read(CsvSource(path))
    assert reading.values[3].tolist() == [1.0, 1.15]
    assert reading.time[[0, -1]].tolist() == nanoseconds("2025-03-01T00:00Z", "2025-03-02T09:10Z")
    assert not reading.rejected


def test_declared_columns_are_read_in_the_declared_dialect(write: Write) -> None:
    text = HEADER + '10.03.2025 00:00;w;"1.729,5";-,5\n10.03.2025 00:10;w;12;1.5\n'
    dialect = Dialect(decimal=",", thousands=".", time_format="%d.%m.%Y %H:%M")
    reading = read(CsvSource(write(text), FIELDS, dialect))
    assert reading.values.tolist() == [[1729.5, -0.5]]
    assert reading.time.tolist() == nanoseconds("2025-03-10T00:00Z")
    assert [letter.reason for letter in reading.rejected] == [
        "channel 'Temp' holds '1.5', not a number"
    ]


@pytest.mark.parametrize("odd", ["", "3,", ",5", "1.5", "-1e3", "1,5e2", "inf", "1,2,3", "0x1"])
def test_arrow_reads_a_dialect_as_lines_do(
    write: Write, monkeypatch: pytest.MonkeyPatch, odd: str
) -> None:
    source = CsvSource(
        write(GERMAN + f"02.03.2025 23:50;x;1;{odd}\n"),
        FIELDS,
        Dialect(decimal=",", time_format="%d.%m.%Y %H:%M"),
    )
    fast = read(source)
    monkeypatch.setattr(csv_file, "_FEWEST_FOR_ARROW", 10**9)
    careful = read(source)
    assert repr(fast.values.tolist()) == repr(careful.values.tolist())
    assert fast.time.tolist() == careful.time.tolist()
    assert fast.rejected == careful.rejected


def test_a_block_in_a_dialect_takes_the_fast_path(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_file, "_careful", None)
    assert len(read(CsvSource(write(GERMAN))).time) == 600


def test_a_time_of_another_form_is_a_dead_letter_that_says_so(write: Write) -> None:
    source = CsvSource(
        write(column("10.03.2025 00:00", "2025-03-10T00:10")),
        FieldMap("time", ("a",)),
        Dialect(time_format="%d.%m.%Y %H:%M"),
    )
    (letter,) = read(source).rejected
    assert letter.reason == "time '2025-03-10T00:10' is not written '%d.%m.%Y %H:%M'"


def test_a_format_with_an_offset_and_one_of_local_time_keep_their_zones(write: Write) -> None:
    fields = FieldMap("time", ("a",), zone="Europe/Berlin")
    local = CsvSource(
        write(column("10.03.2025 01:00")), fields, Dialect(time_format="%d.%m.%Y %H:%M")
    )
    assert read(local).time.tolist() == nanoseconds("2025-03-10T00:00Z")
    zoned = CsvSource(
        write(column("10.03.2025 01:00 +0200")), fields, Dialect(time_format="%d.%m.%Y %H:%M %z")
    )
    assert read(zoned).time.tolist() == nanoseconds("2025-03-09T23:00Z")


@pytest.mark.parametrize(
    ("columns", "signs"),
    [
        ([["8,5", "7"]], (",", "")),
        ([["1,729"]], ("", "")),
        ([["1,729"], ["0,125"]], (",", "")),
        ([["1,729"], ["1234,567"]], (",", "")),
        ([["1.729,5"], ["1.729"]], (",", ".")),
        ([["8,5"], ["1.729"]], ("", "")),
        ([["8,5"], ["8.5"]], ("", "")),
        ([["8,5"], ["10.03.2025", "11.03.2025"]], (",", "")),
        ([["8,5 kW"], ["7"]], ("", "")),
        ([[]], ("", "")),
    ],
)
def test_commas_are_decimal_only_where_there_is_no_other_reading(
    columns: list[list[str]], signs: tuple[str, str]
) -> None:
    assert decimal_commas(columns) == signs


@pytest.mark.parametrize(
    ("cells", "formats"),
    [
        (["29.03.2025 10:00"], ("%d.%m.%Y %H:%M",)),
        (["03/29/2025 10:00:30"], ("%m/%d/%Y %H:%M:%S",)),
        (["29/03/2025"], ("%d/%m/%Y",)),
        (["3/29/25 1:05 PM"], ("%m/%d/%y %I:%M %p",)),
        (["2025-03-29 01:00:00 AM"], ("%Y-%m-%d %I:%M:%S %p",)),
        (["29-Mar-2025 10:00:00"], ("%d-%b-%Y %H:%M:%S",)),
        (["01/02/2025", "02/03/2025"], ("%m/%d/%Y", "%d/%m/%Y")),
        (["01/02/2025"] * 3000 + ["13/02/2025"], ("%d/%m/%Y",)),
        (["a day in March"], ()),
        ([], ()),
    ],
)
def test_usual_formats_are_told_from_the_cells(cells: list[str], formats: tuple[str]) -> None:
    assert usual_formats(cells) == formats


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (["2025-03-29 00:00:00 CET"], "csv source: '%Y-%m-%d %H:%M:%S CET'"),
        (["01/02/2025 10:00"], "csv source: '%m/%d/%Y %H:%M' or '%d/%m/%Y %H:%M'"),
        (["week 13"], "csv source: '%d.%m.%Y %H:%M'"),
        (["", ""], "it is empty"),
        (["-5", "-4"], "time -5.0 is implausible"),
    ],
)
def test_a_time_that_cannot_be_read_is_an_error_with_a_cell_and_a_way_out(
    write: Write, cells: list[str], said: str
) -> None:
    with pytest.raises(SourceError) as caught:
        guess_csv(write(column(*cells)))
    assert "column 'time' looks like the time and cannot be read" in str(caught.value)
    assert said in str(caught.value)
    assert cells[0].removeprefix("-") in str(caught.value)


def test_a_column_of_dates_is_taken_for_the_time_whatever_its_name(write: Write) -> None:
    assert guess_csv(write(column("03/29/2025 10:00", name="when"))).fields.time == "when"
    with pytest.raises(SourceError, match="column 'when' looks like the time"):
        guess_csv(write(column("01/02/2025 10:00", name="when")))


def test_a_told_format_settles_what_a_guess_cannot(write: Write) -> None:
    path = write(column("01/02/2025 10:00", "01/02/2025 10:01", name="when"))
    found = guess_csv(path, Dialect(time_format="%d/%m/%Y %H:%M"))
    assert found.fields.time == "when"
    reading = read(CsvSource(path, found.fields, found.dialect))
    assert reading.time.tolist()[0] == nanoseconds("2025-02-01T10:00Z")[0]
    with pytest.raises(
        SourceError, match=r"written '%d\.%m\.%Y'; it has 'when' '01/02/2025 10:00'"
    ):
        guess_csv(path, Dialect(time_format="%d.%m.%Y"))


def test_dates_written_as_one_number_are_dates_and_no_seconds(write: Write) -> None:
    path = write(column("20250310", "20250311", name="date"))
    assert guess_csv(path).dialect.time_format == "%Y%m%d"
    assert read(CsvSource(path)).time.tolist() == nanoseconds("2025-03-10", "2025-03-11")


def test_a_second_time_that_cannot_be_read_is_a_doubt(write: Write) -> None:
    found = guess_csv(write("date,time,a\n2025-03-10,10:00:00,1\n2025-03-11,10:00:00,2\n"))
    assert found.fields.time == "date"
    (doubt,) = found.doubts
    assert "column 'time' looks like the time and cannot be read: time '10:00:00'" in doubt


def test_commas_that_may_part_thousands_are_asked_about(write: Write) -> None:
    rows = "2025-03-10T00:00Z,{0},1.5\n2025-03-10T00:01Z,{0},2.5\n"
    found = guess_csv(write("time,power,a\n" + rows.format('"1,729"')))
    assert found.fields.channels == ("a",)
    assert found.doubts == (
        "column 'power' holds '1,729': "
        "say what the comma is with decimal or thousands of the csv source",
    )
    with pytest.raises(
        SourceError, match=r"no column of numbers; column 'power' holds '1,729': say"
    ):
        guess_csv(write('time,power\n2025-03-10T00:00Z,"1,729"\n'))
    told = guess_csv(write("time,power,a\n" + rows.format('"1,729"')), Dialect(thousands=","))
    assert told.fields.channels == ("power", "a")
    assert read(CsvSource(told.path, told.fields, told.dialect)).values[0].tolist() == [1729.0, 1.5]


def test_a_first_line_of_commas_and_dates_is_no_header(write: Write) -> None:
    found = guess_csv(write("10.03.2025 00:00;8,5\n11.03.2025 00:00;8,25\n"))
    assert found.dialect.header is False
    assert (found.fields.time, found.fields.channels) == ("c0", ("c1",))


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_decimal_commas_are_not_taken_for_the_delimiter(write: Write, delimiter: str) -> None:
    text = "a;b;c\n" + "".join(f"{i},5;{i},25;{i},125\n" for i in range(9))
    found = guess_csv(write(text.replace(";", delimiter)))
    assert found.dialect.delimiter == delimiter
    assert found.fields.channels == ("a", "b", "c")


def test_the_usual_step_does_not_hang_on_the_order_of_the_rows(tmp_path: Path) -> None:
    minutes = [(7 * i) % 60 for i in range(60)]

    def guessed(order: list[int]) -> Guess:
        sample = {
            "time": [f"2025-03-29T10:{m:02}:00Z" for m in order],
            "a": list(map(float, order)),
        }
        return guess_columns(sample, tmp_path / "rows.csv", "csv", "rows")

    assert guessed(minutes).every == guessed(sorted(minutes)).every == 60 * 10**9


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"decimal": ",,"}, "one character"),
        ({"delimiter": "||"}, "one character"),
        ({"decimal": "5"}, "stands for itself"),
        ({"thousands": "."}, "are both '.'"),
        ({"time_format": "%Q"}, "'Q' is a bad directive"),
        ({"time_format": "%Y %Y"}, "cannot be used"),
        ({"time_format": "yyyy-MM-dd"}, "has no field"),
        ({"time_format": "%Y-%m-%d %Z"}, "has %Z"),
    ],
)
def test_a_dialect_that_cannot_be_is_a_config_error(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Dialect(**wrong)
