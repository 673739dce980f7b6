"""One tick at a time: the definition of what the pipeline does with a row.

`tocsin.pipeline.bulk` does the same for many ticks at once and must agree with this to the bit.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tocsin.pipeline.chain import Chain, ChainState, Held, Verdicts
from tocsin.pipeline.events import ANOMALY, CALM, STALE, Evidence, Naming
from tocsin.pipeline.gate import Waiting
from tocsin.pipeline.health import Seen
from tocsin.pipeline.incidents import Incident
from tocsin.pipeline.keyed import forget, put, take
from tocsin.pipeline.lesson import lesson
from tocsin.pipeline.rules import verdicts as said
from tocsin.pipeline.rules.stage import Alarming
from tocsin.pipeline.severity import reach
from tocsin.pipeline.troubles import Trouble, Troubles
from tocsin.pipeline.types import Batch, BoolArray, ByteArray, FloatArray, IntArray, Scores

POOL_TICKS = 512  # the calibrator's pool is renewed after every so many ticks

_log = logging.getLogger("tocsin.pipeline")


@dataclass(frozen=True, slots=True)
class Judged:
    """Rows of a tick with their verdicts, what may be learned, and what happened."""

    verdicts: Verdicts
    learnable: BoolArray
    lesson: FloatArray  # what the calibrator may learn; NaN: nothing
    failed: BoolArray
    incidents: list[tuple[int, Incident]]  # with the row each belongs to


def judge_tick(chain: Chain, state: ChainState, batch: Batch, seen: Seen, names: Naming) -> Judged:
    """Score and decide the rows of one tick; no key stands twice. Learns nothing."""
    scores, failed = score_rows(chain, state, batch)
    tail = chain.calibrator.tail(state.calibrator, batch.key, batch.time, scores.value)
    return decide(chain, state, batch, Opinion(scores, tail, failed), seen, names)


@dataclass(frozen=True, slots=True)
class Opinion:
    """What scorer and calibrator say of rows."""

    scores: Scores
    tail: FloatArray
    failed: BoolArray

    def blame_of(self, row: int) -> FloatArray | None:
        """The blame of a row by channel or pixel (*item), over its frames."""
        blame = self.scores.blame
        return None if blame is None else np.asarray(blame[row].sum(axis=0))


@dataclass(frozen=True, slots=True)
class Case:
    """Rows of a tick with all that their decision hangs on, and what is decided."""

    batch: Batch
    opinion: Opinion
    alpha: FloatArray
    verdict: ByteArray
    relearning: BoolArray | None  # None: no row's series learns anew


def decide(
    chain: Chain, state: ChainState, batch: Batch, opinion: Opinion, seen: Seen, names: Naming
) -> Judged:
    """From tails to alarms, incidents and what may be learned; no key stands twice."""
    key, time = batch.key, batch.time
    alpha = chain.threshold.alpha(state.threshold, key, time, seen.interval)
    alpha = chain.episodes.level(state.episodes, key, alpha)
    verdict = verdicts_of(chain, opinion.tail, alpha, sizes_of(chain, state, key))
    anew = state.gate.relearn[key] > 0
    case = Case(batch, opinion, alpha, verdict, anew if anew.any() else None)
    _suppress(chain, state, case, names)
    incidents = list(_tell(chain, state, case, names))
    learnable, asks = _admit(chain, state, case, names)
    for row in np.flatnonzero(asks).tolist():
        incidents += [
            (row, each) for each in chain.episodes.ask(state.episodes, int(key[row]), names)
        ]
    score, alarm = opinion.scores.value, verdict == said.ALARM
    verdicts = Verdicts(key, time, score, opinion.tail, alpha, alarm, verdict)
    failed = opinion.failed | state.tripped[key]
    learnable &= ~opinion.failed
    lesson = _lessons(chain, state, case, learnable)
    return Judged(verdicts, learnable, lesson, failed, incidents)


def verdicts_of(
    chain: Chain, tail: FloatArray, alpha: FloatArray, size: IntArray | None
) -> ByteArray:
    """NO_OPINION, CALM, ALARM or UNSURE of each row, by tail, level and calibration scores."""
    verdict = (tail < alpha).astype(np.int8)
    verdict[np.isnan(tail + alpha)] = said.NO_OPINION
    if chain.abstention is not None and size is not None:
        verdict[chain.abstention.unsure(tail, alpha, size)] = said.UNSURE
    return verdict


def sizes_of(chain: Chain, state: ChainState, key: IntArray) -> IntArray | None:
    """How many calibration scores the keys' (N,) tails rest on, if that is of any account."""
    if chain.abstention is None:
        return None
    size = getattr(chain.calibrator, "size")  # noqa: B009 - optional in the protocol
    return np.asarray(size(state.calibrator, key))


