"""Streams for the whole chain, runs over them however they are cut, and what runs must share."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tocsin.pipeline.chain import Chain, ChainState, Verdicts, join_verdicts, start
from tocsin.pipeline.incidents import Incident
from tocsin.pipeline.state import flatten, same
from tocsin.pipeline.step import close, steps
from tocsin.pipeline.types import FloatArray, IntArray

SECOND = 1_000_000_000


@dataclass(frozen=True)
class Stream:
    """Rows of a partition in the order they stand there."""

    series: list[str]
    time: IntArray  # (N,)
    values: FloatArray  # (N, *item)

    def __len__(self) -> int:
        return len(self.series)

    def part(self, first: int, last: int) -> "Stream":
        """Some of the rows."""
        return Stream(self.series[first:last], self.time[first:last], self.values[first:last])

    def columns(self, first: int, last: int) -> tuple[list[str], IntArray, FloatArray]:
        """Some of the rows, as `step` takes them."""
        return self.series[first:last], self.time[first:last], self.values[first:last]


@dataclass(frozen=True)
class Run:
    """All that came of a run."""

    verdicts: Verdicts
    incidents: list[Incident]
    refused: list[tuple[int, str]]
    state: ChainState
    forgotten: list[str]

    def of(self, kind: str) -> list[Incident]:
        """The incidents of one kind."""
        return [incident for incident in self.incidents if incident.kind == kind]


def troubled(
    seed: int, ticks: int = 300, keys: int = 4, item: tuple[int, ...] = (2,), *, disorder: bool
) -> Stream:
    """Noise of several series with bursts, a stuck stretch, a silence and missing values.

    The last series begins late, so that it borrows from the others while it is young. With
    `disorder`, some rows come early, late, twice or not at all, and a clock is broken.
    """
    rng = np.random.default_rng(seed)
    key = np.tile(np.arange(keys), ticks)
    tick = np.repeat(np.arange(ticks), keys)
    time = tick * SECOND
    values = rng.normal(size=(len(key), *item))
    values[rng.random(values.shape) < 0.01] = np.nan
    for _ in range(6):
        first = int(rng.integers(60 * keys, len(key) - 60))
        values[first : first + int(rng.integers(1, 40))] += rng.integers(5, 12)
    values[(key == 1) & (tick > ticks // 2) & (tick < ticks // 2 + 60)] = 1.5
    keep = ~((key == 2) & (tick > ticks - 120) & (tick < ticks - 60))
    keep &= (key < keys - 1) | (tick > ticks * 2 // 3)
    if disorder:
        keep &= rng.random(len(key)) > 0.05
        time = time + rng.integers(-3, 4, len(time)) * SECOND * (rng.random(len(time)) < 0.1)
        time[rng.random(len(time)) < 0.005] += 500 * SECOND
    return Stream([f"s{which}" for which in key[keep]], time[keep], values[keep])


def cuts(rows: int, pieces: int, seed: int) -> list[int]:
    """The edges of so many pieces, some of them empty."""
    inner = np.random.default_rng(seed).integers(0, rows + 1, pieces - 1)
    return [0, *sorted(inner.tolist()), rows]


def play(
    chain: Chain, stream: Stream, edges: Sequence[int] | None = None, *, fast: bool = True
) -> Run:
    """A run over the stream, cut at `edges`, from nothing to the end."""
    return resume(chain, start(chain), stream, edges, fast=fast)


def resume(
    chain: Chain,
    state: ChainState,
    stream: Stream,
    edges: Sequence[int] | None = None,
    *,
    fast: bool = True,
) -> Run:
    """A run that goes on from a state, in place."""
    verdicts: list[Verdicts] = []
    incidents: list[Incident] = []
    refused: list[tuple[int, str]] = []
    forgotten: list[str] = []
    bounds = [0, len(stream)] if edges is None else list(edges)
    for first, last in pairwise(bounds):
        part = stream.part(first, last)
        for taken, outcome in steps(chain, state, part.series, part.time, part.values, fast=fast):
            verdicts.append(outcome.verdicts)
            incidents += outcome.incidents
            refused += [(first + taken.start + row, why) for row, why in outcome.refused]
            forgotten += outcome.forgotten
    outcome = close(chain, state, fast=fast)
    verdicts.append(outcome.verdicts)
    return Run(join_verdicts(verdicts), incidents + outcome.incidents, refused, state, forgotten)


def expect_same(one: Run, other: Run) -> None:
    """Two runs gave the same verdicts, incidents, refusals and state, to the bit.

    Incidents of different series may come in another order; those of one id may not.
    """
    for column in ("key", "time", "score", "tail", "alpha", "alarm", "verdict"):
        np.testing.assert_array_equal(
            getattr(other.verdicts, column), getattr(one.verdicts, column), err_msg=column
        )
    assert _by_id(other.incidents) == _by_id(one.incidents)
    assert other.refused == one.refused
    assert other.forgotten == one.forgotten
    left, right = flatten(one.state), flatten(other.state)
    differ = [path for path in left if repr(left[path]) != repr(right[path])]
    assert same(one.state, other.state), differ


def _by_id(incidents: Sequence[Incident]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for incident in incidents:
        found.setdefault(incident.id, []).append(repr(incident))  # NaN is equal to itself here
    return found
