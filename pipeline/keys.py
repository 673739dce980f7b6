"""Series names to dense ids, so that per-key state can be arrays."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tocsin.pipeline.types import IntArray


@dataclass
class KeyTable:
    """The series of a partition by their dense id, numbered as they first appeared."""

    names: list[str]

    def __post_init__(self) -> None:
        self._ids: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self.names)

    def intern(self, series: Sequence[str], most: int) -> tuple[IntArray, int]:
        """The id of each name, new ones numbered; -1 past `most`. Also how many ids are new.

        >>> table = KeyTable([])
        >>> table.intern(["b", "a", "b", "c"], most=2)
        (array([ 0,  1,  0, -1]), 2)
        """
        ids = self._index()
        try:
            return np.array([ids[name] for name in series], dtype=np.int64), 0
        except KeyError:
            before = len(self.names)
            for name in series:
                if name not in ids and len(self.names) < most:
                    ids[name] = len(self.names)
                    self.names.append(name)
            found = [ids.get(name, -1) for name in series]
            return np.array(found, dtype=np.int64), len(self.names) - before

    def _index(self) -> dict[str, int]:
        """The inverse of `names`, made again where `names` was loaded."""
        if len(self._ids) != len(self.names):
            self._ids = {name: place for place, name in enumerate(self.names)}
        return self._ids