def _suppress(chain: Chain, state: ChainState, case: Case, names: Naming) -> None:
    """Put into the verdicts what the rules and an accepted new normal make of alarms."""
    verdict, key = case.verdict, case.batch.key
    if chain.rules.on and (alarms := np.flatnonzero(verdict == said.ALARM)).size:
        blame = case.opinion.scores.blame
        rows = Alarming(
            key[alarms],
            case.batch.time[alarms],
            case.batch.values[alarms, -1],
            None if blame is None else blame[alarms].sum(axis=1),
        )
        verdict[alarms] = chain.rules.verdict(state.rules, rows, names.series, names.channels)
    if case.relearning is not None:
        verdict[case.relearning & (verdict > said.CALM)] = said.RELEARNING


def _tell(
    chain: Chain, state: ChainState, case: Case, names: Naming
) -> Iterator[tuple[int, Incident]]:
    """The revisions that rows make, each with its row; other verdicts leave an incident alone."""
    key, verdict = case.batch.key, case.verdict
    firing = state.episodes.phase[key, ANOMALY] != CALM
    for row in np.flatnonzero(firing | (verdict == said.ALARM)).tolist():
        which, when = int(key[row]), int(case.batch.time[row])
        made: Iterator[Incident] = iter(())
        if verdict[row] == said.ALARM:
            why = _evidence(chain, state, case, row)
            made = chain.episodes.alarm(state.episodes, (which, ANOMALY), when, why, names)
        elif verdict[row] in said.QUIET:
            made = chain.episodes.calm(state.episodes, (which, ANOMALY), when, names)
        for incident in made:
            yield row, incident
            if incident.state == "open":
                _opened(chain, state, incident, (which, when))


def _opened(chain: Chain, state: ChainState, incident: Incident, at: tuple[int, int]) -> None:
    """An incident has opened, or opened again; `at` is its key and the time."""
    if incident.revision == 1:
        chain.threshold.opened(state.threshold, *at)
    if len(state.waiting):
        state.waiting = state.waiting.take(state.waiting.key != at[0])


def _evidence(chain: Chain, state: ChainState, case: Case, row: int) -> Evidence:
    """Why a row alarms."""
    key, time = case.batch.key[row : row + 1], case.batch.time[row : row + 1]
    score, tail = float(case.opinion.scores.value[row]), float(case.opinion.tail[row])
    peak = chain.episodes.is_peak(state.episodes, int(key[0]), int(time[0]), tail, score)
    return Evidence(
        score=score,
        tail=tail,
        alpha=float(case.alpha[row]),
        blame=case.opinion.blame_of(row),
        frame=case.batch.values[row, -1] if peak else None,
        band=_told(chain, state, case.batch, row, "expects") if peak else None,
        covariates=_told(chain, state, case.batch, row, "attribute") if peak else None,
        reach=reach(chain.calibrator, state.calibrator, (key, time), score) if peak else 0.0,
    )


def _told(chain: Chain, state: ChainState, batch: Batch, row: int, method: str) -> Any:
    """What the scorer tells of a row by an optional method; None where it cannot tell.

    It is also None where every row is learned whatever it shows: the fast path then judges rows
    that the scorer has learned already.
    """
    ask = getattr(chain.scorer, method, None)
    if ask is None or chain.gate.learn == "always" or state.fragile:
        return None
    try:
        return ask(state.scorer, batch.take(np.array([row])))
    except Exception:  # The supervised place: an incident is told without it.
        _log.exception("%s raised; an incident is told without %r", chain.scorer, method)
        return None


