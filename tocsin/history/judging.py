"""Rows that are all there already, judged as they would have been live, and drawn."""

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np

from tocsin.config import Stages
from tocsin.evaluation.panel import Interval, Panel
from tocsin.pipeline import step as pipeline
from tocsin.pipeline.chain import (
    Chain,
    ChainState,
    NoState,
    Verdicts,
    join_verdicts,
    make_room,
    naming,
    start,
)
from tocsin.pipeline.incidents import Incident
from tocsin.pipeline.standing import standing
from tocsin.pipeline.step import Outcome, close
from tocsin.pipeline.types import BoolArray, FloatArray, IntArray, Spec

Progress = Callable[[int], None]  # rows done since the last call

_BLOCK = 4096
_FIRST_STEPS = 11  # rows


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows in any order: `series` (N names), `time` (N,) in nanoseconds, `values` (N, C)."""

    series: list[str]
    time: IntArray
    values: FloatArray
    channels: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.time)

    def spec(self) -> Spec:
        """The shape of one row."""
        return Spec(item=(len(self.channels),), channels=self.channels)

    def take(self, rows: IntArray) -> "Rows":
        """The chosen rows, in the order they are chosen."""
        names = [self.series[row] for row in rows.tolist()]
        return Rows(names, self.time[rows], self.values[rows], self.channels)

    def in_time(self) -> IntArray:
        """The places of the rows in order of time; of one time, as they stand."""
        return np.argsort(self.time, kind="stable")

    def step_ns(self) -> int:
        """The usual time between rows of the first series, from its first ten steps; else 1 s.

        Later rows have no part in it, so that what is derived from it is causal.
        """
        order = self.in_time()
        first = next((self.series[row] for row in order[:1].tolist()), "")
        mine = [row for row in order.tolist() if self.series[row] == first][:_FIRST_STEPS]
        steps = np.diff(self.time[mine])
        steps = steps[steps > 0]
        return int(np.median(steps)) if steps.size else 1_000_000_000


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of each row, in the order of the input, and the incidents as they stand at last.

    `score`, `tail` and `alpha` (N,) are NaN where there is no opinion or no alarm level yet, and
    for the rows that are `refused` (N,): those without a time of their own.
    """

    score: FloatArray
    tail: FloatArray
    alpha: FloatArray
    alarm: BoolArray
    incidents: tuple[Incident, ...]
    refused: BoolArray


@dataclass(frozen=True, slots=True)
class Trained:
    """What was learned from clean history; whether the rows to be judged follow on it in time."""

    state: ChainState
    follows: bool


def judge(
    stages: Stages, rows: Rows, trained: Trained | None = None, progress: Progress | None = None
) -> Judged:
    """Score rows as the pipeline does, each against the rows before it alone.

    A row that a grid gathers has the verdict of the last step that was over by then.
    """
    chain = stages.chain(rows.spec())
    state = begin(chain, trained)
    order = rows.in_time()
    ordered = rows.take(order)
    parts: list[Verdicts] = []
    incidents: dict[str, Incident] = {}
    refused: list[int] = []
    numbers: dict[str, int] = {}  # of the series, for good; a key may be used again
    for first, outcome in steps(stages, state, ordered, progress):
        parts.append(_numbered(outcome.verdicts, state.keys.names, numbers))
        refused += [first + row for row, _ in outcome.refused]
        incidents |= {incident.id: incident for incident in outcome.incidents}
    taken = np.delete(np.arange(len(rows)), np.array(refused, dtype=np.int64))
    verdicts = join_verdicts(parts)
    if isinstance(state.grid, NoState):
        # Rows that need not wait leave in the order they came.
        place = np.full(len(rows), -1)
        place[taken] = np.arange(len(taken))
    else:
        place = _last_before(ordered, taken, verdicts, list(numbers))
    columns = _aligned(verdicts, place)
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    score, tail, alpha, alarm = (column[back] for column in columns)
    out = np.zeros(len(rows), dtype=bool)
    out[order[refused]] = True
    found = standing(chain.episodes, state.episodes, naming(chain, state), incidents)
    return Judged(score, tail, alpha, alarm == 1.0, tuple(found.values()), out)


