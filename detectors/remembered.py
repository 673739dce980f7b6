"""Results of pure functions that are remembered by name, safe to ask for from several threads."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock, RLock
from typing import Any


class Remembered:
    """What was made, by name; the longest unused goes first when there is no more room.

    Results are made one at a time, as libraries that train networks have settings of the whole
    process. What is remembered is there at once, even while something else is made.

    >>> squares = Remembered(fewest=2)
    >>> squares.get(3, lambda: 9), squares.get(3, lambda: 10)
    (9, 9)
    """

    def __init__(self, fewest: int) -> None:
        self._room = fewest
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()
        self._reading = Lock()
        self._making = RLock()  # a model may be made of other models

    def get(self, name: Hashable, make: Callable[[], Any], room: int = 0) -> Any:
        """What has this name, made if need be; from then on there is room for `room` results."""
        found = self._found(name)
        if not found:
            with self._making:
                found = self._found(name)  # another thread may have made it meanwhile
                if not found:
                    found = [make()]
                    self._keep(name, found[0], room)
        return found[0]

    def clear(self) -> None:
        """Forget everything."""
        with self._reading:
            self._kept.clear()

    def _found(self, name: Hashable) -> list[Any]:
        with self._reading:
            if name not in self._kept:
                return []
            self._kept.move_to_end(name)
            return [self._kept[name]]

    def _keep(self, name: Hashable, made: Any, room: int) -> None:
        with self._reading:
            # The room never shrinks: a fit of one series must not push out those of a plant.
            self._room = max(self._room, room)
            self._kept[name] = made
            while len(self._kept) > self._room:
                self._kept.popitem(last=False)
