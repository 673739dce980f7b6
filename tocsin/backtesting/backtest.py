"""`tocsin.backtest`: detectors over labelled data, results and a report."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tocsin.backtesting.plan import Plan, Task, plan
from tocsin.backtesting.reporting import FIRST, write_all
from tocsin.backtesting.results import (
    Results,
    failures,
    gather,
    require_measured,
    write_results,
)
from tocsin.backtesting.running import Done, run_tasks
from tocsin.config import AUTO
from tocsin.configuration.settings import check
from tocsin.configuration.shape import Backtest
from tocsin.detectors import catalogue
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.types import Scorer

_log = logging.getLogger("tocsin.backtesting")


def backtest(
    detectors: Mapping[str, str | Scorer[Any]],
    data: Path | str,
    out: Path | str,
    *,
    processes: int = 0,
    **rules: Any,
) -> Results:
    """Run detectors, and the controls, over the labelled data sets of a folder.

    `detectors` gives each a name; it is a scorer, a name that `tocsin list detectors` shows, or
    "auto", which chooses by the shape of each series. `rules` are those of the section `backtest`
    of a configuration: `datasets`, `series`, `modes`, `train`, `baseline`, `buffer`, `columns`.
    Leaves `results.parquet` and its companions, `tables/` and `report.html` in `out`; what is
    there already, of the same data and version, is not done again. With `processes` 0 there is one
    a core; more than one needs a script that guards its start with `if __name__ == "__main__":`,
    as multiprocessing does.

    Raises ConfigError for what is asked wrongly, SourceError where no data set is recognised, and
    TocsinError where no task succeeded or no series can be measured. Tasks that failed are rows
    with an `error`, and a warning is logged for each cause.
    """
    _, wrong = check(Backtest, rules, at="backtest")
    if wrong:
        raise ConfigError("; ".join(wrong))
    scorers = {name: _scorer(one) for name, one in detectors.items()}
    results = finish(plan(scorers, Path(data), Backtest(**rules)), Path(out), processes)
    for cause in failures(results):
        _log.warning("%s", cause)
    return results


def finish(
    chosen: Plan, out: Path, processes: int = 0, done: Done | None = None, command: str = ""
) -> Results:
    """Run what is left of a plan, gather everything, and write it down.

    Raises a TocsinError where there is nothing that a table could hold; the results are written.
    """
    run_tasks(chosen.tasks, out, processes or max(1, os.cpu_count() or 1), done or _nobody)
    results = gather(chosen, out)
    write_results(results, out)
    require_measured(results, FIRST)
    write_all(chosen, results, out, command=command)
    return results


def _scorer(given: str | Scorer[Any]) -> Scorer[Any] | None:
    if given == AUTO:
        return None
    if isinstance(given, str):
        made: Scorer[Any] = catalogue.load(given)()
        return made
    if not hasattr(given, "score"):
        raise ConfigError(f"{given!r} is no detector; wanted a name or a scorer")
    return given


def _nobody(task: Task) -> None:
    """Nobody looks on."""
