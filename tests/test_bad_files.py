"""Files that are empty, damaged or something else: one clear message, and an exit code."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from oracles.command_line import call
from oracles.messages import stream


def configured(folder: Path, source: dict[str, Any], **others: Any) -> Path:
    """A configuration over a source; JSON is YAML."""
    whole = {"time": "t", "channels": ["x", "y"], "key": ["id"]} | source
    config = {
        "version": 1,
        "sources": {"rows": whole},
        "detectors": {"level": {"type": "ewma"}},
        "state": {"dir": "state"},
        "sinks": {"file": {"type": "jsonl", "path": "incidents.jsonl"}},
        "dead_letters": {"type": "jsonl", "path": "dead.jsonl"},
    }
    path = folder / "pipeline.yaml"
    path.write_text(json.dumps(config | others))
    return path


PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8


@pytest.mark.parametrize(
    ("kind", "content", "why"),
    [
        ("csv", b"", "is empty"),
        ("jsonl", b"", "is empty"),
        ("parquet", b"", "is empty"),
        ("json", b"", "is empty"),
        ("csv", PNG, "rows.csv"),
        ("jsonl", PNG, "rows.jsonl"),
        ("parquet", b"time,x,y\n1,2,3\n", "rows.parquet"),
        ("json", b"time,x,y\n1,2,3\n", "is not JSON"),
        ("csv", b'{"t": 1760000000, "x": 1.0, "y": 2.0, "id": "a"}\n' * 9, "rows.csv"),
    ],
)
def test_a_file_that_is_empty_or_not_what_its_name_says_is_one_clear_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, content: bytes, why: str
) -> None:
    (tmp_path / f"rows.{kind}").write_bytes(content)
    config = configured(tmp_path, {"type": kind, "path": f"rows.{kind}"})
    assert call("run", str(config)) == 1
    said = capsys.readouterr().err
    assert why in said
    assert f"rows.{kind}" in said
    assert "Traceback" not in said


def with_rows(folder: Path, **others: Any) -> Path:
    """A configuration over a good file with one bad line in it."""
    (folder / "rows.jsonl").write_bytes(b"\n".join([*stream(), b"{bad", b""]))
    return configured(folder, {"type": "jsonl", "path": "rows.jsonl"}, **others)


def test_a_bad_line_of_a_file_is_counted_and_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("run", str(with_rows(tmp_path))) == 0
    assert "1 unreadable and 0 refused" in " ".join(capsys.readouterr().err.split())
    (letter,) = [json.loads(line) for line in (tmp_path / "dead.jsonl").read_text().splitlines()]
    assert letter["value"] == {"text": "{bad"}


def damage(path: Path) -> None:
    whole = bytearray(path.read_bytes())
    for place in range(0, len(whole), 97):
        whole[place] ^= 0xFF
    path.write_bytes(whole)


def swap(path: Path) -> None:
    path.write_bytes(PNG)


@pytest.mark.parametrize("harm", [damage, swap])
def test_a_damaged_or_foreign_state_file_is_one_clear_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], harm: Callable[[Path], None]
) -> None:
    config = with_rows(tmp_path)
    assert call("run", str(config)) == 0
    harm(tmp_path / "state" / "tocsin.db")
    capsys.readouterr()
    assert call("run", str(config)) == 1
    said = capsys.readouterr().err
    assert "tocsin.db" in said
    assert "Traceback" not in said


def test_a_state_folder_that_cannot_be_made_is_one_clear_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "state").write_text("in the way")
    assert call("run", str(with_rows(tmp_path))) == 1
    assert str(tmp_path / "state") in capsys.readouterr().err.replace("\n", "")


def test_state_of_other_settings_is_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("run", str(with_rows(tmp_path))) == 0
    other = with_rows(tmp_path, detectors={"level": {"type": "ewma", "half_life": 9}})
    assert call("run", str(other)) == 1
    assert "half_life 50" in " ".join(capsys.readouterr().err.split())
