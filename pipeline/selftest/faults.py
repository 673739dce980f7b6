"""Known faults, put into a stretch of one series in units of its own spread."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tocsin.pipeline.types import FloatArray, IntArray

KINDS = ("spike", "drop", "flatline", "drift", "stuck", "noise_burst", "broken_correlation")
LONGEST = 24  # rows of a fault

_ROWS = {"spike": 1, "drop": 8, "noise_burst": 8}  # that a fault lasts; LONGEST unless here
_GROSS_ROWS = {"spike": 1, "drop": 4, "noise_burst": 4}
_PROMISES = {"spike": "spike", "level_shift": "drop", "variance_burst": "noise_burst"}
_NORMAL = 1.349  # interquartile range of a standard normal
_WIDTH = 6.0  # spreads in the range of a series
_BEYOND = 3.0  # ranges of the series that a gross fault measures at least
_FEWEST = 8  # present values before a channel's spread is known
_SIGNS = np.array([-1.0, 1.0])
_PATCH = 8  # pixels; the side of the square that a fault moves in a frame


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: what is put in, in which rows and where in a frame.

    Rows `first` to `last` (exclusive) of the stretch; `places` (P,) count through the frame;
    `height` (P,) is in their own units and bears the sign.
    """

    kind: str
    first: int
    last: int
    places: IntArray
    height: FloatArray
    gross: bool


@dataclass(frozen=True, slots=True)
class Dose:
    """How many faults and of how many spreads: the gross ones, and the known ones of each kind."""

    trials: int
    gross: float
    known: int
    size: float


@dataclass(frozen=True, slots=True)
class Stretch:
    """Rows of one series, flattened: `values` (N, D), and each place's spread, middle and reach.

    A `spread` (D,) of 0 means that the place does not move, or has too few values to tell. `reach`
    (D,) is the range of all that the series has shown so far.
    """

    values: FloatArray
    spread: FloatArray
    middle: FloatArray
    reach: FloatArray
    item: tuple[int, ...]


def stretch(frames: FloatArray, reach: FloatArray | None = None) -> Stretch:
    """Rows (N, *item) and their spread: robust, or the plain one where half the rows are equal.

    `reach` (*item) is the range of the series so far, 0 or unknown unless given. Where rows stand
    still though the series has moved before, a share of the reach stands for the spread.

    >>> stretch(np.array([[float(i % 5)] for i in range(40)])).spread.round(2)
    array([1.48])
    """
    values = frames.reshape(len(frames), -1)
    known = np.where(np.isfinite(values), values, np.nan)
    enough = np.flatnonzero(np.isfinite(values).sum(axis=0) >= _FEWEST)
    spread, middle = np.zeros(values.shape[1]), np.zeros(values.shape[1])
    if len(enough):
        columns = known[:, enough]
        quantile = np.nanquantile if np.isnan(columns).any() else np.quantile  # the latter is fast
        low, middle[enough], high = quantile(columns, [0.25, 0.5, 0.75], axis=0)
        robust = (high - low) / _NORMAL
        spread[enough] = np.where(robust > 0, robust, np.nanstd(columns, axis=0))
    far = np.zeros(values.shape[1]) if reach is None else reach.ravel()
    far = np.where(np.isfinite(far), far, 0.0)
    spread = np.where(np.isfinite(spread) & (spread > 0), spread, far / _WIDTH)
    spread[np.isfinite(values).sum(axis=0) < _FEWEST] = 0.0
    return Stretch(values, spread, middle, far, frames.shape[1:])


def plan(part: Stretch, dose: Dose, promised: frozenset[str], rng: Generator) -> list[Fault]:
    """The faults of one examination; none where nothing moves.

    The gross ones are of the kinds that a scorer with these `promised` faults is sure to notice.
    """
    movable = np.flatnonzero(part.spread > 0)
    if not len(movable):
        return []
    faults: list[Fault] = []
    for _, kind in zip(range(dose.trials), cycle(gross_kinds(promised)), strict=False):
        faults.append(_draw(part, kind, dose.gross, rng, gross=True))
    for kind in KINDS:
        if kind != "broken_correlation" or (len(part.item) == 1 and len(movable) > 1):
            faults += [_draw(part, kind, dose.size, rng, gross=False) for _ in range(dose.known)]
    return faults


def gross_kinds(promised: frozenset[str]) -> tuple[str, ...]:
    """The kinds a scorer must see when they are gross: what it promises, or all three sudden ones.

    >>> gross_kinds(frozenset({"level_shift", "drift"})), len(gross_kinds(frozenset()))
    (('drop',), 3)
    """
    kinds = tuple(kind for name, kind in _PROMISES.items() if name in promised)
    return kinds or tuple(_PROMISES.values())


