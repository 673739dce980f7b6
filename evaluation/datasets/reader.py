"""What a reader of one published format is, and how it finds its files."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tocsin.evaluation.datasets.labelled import Labelled
from tocsin.pipeline.errors import SourceError


class Found(NamedTuple):
    """One series that a reader found, not yet read: data set, series, and the file it is in."""

    dataset: str
    series: str
    path: Path


@dataclass(frozen=True, slots=True)
class Reader:
    """A published format: `looks_for` says its layout in a few words.

    `find(place)` lists the series of a folder, or of one file, without reading the values; a folder
    of another format gives none. `one(path, series)` reads one of them and raises a SourceError
    that names the file and the line or row where the data is wrong.
    """

    name: str
    looks_for: str
    find: Callable[[Path], Iterable[Found]]
    one: Callable[[Path, str], Labelled]

    def read(self, place: Path) -> Iterator[Labelled]:
        """Every series of a folder or file, one after the other, read as it is asked for."""
        found = list(self.find(place))
        if not found:
            raise SourceError(f"{place}: no {self.name} data here; looked for {self.looks_for}")
        for one in found:
            yield self.one(one.path, one.series)


def files_in(place: Path, *patterns: str) -> list[Path]:
    """The file itself, or the files of a folder that match a pattern, in the order of their names.

    Raises a SourceError where there is nothing at `place`.
    """
    if place.is_file():
        return [place]
    if not place.is_dir():
        raise SourceError(f"{place}: no such file or folder")
    return sorted({path for pattern in patterns for path in place.glob(pattern) if path.is_file()})


def above(path: Path, steps: int) -> Path:
    """The folder that many steps above a file's own; the root of the disk where there are fewer."""
    parents = path.resolve().parents
    return parents[min(steps, len(parents) - 1)]


def first_line(path: Path) -> str:
    """The first line without its end, whatever it holds; empty where the file cannot be opened."""
    try:
        with path.open("rb") as file:
            held = file.readline(1_000_000)
    except OSError:
        return ""
    return next(iter(held.decode("utf-8-sig", errors="replace").splitlines()), "")


def some_have(files: Sequence[Path], columns: Iterable[str], separator: str = ",") -> bool:
    """Whether one of the first few files has all these columns in its first line.

    A few, so that one damaged file does not hide a data set: it is then an error when it is read.
    """
    wanted = set(columns)
    return any(
        wanted <= {name.strip().strip('"') for name in first_line(path).split(separator)}
        for path in files[:5]
    )
