"""The self-tests of a running pipeline, made on rows that are all there already."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from tocsin.evaluation.table import Table
from tocsin.pipeline.chain import Chain, ChainState, NoState, make_room, start
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.events import ANOMALY, CALM
from tocsin.pipeline.order import Order
from tocsin.pipeline.selftest.faults import KINDS
from tocsin.pipeline.selftest.rounds import begin, finish, observe
from tocsin.pipeline.selftest.settings import SelfTest, SelfTestState
from tocsin.pipeline.selftest.verdict import Examination, State
from tocsin.pipeline.step import step
from tocsin.pipeline.types import FloatArray, IntArray

Progress = Callable[[int], None]  # rows done since the last call
Arrived = tuple[Sequence[str], IntArray, FloatArray]  # series, time, values
_Rows = tuple[IntArray, IntArray, FloatArray]  # key, time, values

_BLOCK = 4096  # rows that are judged at once
_NEVER = 1 << 62  # rows to a round, which begins where the doctor says; and how far is ahead


@dataclass(frozen=True, slots=True)
class Visit:
    """How much is examined: `rounds` rounds of at most `series` series, those with most rows."""

    rounds: int = 4
    series: int = 16

    def __post_init__(self) -> None:
        if self.rounds < 1 or self.series < 1:
            raise ConfigError(f"need rounds and series of 1 or more; found {self}")


@dataclass(frozen=True, slots=True)
class Patient:
    """What the rounds found in one series.

    `rounds` are those that came to a verdict, `blind` those of them that called the detector blind.
    """

    series: str
    found: tuple[Examination, ...]

    @property
    def rounds(self) -> int:
        return sum(one.state != "unknown" for one in self.found)

    @property
    def blind(self) -> int:
        return sum(one.state == "blind" for one in self.found)

    @property
    def state(self) -> State:
        """Blind where more than half of the rounds with a verdict say so."""
        if not self.rounds:
            return "unknown"
        return "blind" if 2 * self.blind > self.rounds else "healthy"

    @property
    def why(self) -> str:
        """The reason the last round of that state gave."""
        last = [one.why for one in self.found if one.state == self.state]
        return last[-1] if last else "no round had enough rows of it while it was calm"

    def row(self) -> tuple[str, ...]:
        """The series' line in the table."""
        gross = [sum(one.gross[part] for one in self.found) for part in range(3)]
        expected = sum(one.expected for one in self.found)
        return (
            self.series,
            f"{self.state}, mute" if any(one.mute for one in self.found) else self.state,
            _of(gross[1], gross[0]),
            _of(gross[2], gross[0]),
            _mean([one.ties for one in self.found]),
            _mean([one.spread for one in self.found]),
            _mean([one.stability for one in self.found]),
            f"{expected:.2g}",
            str(sum(one.alarms for one in self.found)),
        )


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What the self-tests tell of a detector on a file's rows."""

    patients: tuple[Patient, ...]
    left_out: int  # series that were not examined, as there were too many

    @property
    def blind(self) -> tuple[str, ...]:
        """The series to which the detector is blind."""
        return tuple(one.series for one in self.patients if one.state == "blind")

    @property
    def state(self) -> State:
        """Blind where it is to any series; unknown where nothing could be told of any."""
        if self.blind:
            return "blind"
        known = any(one.state != "unknown" for one in self.patients)
        return "healthy" if known else "unknown"

    def kinds(self) -> tuple[tuple[str, int, int, int], ...]:
        """Each kind of known fault: how many were put in, stood out by score, raised an alarm."""
        found = [one for patient in self.patients for one in patient.found]
        return tuple(
            (
                kind,
                sum(int(one.tested[n]) for one in found),
                sum(int(one.seen[n]) for one in found),
                sum(int(one.found[n]) for one in found),
            )
            for n, kind in enumerate(KINDS)
        )

    def tables(self) -> tuple[Table, Table]:
        """The series, and the kinds of known faults."""
        head = ("series", "verdict", "gross seen", "gross alarmed", "ties", "spread", "stability")
        note = f"{self.left_out} series more were not examined" if self.left_out else ""
        series = Table(
            "Can it see?",
            (*head, "alarms due", "alarms"),
            tuple(one.row() for one in self.patients),
            numbers=tuple(range(2, 9)),
            note=note,
        )
        faults = Table(
            "Known faults",
            ("kind", "stand out", "raise an alarm"),
            tuple(
                (kind.replace("_", " "), _of(seen, tested), _of(found, tested))
                for kind, tested, seen, found in self.kinds()
            ),
            numbers=(1, 2),
        )
        return series, faults