def panels(
    rows: Rows, judged: Judged, truth: Sequence[tuple[str, Interval]] = ()
) -> tuple[Panel, ...]:
    """The history of each series, for a picture or a page."""
    names = np.array(rows.series, dtype=object)
    order = rows.in_time()
    made = []
    for name in dict.fromkeys(rows.series):
        mine = order[names[order] == name]
        made.append(
            Panel(
                series=name,
                channels=rows.channels,
                time=rows.time[mine],
                values=rows.values[mine],
                score=judged.score[mine],
                tail=judged.tail[mine],
                alpha=judged.alpha[mine],
                alarm=judged.alarm[mine],
                incidents=tuple(i for i in judged.incidents if i.series == name),
                truth=tuple(interval for series, interval in truth if series == name),
            )
        )
    return tuple(made)


def steps(
    stages: Stages, state: ChainState, rows: Rows, progress: Progress | None
) -> Iterator[tuple[int, Outcome]]:
    """The outcome of each block of rows and where it begins; rows stand in time order.

    The keys of an outcome are those of the state until the next is asked for.
    """
    chain = stages.chain(rows.spec())
    for first in range(0, len(rows), _BLOCK):
        part = slice(first, min(first + _BLOCK, len(rows)))
        block = rows.series[part], rows.time[part], rows.values[part]
        for taken, outcome in pipeline.steps(chain, state, *block):
            yield first + taken.start, outcome
        if progress is not None:
            progress(part.stop - part.start)
    yield len(rows), close(chain, state)


def begin(chain: Chain, trained: Trained | None) -> ChainState:
    """The state before rows are judged: a copy of what was learned, without incidents and debts."""
    fresh = start(chain)
    if trained is None:
        return fresh
    learned = deepcopy(trained.state)
    fresh.keys = learned.keys
    make_room(chain, fresh, fresh.keys.ids())
    if not trained.follows:
        fresh.scorer, fresh.calibrator = learned.scorer, learned.calibrator
        return fresh
    return _unburdened(learned, fresh)


def _unburdened(learned: ChainState, fresh: ChainState) -> ChainState:
    """What was learned; incidents, debts, groups and doubts are those of a fresh state."""
    return replace(
        learned,
        threshold=fresh.threshold,
        episodes=fresh.episodes,
        gate=fresh.gate,
        grouping=fresh.grouping,
        drift=fresh.drift,
        retention=fresh.retention,
    )


def _numbered(verdicts: Verdicts, names: Sequence[str], numbers: dict[str, int]) -> Verdicts:
    """The verdicts with their series' numbers as keys; new series are numbered."""
    keys, owner = np.unique(verdicts.key, return_inverse=True)
    mine = [numbers.setdefault(str(names[key]), len(numbers)) for key in keys.tolist()]
    return replace(verdicts, key=np.array(mine, dtype=np.int64)[owner])


def _aligned(verdicts: Verdicts, place: IntArray) -> list[FloatArray]:
    """Score, tail, alarm level and alarm (1) at each place (N,), NaN where that is -1."""
    known = place >= 0
    made = []
    for column in (verdicts.score, verdicts.tail, verdicts.alpha, verdicts.alarm):
        filled = np.full(len(place), np.nan)
        filled[known] = column[place[known]]
        made.append(filled)
    return made


def _last_before(rows: Rows, taken: IntArray, verdicts: Verdicts, names: Sequence[str]) -> IntArray:
    """For each row the newest verdict of its series that was known by its time, or -1."""
    place = np.full(len(rows), -1)
    series = np.array(rows.series, dtype=object)
    for key, name in enumerate(names):
        mine = taken[series[taken] == name]
        known = np.flatnonzero(verdicts.key == key)
        at = np.searchsorted(verdicts.time[known], rows.time[mine], side="right") - 1
        place[mine[at >= 0]] = known[at[at >= 0]]
    return place
