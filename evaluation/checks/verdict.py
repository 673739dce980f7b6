"""How a check says no: what was promised, what was seen, and where."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.pipeline.errors import TocsinError
from tocsin.pipeline.state import flatten, same
from tocsin.pipeline.types import Batch, Scores


class ConformanceError(TocsinError, AssertionError):
    """A component does not keep a promise of its contract."""


def expect(holds: bool | np.bool_, promise: str, seen: str) -> None:  # noqa: FBT001 - it reads as a claim
    """ConformanceError unless `holds`."""
    if not holds:
        raise ConformanceError(f"promised: {promise}; seen: {seen}")


def expect_equal(
    seen: NDArray[Any], wanted: NDArray[Any], promise: str, batch: Batch | None = None
) -> None:
    """ConformanceError unless two arrays are equal to the bit; NaN equals NaN."""
    expect(seen.shape == wanted.shape, promise, f"shapes {seen.shape} and {wanted.shape}")
    unlike = ~((seen == wanted) | ((seen != seen) & (wanted != wanted)))  # noqa: PLR0124 - NaN
    if unlike.any():
        where = tuple(int(i) for i in np.argwhere(unlike)[0])
        raise ConformanceError(
            f"promised: {promise}; seen: {seen[where]!r} instead of {wanted[where]!r}, "
            f"{int(unlike.sum())} of {unlike.size} numbers differ; where: {_place(where, batch)}"
        )


def expect_same_scores(
    seen: Scores, wanted: Scores, promise: str, batch: Batch | None = None
) -> None:
    """ConformanceError unless scores and blame are equal to the bit."""
    expect_equal(seen.value, wanted.value, promise, batch)
    if seen.blame is None or wanted.blame is None:
        expect(seen.blame is wanted.blame, promise, "blame in one and none in the other")
        return
    expect_equal(seen.blame, wanted.blame, f"{promise} (blame)", batch)


def expect_same_state(seen: Any, wanted: Any, promise: str) -> None:
    """ConformanceError, naming the field, unless two states are equal to the bit."""
    if same(seen, wanted):
        return
    left, right = flatten(seen), flatten(wanted)
    expect(left.keys() == right.keys(), promise, f"fields {sorted(left)} and {sorted(right)}")
    for name, value in left.items():
        expect_equal(np.asarray(value), np.asarray(right[name]), f"{promise} (state.{name})")
    expect(holds=False, promise=promise, seen="states that differ")


def _place(where: tuple[int, ...], batch: Batch | None) -> str:
    if batch is None:
        return f"index {where}"
    row = where[0]
    return f"row {row} of {len(batch)}, key {batch.key[row]}, time {batch.time[row]}"
