"""From which data and under which versions of what a result was made."""

import hashlib
import platform
import subprocess
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from tocsin.evaluation.datasets.labelled import Labelled

_PACKAGES = ("tocsin", "numpy", "scipy", "scikit-learn", "numba", "pandas", "torch", "river")


def fingerprint(labelled: Labelled) -> str:
    """A short name for the rows, labels and prefix of a series, as they were read.

    What a reader says of them besides, as source, licence and notes, has no part in it.
    """
    stream, truth = labelled.stream, labelled.truth
    arrays = (stream.time, stream.values, truth.label, truth.by_channel, truth.normal)
    said = (labelled.train, stream.channels, truth.events, truth.window)
    shapes = [None if array is None else array.shape for array in arrays]
    found = hashlib.blake2b(repr((said, shapes)).encode(), digest_size=10)
    for array in arrays:
        if array is not None:
            found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()


@lru_cache(maxsize=1)
def versions() -> dict[str, str]:
    """The versions of Python and of the packages that results depend on, and the commit.

    Packages that are not installed are left out; the commit is "" outside a checkout, and ends in
    "+" where files differ from it.
    """
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return {**found, "commit": _commit()}


def _commit() -> str:
    here = Path(__file__).resolve().parent
    name = _git(here, "rev-parse", "--short=12", "HEAD")
    changed = name and _git(here, "status", "--porcelain", "--untracked-files=no")
    return f"{name}+" if changed else name


def _git(folder: Path, *words: str) -> str:
    try:
        asked = subprocess.run(  # noqa: S603 - fixed words
            ["git", "-C", str(folder), *words],  # noqa: S607 - git from the path, as people have it
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return asked.stdout.strip() if asked.returncode == 0 else ""
