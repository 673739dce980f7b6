"""This machine's own telemetry, a row every few seconds."""

import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import psutil

from tocsin.connectors.clocks import Clock, SystemClock
from tocsin.pipeline.errors import ConfigError, SourceError
from tocsin.pipeline.ports import Desk, Reading
from tocsin.pipeline.types import Spec

_LONGEST_WAIT_S = 0.5
_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Sample:
    """What a machine shows at one moment: gauges as they are, counters since some start."""

    gauges: Mapping[str, float]
    counters: Mapping[str, float]


class Probe(Protocol):
    """Something that can be sampled."""

    def sample(self) -> Sample:
        """The gauges and counters of now."""
        ...


@dataclass(frozen=True, slots=True)
class SystemProbe:
    """The machine by psutil; what it does not have (disks, swap, sensors) is left out."""

    def sample(self) -> Sample:
        cores = psutil.cpu_percent(percpu=True)
        gauges = {
            "cpu_percent": sum(cores) / len(cores),
            "busiest_core_percent": max(cores),
            "load_1m": psutil.getloadavg()[0],
            "memory_percent": psutil.virtual_memory().percent,
            "swap_percent": psutil.swap_memory().percent,
            "processes": float(len(psutil.pids())),
        }
        hottest = _hottest()
        if hottest is not None:
            gauges["temperature_celsius"] = hottest
        counters: dict[str, float] = {}
        disk = psutil.disk_io_counters()
        if disk is not None:
            counters["disk_read_bytes_per_s"] = float(disk.read_bytes)
            counters["disk_written_bytes_per_s"] = float(disk.write_bytes)
        net = psutil.net_io_counters()
        if net is not None:
            counters["net_received_bytes_per_s"] = float(net.bytes_recv)
            counters["net_sent_bytes_per_s"] = float(net.bytes_sent)
        return Sample(gauges, counters)


@dataclass(frozen=True, slots=True)
class HostSource:
    """A row every `every_ns` nanoseconds from this machine; the series is the host's name.

    The channels are those that the machine shows when the run starts, and stay: processor use in
    per cent (mean and busiest core), load, memory and swap in per cent, processes, temperature
    in °C, and disk and network rates in bytes per second, where it has them. Rates are over the
    time since the row before; a counter that ran back gives NaN, and so does a gauge that is gone.

    Positions are the time of the last row; what happened while nobody looked is not made up. Ends
    after `ticks` rows, or never. A machine that was busy or asleep skips rows, it does not make up
    for them.

    Raises SourceError when the machine shows nothing.
    """

    every_ns: int = _SECOND
    ticks: int | None = None
    name: str = ""
    part: str = "host"
    probe: Probe = field(default=SystemProbe(), compare=False)
    clock: Clock = field(default=SystemClock(), compare=False)

    def __post_init__(self) -> None:
        if self.every_ns < 1:
            raise ConfigError(f"every_ns is {self.every_ns}; a host is sampled every 1 ns or more")

    def spec(self) -> Spec:
        channels = _channels(self.probe.sample())
        return Spec(item=(len(channels),), channels=channels)

    def read(self, desk: Desk) -> Iterator[Reading | None]:
        desk.claim(self.part)
        series = self.name or socket.gethostname()
        before, taken = self.probe.sample(), self.clock.elapsed()
        channels = _channels(before)
        every = self.every_ns / _SECOND
        due = taken + every
        rows = 0
        while self.ticks is None or rows < self.ticks:
            left = due - self.clock.elapsed()
            if left > 0:
                self.clock.wait(min(left, _LONGEST_WAIT_S))
                if left > _LONGEST_WAIT_S:
                    yield None
                continue
            now, moment = self.probe.sample(), self.clock.elapsed()
            values = _rates(before, now, moment - taken)
            time = self.clock.now()
            yield Reading(
                part=self.part,
                position=time,
                series=[series],
                time=np.array([time], dtype=np.int64),
                values=np.array([[values.get(name, np.nan) for name in channels]]),
                offset=np.array([time], dtype=np.int64),
            )
            before, taken = now, moment
            due += every * max(1, int((moment - due) / every) + 1)
            rows += 1

    def commit(self, positions: Mapping[str, int]) -> None:
        pass

    def close(self) -> None:
        pass


def _channels(sample: Sample) -> tuple[str, ...]:
    channels = (*sample.gauges, *sample.counters)
    if not channels:
        raise SourceError("this machine shows no telemetry; wanted a gauge or a counter")
    return channels


def _rates(before: Sample, now: Sample, seconds: float) -> dict[str, float]:
    """Gauges as they are and counters as rates; a counter that ran back has none."""
    values = dict(now.gauges)
    for name, count in now.counters.items():
        step = count - before.counters.get(name, np.nan)
        values[name] = step / seconds if step >= 0 and seconds > 0 else np.nan
    return values


def _hottest() -> float | None:
    """The highest temperature of any sensor in °C, None where there is none."""
    # Not every platform's psutil has sensors.
    if not hasattr(psutil, "sensors_temperatures"):
        return None
    found = psutil.sensors_temperatures()
    temperatures = [sensor.current for sensors in found.values() for sensor in sensors]
    return max(temperatures, default=None)
