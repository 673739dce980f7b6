"""Whether the pipeline still writes checkpoints: exit 0 if it does, 1 with the reason if not.

`healthcheck.py FOLDER SECONDS`: the newest file under FOLDER must be younger than SECONDS. A
process that hangs, or a disk that takes no writes, shows as checkpoints that grow old. Needs the
standard library alone, because it runs every few seconds.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path


def trouble(folder: Path, most_seconds: float, now: float) -> str | None:
    """What is wrong with the state under `folder` at `now` (seconds since 1970), or None."""
    newest = max(_times(folder), default=None)
    if newest is None:
        return f"{folder}: no state has been written"
    if now - newest > most_seconds:
        return (
            f"{folder}: last written {now - newest:.0f} s ago, at most {most_seconds:.0f} s wanted"
        )
    return None


def _times(folder: Path) -> Iterator[float]:
    for path in folder.rglob("*"):
        try:
            yield path.stat().st_mtime
        except FileNotFoundError:  # SQLite removes its journal between the listing and the look
            continue


if __name__ == "__main__":
    sys.exit(trouble(Path(sys.argv[1]), float(sys.argv[2]), time.time()))
