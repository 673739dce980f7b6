from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice, pairwise

import numpy as np
import orjson
import pytest

from tocsin.connectors.memory import MemoryDesk
from tocsin.connectors.plant import CHANNELS, SPREAD, Plant
from tocsin.connectors.plant_faults import KINDS, Fault, schedule
from tocsin.connectors.records import FieldMap, Stored, decode
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.ports import Reading
from tocsin.pipeline.types import FloatArray


def readings(plant: Plant, after: int | None = None) -> Iterator[Reading]:
    desk = MemoryDesk({} if after is None else {plant.part: after})
    return (reading for reading in plant.read(desk) if reading is not None)


def table(plant: Plant, after: int | None = None) -> list[tuple[str, int, tuple[float, ...]]]:
    return [
        (name, int(time), tuple(row))
        for reading in readings(plant, after)
        for name, time, row in zip(
            reading.series, reading.time, reading.values.tolist(), strict=True
        )
    ]


def channel(plant: Plant, asset: int, name: str) -> FloatArray:
    values = np.concatenate([reading.values for reading in readings(plant)])
    return values.reshape(-1, plant.assets, len(CHANNELS))[:, asset, CHANNELS.index(name)]


@dataclass
class HandClock:
    """A clock that moves only when it is waited for."""

    seconds: float = 0.0
    waits: list[float] = field(default_factory=list)

    def now(self) -> int:
        return int(self.seconds * 1e9)

    def elapsed(self) -> float:
        return self.seconds

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.seconds += seconds + 1e-6


@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_rows_do_not_depend_on_the_batch_size(rows: int) -> None:
    plant = Plant(assets=2, ticks=2500, faults=schedule(2500, 2))
    assert table(replace(plant, rows=rows)) == table(plant)


@pytest.mark.parametrize("after", [1, 2047, 2048, 2499, 2500])
def test_reading_after_a_position_gives_exactly_the_rest(after: int) -> None:
    plant = Plant(assets=2, ticks=2500, faults=(Fault("stuck", 1, "flow", 2000, 200),))
    assert table(plant, after) == table(plant)[after * 2 :]


def test_positions_are_the_next_tick() -> None:
    plant = Plant(assets=3, ticks=100, rows=30)
    assert [reading.position for reading in readings(plant)] == list(range(10, 101, 10))


def test_seeds_and_assets_differ_and_the_same_seed_repeats() -> None:
    plant = Plant(assets=2, ticks=50)
    assert table(plant) == table(Plant(assets=2, ticks=50))
    assert table(plant) != table(replace(plant, seed=1))
    assert not np.array_equal(channel(plant, 0, "load"), channel(plant, 1, "load"))


def test_channels_have_the_spread_that_faults_are_measured_in() -> None:
    plant = Plant(assets=1, ticks=40_000, seed=3)
    values = np.concatenate([reading.values for reading in readings(plant)])
    assert np.allclose(values.std(axis=0) / SPREAD, 1.0, atol=0.15)


def test_channels_move_together_and_temperature_lags() -> None:
    plant = Plant(assets=1, ticks=20_000)
    load, speed = channel(plant, 0, "load"), channel(plant, 0, "speed")
    temperature = channel(plant, 0, "temperature")
    assert np.corrcoef(load, speed)[0, 1] > 0.95
    lagged = np.corrcoef(load[:-100], temperature[100:])[0, 1]
    assert lagged > np.corrcoef(load, temperature)[0, 1] + 0.02


def test_blocks_join_without_a_jump() -> None:
    steps = np.abs(np.diff(channel(Plant(assets=1, ticks=2048 * 30), 0, "load")))
    assert steps[2047::2048].mean() < 2 * steps.mean()


def difference(fault: Fault, name: str) -> FloatArray:
    """What a fault adds to a channel, in the channel's standard deviations."""
    clean = Plant(assets=2, ticks=2300)
    struck = replace(clean, faults=(fault,))
    gap = channel(struck, fault.asset, name) - channel(clean, fault.asset, name)
    return gap / SPREAD[CHANNELS.index(name)]


def test_spike_and_level_shift_add_their_size_while_they_last() -> None:
    gap = difference(Fault("spike", 1, "vibration", 2046, 4, 6.0), "vibration")
    assert np.allclose(gap[2046:2050], 6.0)
    assert not np.delete(gap, range(2046, 2050)).any()


def test_drift_grows_to_its_size() -> None:
    gap = difference(Fault("drift", 0, "temperature", 100, 50, 5.0), "temperature")
    assert np.allclose(gap[100:150], np.arange(1, 51) / 10)
    assert not gap[150:].any()


def test_stuck_sensor_repeats_its_value_across_blocks() -> None:
    plant = Plant(assets=1, ticks=2300, faults=(Fault("stuck", 0, "flow", 2000, 200),))
    flow = channel(plant, 0, "flow")
    assert np.unique(flow[2000:2200]).size == 1
    assert flow[2199] != flow[2200]


