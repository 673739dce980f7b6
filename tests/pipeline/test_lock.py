"""Who may use a store at the same time."""

import subprocess
import sys
from pathlib import Path

import pytest

from tocsin.pipeline.errors import StateError
from tocsin.pipeline.lock import alone, running


def test_many_pipelines_may_run_on_a_store(tmp_path: Path) -> None:
    with running(tmp_path / "a.db"), running(tmp_path / "a.db"), alone(tmp_path / "a.db") as got:
        assert not got


def test_a_command_has_a_store_alone_once_nobody_runs_on_it(tmp_path: Path) -> None:
    with running(tmp_path / "a.db"), alone(tmp_path / "b.db") as other:
        assert other
    with alone(tmp_path / "a.db") as got, alone(tmp_path / "a.db") as twice:
        assert got
        assert not twice


def test_a_process_that_is_killed_holds_nothing(tmp_path: Path) -> None:
    store = tmp_path / "a.db"
    script = (
        "import os, pathlib, sys\n"
        "from tocsin.pipeline.lock import running\n"
        "with running(pathlib.Path(sys.argv[1])):\n"
        "    print('here', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(store)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        with alone(store) as got:
            assert not got
        process.kill()
        process.wait(timeout=30)
        with alone(store) as got:
            assert got


def test_a_folder_that_is_not_there_is_a_state_error(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="cannot be locked"), running(tmp_path / "no" / "a.db"):
        pass
