"""`tocsin backtest`: detectors over labelled data, and a report of what came of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tocsin.backtesting.backtest import finish
from tocsin.backtesting.plan import Plan, Task, plan_of
from tocsin.backtesting.reporting import leaderboards, short
from tocsin.backtesting.results import failures
from tocsin.backtesting.running import Done
from tocsin.commands.screen import stderr, stdout
from tocsin.config import load_experiment
from tocsin.evaluation.wording import plural


def backtest(config: Path, data: Path, out: Path, processes: int) -> None:
    """Run every detector of a configuration, and the controls, over the data sets of a folder.

    What is done already, as after a kill, is not done again while data and version are the same;
    what failed is. Leaves `results.parquet` and its
    companions, `tables/` and `report.html` in `out`.
    """
    made = plan_of(load_experiment(config), data)
    command = f"tocsin backtest {config.name} --data {data.name} --out {out.name}"
    with _bars(made) as done:
        results = finish(made, out, processes, done, command)
    series = len({task.reference for task in made.tasks})
    failed = int((results.results["error"] != "").sum())
    told = f"{plural(len(made.tasks), 'task')} over {plural(series, 'series')} done"
    stderr().print(f"{told}, {failed} failed" if failed else told)
    stdout().print(short(leaderboards(results)), highlight=False, soft_wrap=True)
    for cause in failures(results):
        stderr().print(cause, markup=False, highlight=False, soft_wrap=True)
    stdout().print(f"\n{out / 'report.html'}", highlight=False, soft_wrap=True)


@contextmanager
def _bars(made: Plan) -> Iterator[Done]:
    """A bar a detector; gives what is to be told of each task."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=stderr(), transient=True) as progress:
        bars = {
            name: progress.add_task(name, total=sum(t.detector == name for t in made.tasks))
            for name in made.detectors
        }

        def done(task: Task) -> None:
            progress.advance(bars[task.detector])

        yield done
