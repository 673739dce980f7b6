"""Series names to dense ids, so that per-key state can be arrays."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tocsin.pipeline.types import NO_KEYS, IntArray


@dataclass
class KeyTable:
    """The series of a partition by their dense id, numbered as they first appeared.

    `free` are the ids, ascending, whose series was forgotten; their name is "", and the next new
    series takes the smallest.
    """

    names: list[str]
    free: IntArray = field(default_factory=NO_KEYS.copy)

    def __post_init__(self) -> None:
        self._known: dict[str, int] = {}

    def __len__(self) -> int:
        """How many ids there are, the free ones among them."""
        return len(self.names)

    @property
    def live(self) -> int:
        """How many series there are."""
        return len(self.names) - len(self.free)

    def ids(self) -> IntArray:
        """The ids of the series there are, ascending."""
        return np.delete(np.arange(len(self.names)), self.free)

    def find(self, series: str) -> int:
        """The id of a series, -1 where there is none of that name."""
        return self._index().get(series, -1)

    def intern(self, series: Sequence[str], most: int) -> tuple[IntArray, IntArray]:
        """The id of each name, new ones numbered; -1 past `most` series. Also the new ids.

        >>> table = KeyTable([])
        >>> table.intern(["b", "a", "b", "c"], most=2)
        (array([ 0,  1,  0, -1]), array([0, 1]))
        """
        ids = self._index()
        try:
            return np.array([ids[name] for name in series], dtype=np.int64), NO_KEYS
        except KeyError:
            fresh: list[int] = []
            free = self.free.tolist()
            for name in series:
                if name not in ids and len(ids) < most:
                    ids[name] = self._place(name, free, len(fresh))
                    fresh.append(ids[name])
            self.free = self.free[min(len(fresh), len(self.free)) :]
            found = [ids.get(name, -1) for name in series]
            return np.array(found, dtype=np.int64), np.array(fresh, dtype=np.int64)

    def release(self, keys: IntArray) -> None:
        """Forget the names of these series; their ids are free.

        >>> table = KeyTable(["a", "b", "c"])
        >>> table.release(np.array([0, 1]))
        >>> table.intern(["d", "c"], most=9), table.names, table.live
        ((array([0, 2]), array([0])), ['d', '', 'c'], 2)
        """
        ids = self._index()
        for key in keys.tolist():
            del ids[self.names[key]]
            self.names[key] = ""
        self.free = np.union1d(self.free, keys)

    def _place(self, name: str, free: list[int], taken: int) -> int:
        """Give a new name the next of the free ids, or else a new one."""
        if taken < len(free):
            self.names[free[taken]] = name
            return free[taken]
        self.names.append(name)
        return len(self.names) - 1

    def _index(self) -> dict[str, int]:
        """The inverse of `names`, made again where `names` was loaded."""
        if len(self._known) != self.live:
            self._known = {self.names[key]: key for key in self.ids().tolist()}
        return self._known
