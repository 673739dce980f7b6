"""Arrays with a header of plain text in one file, written whole or not at all (safetensors)."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from tocsin.pipeline.errors import StateError

Arrays = dict[str, NDArray[Any]]
_HEADER = "tocsin"


def write(path: Path, arrays: Arrays, header: dict[str, Any]) -> None:
    """Write the arrays and the header, which must be JSON; a file of that name is replaced.

    The file appears under its name when all of it is on the disk, so a kill leaves the old one.
    """
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    content = save(whole, metadata={_HEADER: json.dumps(header, sort_keys=True)})
    draft = path.with_name(path.name + ".draft")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def read(path: Path) -> tuple[Arrays, dict[str, Any]]:
    """The arrays and the header of a file that `write` wrote; StateError names what is wrong."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StateError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        arrays: Arrays = load(content)
        size = int.from_bytes(content[:8], "little")
        header = json.loads(json.loads(content[8 : 8 + size])["__metadata__"][_HEADER])
    except (SafetensorError, ValueError, KeyError) as error:
        raise StateError(f"{path}: not a checkpoint of tocsin, or damaged: {error}") from error
    if not isinstance(header, dict):
        raise StateError(f"{path}: the header is {type(header).__name__}, not a table")
    return arrays, header


def as_json(header: dict[str, Any]) -> dict[str, Any]:
    """The header as it reads back: tuples become lists."""
    back: dict[str, Any] = json.loads(json.dumps(header))
    return back
