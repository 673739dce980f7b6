"""A backtest: the same pipeline over many series, killed or not, and what it says of them."""

import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import yaml

from tocsin.backtesting.judging import find
from tocsin.backtesting.plan import Plan, Task, plan, plan_of
from tocsin.backtesting.reporting import write_all
from tocsin.backtesting.results import Results, gather, write_results
from tocsin.backtesting.running import run_tasks
from tocsin.backtesting.storing import recall
from tocsin.config import load_experiment
from tocsin.configuration.shape import Backtest
from tocsin.detectors.classical.ewma import Ewma
from tocsin.detectors.classical.knn import Knn
from tocsin.evaluation.comparing.comparison import CONTROLS
from tocsin.pipeline.errors import ConfigError, SourceError
from tocsin.pipeline.types import Batch, Scores, Spec, Traits

ROWS = 400
TRAIN = 60  # 15 % of the rows, as for any file that says nothing


def data(folder: Path, series: int = 2, channels: int = 1, rows: int = ROWS) -> Path:
    """Labelled files of calm rows with one clear fault each."""
    place = folder / "data" / "pumps"
    place.mkdir(parents=True)
    for number in range(series):
        values = np.random.default_rng(number).normal(size=(rows, channels))
        label = np.zeros(rows, dtype=int)
        values[300:320] += 12
        label[300:320] = 1
        frame = pd.DataFrame(values, columns=[f"c{i}" for i in range(channels)])
        frame.assign(t=np.arange(rows) * 60, label=label).to_csv(
            place / f"pump-{number}.csv", index=False
        )
    return folder / "data"


def made(folder: Path, **rules: Any) -> Plan:
    return plan({"ewma": Ewma(20)}, data(folder), Backtest(**rules))


def finished(folder: Path, chosen: Plan) -> Results:
    run_tasks(chosen.tasks, folder / "out", 1, lambda _: None)
    return gather(chosen, folder / "out")


def test_every_detector_and_every_control_stands_in_the_results(tmp_path: Path) -> None:
    results = finished(tmp_path, made(tmp_path)).results
    assert set(results["detector"]) == {"ewma", *CONTROLS}
    assert len(results) == 2 * (1 + len(CONTROLS)) * 2  # modes and series
    assert (results["error"] == "").all()
    assert results["vus_pr"].notna().all()


def test_the_prefix_is_learned_and_not_judged(tmp_path: Path) -> None:
    results = finished(tmp_path, made(tmp_path, modes=("causal",))).results
    assert (results["train_rows"] == TRAIN).all()
    assert (results["rows"] == ROWS - TRAIN).all()
    assert set(results["fitted"]) == {"as it goes", "on the rows before"}


def test_without_a_prefix_all_rows_are_judged(tmp_path: Path) -> None:
    results = finished(tmp_path, made(tmp_path, train="none", modes=("causal",))).results
    assert (results["rows"] == ROWS).all()
    assert "on its first rows" in set(results["fitted"])


def test_training_never_reaches_a_labelled_row(tmp_path: Path) -> None:
    results = finished(tmp_path, made(tmp_path, train=0.9, modes=("causal",))).results
    assert (results["train_rows"] == 300).all()


def test_a_clear_fault_is_caught_by_a_detector_and_by_no_constant(tmp_path: Path) -> None:
    results = finished(tmp_path, made(tmp_path, modes=("causal",))).results
    by = results.groupby("detector")[["vus_pr", "caught"]].mean()
    assert by.vus_pr["knn_train"] > 0.9 > by.vus_pr["random"]
    assert by.caught["knn_train"] == 1
    assert by.caught["constant"] == 0


def test_every_result_says_how_it_came_about(tmp_path: Path) -> None:
    found = finished(tmp_path, made(tmp_path, modes=("causal",)))
    wanted = {"mode", "fitted", "settings", "seed", "version_python", "version_numpy"}
    assert wanted | {"version_commit", "version_tocsin"} <= set(found.results.columns)
    assert {"fit_s", "score_s", "peak_mb", "rows"} <= set(found.costs.columns)
    assert (found.costs[["score_s", "peak_mb"]] > 0).all(axis=None)


def test_done_tasks_are_not_done_again(tmp_path: Path) -> None:
    chosen = made(tmp_path, modes=("causal",))
    finished(tmp_path, chosen)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out/tasks").iterdir()}
    told: list[Task] = []
    run_tasks(chosen.tasks, tmp_path / "out", 1, told.append)
    assert told == list(chosen.tasks)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out/tasks").iterdir()} == before


def test_another_setting_is_another_task(tmp_path: Path) -> None:
    place = data(tmp_path)
    ids = [
        {task.id for task in plan({"mine": Ewma(half)}, place, Backtest(buffer=buffer)).tasks}
        for half, buffer in ((20, 100), (30, 100), (20, 50))
    ]
    assert len(ids[0] & ids[1]) == len(ids[0]) - 4  # two series in two modes
    assert not ids[0] & ids[2]


def test_two_processes_find_what_one_finds(tmp_path: Path) -> None:
    chosen = made(tmp_path, modes=("causal",))
    one = finished(tmp_path, chosen)
    run_tasks(chosen.tasks, tmp_path / "two", 2, lambda _: None)
    pd.testing.assert_frame_equal(gather(chosen, tmp_path / "two").results, one.results)


def test_a_finding_comes_back_as_it_was_kept(tmp_path: Path) -> None:
    chosen = made(tmp_path, modes=("causal",))
    finished(tmp_path, chosen)
    task = next(task for task in chosen.tasks if task.detector == "knn_train")
    fresh, _ = find(task, task.reference.read())
    kept = recall(tmp_path / "out", task.id).finding
    assert kept.judged.score.tobytes() == fresh.judged.score.tobytes()
    assert [one.to_json() for one in kept.incidents] == [one.to_json() for one in fresh.incidents]
    assert kept.row == fresh.row


