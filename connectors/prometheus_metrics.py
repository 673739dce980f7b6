"""The numbers of a run for its metrics, taken from what `run` shows of every step."""

import math
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import chain
from operator import attrgetter, itemgetter
from typing import get_args

import numpy as np

from tocsin.connectors.clocks import Clock, SystemClock
from tocsin.pipeline.calibration.drift import DriftState
from tocsin.pipeline.chain import ChainState
from tocsin.pipeline.events import LANES, OPEN
from tocsin.pipeline.keys import KeyTable
from tocsin.pipeline.order import NEVER
from tocsin.pipeline.rules.verdicts import NO_OPINION, WORDS
from tocsin.pipeline.runner import Summary, Watched
from tocsin.pipeline.selftest.faults import KINDS
from tocsin.pipeline.selftest.settings import SelfTestState
from tocsin.pipeline.selftest.verdict import Examination
from tocsin.pipeline.step import Refused
from tocsin.pipeline.types import FloatArray, IntArray

Sample = tuple[str, tuple[str, ...], float]  # a metric's name, the values of its labels, its value

_REASONS: tuple[str, ...] = get_args(Refused)


class Metrics:
    """What one run has done and how it stands; `watch` is for `run`, the rest for who asks.

    The loop writes and another thread may read at any time. `watch` costs a few passes over the
    rows of a step in numpy, and nothing a series but when a partition is first seen; where tails
    are watched for drift, one pass over a number a series.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._counts: dict[str, _Counts] = {}
        self._standing: dict[str, _Standing] = {}
        self._summary: Summary | None = None
        self._heard_s = self._clock.elapsed()
        self._version = version("tocsin")
        self._written = 0, math.nan  # checkpoints, and the wall clock when the last was noticed

    def watch(self, seen: Watched) -> None:
        """Take in one step."""
        with self._lock:
            self._summary = seen.summary
            self._counts.setdefault(seen.part, _Counts()).add(seen)
            standing = self._standing.get(seen.part)
            if standing is None or standing.keys() is not seen.state.keys:
                standing = _Standing(weakref.ref(seen.state.keys), _open_now(seen.state))
                self._standing[seen.part] = standing
            else:
                standing.tell(seen)
            standing.look(seen.state, seen.outcome.examined)
        self.beat()

    def beat(self) -> None:
        """The loop is alive; called after each reading and each idle moment."""
        self._heard_s = self._clock.elapsed()
        written = self._summary.checkpoints if self._summary is not None else 0
        if written != self._written[0]:
            self._written = written, self._clock.now() / 1e9

    def beating(self, stop: Callable[[], bool]) -> Callable[[], bool]:
        """`stop` for `run`, which beats whenever it is asked."""

        def stopped() -> bool:
            self.beat()
            return stop()

        return stopped

    def silent_s(self) -> float:
        """Seconds since the loop was last heard, or since this was made."""
        return self._clock.elapsed() - self._heard_s

    def is_ready(self) -> bool:
        """Whether rows of a partition have been taken in."""
        return self._summary is not None

    def samples(self) -> list[Sample]:
        """Every number of now, under the names and labels of `prometheus_names.METRICS`."""
        now_s = self._clock.now() / 1e9
        with self._lock:
            # What this run has let go stands still; its clock would seem to fall behind for ever.
            for part in [part for part, each in self._standing.items() if each.keys() is None]:
                del self._standing[part]
            counted = [each.samples(_plain(part)) for part, each in self._counts.items()]
            stands = [each.samples(_plain(part), now_s) for part, each in self._standing.items()]
            about = [("tocsin_build_info", (self._version,), 1.0)]
            return list(chain(about, *counted, *stands, self._of_summary()))

    def _of_summary(self) -> Iterator[Sample]:
        if self._summary is None:
            return
        delivered, failed = dict(self._summary.delivered), dict(self._summary.failures)
        for sink in sorted(delivered | failed):
            yield "tocsin_notifications_total", (sink, "delivered"), delivered.get(sink, 0)
            yield "tocsin_notifications_total", (sink, "failed"), failed.get(sink, 0)
        yield "tocsin_checkpoints_total", (), self._summary.checkpoints
        if self._summary.checkpoints:
            yield "tocsin_checkpoint_duration_seconds", (), self._summary.checkpoint_s
        if self._written[0]:
            yield "tocsin_checkpoint_timestamp_seconds", (), self._written[1]


@dataclass(slots=True)
class _Counts:
    """What became of a partition's rows in this run."""

    rows: int = 0
    rejected: int = 0
    expected: float = 0.0
    under: int = 0
    verdicts: IntArray = field(default_factory=lambda: np.zeros(len(WORDS), dtype=np.int64))
    refused: Counter[str] = field(default_factory=Counter)
    forgotten: int = 0
    incidents: Counter[tuple[str, str]] = field(default_factory=Counter)  # by kind and state

    def add(self, seen: Watched) -> None:
        """Count a step."""
        outcome, verdicts = seen.outcome, seen.outcome.verdicts
        if seen.reading is not None:
            self.rows += len(seen.reading.time)
            self.rejected += len(seen.reading.rejected)
        there = ~np.isnan(verdicts.tail)
        self.expected += float(np.nansum(verdicts.alpha[there]))
        self.under += int(np.count_nonzero(verdicts.tail < verdicts.alpha))
        codes = verdicts.verdict.astype(np.int64) - NO_OPINION
        self.verdicts += np.bincount(codes, minlength=len(WORDS))
        self.refused.update(map(itemgetter(1), outcome.refused))
        self.forgotten += len(outcome.forgotten)
        self.incidents.update((each.kind, each.state) for each in outcome.incidents)

    def samples(self, part: str) -> Iterator[Sample]:
        """The counters of the partition."""
        yield "tocsin_rows_received_total", (part,), self.rows
        yield "tocsin_records_rejected_total", (part,), self.rejected
        for why in _REASONS:
            yield "tocsin_rows_refused_total", (part, why), self.refused[why]
        yield "tocsin_series_forgotten_total", (part,), self.forgotten
        for code, word in WORDS.items():
            yield "tocsin_rows_judged_total", (part, word), int(self.verdicts[code - NO_OPINION])
        yield "tocsin_alarms_expected_total", (part,), self.expected
        yield "tocsin_alarms_seen_total", (part,), self.under
        for kind in LANES:
            yield "tocsin_incidents_opened_total", (part, kind), self.incidents[kind, "open"]
            yield "tocsin_incidents_resolved_total", (part, kind), self.incidents[kind, "resolved"]


