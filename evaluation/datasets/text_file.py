"""Whole text and JSON files, with the line named where one cannot be read."""

import json
from pathlib import Path
from typing import Any

from tocsin.pipeline.errors import SourceError


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, all line ends made alike; a SourceError names file and line."""
    try:
        held = path.read_bytes()
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror or error}") from error
    try:
        text = held.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = len(held[: error.start + 1].splitlines())
        raise SourceError(f"{path}, line {line}: not a text file: {error.reason}") from error
    if "\0" in text:
        line = len(held[: held.index(b"\0") + 1].splitlines())
        raise SourceError(f"{path}, line {line}: not a text file: it holds a zero byte")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_json(path: Path) -> Any:
    """What a JSON file holds; raises a SourceError with the file and line."""
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise SourceError(f"{path}, line {error.lineno}: not JSON: {error.msg}") from error
    except (
        RecursionError,
        ValueError,
    ) as error:  # nested too deeply, or a number of too many digits
        raise SourceError(f"{path}: cannot be read as JSON: {error}") from error