def plant(part: Stretch, fault: Fault, rng: Generator) -> FloatArray:
    """A copy of the rows (N, *item) with the fault in it; missing values stay missing."""
    values = part.values.copy()
    if fault.kind == "flatline":
        moving = part.spread > 0
        held = np.where(moving, part.middle, values[fault.first : fault.last])
        values[fault.first : fault.last] = held
    else:
        rows = (slice(fault.first, fault.last), fault.places)
        values[rows] = _PLANTERS[fault.kind](part, fault, rng)
    values[np.isnan(part.values)] = np.nan
    return values.reshape(len(values), *part.item)


def shaken(part: Stretch, share: float, rng: Generator) -> FloatArray:
    """A copy of the rows (N, *item) with normal noise of a share of the spread on it."""
    noise = share * part.spread * rng.standard_normal(part.values.shape)
    return (part.values + noise).reshape(len(part.values), *part.item)


def _draw(part: Stretch, kind: str, size: float, rng: Generator, *, gross: bool) -> Fault:
    lasts = (_GROSS_ROWS if gross else _ROWS).get(kind, LONGEST)
    places = _somewhere(part, rng)
    possible = _possible(part, places, kind, lasts)
    # Missing values may leave no row that fits: then any does, and the trial may not be decided.
    first = int(_one_of(possible, rng)) if len(possible) else len(part.values) - lasts
    sign = -1.0 if kind == "drop" else float(_one_of(_SIGNS, rng))
    height = size * part.spread[places]
    if gross:  # What is far in a quiet stretch may be usual in a lively one.
        height = np.maximum(height, _BEYOND * part.reach[places])
    return Fault(kind, first, first + lasts, places, sign * height, gross)


def _one_of(choices: NDArray[Any], rng: Generator) -> Any:
    return choices[rng.integers(len(choices))]


def _possible(part: Stretch, places: IntArray, kind: str, lasts: int) -> IntArray:
    """Rows at which a fault may begin: its place is present there, and for stuck before it."""
    there = np.isfinite(part.values[:, places[0]])
    first = np.flatnonzero(there[: len(there) - lasts + 1])
    if kind == "stuck":
        first = first[first > 0]
        return first[there[first - 1]]
    return first


def _somewhere(part: Stretch, rng: Generator) -> IntArray:
    """One channel that moves, or the pixels of a square around one that does."""
    movable = np.flatnonzero(part.spread > 0)
    place = int(_one_of(movable, rng))
    if len(part.item) == 1:
        return np.array([place])
    where = np.unravel_index(place, part.item)
    corner = [
        max(0, min(int(at), side - _PATCH)) for at, side in zip(where, part.item, strict=True)
    ]
    mask = np.zeros(part.item, dtype=bool)
    mask[corner[0] : corner[0] + _PATCH, corner[1] : corner[1] + _PATCH] = True
    return np.flatnonzero(mask.ravel())


# Each planter gives what stands in the fault's rows and places (L, P) instead.


def _shift(part: Stretch, fault: Fault, _: Generator) -> FloatArray:
    before = part.values[fault.first : fault.last, fault.places]
    return before + fault.height


def _drift(part: Stretch, fault: Fault, _: Generator) -> FloatArray:
    before = part.values[fault.first : fault.last, fault.places]
    ramp = np.linspace(0.0, 1.0, len(before) + 1)[1:, None]
    return before + ramp * fault.height


def _stuck(part: Stretch, fault: Fault, _: Generator) -> FloatArray:
    shape = (fault.last - fault.first, len(fault.places))
    return np.broadcast_to(part.values[max(fault.first - 1, 0), fault.places], shape)


def _noise(part: Stretch, fault: Fault, rng: Generator) -> FloatArray:
    before = part.values[fault.first : fault.last, fault.places]
    # Of one size and either sign, so that no burst is weak by chance.
    sign = _SIGNS[rng.integers(2, size=(len(before), 1))]
    return before + sign * fault.height


def _elsewhere(part: Stretch, fault: Fault, rng: Generator) -> FloatArray:
    # The channel's own values from other rows: its law stays, its company does not.
    others = np.delete(np.arange(len(part.values)), np.arange(fault.first, fault.last))
    taken = others[rng.integers(len(others), size=fault.last - fault.first)]
    elsewhere: FloatArray = part.values[taken][:, fault.places]
    return elsewhere


_PLANTERS: dict[str, Callable[[Stretch, Fault, Generator], FloatArray]] = {
    "spike": _shift,
    "drop": _shift,
    "drift": _drift,
    "stuck": _stuck,
    "noise_burst": _noise,
    "broken_correlation": _elsewhere,
}
