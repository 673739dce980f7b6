"""Rows written to a file as a user has them, and a pipeline run over them in the test's process."""

from collections.abc import Iterable
from pathlib import Path

from oracles.command_line import say

from tocsin.pipeline.incidents import iso

BEGIN = 1_700_000_000  # seconds
SECOND = 1_000_000_000  # nanoseconds

FLOW = """
version: 1
sources:
  rows: {type: csv, path: rows.csv, time: time, channels: [flow]}
detectors: {distance: {type: ewma, half_life: 50}}
thresholds: {default: {tail: 0.003}}
events: {close_rows: 3}
state: {dir: state}
"""


def moment(tick: int) -> str:
    """The time of a row, a second a tick, as a file has it."""
    return iso((BEGIN + tick) * SECOND)


def write_rows(folder: Path, header: str, rows: Iterable[tuple[object, ...]]) -> None:
    """Write `rows.csv`: the time, made of each row's first number, then the columns of `header`."""
    lines = [f"time,{header}"]
    for tick, *rest in rows:
        assert isinstance(tick, int)
        lines.append(",".join([moment(tick), *map(str, rest)]))
    (folder / "rows.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def run(folder: Path, config: str) -> Path:
    """The file of a configuration that has been run over the rows."""
    path = folder / "pipeline.yaml"
    path.write_text(config, encoding="utf-8")
    say("run", str(path))
    return path