def test_junk_in_the_place_of_a_result_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "junk.parquet").write_bytes(b"no parquet")
    with pytest.raises(SourceError, match=r"junk\.parquet: is no result of a backtest"):
        recall(tmp_path, "junk")


@dataclass
class Nothing:
    rows: int = 0


@dataclass(frozen=True)
class Broken:
    """A detector that raises at its first row."""

    traits: ClassVar[Traits] = Traits()
    version: ClassVar[int] = 1

    @property
    def warmup(self) -> int:
        return 0

    def start(self, spec: Spec) -> Nothing:
        raise ZeroDivisionError("no such thing")

    def score(self, state: Nothing, batch: Batch) -> Scores:
        return Scores(np.zeros(len(batch)))

    def learn(self, state: Nothing, batch: Batch) -> None:
        pass


def test_a_detector_that_raises_is_a_row_with_its_error(tmp_path: Path) -> None:
    chosen = plan({"broken": Broken()}, data(tmp_path), Backtest(modes=("causal",)))
    results = finished(tmp_path, chosen).results
    broken = results["detector"] == "broken"
    assert (results["error"][broken] == "ZeroDivisionError: no such thing").all()
    assert (results["error"][~broken] == "").all()


def test_a_file_that_cannot_be_read_is_told_by_its_name(tmp_path: Path) -> None:
    place = data(tmp_path)
    (place / "pumps" / "pump-1.csv").write_text("c0,t,label\n1.0,60,0\nx,120,0\n")
    results = finished(tmp_path, plan({}, place, Backtest(modes=("causal",)))).results
    bad = results["series"] == "pump-1"
    assert results["error"][bad].str.contains(r"pump-1\.csv.*3", regex=True).all()
    assert (results["error"][~bad] == "").all()


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"baseline": "nobody"}, "baseline 'nobody' is none of ewma, random"),
        ({"series": "turbine*"}, "none of 2 series matches 'turbine"),
    ],
)
def test_what_is_not_there_is_refused(rules: dict[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        made(tmp_path, **rules)


def test_the_name_of_a_control_cannot_be_taken(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'knn_train' is the name of a control"):
        plan({"knn_train": Knn(neighbours=1)}, data(tmp_path))


def test_a_report_and_tables_of_both_modes_are_left(tmp_path: Path) -> None:
    chosen = made(tmp_path)
    found = finished(tmp_path, chosen)
    written = write_all(chosen, found, tmp_path / "out", command="tocsin backtest")
    names = {str(path.relative_to(tmp_path / "out")) for path in written}
    assert {"report.html", "tables/leaderboard-causal.md", "tables/vus_pr-offline.tex"} <= names
    assert "http-equiv" in (tmp_path / "out" / "report.html").read_text()


def test_a_file_says_which_detectors_stages_and_data(tmp_path: Path) -> None:
    config = tmp_path / "tocsin.yaml"
    text = {
        "version": 1,
        "detectors": {"slow": {"type": "ewma", "half_life": 50}, "usual": {"type": "auto"}},
        "thresholds": {"default": {"tail": 0.01}},
        "backtest": {"modes": ["offline"], "datasets": ["pumps"]},
    }
    config.write_text(yaml.safe_dump(text))
    chosen = plan_of(load_experiment(config), data(tmp_path))
    assert chosen.detectors == ("slow", "usual", *CONTROLS)
    assert {task.mode for task in chosen.tasks} == {"offline"}
    assert chosen.tasks[0].scorer == Ewma(50)
    assert set(chosen.tasks[0].stages) == {"threshold"}


def test_a_chosen_detector_takes_no_settings(tmp_path: Path) -> None:
    config = tmp_path / "tocsin.yaml"
    part = {"type": "auto", "half_life": 3}
    config.write_text(yaml.safe_dump({"version": 1, "detectors": {"usual": part}}))
    with pytest.raises(ConfigError, match=r"\$\.detectors\.usual\.half_life: unknown key"):
        load_experiment(config)


@pytest.mark.slow
def test_killed_half_way_and_resumed_leaves_the_same_bytes(tmp_path: Path) -> None:
    config = tmp_path / "tocsin.yaml"
    config.write_text(yaml.safe_dump({"version": 1, "detectors": {"mine": {"type": "ewma"}}}))
    place = data(tmp_path, series=3)

    def command(out: str) -> list[str]:
        words = [sys.executable, "-m", "tocsin", "backtest", str(config), "--processes", "2"]
        return [*words, "--data", str(place), "--out", str(tmp_path / out)]

    killed = subprocess.Popen(command("killed"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    tasks = tmp_path / "killed" / "tasks"
    deadline = time.monotonic() + 120
    while len(list(tasks.glob("*.parquet"))) < 5:
        assert time.monotonic() < deadline
        assert killed.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            killed.wait(timeout=0.05)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert not (tmp_path / "killed" / "results.parquet").exists()
    for out in ("killed", "whole"):
        subprocess.run(command(out), check=True, capture_output=True)
    for name in ("results", "events", "budgets", "incidents"):
        one, other = (tmp_path / out / f"{name}.parquet" for out in ("killed", "whole"))
        assert one.read_bytes() == other.read_bytes(), name


def test_results_are_written_as_parquet_files(tmp_path: Path) -> None:
    chosen = made(tmp_path, modes=("causal",))
    found = finished(tmp_path, chosen)
    paths = write_results(found, tmp_path / "out")
    assert [path.name for path in paths] == [
        f"{name}.parquet" for name in ("results", "events", "budgets", "incidents", "costs")
    ]
    assert len(pd.read_parquet(paths[0])) == len(found.results)
