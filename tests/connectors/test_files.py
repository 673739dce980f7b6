import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tocsin.connectors.csv_file import CsvSource
from tocsin.connectors.files import guess, open_file
from tocsin.connectors.jsonl_file import JsonArraySource, JsonLinesSource
from tocsin.connectors.memory import MemoryDesk
from tocsin.connectors.parquet_file import ParquetSource
from tocsin.pipeline.errors import ConfigError, SourceError
from tocsin.pipeline.ports import Reading

BESIDE = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture
def data() -> Callable[[str], Path]:
    """Finds a file of the real data, or skips."""
    root = Path(os.environ.get("TOCSIN_DATA", BESIDE))

    def find(name: str) -> Path:
        if not (root / name).is_file():
            pytest.skip(f"real data is not at {root}; TOCSIN_DATA can name its folder")
        return root / name

    return find


def readings(path: Path, after: int | None = None, rows: int = 8192) -> list[Reading]:
    desk = MemoryDesk({} if after is None else {path.name: after})
    got = open_file(path, rows=rows).read(desk)
    return [reading for reading in got if reading is not None]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (b"ts,temp\n1700000000,1\n", CsvSource),
        (b'{"ts":1700000000,"temp":1}\n', JsonLinesSource),
        (b'{"ts":1700000000,"temp":1}', JsonLinesSource),
        (b'[{"ts":1700000000,"temp":1}]', JsonArraySource),
        (b'[\n {"ts":1700000000,"temp":1}\n]\n', JsonArraySource),
        (b'\xef\xbb\xbf[{"ts":1700000000,"temp":1}]', JsonArraySource),
    ],
)
def test_the_format_is_told_by_content_not_by_name(
    tmp_path: Path, text: bytes, kind: type[object]
) -> None:
    path = tmp_path / "rows.anything"
    path.write_bytes(text)
    assert isinstance(open_file(path), kind)
    assert readings(path)[0].values.tolist() == [[1.0]]


def test_parquet_is_told_by_content(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    pq.write_table(pa.table({"ts": [1_700_000_000], "temp": [1.0]}), path)
    assert isinstance(open_file(path), ParquetSource)
    assert guess(path).format == "parquet"


@pytest.mark.parametrize("text", [b"", b"\x89PNG\r\n", b"PK\x03\x04xx", b"a,b\n\x00"])
def test_what_is_no_table_is_refused_with_what_it_is(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(text)
    with pytest.raises(SourceError, match=r"rows\.csv is .*wanted"):
        guess(path)


def test_missing_files_folders_and_devices_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No such file"):
        guess(tmp_path / "none.csv")
    with pytest.raises(SourceError, match="is a directory"):
        guess(tmp_path)
    with pytest.raises(SourceError, match="no regular file"):
        guess("/dev/null")


def test_what_cannot_grow_by_lines_cannot_be_followed(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_bytes(b'[{"ts":1700000000,"temp":1}]')
    with pytest.raises(ConfigError, match="cannot be followed"):
        open_file(path, follow=True)


@pytest.mark.parametrize(
    ("name", "rows", "channels", "every_s"),
    [
        ("NAB/data/realKnownCause/machine_temperature_system_failure.csv", 22_695, 1, 300),
        ("NAB/data/realTweets/Twitter_volume_GOOG.csv", 15_842, 1, 300),
        ("SKAB/data/anomaly-free/anomaly-free.csv", 9_405, 8, 1),
        ("SKAB/data/valve1/0.csv", 1_147, 8, 1),
        ("GECCO2018/geccoIC2018Train.csv", 139_566, 9, 60),
        ("KPI_donut/cpu4.csv", 17_568, 1, 300),
        ("merlion_synthetic/horizontal_dip_anomaly.csv", 10_000, 1, 300),
        ("ECG/MBA_ECG805_data.out", 230_400, 1, 1),
        ("opensearch_e2e/rule.data", 18_140, 1, 600),
        ("opensearch_e2e/synthetic.data", 10_081, 2, 60),
    ],
)
def test_real_files_are_guessed_and_read_whole(
    data: Callable[[str], Path], name: str, rows: int, channels: int, every_s: int
) -> None:
    path = data(name)
    found = guess(path)
    got = readings(path)
    assert sum(len(reading.time) for reading in got) == rows
    assert not [letter for reading in got for letter in reading.rejected]
    assert len(found.fields.channels) == channels
    assert found.every == every_s * 10**9
    assert not {"label", "anomaly", "changepoint", "EVENT"} & set(found.fields.channels)


def test_two_cities_of_a_real_array_are_two_series(data: Callable[[str], Path]) -> None:
    got = readings(data("opensearch_e2e/rule.data"))
    assert {name for reading in got for name in reading.series} == {"Phoenix", "Scottsdale"}


def test_a_real_file_resumes_where_it_stopped(data: Callable[[str], Path]) -> None:
    path = data("GECCO2018/geccoIC2018Train.csv")
    whole = np.concatenate([reading.values for reading in readings(path)])
    half = readings(path, rows=50_000)[0]
    rest = np.concatenate([reading.values for reading in readings(path, half.position)])
    assert np.array_equal(np.concatenate([half.values, rest]), whole, equal_nan=True)