def test_variance_burst_adds_noise_of_its_size() -> None:
    gap = difference(Fault("variance_burst", 0, "current", 500, 400, 3.0), "current")
    assert 2.5 < gap[500:900].std() < 3.5
    assert abs(gap[500:900].mean()) < 0.5


def test_broken_correlation_leaves_the_sensor_itself_in_its_range() -> None:
    plant = Plant(assets=1, ticks=6000)
    broken = replace(plant, faults=(Fault("broken_correlation", 0, "speed", 1000, 4000, 1.0),))
    load, speed = channel(broken, 0, "load")[1000:5000], channel(broken, 0, "speed")[1000:5000]
    assert abs(np.corrcoef(load, speed)[0, 1]) < 0.9
    assert np.ptp(speed) < 1.3 * np.ptp(channel(plant, 0, "speed"))


def test_dropout_leaves_out_the_rows_of_its_asset() -> None:
    plant = Plant(assets=2, ticks=100, faults=(Fault("dropout", 1, "", 40, 10),))
    names = [name for name, _, _ in table(plant)]
    assert names.count("pump-1") == 100
    assert names.count("pump-2") == 90


def test_clock_trouble_moves_times_and_not_rows() -> None:
    plant = Plant(assets=1, ticks=100, faults=(Fault("clock", 0, "", 50, 5, -30.0),))
    times = np.array([time for _, time, _ in table(plant)])
    moved = (times - plant.start_ns) // plant.tick_ns - np.arange(100)
    assert moved[50:55].tolist() == [-30] * 5
    assert not np.delete(moved, range(50, 55)).any()


def test_messages_decode_to_the_rows_whatever_unit_their_time_is_in() -> None:
    plant = Plant(assets=3, ticks=400, faults=schedule(400, 3, warmup=20))
    assert "units" in {fault.kind for fault in plant.faults}
    sent = [Stored(m.value, i, key=m.key) for i, m in enumerate(plant.as_messages())]
    fields = FieldMap("time", CHANNELS, ("asset",))
    got = decode(sent, "t/0", len(sent), fields)
    rows = zip(got.series, got.time.tolist(), map(tuple, got.values.tolist()), strict=True)
    assert list(rows) == table(plant)
    assert not got.rejected


def test_unit_trouble_shows_on_the_wire() -> None:
    plant = Plant(assets=1, ticks=3, faults=(Fault("units", 0, "", 1, 1),))
    times = [orjson.loads(message.value)["time"] for message in plant.as_messages()]
    assert times[1] < 2**32 < times[0] < times[2]


def test_labels_tell_the_truth_apart_from_the_rows() -> None:
    fault = Fault("spike", 1, "load", 10, 3, 5.0)
    (truth,) = Plant(assets=2, ticks=20, faults=(fault,)).labels()
    start = Plant().start_ns
    assert (truth.series, truth.kind, truth.channel) == ("pump-2", "spike", "load")
    assert (truth.first, truth.last) == (start + 10 * 10**9, start + 12 * 10**9)


def test_schedule_plants_every_kind_apart_and_after_the_warmup() -> None:
    faults = schedule(20_000, 6, seed=5)
    assert {fault.kind for fault in faults} == set(KINDS)
    assert faults[0].start_tick >= 20_000 // 3
    assert all(a.end_tick < b.start_tick for a, b in pairwise(faults))
    assert faults[-1].end_tick <= 20_000


def test_a_paced_plant_gives_rows_when_they_are_due_and_is_idle_between() -> None:
    clock = HandClock()
    plant = Plant(assets=1, ticks=4, speed=0.5, clock=clock)
    got = list(plant.read(MemoryDesk()))
    assert [r.position for r in got if r is not None] == [1, 2, 3, 4]
    assert got.count(None) >= 3
    assert max(clock.waits) <= 1.0
    assert 6.0 <= clock.seconds < 6.1


def test_an_endless_plant_goes_on() -> None:
    first = list(islice(readings(Plant(assets=1, rows=2048)), 3))
    assert first[-1].position == 3 * 2048


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "wobble", "channel": "load"},
        {"kind": "spike", "channel": ""},
        {"kind": "dropout", "channel": "load"},
        {"kind": "spike", "channel": "load", "ticks": 0},
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(fault: dict[str, object]) -> None:
    settings: dict[str, object] = {"asset": 0, "start_tick": 5, "ticks": 1, **fault}
    with pytest.raises(ConfigError):
        Fault(**settings)  # type: ignore[arg-type]  # wrong on purpose


def test_a_plant_refuses_faults_of_assets_and_channels_it_has_not() -> None:
    with pytest.raises(ConfigError, match="2 assets"):
        Plant(assets=2, faults=(Fault("spike", 2, "load", 5, 1),))
    with pytest.raises(ConfigError, match="colour"):
        Plant(assets=2, faults=(Fault("spike", 1, "colour", 5, 1),))
