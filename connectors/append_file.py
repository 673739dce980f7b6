"""A file of lines that is only ever added to, and is whole again after a crash."""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from tocsin.pipeline.errors import SinkError

Name = TypeVar("Name")

_CHUNK = 1 << 20


@dataclass(slots=True)
class AppendFile:
    """Lines of `path`, opened when first used; what is appended is on the disk on return.

    A last line without an end is what a crash left of an unfinished write; it is cut off. After a
    write that failed, what it left is cut off too. One process at a time may append.

    Raises SinkError, with the path and the reason, when the file cannot be opened, read or written.
    """

    path: Path
    _handle: int = field(default=-1, init=False)
    _size: int = field(default=0, init=False)

    def lines(self) -> Iterator[bytes]:
        """The complete lines that are there now, without their ends."""
        self._open()
        try:
            with self.path.open("rb") as file:
                for line in file:
                    yield line.rstrip(b"\n")
        except OSError as error:
            raise self._trouble(error) from error

    def append(self, lines: Sequence[bytes]) -> None:
        """Add lines, all or none of them, and wait until they are on the disk."""
        self._open()
        data = b"".join(line + b"\n" for line in lines)
        try:
            _write_all(self._handle, data)
            os.fsync(self._handle)
        except OSError as error:
            with contextlib.suppress(OSError):  # then the next opening cuts what is torn
                os.ftruncate(self._handle, self._size)
            raise self._trouble(error) from error
        self._size += len(data)

    def close(self) -> None:
        """Let go of the file; using it again opens it again."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _open(self) -> None:
        if self._handle >= 0:
            return
        try:
            # Asked before opening: a pipe would wait for its reader, a device might never end.
            if self.path.exists() and not self.path.is_file():
                raise SinkError(f"{self.path} is no regular file; wanted one to append lines to")
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise self._trouble(error) from error
        try:
            self._size = _whole_lines(handle)
            os.ftruncate(handle, self._size)
        except OSError as error:
            os.close(handle)
            raise self._trouble(error) from error
        self._handle = handle

    def _trouble(self, error: OSError) -> SinkError:
        return SinkError(f"{self.path} cannot be written: {error.strerror}")


@dataclass(slots=True)
class OnceFile(Generic[Name]):
    """An append-only file in which each name has one line; a repeat changes nothing.

    `name_of` reads the name back from a line, and raises KeyError, TypeError or ValueError for a
    line that is none of `what` ("incident"), which becomes a SinkError. The names that are there
    are read on first use, and again after a write that failed, as some of it may have got through.
    """

    path: Path
    what: str
    name_of: Callable[[bytes], Name]
    _file: AppendFile = field(init=False)
    _held: set[Name] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._file = AppendFile(self.path)

    def add(self, lines: Mapping[Name, Callable[[], bytes]]) -> None:
        """Append the lines whose names are not there yet; the others are not even made."""
        held = self._held if self._held is not None else self._read_back()
        new = {name: line for name, line in lines.items() if name not in held}
        if not new:
            return
        made = [line() for line in new.values()]
        try:
            self._file.append(made)
        except SinkError:
            self.close()
            raise
        held.update(new)

    def close(self) -> None:
        """Let go of the file; may be called twice."""
        self._file.close()
        self._held = None

    def _read_back(self) -> set[Name]:
        held = set()
        for number, line in enumerate(self._file.lines(), 1):
            try:
                held.add(self.name_of(line))
            except (KeyError, TypeError, ValueError) as error:
                self._file.close()
                raise SinkError(
                    f"{self.path}, line {number}, is no {self.what}; wanted a new file or one of "
                    f"{self.what}s"
                ) from error
        self._held = held
        return held


def _write_all(handle: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]


def _whole_lines(handle: int) -> int:
    """Bytes up to the end of the last complete line."""
    end = os.fstat(handle).st_size
    while end > 0:
        first = max(0, end - _CHUNK)
        found = os.pread(handle, end - first, first).rfind(b"\n")
        if found >= 0:
            return first + found + 1
        end = first
    return 0
