"""`tocsin score` says where rows were not judged, rather than that nothing was found in them."""

import json
from pathlib import Path

import numpy as np
import pytest

from tocsin.commands.scoring import Outputs, Wanted, score


def table(folder: Path, gaps: slice = slice(0, 0), **rows: int) -> Path:
    """Two channels of some series, each of so many rows; the rows of `gaps` are empty."""
    start = np.datetime64("2026-01-01T00:00:00", "m")
    rng = np.random.default_rng(0)
    lines = []
    for name, count in rows.items():
        cells = [f"{a:.4f},{b:.4f}" for a, b in rng.normal(size=(count, 2)).tolist()]
        cells[gaps] = [","] * len(cells[gaps])
        lines += [f"{start + i}:00Z,{name},{cell}" for i, cell in enumerate(cells)]
    path = folder / "rows.csv"
    path.write_text("\n".join(["time,pump,flow,power", *sorted(lines)]) + "\n", encoding="utf-8")
    return path


def told(path: Path, capsys: pytest.CaptureFixture[str], **wanted: object) -> tuple[str, str]:
    """What is told of a file, as results and as remarks."""
    settings = {"detector": "ewma", **wanted}
    score(path, Wanted(**settings), Outputs(picture=path.with_suffix(".png")))  # type: ignore[arg-type] # they are its own
    said = capsys.readouterr()
    return said.out, said.err


def test_that_no_row_was_judged_is_said_with_the_rows_it_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, err = told(table(tmp_path, p1=20, p2=12), capsys)
    assert "0 incidents in 32 rows, none of them judged, of 2 series" in out
    assert "No row was judged: ewma needs about 80 rows of a series, and the longest has 20." in err


def test_a_series_that_was_not_judged_beside_others_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, err = told(table(tmp_path, p1=400, p2=12), capsys)
    assert "none of them judged" not in out
    assert "No row was judged of 1 series (p2): ewma needs about 80 rows of a series" in err


def test_warming_up_is_not_worth_a_word(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(table(tmp_path, p1=400, p2=400), capsys)[1] == ""


def test_rows_trained_on_are_not_missed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(table(tmp_path, p1=400), capsys, train=100)[1] == ""


def test_rows_without_an_opinion_beyond_the_warm_up_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, err = told(table(tmp_path, gaps=slice(200, 260), p1=400), capsys)
    assert "No opinion on 140 rows, 60 more than it takes to warm up." in err


def test_offline_needs_no_row_for_the_calibrator(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, err = told(table(tmp_path, p1=10), capsys, mode="offline")
    assert "ewma needs about 50 rows of a series, and the longest has 10" in err


def test_the_document_counts_rows_that_were_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    score(table(tmp_path, p1=400), Wanted("ewma", as_json=True), Outputs())
    found = json.loads(capsys.readouterr().out)
    assert 300 < found["judged"] < found["rows"] == 400
