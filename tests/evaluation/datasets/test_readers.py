"""Every published format is read to the same rows, labels, prefix and names."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tocsin.evaluation.datasets.care import read_care
from tocsin.evaluation.datasets.catalogue import READERS, recognise
from tocsin.evaluation.datasets.exathlon import read_exathlon
from tocsin.evaluation.datasets.gecco import read_gecco
from tocsin.evaluation.datasets.kpi import read_kpi
from tocsin.evaluation.datasets.labelled import Event, Labelled
from tocsin.evaluation.datasets.labelled_csv import read_csv_folder
from tocsin.evaluation.datasets.merlion import read_merlion
from tocsin.evaluation.datasets.nab import read_nab
from tocsin.evaluation.datasets.opensearch import read_opensearch
from tocsin.evaluation.datasets.skab import read_skab
from tocsin.evaluation.datasets.smap_msl import read_smap_msl
from tocsin.evaluation.datasets.smd import read_smd
from tocsin.evaluation.datasets.tsb_ad import read_tsb_ad
from tocsin.evaluation.datasets.tsb_uad import read_tsb_uad
from tocsin.evaluation.datasets.ucr import read_ucr
from tocsin.pipeline.errors import SourceError

Lay = Callable[[str, Path], Path]
MINUTE = 60 * 10**9
START = 1_704_067_200 * 10**9


@dataclass(frozen=True, slots=True)
class Format:
    """A sample, its reader, its series, and what the first of them with an event has."""

    sample: str
    reader: str
    names: tuple[str, ...]
    train: int = 6  # 15 % of forty rows
    channels: tuple[str, ...] = ("value",)
    kind: str = ""
    at_fault: tuple[str, ...] = ()


TSB_AD = "001_NAB_id_1_Facility_tr_10_1st_20"
FORMATS = [
    Format("nab", "nab", ("NAB/real/a",)),
    Format(
        "skab",
        "skab",
        ("SKAB/anomaly-free/anomaly-free", "SKAB/valve1/0"),
        20,
        ("Current", "Pressure"),
        "inlet valve closed",
    ),
    Format("smd", "smd", ("SMD/machine-1-1",), 10, ("c1", "c2"), "", ("c2",)),
    Format("smd_npz", "smd", ("SMD/machine-1-1",), 10, ("c1", "c2"), "", ("c2",)),
    Format("smap_msl", "smap_msl", ("SMAP/P-1",), 10, ("telemetry", "command1"), "contextual"),
    Format("msl_npz", "smap_msl", ("SMAP-MSL/C-1",), 10, ("telemetry", "command1")),
    Format("gecco", "gecco", ("GECCO/water",), 20, ("pH", "Redox")),
    Format("kpi", "kpi", ("KPI/cpu",), 20),
    Format("kpi_keyed", "kpi", ("KPI/all/a1", "KPI/all/b1"), 20),
    Format("ucr", "ucr", ("UCR/001_UCR_Anomaly_heart_10_21_25",), 10),
    Format("tsb_uad", "tsb_uad", ("tsb_uad/beats",)),
    Format("tsb_ad", "tsb_ad", (f"TSB-AD-NAB/{TSB_AD}",), 10, ("left", "right")),
    Format(
        "care",
        "care",
        ("CARE/Farm A/7", "CARE/Farm A/8"),
        10,
        ("wind_avg", "nacelle_avg"),
        "gearbox",
    ),
    Format(
        "exathlon",
        "exathlon",
        ("Exathlon/1_0_10_2", "Exathlon/1_2_10_68"),
        channels=("driver", "executor"),
        kind="bursty_input",
    ),
    Format("merlion", "merlion", ("Merlion/flat_spike_anomaly",), channels=("flat",), kind="spike"),
    Format(
        "opensearch",
        "opensearch",
        ("OpenSearch/rule/Oslo", "OpenSearch/rule/Bergen"),
        channels=("visits",),
    ),
    Format("csv", "csv", ("csv/pump",), channels=("flow", "heat")),
    Format(
        "csv_intervals",
        "csv",
        ("csv_intervals/pump",),
        channels=("flow", "heat"),
        kind="leak",
        at_fault=("flow", "heat"),
    ),
]
EACH = pytest.mark.parametrize("layout", FORMATS, ids=lambda layout: layout.sample)


def test_every_reader_has_a_sample() -> None:
    assert {layout.reader for layout in FORMATS} == set(READERS)


@EACH
def test_a_published_layout_is_read_to_its_rows_and_labels(
    layout: Format, tmp_path: Path, lay: Lay
) -> None:
    series = list(READERS[layout.reader].read(lay(layout.sample, tmp_path)))
    assert tuple(one.name for one in series) == layout.names
    first = next(one for one in series if one.truth.events)
    assert first.truth.events == (Event(20, 24, layout.kind, layout.at_fault),)
    assert np.flatnonzero(first.truth.label).tolist() == [20, 21, 22, 23, 24]
    assert (len(first.stream), first.train) == (40, layout.train)
    assert first.stream.channels == layout.channels
    assert first.stream.values[:, 0].tolist() == [row % 7 + 0.5 for row in range(40)]
    assert first.source
    assert first.licence


@EACH
def test_a_layout_is_told_from_all_others(layout: Format, tmp_path: Path, lay: Lay) -> None:
    assert recognise(lay(layout.sample, tmp_path)) == layout.reader


READ_FILE: list[tuple[Callable[[Path], object], str, str]] = [
    (read_nab, "nab", "data/real/a.csv"),
    (read_skab, "skab", "data/valve1/0.csv"),
    (read_smd, "smd", "train/machine-1-1.txt"),
    (read_smap_msl, "smap_msl", "train/P-1.npy"),
    (read_gecco, "gecco", "water.csv"),
    (read_kpi, "kpi", "cpu.csv"),
    (read_ucr, "ucr", "001_UCR_Anomaly_heart_10_21_25.txt"),
    (read_tsb_uad, "tsb_uad", "beats.out"),
    (read_tsb_ad, "tsb_ad", "001_NAB_id_1_Facility_tr_10_1st_20.csv"),
    (read_care, "care", "Farm A/datasets/7.csv"),
    (read_exathlon, "exathlon", "app1/1_2_10_68.csv"),
    (read_merlion, "merlion", "flat_spike_anomaly.csv"),
    (read_opensearch, "opensearch", "rule.data"),
    (read_csv_folder, "csv", "pump.csv"),
]


@pytest.mark.parametrize(("read", "sample", "file"), READ_FILE, ids=[c[1] for c in READ_FILE])
def test_one_file_is_read_as_from_its_folder(
    read: Callable[[Path], list[Labelled]], sample: str, file: str, tmp_path: Path, lay: Lay
) -> None:
    place = lay(sample, tmp_path)
    whole = {one.name: one for one in READERS[sample].read(place)}
    for one in read(place / file):
        same = whole[one.name]
        assert np.array_equal(one.stream.values, same.stream.values, equal_nan=True)
        assert np.array_equal(one.stream.time, same.stream.time)
        assert one.truth.events == same.truth.events


@pytest.mark.parametrize("name", READERS)
def test_a_folder_without_the_format_says_what_was_looked_for(name: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="looked for"):
        list(READERS[name].read(tmp_path))


@pytest.mark.parametrize("name", READERS)
def test_a_place_that_is_not_there_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nowhere"):
        list(READERS[name].read(tmp_path / "nowhere"))


def test_times_given_are_kept_and_times_made_up_are_marked(tmp_path: Path, lay: Lay) -> None:
    given = next(read_nab(lay("nab", tmp_path))).stream
    made = next(read_smd(lay("smd", tmp_path))).stream
    assert given.clocked
    assert given.time.tolist() == [START + MINUTE * row for row in range(40)]
    assert not made.clocked
    assert made.time.tolist() == [MINUTE * row for row in range(40)]


def test_smd_blames_a_channel_in_labelled_rows_alone(tmp_path: Path, lay: Lay) -> None:
    truth = next(read_smd(lay("smd", tmp_path))).truth
    assert truth.by_channel is not None
    assert np.array_equal(truth.by_channel[:, 1], truth.label)
    assert not truth.by_channel[:, 0].any()


def test_missing_values_are_nan(tmp_path: Path, lay: Lay) -> None:
    values = next(read_gecco(lay("gecco", tmp_path))).stream.values
    assert np.argwhere(np.isnan(values)).tolist() == [[3, 1]]


def test_care_keeps_status_window_and_the_nature_of_sensors(tmp_path: Path, lay: Lay) -> None:
    fault, calm = read_care(lay("care", tmp_path))
    assert fault.truth.normal is not None
    assert np.flatnonzero(~fault.truth.normal).tolist() == [30]
    assert fault.truth.window == calm.truth.window == (20, 24)
    assert not calm.truth.label.any()
    assert fault.notes == ("angles: nacelle_avg",)


def test_care_is_read_from_one_farm_as_well(tmp_path: Path, lay: Lay) -> None:
    farm = lay("care", tmp_path) / "Farm A"
    assert [one.name for one in read_care(farm)] == ["CARE/Farm A/7", "CARE/Farm A/8"]


def test_an_exathlon_anomaly_without_an_effect_ends_with_its_cause(
    tmp_path: Path, lay: Lay
) -> None:
    place = lay("exathlon", tmp_path)
    truth = place / "ground_truth.csv"
    end = str(1_704_067_200 + 24)
    truth.write_text(truth.read_text().replace(end, ""))
    disturbed = list(read_exathlon(place))[1]
    assert disturbed.truth.events == (Event(20, 22, "bursty_input"),)


def test_a_prefix_with_a_label_is_cut_before_it_and_says_so(tmp_path: Path, lay: Lay) -> None:
    one = next(read_gecco(lay("gecco", tmp_path)))
    assert one.train == 20
    assert one.notes == ("training prefix of 40 rows cut to 20, before the first labelled row",)


def test_a_few_late_or_repeated_rows_are_left_out_with_a_note(tmp_path: Path) -> None:
    lines = [f"{60 * row},1.0,{int(row == 300)}" for row in range(400)]
    lines[101] = lines[100]
    path = tmp_path / "cpu.csv"
    path.write_text("\n".join(["timestamp,value,label", *lines]))
    one = next(read_kpi(path))
    assert len(one.stream) == 399
    assert one.truth.events == (Event(299, 299),)
    assert "1 rows left out, late or repeating a time; the first in line 103" in one.notes


def test_a_channel_of_a_spacecraft_without_labels_is_left_out(tmp_path: Path, lay: Lay) -> None:
    place = lay("smap_msl", tmp_path)
    for part in ("train", "test"):
        shutil.copy(place / part / "P-1.npy", place / part / "T-10.npy")
    assert [one.name for one in read_smap_msl(place)] == ["SMAP/P-1"]
    with pytest.raises(SourceError, match="no labels for 'T-10'"):
        list(read_smap_msl(place / "train" / "T-10.npy"))
