"""Who uses a store: pipelines that run on it, or one command that changes it while none does."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tocsin.pipeline.errors import StateError


@contextmanager
def running(store: Path) -> Iterator[None]:
    """While it lasts, pipelines run on the store; waits for a command that has it alone.

    The lock is on a file beside the store and ends with the process, however that ends.
    """
    with _locked(store, fcntl.LOCK_SH):
        yield


@contextmanager
def alone(store: Path) -> Iterator[bool]:
    """Whether nobody runs on the store; if so, nobody begins to while it lasts."""
    with _locked(store, fcntl.LOCK_EX | fcntl.LOCK_NB) as got:
        yield got


@contextmanager
def _locked(store: Path, how: int) -> Iterator[bool]:
    path = store.with_name(store.name + ".lock")
    try:
        file = path.open("ab")
    except OSError as error:
        raise StateError(f"{path}: cannot be locked: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, how)
        except BlockingIOError:
            yield False
        else:
            yield True