@dataclass(slots=True)
class _Standing:
    """How a partition stands; `keys` is dead when the run has let the partition go."""

    keys: "weakref.ref[KeyTable]"
    open: IntArray  # (lanes,) incidents
    series: int = 0
    judged: int = NEVER
    clock: int = NEVER
    tests: "_Tests | None" = None
    drift: float | None = None  # the most evidence against the tails of a series

    def tell(self, seen: Watched) -> None:
        """Incidents of a step open and end."""
        for each in seen.outcome.incidents:
            change = (each.state == "open") - (each.state == "resolved")
            self.open[LANES.index(each.kind)] += change

    def look(self, state: ChainState, examined: Sequence[Examination]) -> None:
        """Note the rest from the state after a step; copied, as the loop goes on changing it."""
        self.series = state.keys.live
        self.judged, self.clock = state.clock, state.order.clock
        if isinstance(state.selftest, SelfTestState):
            self.tests = self.tests or _Tests()
            self.tests.look(state.selftest)
            self.tests.measure(examined)
        if isinstance(state.drift, DriftState) and self.series:
            self.drift = math.log10(max(float(state.drift.evidence.max()), 1.0))

    def samples(self, part: str, now_s: float) -> Iterator[Sample]:
        """The gauges of the partition."""
        yield "tocsin_series", (part,), self.series
        for kind, count in zip(LANES, self.open.tolist(), strict=True):
            yield "tocsin_incidents_open", (part, kind), count
        if self.judged != NEVER:
            yield "tocsin_watermark_timestamp_seconds", (part,), self.judged / 1e9
        if self.clock != NEVER:
            yield "tocsin_event_time_lag_seconds", (part,), now_s - self.clock / 1e9
        if self.tests is not None:
            yield from self.tests.samples(part)
        if self.drift is not None:
            yield "tocsin_drift_evidence", (part,), self.drift


