"""A csv file of one's own: a label column, or intervals in a second file."""

from pathlib import Path

import numpy as np
import pytest

from tocsin.evaluation.datasets.catalogue import READERS, list_series
from tocsin.evaluation.datasets.labelled import Event
from tocsin.evaluation.datasets.labelled_csv import Named, read_labelled_csv
from tocsin.pipeline.errors import ConfigError, SourceError, TocsinError


def write(path: Path, head: str, *lines: str) -> Path:
    path.write_text("\n".join([head, *lines, ""]))
    return path


@pytest.fixture
def pump(tmp_path: Path) -> Path:
    rows = [f"2024-01-01T00:{row:02}:00+01:00,{row},{-row},{int(row == 50)}" for row in range(60)]
    return write(tmp_path / "pump.csv", "when,flow,heat,broken", *rows)


def test_label_time_and_channels_are_named(pump: Path) -> None:
    one = read_labelled_csv(pump, label="broken", time="when", channels=("heat",), train=40)
    assert (one.stream.series, one.stream.channels, one.train) == ("pump", ("heat",), 40)
    assert one.truth.events == (Event(50, 50),)
    assert one.stream.time[0] == np.datetime64("2023-12-31T23:00", "ns").astype(np.int64)


def test_without_a_time_column_the_clock_is_made_up_and_intervals_are_rows(tmp_path: Path) -> None:
    data = write(tmp_path / "fan.csv", "speed", *map(str, range(30)))
    told = write(tmp_path / "faults.csv", "start,end,kind", "20,22,worn", "25,25,")
    one = read_labelled_csv(data, intervals=told)
    assert not one.stream.clocked
    assert one.truth.events == (Event(20, 22, "worn"), Event(25, 25))
    assert one.train == 4


def test_intervals_that_touch_are_one_event_of_both_kinds(tmp_path: Path) -> None:
    data = write(tmp_path / "fan.csv", "speed", *map(str, range(30)))
    told = write(tmp_path / "faults.csv", "start,end,kind", "20,22,worn", "23,25,hot")
    assert read_labelled_csv(data, intervals=told).truth.events == (Event(20, 25, "worn+hot"),)


def test_a_folder_shares_one_file_of_intervals(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / f"{name}.csv", "time,x", *(f"{60 * row},1" for row in range(9)))
    write(tmp_path / "intervals.csv", "series,start,end", "a,300,360", "b,,")
    first, second = READERS["csv"].read(tmp_path)
    assert first.truth.events == (Event(5, 6),)
    assert second.truth.events == ()


def test_a_prefix_that_was_asked_for_and_is_not_clean_is_an_error(pump: Path) -> None:
    with pytest.raises(TocsinError, match="row 50 is labelled"):
        read_labelled_csv(pump, label="broken", time="when", train=55)


def test_labels_come_from_one_place(pump: Path) -> None:
    with pytest.raises(ConfigError, match="either"):
        read_labelled_csv(pump)
    with pytest.raises(ConfigError, match="either"):
        read_labelled_csv(pump, label="broken", intervals=pump)


def test_a_column_that_is_not_there_is_named_with_those_that_are(pump: Path) -> None:
    with pytest.raises(SourceError, match="no column 'fault'; found 'when', 'flow'"):
        read_labelled_csv(pump, label="fault", time="when")


def test_a_row_number_must_be_one(tmp_path: Path) -> None:
    data = write(tmp_path / "fan.csv", "speed", *map(str, range(30)))
    told = write(tmp_path / "faults.csv", "start,end", "1,2", "4,5.5")
    with pytest.raises(SourceError, match=r"faults\.csv, line 3: column 'end' holds '5\.5'"):
        read_labelled_csv(data, intervals=told)


@pytest.mark.parametrize("factor", [1, 10**3, 10**6, 10**9], ids=["s", "ms", "us", "ns"])
def test_numbers_of_any_unit_are_the_same_times(factor: int, tmp_path: Path) -> None:
    seconds = [1_704_067_200 + row for row in range(5)]
    data = write(tmp_path / "a.csv", "t,x,label", *(f"{s * factor},1,0" for s in seconds))
    one = read_labelled_csv(data, label="label")
    assert one.stream.time.tolist() == [s * 10**9 for s in seconds]


def fleet(folder: Path) -> Path:
    """Two assets in one file, their rows by turns, under names of its own."""
    rows = [
        f"{60 * minute},{asset},{minute},{note},{int(asset == 'b' and minute == 9)}"
        for minute in range(12)
        for asset, note in (("a", 1), ("b", 2))
    ]
    folder.mkdir()
    return write(folder / "log.csv", "when,asset,flow,note,broken", *rows)


NAMES = Named(time="when", label="broken", key="asset")


def test_told_columns_cut_a_file_into_its_series(tmp_path: Path) -> None:
    fleet(tmp_path / "fans")
    first, second = (one.read() for one in list_series(tmp_path, named=NAMES))
    assert [one.name for one in (first, second)] == ["fans/log/a", "fans/log/b"]
    assert first.stream.channels == ("flow", "note")
    assert first.stream.values[:, 1].tolist() == [1] * 12
    assert first.truth.events == ()
    assert second.truth.events == (Event(9, 9),)
    assert second.stream.time[9] == 540 * 10**9


def test_told_channels_are_the_only_ones(tmp_path: Path) -> None:
    fleet(tmp_path / "fans")
    named = Named("when", "broken", ("note",), "asset")
    assert list_series(tmp_path, named=named)[0].read().stream.channels == ("note",)


def test_intervals_name_the_series_of_a_file_by_their_key(tmp_path: Path) -> None:
    fleet(tmp_path / "fans")
    write(tmp_path / "fans" / "intervals.csv", "series,start,end", "a,60,120", "b,,")
    named = Named(time="when", channels=("flow",), key="asset")
    first, second = (one.read() for one in list_series(tmp_path, named=named))
    assert first.truth.events == (Event(1, 2),)
    assert second.truth.events == ()


def test_a_label_that_no_file_has_is_told(tmp_path: Path) -> None:
    fleet(tmp_path / "fans")
    with pytest.raises(SourceError, match=r"looked for \*\.csv with a column 'bust'$"):
        list_series(tmp_path, named=Named(label="bust"))


def test_a_row_without_a_key_is_told_by_its_line(tmp_path: Path) -> None:
    file = fleet(tmp_path / "fans")
    file.write_text(file.read_text() + "720,,1,1,0\n")
    with pytest.raises(SourceError, match=r"log\.csv, line 26: column 'asset' is empty"):
        list_series(tmp_path, named=NAMES)
