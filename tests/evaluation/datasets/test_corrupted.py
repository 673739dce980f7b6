"""Wrong data is an error that names the file, and the line or row, in every format."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tocsin.evaluation.datasets.catalogue import READERS
from tocsin.pipeline.errors import SourceError, TocsinError

Lay = Callable[[str, Path], Path]
Damage = Callable[[bytes], bytes]
UCR = "001_UCR_Anomaly_heart_10_21_25.txt"
TSB_AD = "001_NAB_id_1_Facility_tr_10_1st_20.csv"


def line(number: int, old: str, new: str) -> Damage:
    """Change one line, counted from 1."""

    def damage(held: bytes) -> bytes:
        lines = held.decode().split("\n")
        assert old in lines[number - 1], lines[number - 1]
        lines[number - 1] = lines[number - 1].replace(old, new, 1)
        return "\n".join(lines).encode()

    return damage


def swap(old: str, new: str) -> Damage:
    def damage(held: bytes) -> bytes:
        assert old.encode() in held
        return held.replace(old.encode(), new.encode(), 1)

    return damage


def arrays(**changes: Callable[[np.ndarray], np.ndarray] | None) -> Damage:
    """Change arrays of a `.npz` file, or leave them out."""

    def damage(held: bytes) -> bytes:
        with np.load(io.BytesIO(held)) as loaded:
            kept = {name: loaded[name] for name in loaded.files}
        for name, change in changes.items():
            old = kept.pop(name)
            if change is not None:
                kept[name] = change(old)
        file = io.BytesIO()
        np.savez(file, **kept)
        return file.getvalue()

    return damage


def array(values: np.ndarray) -> Damage:
    def damage(_: bytes) -> bytes:
        file = io.BytesIO()
        np.save(file, values)
        return file.getvalue()

    return damage


def infinite(values: np.ndarray) -> np.ndarray:
    return np.where(np.arange(len(values))[:, None] == 4, np.inf, values)


def all_to(held: str) -> Damage:
    return lambda _: held.encode()


# The reader of a sample that is not named after it.
OTHER_READER = {
    "smd_npz": "smd",
    "msl_npz": "smap_msl",
    "kpi_keyed": "kpi",
    "csv_intervals": "csv",
}
JUNK = bytes(range(256)) * 8
# sample, file to damage
TEXT_FILES = [
    ("nab", "data/real/a.csv"),
    ("nab", "labels/combined_windows.json"),
    ("skab", "data/valve1/0.csv"),
    ("smd", "train/machine-1-1.txt"),
    ("smd", "test/machine-1-1.txt"),
    ("smd", "test_label/machine-1-1.txt"),
    ("smap_msl", "train/P-1.npy"),
    ("smap_msl", "test/P-1.npy"),
    ("msl_npz", "C-1.npz"),
    ("smd_npz", "machine-1-1.npz"),
    ("gecco", "water.csv"),
    ("kpi", "cpu.csv"),
    ("ucr", UCR),
    ("tsb_uad", "beats.out"),
    ("tsb_ad", TSB_AD),
    ("care", "Farm A/datasets/7.csv"),
    ("care", "Farm A/event_info.csv"),
    ("care", "Farm A/feature_description.csv"),
    ("exathlon", "ground_truth.csv"),
    ("exathlon", "app1/1_2_10_68.csv"),
    ("merlion", "flat_spike_anomaly.csv"),
    ("opensearch", "rule.data"),
    ("opensearch", "rule.label"),
    ("csv", "pump.csv"),
    ("csv_intervals", "pump.csv"),
    ("csv_intervals", "intervals.csv"),
]
# sample, file, damage, what the error says
CASES: list[tuple[str, str, Damage, str]] = [
    ("nab", "data/real/a.csv", line(7, "5.5", "abc"), r"a\.csv, line 7: column 'value'.*'abc'"),
    ("nab", "data/real/a.csv", line(7, ",5.5", ""), "line 7: 1 fields, wanted 2"),
    ("nab", "data/real/a.csv", line(7, "5.5", "inf"), "line 7: column 'value' holds an infinity"),
    ("nab", "data/real/a.csv", line(1, "value", "worth"), "line 1: no column 'value'"),
    ("nab", "data/real/a.csv", line(1, "timestamp", "value"), "line 1: no column 'timestamp'"),
    ("nab", "data/real/a.csv", line(5, "00:03", "25:03"), "line 5: column 'timestamp' holds"),
    ("nab", "data/real/a.csv", line(9, "00:07", "00:02"), "line 9: its time is not later"),
    ("nab", "labels/combined_windows.json", swap("a.csv", "b.csv"), "no labels for 'real/a.csv'"),
    ("nab", "labels/combined_windows.json", swap("2024", "2034"), "ends before it starts"),
    ("nab", "labels/combined_windows.json", swap("00:20", "x"), "window 0: wanted two times"),
    ("nab", "labels/combined_windows.json", swap("}", ""), "line 1: not JSON"),
    ("nab", "labels/combined_windows.json", all_to('{"real/a.csv": 3}'), "wanted a list"),
    ("skab", "data/valve1/0.csv", line(4, ";0.0;", ";2.0;"), "line 4.*'2.0'; a label is 0 or 1"),
    ("skab", "data/valve1/0.csv", line(4, ";0.0;", ";;"), "line 4.*''; a label is 0 or 1"),
    ("skab", "data/valve1/0.csv", line(4, "2.5;", "2.5;;"), "line 4: 6 fields, wanted 5"),
    ("skab", "data/valve1/0.csv", line(1, "anomaly", "fault"), "no column 'anomaly'"),
    ("skab", "data/valve1/0.csv", line(1, "Pressure", "Current"), "'Current' stands there twice"),
    ("skab", "data/valve1/0.csv", line(3, "00:01", "00:00"), "line 3: its time is not later"),
    ("smd", "train/machine-1-1.txt", line(3, "2.5", "x"), "machine-1-1.txt, line 3: .*'x'"),
    ("smd", "train/machine-1-1.txt", line(3, "2.5,", ""), "line 3: 1 fields, wanted 2"),
    ("smd", "test_label/machine-1-1.txt", line(2, "0", "3"), "line 2: 3.0 is no label"),
    ("smd", "test_label/machine-1-1.txt", swap("0\n", ""), "29 labels for 30 rows"),
    ("smd", "interpretation_label/machine-1-1.txt", swap("-", ":"), "line 1: wanted start-end"),
    ("smd", "interpretation_label/machine-1-1.txt", swap(":2", ":3"), "dims run from 1 to 2"),
    ("smd", "interpretation_label/machine-1-1.txt", all_to("1-3:1\n"), "line 1: no row from 1 up"),
    ("smd_npz", "machine-1-1.npz", arrays(label=None), "machine-1-1.npz: no array 'label'"),
    ("smd_npz", "machine-1-1.npz", arrays(label=lambda a: a[1:]), "29 labels for 30 rows"),
    ("smd_npz", "machine-1-1.npz", arrays(label=lambda a: a * 2), "row 10: 2 is no label"),
    ("smd_npz", "machine-1-1.npz", arrays(train=lambda a: a[:, :1]), "1 channels in the training"),
    ("msl_npz", "C-1.npz", arrays(test=infinite), "C-1.npz, array 'test', row 4: an infinity"),
    ("msl_npz", "C-1.npz", arrays(test=lambda a: a[:, 0]), r"'test': wanted numbers .*\(30,\)"),
    ("msl_npz", "C-1.npz", arrays(test=lambda a: a.astype(str)), "wanted numbers"),
    ("smap_msl", "labeled_anomalies.csv", swap("P-1", "P-2"), "no labels for 'P-1'"),
    ("smap_msl", "labeled_anomalies.csv", swap("[[10", "[[x"), "line 2: wanted"),
    ("smap_msl", "labeled_anomalies.csv", swap("14]", "30]"), "line 2: .* ends past row 29"),
    ("smap_msl", "labeled_anomalies.csv", swap("[[10, 14]]", "[[10, 14, 3]]"), "line 2: wanted"),
    ("smap_msl", "test/P-1.npy", array(np.zeros((30, 3))), "2 channels in the training part, 3"),
    ("smap_msl", "train/P-1.npy", array(np.zeros(30)), r"P-1.npy: wanted numbers .*\(30,\)"),
    ("gecco", "water.csv", line(6, "FALSE", "MAYBE"), "line 6: column 'EVENT' holds 'MAYBE'"),
    ("gecco", "water.csv", line(6, "00:04", "00:02"), "line 6: its time"),
    ("gecco", "water.csv", line(6, ",4.5,", ",4;5,"), "line 6: column 'pH' holds '4;5'"),
    ("kpi", "cpu.csv", line(2, "1704067200", "soon"), "line 2: column 'timestamp' holds 'soon'"),
    ("kpi", "cpu.csv", line(4, ",0", ",0.5"), "line 4: column 'label' holds '0.5'"),
    ("kpi_keyed", "all.csv", line(44, "1704067320", "1704067200"), "line 44: its time is not"),
    ("ucr", UCR, line(5, "e+00", "e+xx"), "line 5: .* is not a number"),
    ("ucr", UCR, line(5, "4.500000e+00", "inf"), "value 5 is an infinity"),
    ("ucr", UCR, lambda held: held[: len(held) // 2], "the name says .* END <= 20"),
    ("tsb_uad", "beats.out", line(3, "2.5", "1_000"), "line 3: .*'1_000', wanted a number"),
    ("tsb_uad", "beats.out", line(3, ",0", ""), "line 3: 1 fields, wanted 2"),
    ("tsb_uad", "beats.out", line(3, ",0", ",7"), "line 3: column 'label' holds '7'"),
    ("tsb_ad", TSB_AD, line(1, "Label", "Truth"), "the last column must be 'Label'"),
    (
        "tsb_ad",
        TSB_AD,
        lambda held: b"\n".join(held.split(b"\n")[:6]),
        "the name says 10 rows of training; found",
    ),
    ("care", "Farm A/datasets/7.csv", line(3, "train", "test"), "line 3: train_test is 'test'"),
    ("care", "Farm A/datasets/7.csv", line(3, "train", "prediction"), "line 4: a row of training"),
    ("care", "Farm A/datasets/7.csv", line(4, ";2;", ";0;"), "line 4: column 'id'"),
    ("care", "Farm A/datasets/7.csv", line(4, ";2;", ";;"), "line 4: column 'id'"),
    ("care", "Farm A/event_info.csv", line(2, ";7;", ";9;"), "event_info.csv: no event '7'"),
    ("care", "Farm A/event_info.csv", line(2, "anomaly", "odd"), "line 2: event_label is 'odd'"),
    ("care", "Farm A/event_info.csv", line(2, ";20;", ";99;"), "line 2: the interval ends before"),
    ("care", "Farm A/event_info.csv", line(2, ";20;", ";x;"), "line 2: event_start_id"),
    ("care", "Farm A/feature_description.csv", line(2, ";False", ";Maybe"), "line 2: .*'Maybe'"),
    ("exathlon", "ground_truth.csv", swap("1_2_10_68", "1_2_10_69"), "no entry for the disturbed"),
    ("exathlon", "ground_truth.csv", swap("1704067220", ""), "line 2: root_cause_start"),
    ("exathlon", "ground_truth.csv", swap("1704067220", "1604067220x"), "line 2: column 'root_"),
    ("exathlon", "app1/1_2_10_68.csv", line(1, "t,", "time,"), "no column 't'"),
    ("merlion", "flat_spike_anomaly.csv", line(2, "0.0", "-1"), "line 2: .*'-1'; a label"),
    ("merlion", "flat_spike_anomaly.csv", line(3, "300", "0"), "line 3: its time is not later"),
    ("opensearch", "rule.data", swap("0.5", '"0.5"'), "record 0: several text fields"),
    ("opensearch", "rule.data", swap("3.5", '"3.5"'), "record 6: visits is '3.5'"),
    ("opensearch", "rule.data", swap('"timestamp"', '"when"'), "record 0: no 'timestamp'"),
    ("opensearch", "rule.data", swap("1704067260000", '"x"'), "record 2: timestamp is 'x'"),
    ("opensearch", "rule.data", swap("1704067320000", "1704067200000"), "record 4: its time"),
    ("opensearch", "rule.data", swap("3.5", "Infinity"), "record 6: an infinity"),
    ("opensearch", "rule.data", swap("},", "}"), r"rule\.data, line 7: not JSON"),
    ("opensearch", "rule.data", all_to("{}"), "wanted a list of records"),
    ("opensearch", "rule.label", swap("Oslo", "Rome"), "no records of 'rule/Rome'"),
    ("opensearch", "rule.label", swap("00:20", "09:20"), "window 0: the interval ends before"),
    ("csv", "pump.csv", line(3, ",0", ",maybe"), "line 3: column 'label' holds 'maybe'"),
    ("csv", "pump.csv", line(3, "00:01", "00:00"), "line 3: its time is not later"),
    ("csv_intervals", "intervals.csv", swap("pump,", "fan,"), "no row for the series 'pump'"),
    ("csv_intervals", "intervals.csv", swap("flow heat", "flow cold"), "line 2: no channel 'cold'"),
    ("csv_intervals", "intervals.csv", swap("00:24", "00:14"), "line 2: .* ends before it starts"),
    ("csv_intervals", "intervals.csv", swap("00:24", "soon"), "line 2: column 'end' holds"),
]


def read_damaged(place: Path, sample: str, file: str, damage: Damage) -> None:
    path = place / file
    path.write_bytes(damage(path.read_bytes()))
    name = OTHER_READER.get(sample, sample)
    list(READERS[name].read(place))


@pytest.mark.parametrize(
    ("sample", "file", "damage", "says"), CASES, ids=[f"{c[0]}-{c[3]}" for c in CASES]
)
def test_wrong_data_is_named(
    sample: str, file: str, damage: Damage, says: str, tmp_path: Path, lay: Lay
) -> None:
    with pytest.raises(SourceError, match=says) as caught:
        read_damaged(lay(sample, tmp_path), sample, file, damage)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("held", [b"", JUNK, b"\0" * 64], ids=["empty", "junk", "zeros"])
@pytest.mark.parametrize(("sample", "file"), TEXT_FILES, ids=[f"{s}-{f}" for s, f in TEXT_FILES])
def test_a_file_of_nothing_or_of_junk_is_named(
    sample: str, file: str, held: bytes, tmp_path: Path, lay: Lay
) -> None:
    with pytest.raises(SourceError, match=r"\S") as caught:
        read_damaged(lay(sample, tmp_path), sample, file, lambda _: held)
    assert str(tmp_path) in str(caught.value)


def outcome(place: Path, sample: str, file: str, held: bytes) -> str:
    """The error's words, or the place where there is none; any other error is a crash."""
    try:
        read_damaged(place, sample, file, lambda _: held)
    except TocsinError as error:
        return str(error)
    return str(place)


@pytest.mark.parametrize(("sample", "file"), TEXT_FILES, ids=[f"{s}-{f}" for s, f in TEXT_FILES])
def test_a_byte_changed_anywhere_is_read_or_refused_but_never_crashes(
    sample: str, file: str, tmp_path: Path, lay: Lay
) -> None:
    rng = np.random.default_rng(5)
    place = lay(sample, tmp_path)
    whole = (place / file).read_bytes()
    for _ in range(20):
        held = bytearray(whole)
        held[int(rng.integers(len(whole)))] = int(rng.integers(256))
        assert str(place) in outcome(place, sample, file, bytes(held))


@pytest.mark.parametrize("sample", ["csv", "kpi", "merlion", "tsb_uad", "gecco", "skab"])
def test_a_cut_off_file_is_read_or_refused_but_never_crashes(
    sample: str, tmp_path: Path, lay: Lay
) -> None:
    file = next(file for one, file in TEXT_FILES if one == sample)
    place = lay(sample, tmp_path)
    whole = (place / file).read_bytes()
    for end in range(0, len(whole), 61):
        assert str(place) in outcome(place, sample, file, whole[:end])
