"""Putting a finished file in its place."""

from pathlib import Path

from tocsin.pipeline.errors import SinkError


def save(path: Path, content: bytes) -> None:
    """Write `content` to `path`, making its folder; a SinkError where that is not possible."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise SinkError(f"{path}: cannot be written: {error.strerror}") from error
