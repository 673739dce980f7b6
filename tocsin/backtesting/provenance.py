"""Under which versions of what a result was made."""

import platform
import subprocess
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGES = ("tocsin", "numpy", "scipy", "scikit-learn", "numba", "pandas", "torch", "river")


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
