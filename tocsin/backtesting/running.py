"""The tasks of a backtest on several processes; what is done and still holds is not done again."""

import logging
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait as wait_for
from pathlib import Path
from typing import Any

import numpy as np

from tocsin.backtesting.judging import Cost, Finding, find
from tocsin.backtesting.plan import Task
from tocsin.backtesting.provenance import fingerprint, versions
from tocsin.backtesting.storing import Kept, data_of, keep
from tocsin.evaluation.datasets.catalogue import Reference
from tocsin.evaluation.datasets.labelled import Labelled
from tocsin.history.judging import Judged
from tocsin.pipeline.errors import TocsinError

Done = Callable[[Task], None]

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_AHEAD = 2  # tasks waiting for each process

_log = logging.getLogger("tocsin.backtesting")


def run_tasks(tasks: Sequence[Task], out: Path, processes: int, done: Done) -> None:
    """Run the tasks that have no result in `out` yet; `done` is told of each, in any order.

    A result is of the data as they are now and of this version of tocsin; another one, and one
    that is an error, is made anew. A detector that raises leaves a row with its error, and the
    others go on. A process that dies, as when memory runs out, is a TocsinError; the tasks that
    are done stay done.
    """
    _read.cache_clear()  # files may have changed since this process last read them
    left = []
    for task in tasks:
        if _is_done(task, out):
            done(task)
        elif processes > 1:
            left.append(task)
        else:
            work(task, out)
            done(task)
    _read.cache_clear()
    if left:
        _in_processes(left, out, processes, done)


def work(task: Task, out: Path) -> None:
    """Do one task and write its file."""
    data = ""
    try:
        labelled, data = _read(task.reference)
        finding, cost = find(task, labelled)
    except Exception as error:  # The supervised place: one detector's fault is a row of the table.
        _log.info("%s on %s: %r", task.detector, task.reference.name, error)
        finding, cost = _failed(task, error), Cost(np.nan, np.nan, 0, np.nan)
    keep(out, task.id, Kept(finding, cost, versions(), data))


def _is_done(task: Task, out: Path) -> bool:
    """Whether there is a result that holds for the series as it is read now."""
    data = data_of(out, task.id, versions().get("tocsin", ""))
    if not data:
        return False
    try:
        return _read(task.reference)[1] == data
    except Exception:  # What is wrong with the file is told by the task, a row of the table.
        return False


def _in_processes(left: Sequence[Task], out: Path, processes: int, done: Done) -> None:
    # Threads of its own in each process would only be in each other's way.
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        with ProcessPoolExecutor(processes, get_context("spawn"), _end_with_parent) as pool:
            waiting: dict[Future[None], Task] = {}
            queue = list(reversed(left))
            while queue or waiting:
                while queue and len(waiting) < processes * _AHEAD:
                    task = queue.pop()
                    waiting[pool.submit(work, task, out)] = task
                for ready in wait(waiting, return_when=FIRST_COMPLETED).done:
                    ready.result()
                    done(waiting.pop(ready))
    except BrokenProcessPool as error:
        raise TocsinError(
            "a process of the backtest died, perhaps for want of memory; start it again to go on, "
            "with fewer processes"
        ) from error
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _end_with_parent() -> None:
    """End this process when the one that started it is gone, however that ended."""
    parent = parent_process()

    def watch() -> None:
        if parent is not None:
            wait_for([parent.sentinel])
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@lru_cache(maxsize=2)
def _read(reference: Reference) -> tuple[Labelled, str]:
    """A series and its fingerprint; tasks come by series, so one is read once a process."""
    labelled = reference.read()
    return labelled, fingerprint(labelled)


def _failed(task: Task, error: Exception) -> Finding:
    row: dict[str, Any] = {
        "dataset": task.reference.dataset,
        "series": task.reference.series,
        "detector": task.detector,
        "mode": task.mode,
        "seed": int(getattr(task.scorer, "seed", 0)),
        "fitted": "",
        "error": f"{type(error).__name__}: {error}",
    }
    none = np.empty(0)
    judged = Judged(none, none, none, none.astype(bool), (), none.astype(bool))
    return Finding(row, [], [], [], [], np.empty(0, dtype=np.int64), judged)