def doctor(
    chain: Chain,
    rows: Arrived,
    test: SelfTest | None = None,
    *,
    visit: Visit | None = None,
    progress: Progress | None = None,
) -> Diagnosis:
    """Judge rows as the pipeline does, and examine the detector in their second half.

    `rows` are series (N names), time (N,) and values (N, *item) in the order of arrival. The first
    half is there to learn from. Each round watches the series with most rows, those of them that
    are calm where it begins, `test.rows` rows each. What `test` says of when rounds begin has no
    part in it.
    """
    visit = visit or Visit()
    test = replace(test or SelfTest(), every_rows=_NEVER)
    names, judged = _in_order(chain, rows)
    course = _Course(replace(chain, order=Order(max_ahead_ns=_NEVER), grid=None), test, names)
    state, tested = course.start()
    counts = np.bincount(judged[0], minlength=len(names))
    watched = np.sort(np.argsort(-counts, kind="stable")[: visit.series])
    found: dict[int, list[Examination]] = {key: [] for key in watched.tolist()}
    edges = np.linspace(len(judged[0]) // 2, len(judged[0]), visit.rounds + 1).astype(int).tolist()
    for first, last in pairwise([0, *edges]):
        if first:
            begin(course.chain, state, tested, _calm(state, watched))
        for at in range(first, last, _BLOCK):
            part = slice(at, min(at + _BLOCK, last))
            course.judge((state, tested), (judged[0][part], judged[1][part], judged[2][part]))
            if progress is not None:
                progress(part.stop - part.start)
        for one in finish(test, course.chain, state, tested):
            found[one.key].append(one)
    patients = tuple(Patient(names[key], tuple(each)) for key, each in found.items())
    return Diagnosis(patients, len(names) - len(watched))


@dataclass(frozen=True, slots=True)
class _Course:
    """The settings that rows are judged and examined with, and the names of their series."""

    chain: Chain
    test: SelfTest
    names: list[str]

    def start(self) -> tuple[ChainState, SelfTestState]:
        """The states before any row, with room for every series."""
        state = start(self.chain)
        make_room(self.chain, state, state.keys.intern(self.names, len(self.names))[1])
        return state, self.test.start(self.chain.spec.item)

    def judge(self, states: tuple[ChainState, SelfTestState], rows: _Rows) -> None:
        """Judge rows, and keep what the self-tests need of them."""
        state, tested = states
        step(self.chain, state, [self.names[key] for key in rows[0].tolist()], rows[1], rows[2])
        observe(self.test, self.chain, state, tested, rows)


def _in_order(chain: Chain, rows: Arrived) -> tuple[list[str], _Rows]:
    """The names of the series, and the rows as they are judged: in order and on the grid."""
    series, time, values = rows
    state = start(chain)
    key, new = state.keys.intern(series, chain.max_series)
    make_room(chain, state, new)
    kept = key >= 0
    let_in = chain.order.admit(state.order, key[kept], time[kept], values[kept])
    waited = chain.order.drain(state.order)
    judged = (
        np.concatenate([let_in.key, waited.key]),
        np.concatenate([let_in.time, waited.time]),
        np.concatenate([let_in.values, waited.values]),
    )
    if chain.grid is not None and not isinstance(state.grid, NoState):
        judged = chain.grid.advance(state.grid, *judged)
    return state.keys.names, judged


def _calm(state: ChainState, watched: IntArray) -> IntArray:
    """The watched keys that have had a score and have no incident."""
    calm = state.episodes.phase[watched, ANOMALY] == CALM
    found: IntArray = watched[calm & (state.health.scored[watched] > 0)]
    return found


def _of(part: int, whole: int) -> str:
    return f"{part} of {whole}"


def _mean(values: list[float]) -> str:
    known = [value for value in values if not math.isnan(value)]
    return f"{sum(known) / len(known):.2f}" if known else "-"
