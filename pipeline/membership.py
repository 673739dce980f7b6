"""The group of every revision that leaves a step, the same however the rows were cut into calls.

Groups follow from the order in which incidents are told. A silence is told at the end of a call, or
at the row that ends it, so it stands elsewhere among the others in another cut. Here it is given
its group where the finest cut tells it: after the first row by which the series counts as silent.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tocsin.pipeline.chain import Chain, ChainState, NoState
from tocsin.pipeline.groups import group
from tocsin.pipeline.health import HealthState
from tocsin.pipeline.incidents import Incident
from tocsin.pipeline.types import IntArray

_Place = tuple[int, int]  # a row, and 0 for what it tells or 1 + key for a silence seen after it


@dataclass(frozen=True, slots=True)
class Part:
    """Rows that are judged together, and what was known of their series before them."""

    key: IntArray  # (N,)
    time: IntArray  # (N,)
    clock: IntArray  # (N,) the partition's after each row
    total: int  # rows of the partition before
    last: IntArray  # (N,) time of the newest row before the part, of each row's series
    heard: IntArray  # (N,) which row of the partition that was


def part_of(chain: Chain, state: ChainState, key: IntArray, time: IntArray) -> Part | None:
    """What the groups of these rows' incidents need to know; taken before the rows are looked at.

    None where incidents are not grouped.
    """
    if chain.grouping is None:
        return None
    health, clock = state.health, np.maximum(np.maximum.accumulate(time), state.clock)
    return Part(key, time, clock, health.total, health.last[key], health.heard[key])


def grouped(
    chain: Chain,
    state: ChainState,
    part: Part | None,
    told: Sequence[tuple[int, Incident]],
    swept: Sequence[Incident] = (),
) -> list[Incident]:
    """The revisions with their groups: those told by rows of a part, then silences at its end."""
    incidents = [incident for _, incident in told] + list(swept)
    if part is None:
        return incidents
    places = [(row, 0) for row, _ in told] + [(len(part.key), 0)] * len(swept)
    silent = [at for at, each in enumerate(incidents) if (each.kind, each.state) == _SILENT]
    if silent:
        looks = _Looks.back(chain, state, part)
        for at in silent:
            places[at] = looks.place(incidents[at].series, places[at][0])
    order = sorted(range(len(incidents)), key=places.__getitem__)
    named = with_groups(chain, state, [incidents[at] for at in order])
    for at, incident in zip(order, named, strict=True):
        incidents[at] = incident
    return incidents


def with_groups(chain: Chain, state: ChainState, incidents: Sequence[Incident]) -> list[Incident]:
    """The revisions, in the order they are told, each with its group."""
    if chain.grouping is None or isinstance(state.grouping, NoState):
        return list(incidents)
    known = state.grouping
    return [replace(each, group=chain.grouping.assign(known, each)) for each in incidents]


_SILENT = ("stale", "open")


@dataclass(frozen=True, slots=True)
class _Looks:
    """The rows of a part by series, to look back from where a silence was told."""

    chain: Chain
    state: ChainState
    part: Part
    rows: dict[int, IntArray]  # of each key, in order

    @classmethod
    def back(cls, chain: Chain, state: ChainState, part: Part) -> "_Looks":
        groups = group(part.key)
        rows = np.split(groups.order, groups.start[1:])
        return cls(chain, state, part, dict(zip(groups.keys.tolist(), rows, strict=True)))

    def place(self, series: str, row: int) -> _Place:
        """Where a silence that was told at a row, or at the end of the part, is first seen."""
        key = self.state.keys.find(series)
        alone, begin = self._alone(key, row)

        def is_silent(after: int) -> int:
            seen = replace(alone, total=self.part.total + after + 1)
            return len(self.chain.health.silent(seen, int(self.part.clock[after]), 1)[0])

        rows = range(begin, row)  # no row of the series is among them
        found = begin + bisect_left(rows, 1, key=is_silent)
        return (found, 1 + key) if found < row else (row, 0)

    def _alone(self, key: int, row: int) -> tuple[HealthState, int]:
        """What is known of one series before a row, and the first row after its newest one."""
        part, health = self.part, self.state.health
        mine = self.rows.get(key, part.key[:0])
        before = int(np.searchsorted(mine, row))  # of its rows in the part
        if before:
            newest = int(mine[before - 1])
            last, heard = int(part.time[newest]), part.total + newest
        elif len(mine):
            last, heard = int(part.last[mine[0]]), int(part.heard[mine[0]])
        else:
            last, heard = int(health.last[key]), int(health.heard[key])
        alone = replace(
            health,
            rows=health.rows[[key]] - (len(mine) - before),
            first=health.first[[key]],
            last=np.array([last]),
            heard=np.array([heard]),
            stale_after=health.stale_after[[key]],
        )
        return alone, max(0, heard - part.total + 1)
