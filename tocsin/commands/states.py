"""`tocsin state`: what a pipeline remembers, looked at, moved and reset."""

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import typer
from rich.table import Table

from tocsin.commands.incidents import list_incidents, newest_first
from tocsin.commands.screen import print_json, stdout
from tocsin.config import Config, load
from tocsin.evaluation.wording import plain, plural
from tocsin.pipeline.acceptance import accept
from tocsin.pipeline.errors import ConfigError, StateError
from tocsin.pipeline.lock import alone
from tocsin.pipeline.store import Checkpoint, Store


def show(path: Path, *, as_json: bool) -> None:
    """Show partitions, how many incidents and dead letters there are, and the open incidents."""
    config = load(path)
    with opened(config) as store:
        parts = [
            {"part": name, "position": position, "bytes": store.size(name)}
            for name, position in store.parts().items()
        ]
        incidents = store.incidents()
        letters = len(store.letters())
    still_open = [each for each in newest_first(incidents) if each.state != "resolved"]
    if as_json:
        counts = {"incidents": len(incidents), "open": len(still_open), "dead_letters": letters}
        open_ones = [each.to_json() for each in still_open]
        told = {"store": str(config.store), "parts": parts, **counts}
        print_json(told | {"open_incidents": open_ones})
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
        f"{plural(len(incidents), 'incident')}, {len(still_open)} open; "
        f"{plural(letters, 'dead letter')}"
    )
    if still_open:
        list_incidents(still_open)


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
        with Store(draft) as store:
            parts = list(store.parts())
            _refuse_foreign(config, file, parts)
            chain = config.stages.chain(config.source.spec())
            for part in parts:
                store.claim(chain, part)
        for leftover in _beside(target):
            leftover.unlink(missing_ok=True)
        draft.replace(target)
    finally:
        for leftover in (draft, *_beside(draft)):
            leftover.unlink(missing_ok=True)
    names = ", ".join(map(plain, parts)) or "none"
    stdout().print(f"{file} taken over: {plural(len(parts), 'partition')}: {names}")


def _refuse_foreign(config: Config, file: Path, parts: Sequence[str]) -> None:
    """A StateError where no partition is one that the configuration's source reads.

    That is known of sources that read a file or folder, and of topics.
    """
    wanted = _reads(config.source)
    rows = [part for part in parts if not part.startswith("labels:")]
    if wanted and rows and not any(re.fullmatch(wanted, part) for part in rows):
        raise StateError(
            f"{file} is of another pipeline: it has the state of {', '.join(map(plain, rows))}, "
            f"which the source {config.name} of {config.path} does not read"
        )


def _reads(source: object) -> str:
    """A pattern of the partitions that a source reads; "" where it cannot be told."""
    topic = getattr(getattr(source, "settings", None), "topic", "")
    if topic:
        return rf"{re.escape(topic)}/\d+"
    path, named = getattr(source, "path", None), getattr(source, "part", "")
    if named or not isinstance(path, Path):
        return re.escape(named)
    return "|".join(re.escape(name) for name in (path.name, path.resolve().name) if name)


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