def _no_faults() -> IntArray:
    return np.zeros(len(KINDS), dtype=np.int64)


@dataclass(slots=True)
class _Tests:
    """What the self-tests of a partition have found."""

    rounds: int = 0
    examined: int = 0
    blind: int = 0
    expected: float = 0.0
    alarms: int = 0
    planted: IntArray = field(default_factory=_no_faults)  # (kinds,)
    seen: IntArray = field(default_factory=_no_faults)  # (kinds,)
    found: IntArray = field(default_factory=_no_faults)  # (kinds,)
    ratio: FloatArray = field(default_factory=lambda: np.full(len(KINDS), np.nan))  # (kinds,)
    measured: dict[str, float] = field(default_factory=dict)  # of the last tests, by metric

    def look(self, tested: SelfTestState) -> None:
        """Note what the state holds, and how faults fared that were planted since the last look."""
        self.rounds, self.examined = tested.round, tested.examined
        self.blind = len(tested.blind)
        self.expected, self.alarms = tested.expected, tested.alarms
        planted = tested.tested - self.planted
        if planted.any():
            seen = tested.seen - self.seen
            self.ratio = np.where(planted > 0, seen / np.maximum(planted, 1), self.ratio)
        self.planted, self.seen = tested.tested.copy(), tested.seen.copy()
        self.found = tested.found.copy()

    def measure(self, examined: Sequence[Examination]) -> None:
        """Note how the scores of the series just tested were: medians, of those that tell."""
        for name, measure in _MEASURES.items():
            told = [value for value in map(measure, examined) if not math.isnan(value)]
            if told:
                self.measured[name] = float(np.median(told))

    def samples(self, part: str) -> Iterator[Sample]:
        """The numbers of the self-tests."""
        for name, value in self.measured.items():
            yield name, (part,), value
        yield "tocsin_series_blind", (part,), self.blind
        yield "tocsin_selftest_rounds_total", (part,), self.rounds
        yield "tocsin_selftest_examinations_total", (part,), self.examined
        yield "tocsin_selftest_alarms_expected_total", (part,), self.expected
        yield "tocsin_selftest_alarms_seen_total", (part,), self.alarms
        for place, kind in enumerate(KINDS):
            at = part, kind
            yield "tocsin_selftest_faults_planted_total", at, int(self.planted[place])
            yield "tocsin_selftest_faults_seen_total", at, int(self.seen[place])
            yield "tocsin_selftest_faults_alarmed_total", at, int(self.found[place])
            if not math.isnan(self.ratio[place]):
                yield "tocsin_selftest_detection_ratio", at, float(self.ratio[place])


_MEASURES: dict[str, Callable[[Examination], float]] = {
    "tocsin_selftest_score_spread": attrgetter("spread"),
    "tocsin_selftest_score_tie_ratio": attrgetter("ties"),
    "tocsin_selftest_rank_stability": attrgetter("stability"),
}


def _open_now(state: ChainState) -> IntArray:
    """Open incidents (lanes,) of a state, each lane's."""
    return np.asarray(np.count_nonzero(state.episodes.phase == OPEN, axis=0), dtype=np.int64)


def _plain(name: str) -> str:
    """A name that can be written as UTF-8: names of files may hold bytes that are none."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
