"""Exports of spreadsheets from end to end: what is said of them, and options in a configuration."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from oracles.command_line import call

from tocsin.commands.doctor import Wanted, diagnose
from tocsin.config import load
from tocsin.connectors.csv_file import CsvSource
from tocsin.connectors.dialect import Dialect
from tocsin.connectors.records import FieldMap
from tocsin.history.frames import table_of
from tocsin.pipeline.errors import ConfigError


def german(folder: Path) -> Path:
    """Two turbines, a row in ten minutes each."""
    values = np.random.default_rng(0).normal(size=(400, 2))
    start = pd.Timestamp("2025-03-10")
    lines = ["Zeit;Anlage;Leistung;Temp;Notiz"]
    for i, (a, b) in enumerate(values.tolist()):
        when = (start + pd.Timedelta(minutes=10 * (i // 2))).strftime("%d.%m.%Y %H:%M")
        lines.append(f"{when};WT {i % 2};{a:.4f};{b:.4f};gut")
    path = folder / "export.csv"
    head, *rest = lines
    decimal = [f"{line[:16]}{line[16:].replace('.', ',')}" for line in rest]
    path.write_text("\n".join([head, *decimal]) + "\n", encoding="utf-8")
    return path


def test_score_and_doctor_say_the_same_of_a_german_export(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = german(tmp_path)
    assert call("score", str(path), "--picture", str(tmp_path / "x.png")) == 0
    scored = capsys.readouterr().out
    diagnose(path, Wanted("ewma", rounds=1))
    examined = capsys.readouterr().out
    for line in (
        "Numbers are written with decimal ','.",
        "Time is 'Zeit' (written %d.%m.%Y %H:%M, UTC where it names no zone).",
        "A series has a row every 10 min.",
        "Series are told apart by 'Anlage'.",
        "Left out: 'Notiz', text.",
    ):
        assert line in scored
        assert line in examined


def test_doctor_has_the_guess_in_its_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    diagnose(german(tmp_path), Wanted("ewma", rounds=1, as_json=True))
    guess = json.loads(capsys.readouterr().out)["guess"]
    assert (guess["time"], guess["time_format"]) == ("Zeit", "%d.%m.%Y %H:%M")
    assert (guess["decimal"], guess["left_out"]) == (",", {"Notiz": "text"})


@pytest.mark.parametrize("command", ["score", "doctor"])
def test_a_time_that_cannot_be_read_ends_with_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("time,a\n2025-03-29 00:00:00 CET,1\n2025-03-29 00:01:00 CET,2\n")
    assert call(command, str(path)) == 1
    said = capsys.readouterr()
    assert "time '2025-03-29 00:00:00 CET' is not a number or ISO 8601; say how" in said.err
    assert not said.out


def test_a_column_that_is_left_out_for_its_commas_is_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rows.csv"
    rows = "".join(f'2025-03-29T{i // 60:02}:{i % 60:02}Z,"1,{i:03}",{i % 7}\n' for i in range(400))
    path.write_text("time,power,a\n" + rows)
    call("score", str(path), "--picture", str(tmp_path / "x.png"))
    assert (
        "Warning: column 'power' holds '1,000': say what the comma is with decimal or thousands "
        "of the csv source. It is left out." in " ".join(capsys.readouterr().err.split())
    )


def configured(folder: Path, **source: object) -> Path:
    """A configuration over an export; JSON is YAML."""
    path = folder / "pipeline.yaml"
    config = {
        "version": 1,
        "sources": {"rows": {"type": "csv", "path": "export.csv", **source}},
        "detectors": {"level": {"type": "ewma"}},
    }
    path.write_text(json.dumps(config))
    return path


def test_a_configuration_says_how_a_csv_file_is_written(tmp_path: Path) -> None:
    told = {"delimiter": ";", "header": True, "decimal": ",", "thousands": "."}
    form = {"time_format": "%d.%m.%Y %H:%M"}
    source = load(configured(tmp_path, **told, **form, time="Zeit", channels=["Temp"])).source
    dialect = Dialect(";", header=True, decimal=",", thousands=".", time_format="%d.%m.%Y %H:%M")
    assert source == CsvSource(
        tmp_path / "export.csv", FieldMap("Zeit", ("Temp",), unkeyed="rows"), dialect
    )
    alone = load(configured(tmp_path, **form)).source
    written = Dialect(time_format=form["time_format"])
    assert alone == CsvSource(tmp_path / "export.csv", dialect=written)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("decimal", ",,", "must be one character"),
        ("time_format", "%Q", "bad directive"),
        ("decimals", ",", "did you mean 'decimal'?"),
    ],
)
def test_a_wrong_option_is_told_with_its_path(
    tmp_path: Path, key: str, value: str, said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(configured(tmp_path, **{key: value}))
    assert "$.sources.rows" in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize("asked", [None, "time"])
def test_a_frame_with_a_time_that_cannot_be_read_is_refused_with_a_way_out(
    asked: str | None,
) -> None:
    frame = pd.DataFrame({"time": ["03/29/2025 10:00", "03/29/2025 10:01"], "a": [1.0, 2.0]})
    with pytest.raises(ConfigError) as caught:
        table_of(frame, asked)
    assert "time '03/29/2025 10:00' is not a number or ISO 8601" in str(caught.value)
    assert "pandas.to_datetime(frame['time'], format='%m/%d/%Y %H:%M')" in str(caught.value)


def test_a_replay_reads_a_file_in_the_dialect_of_the_source(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    form = {"decimal": ",", "time_format": "%d.%m.%Y %H:%M"}
    config = configured(tmp_path, **form, time="Zeit", key="Anlage", channels=["Temp"])
    call("replay", str(config), "--input", str(german(tmp_path)), "--json")
    assert json.loads(capsys.readouterr().out)["rows"] == 400
