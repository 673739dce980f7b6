"""Complete lines of a file in blocks, with where they stood; whole, or followed as it grows."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, overload

import numpy as np

from tocsin.connectors.clocks import Clock
from tocsin.connectors.sniff import check_file, check_text, head, mark_length
from tocsin.pipeline.errors import SourceError
from tocsin.pipeline.types import IntArray

_CHUNK = 1 << 20
_LONGEST_LINE = 1 << 28
_IDLE_S = 0.2


@dataclass(frozen=True, slots=True)
class Lines(Sequence[bytes]):
    """Lines of a file without their ends, blank ones left out; sliced from `data` when asked for.

    `start` and `end` (B,) are places in `data`, whose first byte is byte `origin` of the file;
    `next` is the byte after the last line.
    """

    data: bytes
    origin: int
    start: IntArray
    end: IntArray
    next: int

    def __len__(self) -> int:
        return len(self.start)

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | Sequence[bytes]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return self.data[int(self.start[index]) : int(self.end[index])]

    @property
    def offset(self) -> IntArray:
        """The byte of the file that each line starts at (B,)."""
        return self.start + self.origin


def read_lines(
    path: Path, start: int, rows: int, *, clock: Clock, follow: bool = False
) -> Iterator[Lines | None]:
    r"""Lines from byte `start` on, at most `rows` a time; None when a followed file has no more.

    Read whole, a last line without an end counts as a line. Followed, only complete lines do, and
    reading goes on for ever. Lines end with `\n` or `\r\n`.

    Raises SourceError when the file is shorter than `start`, when a followed file was cut or
    replaced (its old lines are read to the end first), and for a line over 256 MiB.
    """
    size = check_file(path).st_size
    if start > size:
        raise SourceError(
            f"{path} has {size} bytes and reading was to go on at byte {start}: it was cut or "
            f"replaced; reset the saved state to read it afresh"
        )
    try:
        with path.open("rb") as file:
            file.seek(start)
            yield from _blocks(file, path, rows, clock if follow else None)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from error


def first_lines(path: Path) -> Lines:
    """The complete lines of a file's first 256 KiB, all of a smaller one, less a UTF-8 mark.

    Raises SourceError as `head` and `check_text` do.
    """
    start = head(path)
    check_text(start, path)
    mark = mark_length(path)
    whole = mark + len(start) >= path.stat().st_size
    size = len(start) if whole else start.rfind(b"\n") + 1 or len(start)
    return split_lines(start[:size], mark)


def count_lines(path: Path, start: int, end: int) -> int:
    """Lines that are not blank between two bytes of a file, each at the start of a line."""
    count = 0
    with path.open("rb") as file:
        file.seek(start)
        left = end - start
        rest = b""
        while left > 0 and (chunk := file.read(min(_CHUNK, left))):
            left -= len(chunk)
            data = rest + chunk
            cut = data.rfind(b"\n") + 1
            count += len(split_lines(data[:cut], 0))
            rest = data[cut:]
    return count + len(split_lines(rest, 0))


def split_lines(data: bytes, origin: int) -> Lines:
    """The lines of `data`, whose last one need not have an end."""
    codes = np.frombuffer(data, dtype=np.uint8)
    newline = np.flatnonzero(codes == 10)
    if data and not data.endswith(b"\n"):
        newline = np.append(newline, len(data))
    start = np.concatenate(([0], newline[:-1] + 1)) if newline.size else newline
    end = newline.astype(np.int64)
    inside = end > start
    end = end - (inside & (codes[np.maximum(end - 1, 0)] == 13) if codes.size else inside)
    full = end > start
    return Lines(data, origin, start[full], end[full], origin + len(data))


def _blocks(file: BinaryIO, path: Path, rows: int, follow: Clock | None) -> Iterator[Lines | None]:
    """Blocks of at most `rows` lines until the file ends; with a clock, for ever."""
    data, origin = b"", file.tell()
    while True:
        chunk = file.read(_CHUNK)
        data += chunk
        if len(data) > _LONGEST_LINE and b"\n" not in data:
            raise SourceError(f"{path} has a line of over {_LONGEST_LINE} bytes at byte {origin}")
        place = 0
        for size in _cuts(data, rows, drain=not chunk):
            yield split_lines(data[place : place + size], origin + place)
            place += size
        data, origin = data[place:], origin + place
        if chunk:
            continue
        if follow is None:
            if data:
                yield split_lines(data, origin)
            return
        _check_same(file, path, origin + len(data))
        follow.wait(_IDLE_S)
        yield None


def _cuts(data: bytes, rows: int, *, drain: bool) -> list[int]:
    """Sizes of the blocks of `rows` complete lines at the front of `data`; `drain` takes fewer."""
    ends = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == 10) + 1
    marks = ends[rows - 1 :: rows].tolist()
    if drain and len(ends) % rows:
        marks.append(int(ends[-1]))
    return [mark - before for before, mark in zip([0, *marks], marks, strict=False)]


def _check_same(file: BinaryIO, path: Path, read_to: int) -> None:
    """A SourceError when the path no longer leads to the file that is being read."""
    mine = os.fstat(file.fileno())
    try:
        now = path.stat()
    except FileNotFoundError:
        raise SourceError(f"{path} was moved away while it was followed") from None
    if (now.st_dev, now.st_ino) != (mine.st_dev, mine.st_ino):
        raise SourceError(
            f"{path} was replaced by another file while it was followed; the old one was read to "
            f"its end, byte {read_to}"
        )
    if mine.st_size < read_to:
        raise SourceError(
            f"{path} was cut to {mine.st_size} bytes while it was followed; {read_to} were read"
        )
