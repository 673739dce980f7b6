"""The readers by name, and what of them a folder holds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tocsin.evaluation.datasets import (
    care,
    exathlon,
    gecco,
    kpi,
    labelled_csv,
    merlion,
    nab,
    opensearch,
    skab,
    smap_msl,
    smd,
    tsb_ad,
    tsb_uad,
    ucr,
)
from tocsin.evaluation.datasets.labelled import Labelled
from tocsin.evaluation.datasets.labelled_csv import Named
from tocsin.evaluation.datasets.reader import Reader
from tocsin.pipeline.errors import ConfigError, SourceError

# The first that knows a folder has it, so the plain csv reader stands last.
READERS: dict[str, Reader] = {
    module.READER.name: module.READER
    for module in (
        nab,
        skab,
        smd,
        smap_msl,
        gecco,
        kpi,
        ucr,
        tsb_uad,
        tsb_ad,
        care,
        exathlon,
        merlion,
        opensearch,
        labelled_csv,
    )
}


@dataclass(frozen=True, slots=True)
class Reference:
    """One series of a data set, not yet read: small, and picklable for another process.

    `named` are the columns of a csv file, where they were told.
    """

    dataset: str
    series: str
    path: Path
    reader: str
    named: Named | None = None

    @property
    def name(self) -> str:
        """Data set and series, the name that the series has when it is read."""
        return f"{self.dataset}/{self.series}"

    def read(self) -> Labelled:
        """The series; errors as for its reader, and a ConfigError where there is no such reader."""
        if self.reader not in READERS:
            raise ConfigError(f"no reader {self.reader!r}; there are {', '.join(READERS)}")
        if self.named is not None:
            return labelled_csv.one_named(self.path, self.series, self.named)
        return READERS[self.reader].one(self.path, self.series)


def recognise(folder: Path) -> str | None:
    """The name of the reader whose layout a folder has, or None.

    >>> recognise(Path("no/such/folder")) is None
    True
    """
    if not folder.is_dir():
        return None
    for name, reader in READERS.items():
        if next(iter(reader.find(folder)), None) is not None:
            return name
    return None


def list_series(
    root: Path, names: Sequence[str] = (), named: Named | None = None
) -> list[Reference]:
    """Every series in a folder and its direct subfolders, without reading their values.

    `names` keeps those of the readers or data sets so named, in any case (`nab`, `ECG`). With
    `named`, only csv files are looked for, whatever else would know the folder. The order is that
    of the folders' and files' names. Raises a SourceError where nothing is recognised or a name
    finds nothing.
    """
    if not root.is_dir():
        raise SourceError(f"{root}: no such folder")
    below = sorted(path for path in root.iterdir() if path.is_dir())
    found = dict.fromkeys(ref for folder in (root, *below) for ref in _references(folder, named))
    if not found and named is not None:
        raise SourceError(
            f"{root}: no labelled csv file, here or in a subfolder; looked for {named.looks_for}"
        )
    if not found:
        layouts = "\n".join(f"  {name}: {reader.looks_for}" for name, reader in READERS.items())
        raise SourceError(
            f"{root}: no data set recognised, here or in a subfolder; looked for\n{layouts}"
        )
    for name in names:
        if not any(_is_called(reference, name) for reference in found):
            there = dict.fromkeys(reference.dataset for reference in found)
            raise SourceError(
                f"{root}: no data set {name!r}; found {', '.join(there)}; readers are "
                f"{', '.join(READERS)}"
            )
    return [ref for ref in found if not names or any(_is_called(ref, name) for name in names)]


def read_folder(root: Path, names: Sequence[str] = ()) -> Iterator[Labelled]:
    """Every series that `list_series` finds, read one after the other as it is asked for."""
    for reference in list_series(root, names):
        yield reference.read()


def _references(folder: Path, named: Named | None) -> Iterator[Reference]:
    if named is not None:
        for found in labelled_csv.find_named(folder, named):
            yield Reference(found.dataset, found.series, found.path.resolve(), "csv", named)
        return
    name = recognise(folder)
    if name is not None:
        for found in READERS[name].find(folder):
            yield Reference(found.dataset, found.series, found.path.resolve(), name)


def _is_called(reference: Reference, name: str) -> bool:
    return name.casefold() in (reference.reader, reference.dataset.casefold())
