"""Faults for the simulated plant: what they do to its numbers, and a plan of them.

A fault is known by tick, so that it does the same wherever reading starts. The truth about it is
given by `Plant.labels`, apart from the rows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.types import FloatArray, IntArray

FaultKind = Literal[
    "spike",
    "drift",
    "stuck",
    "level_shift",
    "variance_burst",
    "broken_correlation",
    "dropout",
    "clock",
    "units",
]
KINDS: tuple[FaultKind, ...] = get_args(FaultKind)
WHOLE_ASSET: frozenset[FaultKind] = frozenset({"dropout", "clock", "units"})

Clean = Callable[[IntArray], FloatArray]  # ticks (T,) -> the asset's undisturbed values (T, C)

# Channel, ticks and size of each kind as `schedule` plants it; sizes as in `Fault`.
_PLAN: dict[FaultKind, tuple[str, int, float]] = {
    "level_shift": ("pressure", 240, 4.0),
    "spike": ("vibration", 3, 8.0),
    "stuck": ("flow", 400, 0.0),
    "drift": ("temperature", 600, 5.0),
    "variance_burst": ("current", 240, 3.0),
    "broken_correlation": ("speed", 480, 1.0),
    "dropout": ("", 300, 0.0),
    "clock": ("", 5, -30.0),
    "units": ("", 60, 0.0),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """Trouble of one asset from `start_tick`, for `ticks` ticks.

    `size` is in the channel's normal standard deviations (`Plant` lists them) and is added:

    - `spike` and `level_shift`: all of it at once; `drift`: from nothing to all of it at the end;
    - `variance_burst`: as the standard deviation of extra noise;
    - `stuck`: not used, the sensor repeats its value of `start_tick`;
    - `broken_correlation`: the share, 0 to 1, that comes from the same sensor at another time, so
      that its own history looks right and its bond with the other channels is gone.

    Three kinds are of a whole asset; their channel is "":

    - `dropout`: no rows;
    - `clock`: times are `size` ticks ahead, or behind where it is negative;
    - `units`: messages say the time in seconds (microseconds where ticks are no whole seconds)
      instead of milliseconds; rows, whose times are nanoseconds, are as ever.
    """

    kind: FaultKind
    asset: int
    channel: str
    start_tick: int
    ticks: int
    size: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(f"a fault is one of {', '.join(KINDS)}; found {self.kind!r}")
        if self.asset < 0 or self.start_tick < 0 or self.ticks < 1:
            raise ConfigError(f"a fault needs asset and start from 0 and a tick or more: {self}")
        if (self.kind in WHOLE_ASSET) != (self.channel == ""):
            wanted = "no channel" if self.kind in WHOLE_ASSET else "a channel"
            raise ConfigError(f"a {self.kind} fault needs {wanted}; found {self.channel!r}")

    @property
    def end_tick(self) -> int:
        """The first tick after the fault."""
        return self.start_tick + self.ticks

    def covers(self, tick: IntArray) -> IntArray:
        """Indices of the ticks the fault touches."""
        return np.flatnonzero((tick >= self.start_tick) & (tick < self.end_tick))


def disturb(values: FloatArray, tick: IntArray, fault: Fault, spread: float, clean: Clean) -> None:
    """Lay a fault over one channel's `values` (T,) at `tick` (T,), in place.

    `spread` is the channel's normal standard deviation; `clean` gives that channel alone at other
    ticks.
    """
    touched = fault.covers(tick)
    if not touched.size:
        return
    size = fault.size * spread
    if fault.kind in ("spike", "level_shift"):
        values[touched] += size
    elif fault.kind == "drift":
        values[touched] += size * (tick[touched] - fault.start_tick + 1) / fault.ticks
    elif fault.kind == "stuck":
        values[touched] = clean(np.array([fault.start_tick], dtype=np.int64))[0]
    elif fault.kind == "variance_burst":
        values[touched] += size * _noise(fault)[tick[touched] - fault.start_tick]
    elif fault.kind == "broken_correlation":
        elsewhere = clean(tick[touched] + _far(fault))
        values[touched] += np.clip(fault.size, 0.0, 1.0) * (elsewhere - values[touched])


def schedule(
    ticks: int,
    assets: int,
    *,
    seed: int = 0,
    warmup: int | None = None,
    kinds: tuple[FaultKind, ...] = KINDS,
) -> tuple[Fault, ...]:
    """A plan with one fault of each kind, one after another, none before `warmup` ticks.

    The warm-up is a third of the run unless given. Each kind has an equal part of the rest, starts
    somewhere in that part's first third and is over before its last quarter, so that incidents of
    different faults do not run together. Which asset it strikes is drawn from the seed.

    >>> [fault.kind for fault in schedule(9000, 6, kinds=("spike", "stuck"))]
    ['spike', 'stuck']
    >>> schedule(9000, 6)[0].start_tick >= 3000
    True
    """
    warmup = ticks // 3 if warmup is None else warmup
    slot = (ticks - warmup) // max(len(kinds), 1)
    if slot < 12 or assets < 1:
        raise ConfigError(
            f"{len(kinds)} faults need {12 * len(kinds)} ticks after the warm-up of {warmup}, and "
            f"an asset; found {ticks} ticks and {assets} assets"
        )
    rng = np.random.default_rng([seed, assets, ticks])
    struck = rng.permutation(np.arange(max(len(kinds), assets)) % assets)
    faults = []
    for i, kind in enumerate(kinds):
        channel, usual, size = _PLAN[kind]
        start = warmup + i * slot + int(rng.integers(slot // 12, slot // 3))
        length = min(usual, max(1, slot * 5 // 12))
        faults.append(Fault(kind, int(struck[i]), channel, start, length, size))
    return tuple(faults)


def _noise(fault: Fault) -> FloatArray:
    """White noise (ticks,) of unit variance, the fault's own."""
    seed = [fault.asset, fault.start_tick, fault.ticks]
    return np.random.default_rng(seed).standard_normal(fault.ticks)


def _far(fault: Fault) -> int:
    """Ticks to another time, a long and uneven way off."""
    return 100_003 + 977 * fault.asset
