"""What the calibrator learns of the row that begins an incident."""

from typing import Any

import numpy as np

from tocsin.pipeline.types import IntArray

RARER = 10.0  # times rarer than the alarm level is rare enough
BEYOND = 2.0  # and so is as many times rarer than a record

_HALVINGS = 32  # of a float's 64 bits: the sign, the exponent and 20 bits of the fraction
_MAGNITUDE = 2**63 - 1  # all of a float's bits but the sign


def lesson(
    calibrator: Any, state: Any, row: tuple[IntArray, IntArray], score: float, alpha: float
) -> float:
    """The row's score, or the lowest one that is as rare as need be.

    That is `RARER` times rarer than the alarm level, but not more than `BEYOND` times rarer than a
    record.

    `row` is the key (1,) and time (1,) of the score. A calibrator that learns no row that alarms
    sees a world without alarms: the level it finds falls, and falls again. One row an incident
    keeps the share of scores beyond the level right; how far beyond it is of no account to the
    level, and would let a single wild score hide the next one, so it is not learned
    (winsorising: Dixon 1960, doi:10.1214/aoms/1177705900). A record, the highest of n scores, has
    the tail 1/(n+1): what is far beyond all that is known says little of the level. A calibrator
    that does not tell n is given no lesson (NaN). Right to 20 bits.
    """
    key, time = row
    size = getattr(calibrator, "size", None)
    if size is None:
        return np.nan

    def tail(value: float) -> float:
        return float(calibrator.tail(state, key, time, np.array([value]))[0])

    record = 1.0 / (1 + int(size(state, key)[0]))
    bound = max(alpha / RARER, record / BEYOND, tail(np.inf))

    def rare(value: float) -> bool:
        return tail(value) <= bound

    if not rare(score):
        return score
    low, high = _place(-np.inf), _place(score)
    for _ in range(_HALVINGS):
        middle = (low + high) // 2
        low, high = (low, middle) if rare(_value(middle)) else (middle, high)
    return _value(high)


def _place(value: float) -> int:
    """Where a number stands in the order of all floats.

    >>> _place(-1.0) < _place(-0.0) == _place(0.0) < _place(1.0) < _place(np.inf)
    True
    """
    bits = int(np.float64(value).view(np.int64))
    return bits if bits >= 0 else -(bits & _MAGNITUDE)


def _value(place: int) -> float:
    """The number at a place.

    >>> [_value(_place(number)) for number in (-2.5, 0.0, 1e-300)]
    [-2.5, 0.0, 1e-300]
    """
    size = float(np.int64(abs(place)).view(np.float64))
    return size if place >= 0 else -size
