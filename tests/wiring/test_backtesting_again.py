"""A backtest that is started again, and one of which tasks failed: what is used, done and told."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tocsin.backtesting import running
from tocsin.backtesting.backtest import backtest, finish
from tocsin.backtesting.judging import Cost, Finding, find
from tocsin.backtesting.plan import Plan, Task, plan
from tocsin.backtesting.results import Results, failures, gather
from tocsin.backtesting.running import run_tasks
from tocsin.configuration.shape import Backtest
from tocsin.detectors.classical.ewma import Ewma
from tocsin.evaluation.comparing.comparison import CONTROLS, Mode
from tocsin.evaluation.datasets.labelled import Labelled
from tocsin.pipeline.errors import TocsinError

ROWS = 200


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder of two labelled files with a fault each."""
    for number in range(2):
        write(tmp_path / "data", number)
    return tmp_path / "data"


def write(folder: Path, number: int, fault: int = 150, jump: float = 12.0) -> None:
    folder.mkdir(exist_ok=True)
    values = np.random.default_rng(number).normal(size=ROWS)
    label = np.zeros(ROWS, dtype=int)
    label[fault : fault + 10] = 1
    values[150:160] += jump
    frame = pd.DataFrame({"t": np.arange(ROWS) * 60, "flow": values, "label": label})
    frame.to_csv(folder / f"pump-{number}.csv", index=False)


def planned(place: Path, modes: tuple[Mode, ...] = ("causal",)) -> Plan:
    return plan({"ewma": Ewma(20)}, place, Backtest(modes=modes))


def ended(chosen: Plan, out: Path) -> Results:
    """The results, without the report."""
    run_tasks(chosen.tasks, out, 1, lambda _: None)
    return gather(chosen, out)


def reported(chosen: Plan, out: Path) -> Results:
    return finish(chosen, out, processes=1)


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[Task]:
    """The tasks that are judged, as they are."""
    seen: list[Task] = []

    def watched(task: Task, labelled: Labelled) -> tuple[Finding, Cost]:
        seen.append(task)
        return find(task, labelled)

    monkeypatch.setattr(running, "find", watched)
    return seen


def fail(monkeypatch: pytest.MonkeyPatch, which: Callable[[Task], bool]) -> None:
    def failing(task: Task, labelled: Labelled) -> tuple[Finding, Cost]:
        if which(task):
            raise ZeroDivisionError("no such thing")
        return find(task, labelled)

    monkeypatch.setattr(running, "find", failing)


def test_nothing_is_judged_again_where_nothing_has_changed(
    place: Path, tmp_path: Path, judged: list[Task]
) -> None:
    first = ended(planned(place), tmp_path / "out")
    judged.clear()
    again = ended(planned(place), tmp_path / "out")
    assert judged == []
    pd.testing.assert_frame_equal(again.results, first.results)


@pytest.mark.parametrize(("fault", "jump"), [(150, 1.0), (170, 12.0)], ids=["values", "labels"])
def test_a_changed_series_is_judged_again_and_the_others_are_not(
    fault: int, jump: float, place: Path, tmp_path: Path, judged: list[Task]
) -> None:
    before = ended(planned(place), tmp_path / "out").results
    judged.clear()
    write(place, 1, fault, jump)
    after = ended(planned(place), tmp_path / "out").results
    assert {task.reference.series for task in judged} == {"pump-1"}
    assert len(judged) == 1 + len(CONTROLS)
    changed = before["series"] == "pump-1"
    fresh = ended(planned(place), tmp_path / "fresh").results
    pd.testing.assert_frame_equal(after, fresh)
    assert (after["data"] != before["data"])[changed].all()
    assert (after["task"] == before["task"]).all()
    pd.testing.assert_frame_equal(after[~changed], before[~changed])


