"""A folder of data sets is listed without reading it, and read without any setting."""

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from tocsin.evaluation.datasets.catalogue import (
    READERS,
    Reference,
    list_series,
    read_folder,
    recognise,
)
from tocsin.pipeline.errors import ConfigError, SourceError

Lay = Callable[[str, Path], Path]


def test_a_folder_and_its_subfolders_are_read_in_a_stable_order(tmp_path: Path, lay: Lay) -> None:
    for name in ("smd", "nab", "csv"):
        lay(name, tmp_path)
    wanted = ["csv/pump", "NAB/real/a", "SMD/machine-1-1"]
    assert [one.name for one in read_folder(tmp_path)] == wanted
    assert [reference.name for reference in list_series(tmp_path)] == wanted


@pytest.mark.parametrize("sample", ["nab", "skab", "smap_msl", "care"])
def test_the_root_of_one_data_set_gives_each_series_once(
    sample: str, tmp_path: Path, lay: Lay
) -> None:
    place = lay(sample, tmp_path)
    names = [one.name for one in read_folder(place)]
    assert len(names) == len(set(names)) > 0
    assert names == [one.name for one in READERS[sample].read(place)]


def test_listing_reads_no_values(tmp_path: Path, lay: Lay) -> None:
    place = lay("kpi", tmp_path)
    path = place / "cpu.csv"
    path.write_text(path.read_text().replace("0.5", "broken"))
    (reference,) = list_series(tmp_path)
    with pytest.raises(SourceError, match="'broken'"):
        reference.read()


def test_a_reference_reads_the_same_series_in_another_process(tmp_path: Path, lay: Lay) -> None:
    lay("opensearch", tmp_path)
    for reference in list_series(tmp_path):
        sent = pickle.loads(pickle.dumps(reference))
        assert sent == reference
        assert sent.read().name == reference.name


@pytest.mark.parametrize("name", ["nab", "NAB", "Nab"])
def test_names_choose_readers_or_data_sets_in_any_case(name: str, tmp_path: Path, lay: Lay) -> None:
    lay("nab", tmp_path)
    lay("smd", tmp_path)
    assert {reference.dataset for reference in list_series(tmp_path, [name])} == {"NAB"}


def test_a_name_that_is_absent_is_named_with_what_is_there(tmp_path: Path, lay: Lay) -> None:
    lay("nab", tmp_path)
    with pytest.raises(SourceError, match="no data set 'skab'; found NAB"):
        list_series(tmp_path, ["nab", "skab"])


def test_a_folder_with_nothing_known_lists_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="looked for") as caught:
        list(read_folder(tmp_path))
    assert all(reader.looks_for in str(caught.value) for reader in READERS.values())


def test_a_root_that_is_not_a_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nowhere: no such folder"):
        list_series(tmp_path / "nowhere")


def test_nothing_is_recognised_in_an_empty_folder(tmp_path: Path) -> None:
    assert recognise(tmp_path) is None


def test_a_damaged_first_file_does_not_hide_a_data_set(tmp_path: Path, lay: Lay) -> None:
    place = lay("skab", tmp_path)
    (place / "data/anomaly-free/anomaly-free.csv").write_bytes(b"\xff\xfe")
    assert recognise(place) == "skab"


def test_a_reference_to_no_reader_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no reader 'none'"):
        Reference("d", "s", tmp_path, "none").read()
