"""The published files themselves, where they are at hand, give the published counts."""

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from tocsin.evaluation.datasets.catalogue import list_series
from tocsin.evaluation.datasets.labelled import Labelled

DATA = Path(os.environ.get("TOCSIN_DATA", Path(__file__).parents[4] / "shared" / "data"))
pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"real data is not at {DATA}; TOCSIN_DATA can name its folder"
)

# data set: series, rows (after those left out), events, labelled rows, channels
COUNTS = {
    "NAB": (58, 365_558 - 49, 116, None, {1}),
    "SKAB": (35, 46_806, 34, 13_067, {8}),
    "SMD": (4, 189_557, 67, 3708 + 2398 + 1170 + 2833, {38}),
    "GECCO": (1, 139_566, 51, 1_726, {9}),
    "KPI": (2, 35_136, 24, 209 + 67, {1}),
    "MSL": (10, 52_223, 16, 2_760, {55}),
    "ECG": (1, 230_400, 208, 20_200, {1}),
    "OpenSearch": (3, 28_221, 11, None, {1, 2}),
    "Merlion": (15, 150_000, 514, None, {1}),
}


def read(dataset: str) -> list[Labelled]:
    return [reference.read() for reference in list_series(DATA, [dataset])]


def test_all_nine_data_sets_are_recognised_without_a_setting() -> None:
    assert Counter(one.dataset for one in list_series(DATA)) == {
        name: counts[0] for name, counts in COUNTS.items()
    }


@pytest.mark.parametrize("dataset", COUNTS)
def test_rows_events_and_channels_are_the_published_ones(dataset: str) -> None:
    series, rows, events, labelled, channels = COUNTS[dataset]
    found = read(dataset)
    assert len(found) == series
    assert sum(len(one.stream) for one in found) == rows
    assert sum(len(one.truth.events) for one in found) == events
    assert labelled in (None, sum(int(one.truth.label.sum()) for one in found))
    assert {len(one.stream.channels) for one in found} == channels


def test_a_reference_has_the_name_of_what_it_reads() -> None:
    for reference in list_series(DATA, ["SKAB", "MSL", "ECG", "OpenSearch"]):
        assert reference.read().name == reference.name


def test_52_of_58_nab_series_have_anomalies_and_prefixes_are_the_benchmarks() -> None:
    found = read("NAB")
    assert sum(bool(one.truth.events) for one in found) == 52
    assert all(one.train == min(len(one.stream) * 15 // 100, 750) for one in found)


def test_training_prefixes_are_the_protocols_but_where_a_label_cuts_them() -> None:
    cut = {
        one.stream.series: one.train
        for dataset, wanted in (("SKAB", 400), ("GECCO", 20_000), ("KPI", 4_000))
        for one in read(dataset)
        if one.train != wanted
    }
    assert cut == {
        "other/2": 104,
        "geccoIC2018Train": 16_265,
        "cpu4": 395,
        "server_res_eth1out_curve_6": 2_278,
    }


def test_smd_blames_channels_in_every_labelled_row() -> None:
    for one in read("SMD"):
        blame = one.truth.by_channel
        assert blame is not None
        assert np.array_equal(blame.any(axis=1), one.truth.label)
        assert all(event.channels for event in one.truth.events)


def test_gecco_keeps_its_missing_values() -> None:
    (one,) = read("GECCO")
    assert np.isnan(one.stream.values).sum() == 9 * 1_044 + 1