def _admit(
    chain: Chain, state: ChainState, case: Case, names: Naming
) -> tuple[BoolArray, BoolArray]:
    """Which rows may be learned, and at which a person is asked."""
    key, time = case.batch.key, case.batch.time
    suspect = case.opinion.tail < case.alpha
    if chain.rules.on or case.relearning is not None:
        suspect &= ~np.isin(case.verdict, said.EXCUSED)
    firing = suspect | (state.episodes.phase[key, ANOMALY] != CALM)
    learnable, asks = chain.gate.admit(state.gate, key, time, firing)
    if case.relearning is not None:
        learnable |= case.relearning
    frozen = chain.rules.frozen(names.series, key, time) if chain.rules.on else None
    if frozen is not None:
        learnable &= ~frozen
    if case.relearning is not None:
        scored = ~np.isnan(case.opinion.scores.value)
        state.gate.relearn[key[case.relearning & learnable & scored]] -= 1
    return learnable, asks


def _lessons(chain: Chain, state: ChainState, case: Case, learnable: BoolArray) -> FloatArray:
    """What the calibrator may learn (N,): of an incident, the row that begins it and no other."""
    key, time, score = case.batch.key, case.batch.time, case.opinion.scores.value
    lessons = np.where(learnable, score, np.nan)
    begins = (case.verdict == said.ALARM) & ~learnable
    begins &= state.episodes.start[key, ANOMALY] == time
    for row in np.flatnonzero(begins).tolist():
        at = key[row : row + 1], time[row : row + 1]
        level = float(case.alpha[row])
        lessons[row] = lesson(chain.calibrator, state.calibrator, at, float(score[row]), level)
    return lessons


def score_rows(chain: Chain, state: ChainState, batch: Batch) -> tuple[Scores, BoolArray]:
    """The rows' scores; where the scorer raises, NaN for the rows it raises on and no others."""
    failed = np.zeros(len(batch), dtype=bool)
    if not state.fragile:
        try:
            return chain.scorer.score(state.scorer, batch), failed
        except Exception:  # The supervised place: one series must not stop the rest
            _log.exception("%s raised; its rows are scored one by one", chain.scorer)
            state.fragile = True
    value = np.full(len(batch), np.nan)
    blame = np.zeros(batch.values.shape)
    for row in range(len(batch)):
        try:
            alone = chain.scorer.score(state.scorer, batch.take(np.array([row])))
        except Exception:  # As above.
            failed[row] = True
            continue
        value[row] = alone.value[0]
        if alone.blame is not None:
            blame[row] = alone.blame[0]
    return Scores(value, blame), failed


def learn_rows(chain: Chain, state: ChainState, batch: Batch) -> None:
    """Let the scorer learn; a series it raises on begins anew, the others go on."""
    if not len(batch):
        return
    if not state.fragile:
        before = take(state.scorer, batch.key)
        try:
            chain.scorer.learn(state.scorer, batch)
        except Exception:  # The supervised place.
            _log.exception(
                "%s raised while learning; its rows are learned one by one", chain.scorer
            )
            state.fragile = True
            put(state.scorer, batch.key, before)
        else:
            return
    for row in range(len(batch)):
        which = batch.key[row : row + 1]
        state.tripped[which] = False
        try:
            chain.scorer.learn(state.scorer, batch.take(np.array([row])))
        except Exception:  # As above; it is told with the series' next row.
            forget(state.scorer, which)
            state.tripped[which] = True


def learn_verdicts(chain: Chain, state: ChainState, batch: Batch, score: FloatArray) -> None:
    """Let the stages behind the scorer learn rows of a tick."""
    chain.calibrator.learn(state.calibrator, batch.key, batch.time, score)
    chain.rules.learn(state.rules, batch.key, batch.values[:, -1])


