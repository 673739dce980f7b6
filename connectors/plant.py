"""A simulated plant: pumps under shared load, with faults to find and the truth about them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import orjson

from tocsin.connectors.clocks import Clock, SystemClock
from tocsin.connectors.plant_faults import WHOLE_ASSET, Fault, FaultKind, disturb
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.ports import Desk, Reading
from tocsin.pipeline.types import BoolArray, FloatArray, IntArray, Spec

CHANNELS = ("load", "speed", "flow", "pressure", "current", "temperature", "vibration")
UNITS = ("%", "rpm", "m3/h", "bar", "A", "°C", "mm/s")
SPREAD = (16.0, 147.0, 7.4, 0.76, 4.7, 4.6, 0.22)  # normal standard deviations, in those units

_BLOCK = 2048  # ticks made at a time; numbers depend on it, so it stays
_WANDER = 256  # ticks of noise that one value of the slow wander sees
_INERTIA = 512  # ticks of load that one temperature sees
_SECOND = 1_000_000_000
_MILLI = 1_000_000
_LONGEST_WAIT_S = 0.25


@dataclass(frozen=True, slots=True)
class Truth:
    """A planted fault as the truth knows it: `first` and `last` are nanoseconds, both inside."""

    series: str
    kind: FaultKind
    channel: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Message:
    """A row of the plant as a JSON message: `key` is the asset, `time_ns` what its clock says."""

    key: bytes
    value: bytes
    time_ns: int


@dataclass(frozen=True, slots=True)
class Plant:
    """Pumps `pump-1`, `pump-2`, … with seven channels each, a row an asset and tick.

    | channel | unit | driven by | normal mean | standard deviation |
    |---|---|---|---|---|
    | load | % | a long and a short cycle, slow wander | 55 | 16 |
    | speed | rpm | load | 1395 | 147 |
    | flow | m3/h | speed | 70 | 7.4 |
    | pressure | bar | speed squared | 4.8 | 0.76 |
    | current | A | load and pressure | 26 | 4.7 |
    | temperature | °C | load squared of the last minutes, time of the long cycle | 43 | 4.6 |
    | vibration | mm/s | speed squared | 1.8 | 0.22 |

    Assets share the cycles but for their phase and a few per cent of gain. Numbers depend on the
    seed, the asset and the tick alone: reading after any position gives the same rows and costs at
    most one block of 2048 ticks. A tick is `tick_ns` nanoseconds, `cycle_ticks` the long cycle,
    `ticks` the length of the run (None: endless). `faults` are planted; `labels` has the truth.

    `speed` 0 gives rows as fast as they are asked for; 1 is real time, 60 an hour a minute.
    Positions are the next tick; the one part is `part`. Values are never NaN.

    >>> plant = Plant(assets=2, ticks=3)
    >>> [message.key for message in plant.as_messages()][:3]
    [b'pump-1', b'pump-2', b'pump-1']
    """

    assets: int = 6
    seed: int = 0
    tick_ns: int = _SECOND
    start_ns: int = 1_767_571_200_000_000_000  # 2026-01-05T00:00:00Z
    ticks: int | None = None
    faults: tuple[Fault, ...] = ()
    cycle_ticks: int = 3600
    rows: int = 4096
    speed: float = 0.0
    part: str = "plant"
    clock: Clock = field(default=SystemClock(), compare=False)

    def __post_init__(self) -> None:
        if min(self.assets, self.tick_ns, self.cycle_ticks, self.rows) < 1 or self.speed < 0:
            raise ConfigError(
                f"a plant needs assets, tick_ns, cycle_ticks and rows of 1 or more and a speed of "
                f"0 or more; found {self.assets}, {self.tick_ns}, {self.cycle_ticks}, {self.rows} "
                f"and {self.speed}"
            )
        for fault in self.faults:
            if fault.asset >= self.assets or fault.channel not in ("", *CHANNELS):
                raise ConfigError(
                    f"a plant of {self.assets} assets with channels {', '.join(CHANNELS)} cannot "
                    f"have {fault}"
                )

    @property
    def names(self) -> tuple[str, ...]:
        """The assets' names, in the order of their rows within a tick."""
        return tuple(f"pump-{i + 1}" for i in range(self.assets))

    def labels(self) -> tuple[Truth, ...]:
        """The planted faults in order of time; times are those of a right clock."""
        return tuple(
            Truth(
                self.names[fault.asset],
                fault.kind,
                fault.channel,
                self.start_ns + fault.start_tick * self.tick_ns,
                self.start_ns + (fault.end_tick - 1) * self.tick_ns,
            )
            for fault in sorted(self.faults, key=lambda fault: fault.start_tick)
        )

    def spec(self) -> Spec:
        return Spec(item=(len(CHANNELS),), channels=CHANNELS)

    def read(self, desk: Desk) -> Iterator[Reading | None]:
        first = desk.claim(self.part) or 0
        begun = self.clock.elapsed()
        made = _Made(self)
        tick = first
        while self.ticks is None or tick < self.ticks:
            due = self._due(first, self.clock.elapsed() - begun)
            if tick < due:
                last = min(due, tick + max(1, self.rows // self.assets), made.end(tick))
                yield self._reading(made, tick, last)
                tick = last
            else:
                gap = (tick - first) * self.tick_ns / _SECOND / self.speed
                wait = gap - (self.clock.elapsed() - begun)
                self.clock.wait(min(max(wait, 0.0), _LONGEST_WAIT_S))
                yield None

    def as_messages(self, first: int = 0) -> Iterator[Message]:
        """The rows from tick `first` on as JSON messages `{"asset", "time", channels…}`.

        The time is whole milliseconds since 1970 (nanoseconds where ticks are no whole
        milliseconds), but for `units` faults. Pacing does not apply.
        """
        made = _Made(self)
        tick = first
        while self.ticks is None or tick < self.ticks:
            last = made.end(tick)
            reading = self._reading(made, tick, last)
            times = self._wire_times(reading)
            rows = reading.values.tolist()
            for i, (name, row) in enumerate(zip(reading.series, rows, strict=True)):
                said = {"asset": name, "time": times[i], **dict(zip(CHANNELS, row, strict=True))}
                yield Message(name.encode(), orjson.dumps(said), int(reading.time[i]))
            tick = last

    def commit(self, positions: Mapping[str, int]) -> None:
        pass

    def close(self) -> None:
        pass

    def _due(self, first: int, elapsed_s: float) -> int:
        """The tick up to which rows may be given by now; the run's end bounds it."""
        end = 2**62 if self.ticks is None else self.ticks
        if not self.speed:
            return end
        return min(end, first + 1 + int(elapsed_s * self.speed * _SECOND / self.tick_ns))

    def _reading(self, made: "_Made", first: int, last: int) -> Reading:
        values, here, time = made.rows(first, last)  # (T, A, C), (T, A), (T, A)
        keep = here.ravel()
        offset = np.arange(first * self.assets, last * self.assets, dtype=np.int64)
        names: list[str] = list(self.names) * (last - first)
        if not keep.all():
            names = [names[i] for i in np.flatnonzero(keep).tolist()]
        return Reading(
            part=self.part,
            position=last,
            series=names,
            time=time.ravel()[keep],
            values=values.reshape(-1, len(CHANNELS))[keep],
            offset=offset[keep],
        )

    def _wire_times(self, reading: Reading) -> list[int]:
        whole = self.tick_ns % _MILLI == 0 and self.start_ns % _MILLI == 0
        unit = np.full(len(reading.time), _MILLI if whole else 1, dtype=np.int64)
        seconds = self.tick_ns % _SECOND == 0 and self.start_ns % _SECOND == 0
        tick = reading.offset // self.assets
        asset = reading.offset % self.assets
        for fault in self.faults:
            if fault.kind == "units":
                struck = fault.covers(tick)
                unit[struck[asset[struck] == fault.asset]] = _SECOND if seconds else 1000
        times: list[int] = (reading.time // unit).tolist()
        return times


class _Made:
    """The block of ticks that was made last, with the faults laid over it."""

    def __init__(self, plant: Plant) -> None:
        self._plant = plant
        self._index = -1
        self._values: FloatArray = np.empty((0, plant.assets, len(CHANNELS)))  # (T, A, C)
        self._here: BoolArray = np.empty((0, plant.assets), dtype=np.bool_)  # (T, A)
        self._time: IntArray = np.empty((0, plant.assets), dtype=np.int64)  # (T, A)

    def end(self, tick: int) -> int:
        """The first tick after the block of `tick`, or the run's end."""
        end = (tick // _BLOCK + 1) * _BLOCK
        return end if self._plant.ticks is None else min(end, self._plant.ticks)

    def rows(self, first: int, last: int) -> tuple[FloatArray, BoolArray, IntArray]:
        """Values (T, A, C), which rows are there (T, A) and their times (T, A); one block's."""
        index = first // _BLOCK
        if index != self._index:
            self._make(index)
            self._index = index
        part = slice(first - index * _BLOCK, last - index * _BLOCK)
        return self._values[part], self._here[part], self._time[part]

    def _make(self, index: int) -> None:
        plant = self._plant
        tick = np.arange(index * _BLOCK, (index + 1) * _BLOCK, dtype=np.int64)
        blocks = [_undisturbed(plant, asset, index) for asset in range(plant.assets)]
        self._values = np.stack(blocks, axis=1)
        self._here = np.ones((_BLOCK, plant.assets), dtype=np.bool_)
        time = plant.start_ns + tick * plant.tick_ns
        self._time = np.repeat(time[:, None], plant.assets, axis=1)
        for fault in plant.faults:
            if fault.kind in WHOLE_ASSET:
                self._unsettle(fault, fault.covers(tick))
            else:
                channel = CHANNELS.index(fault.channel)
                values = self._values[:, fault.asset, channel]
                clean = _Channel(plant, fault.asset, channel)
                disturb(values, tick, fault, SPREAD[channel], clean)

    def _unsettle(self, fault: Fault, touched: IntArray) -> None:
        if fault.kind == "dropout":
            self._here[touched, fault.asset] = False
        elif fault.kind == "clock":
            self._time[touched, fault.asset] += int(fault.size) * self._plant.tick_ns


@dataclass(frozen=True, slots=True)
class _Channel:
    """One channel of one asset without faults, at any ticks."""

    plant: Plant
    asset: int
    channel: int

    def __call__(self, tick: IntArray) -> FloatArray:
        out = np.empty(len(tick))
        for index in np.unique(tick // _BLOCK).tolist():
            inside = tick // _BLOCK == index
            block = _undisturbed(self.plant, self.asset, index)
            out[inside] = block[tick[inside] - index * _BLOCK, self.channel]
        return out


def _undisturbed(plant: Plant, asset: int, index: int) -> FloatArray:
    """The asset's values (BLOCK, C) in a block, before any fault."""
    past = _INERTIA + _WANDER
    noise = np.concatenate(
        [_white(plant.seed, asset, index - 1)[:, -past:], _white(plant.seed, asset, index)], axis=1
    )  # (1 + C, past + BLOCK)
    traits = np.random.default_rng([plant.seed, asset, 0])
    phase = traits.uniform(-0.4, 0.4, size=2)
    gain = traits.uniform(0.97, 1.03, size=len(CHANNELS))
    tick = np.arange(index * _BLOCK - _INERTIA, (index + 1) * _BLOCK, dtype=np.float64)
    long = 2 * np.pi * tick / plant.cycle_ticks + phase[0]
    short = 2 * np.pi * tick / (plant.cycle_ticks / 9.7) + phase[1]
    wander = np.convolve(noise[0], _fading(_WANDER, 60.0, square=True), mode="valid")[1:]
    load = 55 + 20 * np.sin(long) + 9 * np.sin(short) + 4.5 * wander  # (INERTIA + BLOCK,)
    heat = np.convolve(load**2, _fading(_INERTIA, 120.0, square=False), mode="valid")[1:]
    now, noise = slice(_INERTIA, None), noise[1:, past:]
    speed = 900 + 9.0 * load[now] + 12.0 * noise[1]
    flow = 0.05 * speed + 0.8 * noise[2]
    pressure = 1.1 + 4.2 * (speed / 1500) ** 2 + 0.05 * noise[3]
    current = 8 + 0.25 * load[now] + 0.9 * pressure + 0.5 * noise[4]
    ambient = 1.5 * np.sin(long[now] - 0.8)
    temperature = 35 + 0.0023 * heat + ambient + 0.3 * noise[5]
    vibration = 0.8 + 1.15 * (speed / 1500) ** 2 + 0.06 * noise[6]
    measured = (load[now] + 0.8 * noise[0], speed, flow, pressure, current, temperature, vibration)
    return np.stack(measured, axis=1) * gain


def _white(seed: int, asset: int, index: int) -> FloatArray:
    """White noise (1 + C, BLOCK) of a block; blocks count from -1, generators from 0."""
    return np.random.default_rng([seed, asset, 1, index + 1]).standard_normal(
        (1 + len(CHANNELS), _BLOCK)
    )


def _fading(length: int, decay_ticks: float, *, square: bool) -> FloatArray:
    """Exponential weights (length,), newest first, of unit sum or unit sum of squares."""
    weights: FloatArray = np.exp(-np.arange(length) / decay_ticks)
    scale = np.sqrt((weights**2).sum()) if square else weights.sum()
    return weights / float(scale)
