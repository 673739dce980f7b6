"""State with a row a key: how it grows, moves and is forgotten, for every stage alike.

A stage's state is a dataclass. Fields made by `per_key(fill)` are arrays whose first axis is the
dense key; all others are shared by the keys. Stages never resize: the runner calls `grow` before
it hands them a new key, so a key they see is always in range.

>>> from dataclasses import dataclass
>>> @dataclass
... class Means:
...     mean: NDArray[np.float64] = per_key(np.nan)
>>> state = Means(np.empty((0, 2)))
>>> grow(state, 1)
>>> state.mean.shape
(8, 2)
>>> bool(np.isnan(state.mean).all())
True
"""

from dataclasses import field, fields, is_dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.pipeline.types import IntArray

Rows = dict[str, NDArray[Any]]

_FILL = "fill"
_SMALLEST = 8


def per_key(fill: float | bool) -> Any:  # noqa: FBT001 - the fill is data
    """A dataclass field with a row a key; `fill` is what a key holds before it is seen."""
    return field(metadata={_FILL: fill})


def capacity(keys: int) -> int:
    """Rows that are kept for `keys` keys: the next power of two, so that growing is rare."""
    return max(_SMALLEST, 1 << max(keys - 1, 0).bit_length()) if keys else 0


def keyed_fields(state: Any) -> dict[str, float | bool]:
    """Path of each per-key array of `state` and of the states inside it, with its fill."""
    found: dict[str, float | bool] = {}
    for spec in fields(state):
        value = getattr(state, spec.name)
        if _FILL in spec.metadata:
            found[spec.name] = spec.metadata[_FILL]
        elif is_dataclass(value) and not isinstance(value, type):
            found |= {f"{spec.name}.{path}": fill for path, fill in keyed_fields(value).items()}
    return found


def read_field(state: Any, path: str) -> Any:
    """The value at a dotted path inside `state`."""
    for name in path.split("."):
        state = getattr(state, name)
    return state


def write_field(state: Any, path: str, value: Any) -> None:
    """Put a value at a dotted path inside `state`."""
    *parents, name = path.split(".")
    for parent in parents:
        state = getattr(state, parent)
    setattr(state, name, value)


def grow(state: Any, keys: int) -> None:
    """Make room for `keys` keys; new rows hold their field's fill."""
    size = capacity(keys)
    for path, fill in keyed_fields(state).items():
        have = read_field(state, path)
        if len(have) < size:
            larger = np.full((size, *have.shape[1:]), fill, dtype=have.dtype)
            larger[: len(have)] = have
            write_field(state, path, larger)


def take(state: Any, keys: IntArray) -> Rows:
    """Copies of the keys' rows, by field path."""
    return {path: read_field(state, path)[keys] for path in keyed_fields(state)}


def put(state: Any, keys: IntArray, rows: Rows) -> None:
    """Write rows taken by `take` back, in place."""
    for path, part in rows.items():
        read_field(state, path)[keys] = part


def forget(state: Any, keys: IntArray) -> None:
    """Make the keys' rows what they were before the keys were seen."""
    for path, fill in keyed_fields(state).items():
        read_field(state, path)[keys] = fill