def test_a_result_of_another_version_is_made_anew(
    place: Path, tmp_path: Path, judged: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    ended(planned(place), tmp_path / "out")
    judged.clear()
    monkeypatch.setattr(running, "versions", lambda: {"tocsin": "99.0"})
    again = ended(planned(place), tmp_path / "out").results
    assert judged == list(planned(place).tasks)
    assert (again["version_tocsin"] == "99.0").all()


def test_a_damaged_result_is_made_anew(place: Path, tmp_path: Path, judged: list[Task]) -> None:
    first = ended(planned(place), tmp_path / "out")
    task = judged[3]
    judged.clear()
    (tmp_path / "out" / "tasks" / f"{task.id}.parquet").write_bytes(b"PAR1 no more")
    again = ended(planned(place), tmp_path / "out")
    assert judged == [task]
    pd.testing.assert_frame_equal(again.results, first.results)


def test_a_task_that_failed_is_tried_again(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        fail(broken, lambda task: task.detector == "ewma")
        assert failures(ended(planned(place), tmp_path / "out")) == [
            "2 tasks stopped, ewma: ZeroDivisionError: no such thing"
        ]
    mended = ended(planned(place), tmp_path / "out")
    assert failures(mended) == []
    assert mended.results["vus_pr"].notna().all()


def test_a_file_that_is_mended_is_read_again(place: Path, tmp_path: Path) -> None:
    good = (place / "pump-1.csv").read_text()
    (place / "pump-1.csv").write_text("t,flow,label\n60,1.0,0\n120,x,0\n")
    (cause,) = failures(ended(planned(place), tmp_path / "out"))
    assert cause.startswith("7 tasks stopped on data/pump-1: SourceError: ")
    (place / "pump-1.csv").write_text(good)
    assert failures(ended(planned(place), tmp_path / "out")) == []


def test_a_file_that_is_broken_later_is_an_error_and_no_old_result(
    place: Path, tmp_path: Path
) -> None:
    reported(planned(place), tmp_path / "out")
    (place / "pump-1.csv").write_text("t,flow,label\n60,1.0,0\n120,x,0\n")
    results = reported(planned(place), tmp_path / "out").results
    assert (results.loc[results["series"] == "pump-1", "error"] != "").all()
    assert (tmp_path / "out" / "report.html").exists()


def test_where_all_fail_each_cause_is_told_once_with_its_number(
    place: Path, tmp_path: Path
) -> None:
    for number in range(2):
        (place / f"pump-{number}.csv").write_text("t,flow,label\n60,1.0,0\n120,x,0\n")
    with pytest.raises(TocsinError) as told:
        reported(planned(place), tmp_path / "out")
    first, *causes = str(told.value).splitlines()
    assert first == "no task succeeded"
    assert [cause.split(": ")[0] for cause in causes] == [
        f"  7 tasks stopped on data/pump-{number}" for number in range(2)
    ]
    assert (tmp_path / "out" / "results.parquet").exists()


def test_without_a_labelled_row_there_is_nothing_to_measure_against(
    place: Path, tmp_path: Path
) -> None:
    for number in range(2):
        write(place, number, fault=ROWS)
    with pytest.raises(TocsinError, match="nothing to measure against: no series"):
        reported(planned(place), tmp_path / "out")


def test_from_python_each_cause_is_a_warning(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fail(monkeypatch, lambda task: task.detector == "mine")
    backtest({"mine": Ewma(20)}, place, tmp_path / "out", processes=1, modes=["causal"])
    told = [one for one in caplog.records if one.name == "tocsin.backtesting"]
    warned = [one.getMessage() for one in told if one.levelname == "WARNING"]
    assert warned == ["2 tasks stopped, mine: ZeroDivisionError: no such thing"]


@pytest.mark.parametrize(
    "which",
    [
        lambda task: task.mode == "offline",
        lambda task: task.detector == "moving_std_50",
        lambda task: task.detector != "random",
        lambda task: (task.detector == "ewma") == (task.reference.series == "pump-0"),
    ],
    ids=["a whole mode", "the baseline", "all but one", "no series that all have"],
)
def test_a_report_is_left_whatever_failed(
    which: Callable[[Task], bool], place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(monkeypatch, which)
    reported(planned(place, ("causal", "offline")), tmp_path / "out")
    assert (tmp_path / "out" / "report.html").exists()
    assert (tmp_path / "out" / "tables" / "leaderboard-causal.md").exists()


def test_columns_of_ones_own_are_told_in_the_rules(place: Path, tmp_path: Path) -> None:
    for file in place.glob("*.csv"):
        file.write_text(file.read_text().replace("t,flow,label", "when,flow,broken"))
    rules = {"modes": ["causal"], "columns": {"time": "when", "label": "broken"}}
    found = backtest({"mine": Ewma(20)}, place, tmp_path / "out", processes=1, **rules)
    assert set(found.results["channels"]) == {1}
    assert failures(found) == []


def test_one_series_is_enough_for_a_report(place: Path, tmp_path: Path) -> None:
    (place / "pump-1.csv").unlink()
    reported(planned(place), tmp_path / "out")
    assert (tmp_path / "out" / "report.html").exists()
