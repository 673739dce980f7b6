from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import pytest

from tocsin.connectors.host import HostSource, Sample, SystemProbe
from tocsin.connectors.memory import MemoryDesk
from tocsin.pipeline.errors import SourceError


@dataclass
class HandClock:
    """A clock that moves only when it is waited for."""

    seconds: float = 100.0
    waits: list[float] = field(default_factory=list)

    def now(self) -> int:
        return round(self.seconds * 1000) * 1_000_000

    def elapsed(self) -> float:
        return self.seconds

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.seconds += seconds


@dataclass
class ListProbe:
    """Gives samples from a list, the last one for ever."""

    samples: list[Sample]
    taken: int = 0

    def sample(self) -> Sample:
        self.taken += 1
        return self.samples[min(self.taken, len(self.samples)) - 1]


def sent(count: float, cpu: float = 5.0) -> Sample:
    return Sample({"cpu": cpu}, {"sent": count})


def test_gauges_are_as_they_are_and_counters_are_rates_per_second() -> None:
    probe = ListProbe([sent(0), sent(1000, cpu=7.0), sent(1500, cpu=8.0)])
    source = HostSource(every_ns=2 * 10**9, ticks=2, name="box", probe=probe, clock=HandClock())
    got = [reading for reading in source.read(MemoryDesk()) if reading is not None]
    assert [r.values[0].tolist() for r in got] == [[7.0, 500.0], [8.0, 250.0]]
    assert [r.series for r in got] == [["box"], ["box"]]
    assert [r.position for r in got] == [102 * 10**9, 104 * 10**9]


def test_channels_stay_though_the_machine_changes() -> None:
    gone = Sample({}, {})
    probe = ListProbe([sent(5), gone, sent(9)])
    source = HostSource(ticks=2, probe=probe, clock=HandClock())
    got = [reading for reading in source.read(MemoryDesk()) if reading is not None]
    assert np.isnan(got[0].values).all()
    assert got[1].values[0, 0] == 5.0
    assert np.isnan(got[1].values[0, 1])


def test_a_counter_that_ran_back_has_no_rate() -> None:
    source = HostSource(ticks=1, probe=ListProbe([sent(10), sent(3)]), clock=HandClock())
    (reading,) = (r for r in source.read(MemoryDesk()) if r is not None)
    assert np.isnan(reading.values[0, 1])


def test_waiting_is_idle_and_never_over_a_second() -> None:
    clock = HandClock()
    source = HostSource(every_ns=5 * 10**9, ticks=1, probe=ListProbe([sent(0)]), clock=clock)
    got = list(source.read(MemoryDesk()))
    assert got.count(None) >= 5
    assert max(clock.waits) < 1.0


def test_a_machine_that_slept_skips_rows() -> None:
    clock = HandClock()
    reading = HostSource(probe=ListProbe([sent(0)]), clock=clock).read(MemoryDesk())
    times = []
    for one in islice((r for r in reading if r is not None), 3):
        times.append(int(one.time[0]) // 10**9)
        clock.seconds += 10.5 if len(times) == 1 else 0.0
    assert times == [101, 111, 112]


def test_this_machine_shows_finite_numbers() -> None:
    sample = SystemProbe().sample()
    assert {"cpu_percent", "busiest_core_percent", "memory_percent", "processes"} <= set(
        sample.gauges
    )
    assert np.isfinite([*sample.gauges.values(), *sample.counters.values()]).all()
    assert HostSource().spec().channels[0] == "cpu_percent"


def test_a_machine_that_shows_nothing_is_a_source_error() -> None:
    with pytest.raises(SourceError, match="no telemetry"):
        HostSource(probe=ListProbe([Sample({}, {})])).spec()
