"""What a file is by its first bytes, whatever its name says."""

import os
from pathlib import Path
from typing import Literal

import orjson

from tocsin.pipeline.errors import SourceError

Format = Literal["csv", "jsonl", "json", "parquet"]

_HEAD = 256 * 1024
_TELLING = 4096  # zero bytes further on are bad lines of a text file, as a crash may leave
_BOM = b"\xef\xbb\xbf"
_MAGIC = {
    b"\x1f\x8b": "a gzip archive",
    b"PK\x03\x04": "a zip archive (or a spreadsheet)",
    b"BZh": "a bzip2 archive",
    b"\x28\xb5\x2f\xfd": "a zstandard archive",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"%PDF": "a PDF document",
    b"SQLite format 3": "an SQLite database",
    b"\x93NUMPY": "a numpy array",
    b"\x89HDF": "an HDF5 file",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}
_WANTED = "wanted CSV, JSON lines, a JSON array or Parquet"


def head(path: Path, size: int = _HEAD) -> bytes:
    """The first bytes of a regular file, less a UTF-8 mark.

    Raises SourceError for a file that is missing, empty, not readable or no regular file.
    """
    check_file(path)
    try:
        with path.open("rb") as file:
            start = file.read(size)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from error
    if not start.removeprefix(_BOM).strip():
        raise SourceError(f"{path} is empty; {_WANTED}")
    return start.removeprefix(_BOM)


def mark_length(path: Path) -> int:
    """Bytes of the UTF-8 mark a file starts with: 3 or 0."""
    with path.open("rb") as file:
        return len(_BOM) if file.read(len(_BOM)) == _BOM else 0


def check_file(path: Path) -> os.stat_result:
    """The status of a regular file; a SourceError says what stands there instead."""
    try:
        status = path.stat()
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}; {_WANTED}") from error
    if path.is_dir():
        raise SourceError(f"{path} is a directory; {_WANTED}")
    if not path.is_file():
        raise SourceError(f"{path} is no regular file; {_WANTED}")
    return status


def sniff(path: Path) -> Format:
    """The format of a file by its content.

    Raises SourceError for what `head` refuses and for binary files, saying what they look like.
    """
    start = head(path)
    if start.startswith(b"PAR1"):
        return "parquet"
    check_text(start, path)
    text = start.lstrip()
    if text[:1] not in (b"{", b"["):
        return "csv"
    first = text.split(b"\n", 1)[0]
    try:
        whole = orjson.loads(first)
    except orjson.JSONDecodeError:
        # The first line is no value of its own: a value laid out over lines, or a bad line of many.
        return "jsonl" if text[:1] == b"{" and len(first.strip()) > 1 else "json"
    alone = not text[len(first) :].strip()
    return "json" if isinstance(whole, list) and alone else "jsonl"


def check_text(start: bytes, path: Path) -> None:
    """A SourceError when the first bytes of a file are not text."""
    for magic, what in _MAGIC.items():
        if start.startswith(magic):
            raise SourceError(f"{path} is {what}; {_WANTED}")
    if b"\0" in start[:_TELLING]:
        raise SourceError(f"{path} is binary (it holds zero bytes); {_WANTED}")
