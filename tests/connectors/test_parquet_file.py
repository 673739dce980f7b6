from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tocsin.connectors.memory import MemoryDesk
from tocsin.connectors.parquet_file import ParquetSource, guess_parquet
from tocsin.connectors.records import FieldMap
from tocsin.pipeline.errors import SourceError
from tocsin.pipeline.ports import Reading

FIELDS = FieldMap("ts", ("temp", "flow"), ("id",))
START = 1_700_000_000
ROWS = 100


def columns() -> dict[str, Any]:
    return {
        "ts": pa.array([(START + i // 2) * 1000 for i in range(ROWS)], pa.timestamp("ms", "UTC")),
        "id": [f"p{i % 2}" for i in range(ROWS)],
        "temp": [None if i == 3 else i / 4 for i in range(ROWS)],
        "flow": list(range(ROWS)),
        "label": [0] * ROWS,
    }


def write(folder: Path, table: dict[str, Any], group: int = 30) -> Path:
    path = folder / "pump.parquet"
    pq.write_table(pa.table(table), path, row_group_size=group)
    return path


def readings(source: ParquetSource, after: int | None = None) -> list[Reading]:
    desk = MemoryDesk({} if after is None else {"pump.parquet": after})
    return [reading for reading in source.read(desk) if reading is not None]


def rows(source: ParquetSource, after: int | None = None) -> list[tuple[str, int, str, int]]:
    return [
        (name, int(time), repr(row), int(offset))
        for r in readings(source, after)
        for name, time, row, offset in zip(
            r.series, r.time, r.values.tolist(), r.offset, strict=True
        )
    ]


@pytest.mark.parametrize("size", [1, 7, 30, 1000])
def test_rows_do_not_depend_on_batch_or_group_size(tmp_path: Path, size: int) -> None:
    source = ParquetSource(write(tmp_path, columns()), FIELDS, rows=size)
    whole = ParquetSource(write(tmp_path, columns(), group=1000), FIELDS)
    assert rows(source) == rows(whole)
    assert len(rows(source)) == ROWS


def test_reading_after_any_position_gives_exactly_the_rest(tmp_path: Path) -> None:
    source = ParquetSource(write(tmp_path, columns()), FIELDS, rows=8)
    everything = rows(source)
    for after in (0, 1, 29, 30, 31, 60, 99, 100):
        assert rows(source, after) == everything[after:]


def test_null_and_nan_are_missing_and_infinity_is_refused(tmp_path: Path) -> None:
    table = {"ts": [START] * 3, "temp": [None, float("nan"), float("inf")]}
    (reading,) = readings(ParquetSource(write(tmp_path, table), FieldMap("ts", ("temp",))))
    assert np.isnan(reading.values[:, 0]).tolist() == [True, True]
    assert "infinite" in reading.rejected[0].reason
    assert reading.rejected[0].position == 2
    assert reading.rejected[0].value is not None


@pytest.mark.parametrize(
    "time",
    [
        pa.array([START], pa.int64()),
        pa.array([START * 1000], pa.timestamp("ms")),
        pa.array([START * 10**9], pa.timestamp("ns", "Europe/Berlin")),
        pa.array(["2023-11-14T22:13:20Z"]),
        pa.array([datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)]),
    ],
    ids=["int", "naive", "zoned", "text", "datetime"],
)
def test_times_of_any_type_are_read(tmp_path: Path, time: Any) -> None:
    source = ParquetSource(write(tmp_path, {"ts": time, "temp": [1.0]}))
    assert rows(source)[0][1] == START * 10**9


def test_naive_timestamps_are_local_to_the_zone(tmp_path: Path) -> None:
    time = pa.array([START * 1000, None], pa.timestamp("ms"))
    path = write(tmp_path, {"ts": time, "temp": [1.0, 2.0]})
    source = ParquetSource(path, FieldMap("ts", ("temp",), zone="Europe/Berlin"))
    assert [row[1] for row in rows(source)] == [(START - 3600) * 10**9]
    assert readings(source)[0].rejected[0].reason == "no time"


def test_nanoseconds_are_kept(tmp_path: Path) -> None:
    moment = START * 10**9 + 123_456_789
    time = pa.array([moment], pa.timestamp("ns", "UTC"))
    assert rows(ParquetSource(write(tmp_path, {"ts": time, "temp": [1.0]})))[0][1] == moment


def test_dictionary_and_whole_number_keys_name_series(tmp_path: Path) -> None:
    table = {
        "ts": [START, START],
        "site": pa.array(["a", "b"]).dictionary_encode(),
        "unit": [1, None],
        "temp": [1.0, 2.0],
    }
    source = ParquetSource(write(tmp_path, table), FieldMap("ts", ("temp",), ("site", "unit")))
    assert [row[0] for row in rows(source)] == ["a/1"]
    assert readings(source)[0].rejected[0].reason == "key 'unit' is empty"


def test_a_guess_leaves_out_labels_and_finds_series(tmp_path: Path) -> None:
    found = guess_parquet(write(tmp_path, columns()))
    assert found.fields.channels == ("temp", "flow")
    assert (found.fields.time, found.fields.key, found.labels) == ("ts", ("id",), ("label",))
    assert found.every == 10**9


def test_row_numbers_stand_for_a_missing_time(tmp_path: Path) -> None:
    source = ParquetSource(write(tmp_path, {"temp": [1.0, 2.5, 3.0]}))
    assert [row[1] for row in rows(source, 1)] == [10**9, 2 * 10**9]


def test_what_is_not_parquet_or_does_not_fit_is_a_source_error(tmp_path: Path) -> None:
    path = write(tmp_path, columns())
    with pytest.raises(SourceError, match="after 101"):
        readings(ParquetSource(path, FIELDS), 101)
    with pytest.raises(SourceError, match="no column 'ph'"):
        ParquetSource(path, FieldMap("ts", ("ph",))).spec()
    with pytest.raises(SourceError, match="channel 'id' is string, wanted numbers"):
        ParquetSource(path, FieldMap("ts", ("id",))).spec()
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(SourceError, match="not Parquet, or damaged"):
        ParquetSource(path, FIELDS).spec()
    path.write_bytes(b"")
    with pytest.raises(SourceError, match="empty"):
        ParquetSource(path, FIELDS).spec()
