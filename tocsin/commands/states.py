"""`tocsin state`: what a pipeline remembers, looked at, moved and reset."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import typer
from rich.table import Table

from tocsin.commands.screen import print_json, stdout
from tocsin.config import Config, load
from tocsin.evaluation.wording import plural
from tocsin.pipeline.acceptance import accept
from tocsin.pipeline.errors import ConfigError, StateError
from tocsin.pipeline.lock import alone
from tocsin.pipeline.store import Checkpoint, Store


def show(path: Path, *, as_json: bool) -> None:
    """Show partitions, incidents and what waits."""
    config = load(path)
    with opened(config) as store:
        parts = [
            {"part": name, "position": position, "bytes": store.size(name)}
            for name, position in store.parts().items()
        ]
        states = Counter(incident.state for incident in store.incidents())
        letters = len(store.letters())
    still_open = states.total() - states["resolved"]
    if as_json:
        counts = {"incidents": states.total(), "open": still_open, "dead_letters": letters}
        print_json({"store": str(config.store), "parts": parts, **counts})
        return
    console = stdout()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("part", "position", "bytes"):
        table.add_column(head, justify="left" if head == "part" else "right")
    for row in parts:
        table.add_row(*("-" if cell is None else str(cell) for cell in row.values()))
    console.print(f"{config.store}")
    console.print(table)
    console.print(
        f"{plural(states.total(), 'incident')}, {still_open} open; {plural(letters, 'dead letter')}"
    )


def export(path: Path, file: Path) -> None:
    """Copy the store into a new file, whole and consistent even while a pipeline writes to it."""
    config = load(path)
    if file.exists():
        raise StateError(f"{file} is there already; name a new file")
    with opened(config):
        _copy(store_of(config), file)
    stdout().print(f"{store_of(config)} copied to {file}")


def take_over(path: Path, file: Path, *, force: bool) -> None:
    """Put an exported store in the place of the configuration's, once it is seen to fit."""
    config = load(path)
    target = store_of(config)
    if not file.is_file():
        raise StateError(f"{file} is not a file; wanted one that `tocsin state export` made")
    if target.exists() and not force:
        raise StateError(f"{target} is there already; --force replaces it")
    target.parent.mkdir(parents=True, exist_ok=True)
    with changed_alone(config):
        _replace_store(config, target, file)


def _replace_store(config: Config, target: Path, file: Path) -> None:
    draft = target.with_name(target.name + ".part")
    draft.unlink(missing_ok=True)
    try:
        _copy(file, draft)
        chain = config.stages.chain(config.source.spec())
        with Store(draft) as store:
            parts = list(store.parts())
            for part in parts:
                store.claim(chain, part)
        for leftover in _beside(target):
            leftover.unlink(missing_ok=True)
        draft.replace(target)
    finally:
        for leftover in (draft, *_beside(draft)):
            leftover.unlink(missing_ok=True)
    stdout().print(f"{file} taken over: {plural(len(parts), 'partition')}")


def reset(path: Path, part: str | None, *, sure: bool) -> None:
    """Forget positions and what was learned."""
    config = load(path)
    with opened(config) as store, changed_alone(config):
        known = list(store.parts())
        if part is not None and part not in known:
            raise StateError(f"no partition is called {part!r}; there are {', '.join(known)}")
        chosen = known if part is None else [part]
        if not sure:
            names = ", ".join(chosen) or "nothing"
            typer.confirm(f"Forget the state of {names}?", abort=True)
        for each in chosen:
            store.reset(each)
    stdout().print(f"{plural(len(chosen), 'partition')} reset")


def accept_series(path: Path, series: str) -> None:
    """Take a firing series' present behaviour for normal: its incident ends, it learns afresh."""
    config = load(path)
    chain = config.stages.chain(config.source.spec())
    with opened(config) as store, changed_alone(config):
        for part in list(store.parts()):
            claim = store.claim(chain, part)
            if claim.state is None or claim.state.keys.find(series) < 0:
                continue
            outcome = accept(chain, claim.state, series)
            if not len(outcome.touched):
                raise StateError(f"{series} has no open incident: there is nothing to accept")
            store.checkpoint(
                chain,
                Checkpoint(
                    part,
                    claim.epoch,
                    claim.position,
                    claim.state,
                    outcome.touched,
                    outcome.incidents,
                    (),
                ),
                tuple(config.delivery.sinks),
            )
            stdout().print(f"{series}: its incident is over, what it shows is learned from now on")
            return
    raise StateError(f"no partition in {config.store} has a series called {series!r}")


def store_of(config: Config) -> Path:
    """The file of a configuration's store; ConfigError where its state is in memory alone."""
    if config.store is None:
        raise ConfigError(f"{config.path} keeps its state in memory; set $.state.dir")
    return config.store


@contextmanager
def opened(config: Config) -> Iterator[Store]:
    """The store of a configuration; StateError where the pipeline has not run yet."""
    path = store_of(config)
    if not path.is_file():
        raise StateError(f"{path} is not there: the pipeline has not run yet")
    with Store(path) as store:
        yield store


@contextmanager
def changed_alone(config: Config) -> Iterator[None]:
    """A StateError where a pipeline runs on the store; while it lasts none can begin to."""
    with alone(store_of(config)) as nobody_runs:
        if not nobody_runs:
            raise StateError(
                f"{config.store}: a pipeline runs on it; stop it first. "
                "(Labels and silences it takes in while it runs.)"
            )
        yield


def _copy(source: Path, target: Path) -> None:
    """Copy a database as SQLite sees it, its journal included."""
    try:
        with (
            closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as old,
            closing(sqlite3.connect(target)) as new,
        ):
            old.backup(new)
            # One file that can be moved alone, without a journal beside it.
            new.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        raise StateError(f"{source} cannot be copied to {target}: {error}") from error


def _beside(path: Path) -> tuple[Path, Path]:
    return path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")