def close_tick(chain: Chain, state: ChainState, rows: Held) -> None:
    """A tick is over: learn what may be learned, and show all of it to a threshold that looks."""
    order = np.argsort(rows.key, kind="stable")
    learn, taught = order[rows.learnable[order]], order[~np.isnan(rows.lesson[order])]
    batch = Batch(rows.key[learn], rows.time[learn], rows.values[learn])
    if chain.gate.learn == "quarantine":
        fresh = Waiting(batch.key, batch.time, batch.values, rows.score[learn])
        state.waiting, free = chain.gate.detain(state.waiting, fresh)
        let_out(chain, state, free)
        taught = taught[~rows.learnable[taught]]
    else:
        learn_rows(chain, state, batch)
        chain.rules.learn(state.rules, batch.key, batch.values[:, -1])
    chain.calibrator.learn(
        state.calibrator, rows.key[taught], rows.time[taught], rows.lesson[taught]
    )
    observe = getattr(chain.threshold, "observe", None)
    if observe is not None:
        observe(state.threshold, rows.key[order], rows.time[order], rows.tail[order])


def let_out(chain: Chain, state: ChainState, rows: Waiting) -> None:
    """Learn rows that have waited, tick after tick."""
    for tick in rows.ticks():  # each in key order
        batch = Batch(tick.key, tick.time, tick.values)
        learn_rows(chain, state, batch)
        learn_verdicts(chain, state, batch, tick.score)


def count_ticks(chain: Chain, state: ChainState, ticks: int) -> None:
    """So many ticks have closed; never more than remain until the pool is to be renewed."""
    state.ticks += ticks
    if state.ticks % POOL_TICKS == 0:
        chain.calibrator.renew(state.calibrator)


@dataclass(frozen=True, slots=True)
class Flags:
    """Which rows (N,) have a trouble, in which channel if it is one channel's, and which."""

    raised: BoolArray
    channel: IntArray | None = None
    why: Troubles | None = None

    def evidence(self, row: int) -> Evidence:
        """Why a row is flagged."""
        if self.why is not None:
            return Evidence(channel=int(self.why.channel[row]), trouble=self.why.at(row))
        return Evidence() if self.channel is None else Evidence(channel=int(self.channel[row]))


def health_incidents(
    chain: Chain,
    state: ChainState,
    key: IntArray,
    time: IntArray,
    flags: dict[int, Flags],
    names: Naming,
) -> Iterator[tuple[int, Incident]]:
    """What flagged rows, and rows of series with an open health incident, do; in row order.

    `flags` are by lane, of rows in the order they are judged.
    """
    lanes = sorted(flags)
    troubled = (state.episodes.phase[:, STALE:] != CALM).any(axis=1)
    troubled[key[np.any([flags[lane].raised for lane in lanes], axis=0)]] = True
    for row in np.flatnonzero(troubled[key]).tolist():
        at, when = int(key[row]), int(time[row])
        for lane in lanes:
            if flags[lane].raised[row]:
                why = flags[lane].evidence(row)
                made = chain.episodes.alarm(state.episodes, (at, lane), when, why, names)
            else:
                made = chain.episodes.calm(state.episodes, (at, lane), when, names)
            yield from ((row, incident) for incident in made)


@dataclass(frozen=True, slots=True)
class Silence:
    """A series that is stale, and since when; why is known where it is not told yet."""

    key: int
    since: int
    why: Trouble | None = None


def silences(
    chain: Chain,
    state: ChainState,
    silence: Silence,
    until: int | None,
    names: Naming,
) -> Iterator[Incident]:
    """A series is silent, and is heard again at `until` if that is known."""
    at, since = (silence.key, STALE), silence.since
    if state.episodes.phase[at] == CALM:
        why = Evidence(trouble=silence.why)
        yield from chain.episodes.alarm(state.episodes, at, since, why, names)
    if until is not None:
        yield chain.episodes.resolve(state.episodes, at, max(until, since), names)
