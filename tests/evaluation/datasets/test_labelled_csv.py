"""A csv file of one's own: a label column, or intervals in a second file."""

from pathlib import Path

import numpy as np
import pytest

from tocsin.evaluation.datasets.catalogue import READERS
from tocsin.evaluation.datasets.labelled import Event
from tocsin.evaluation.datasets.labelled_csv import read_labelled_csv
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
