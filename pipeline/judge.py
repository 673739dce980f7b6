"""One tick at a time: the definition of what the pipeline does with a row.

`tocsin.pipeline.bulk` does the same for many ticks at once and must agree with this to the bit.
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from tocsin.pipeline.chain import Chain, ChainState, Verdicts
from tocsin.pipeline.events import ANOMALY, CALM, STALE, Evidence, Naming
from tocsin.pipeline.health import Seen
from tocsin.pipeline.incidents import Incident
from tocsin.pipeline.keyed import forget, put, take
from tocsin.pipeline.types import Batch, BoolArray, FloatArray, IntArray, Scores

POOL_TICKS = 512  # the calibrator's pool is renewed after every so many ticks

_log = logging.getLogger("tocsin.pipeline")


@dataclass(frozen=True, slots=True)
class Judged:
    """Rows of a tick with their verdicts, what may be learned, and what happened."""

    verdicts: Verdicts
    learnable: BoolArray
    failed: BoolArray
    incidents: list[tuple[int, Incident]]  # with the row each belongs to


def judge_tick(chain: Chain, state: ChainState, batch: Batch, seen: Seen, names: Naming) -> Judged:
    """Score and decide the rows of one tick; no key stands twice. Learns nothing."""
    scores, failed = score_rows(chain, state, batch)
    tail = chain.calibrator.tail(state.calibrator, batch.key, scores.value)
    return decide(chain, state, batch, Opinion(scores, tail, failed), seen, names)


@dataclass(frozen=True, slots=True)
class Opinion:
    """What scorer and calibrator say of rows."""

    scores: Scores
    tail: FloatArray
    failed: BoolArray

    def evidence(self, row: int, alpha: float) -> Evidence:
        """Why a row alarms."""
        blame = self.scores.blame
        return Evidence(
            score=float(self.scores.value[row]),
            tail=float(self.tail[row]),
            alpha=alpha,
            blame=None if blame is None else np.asarray(blame[row].sum(axis=0)),
        )


def decide(
    chain: Chain, state: ChainState, batch: Batch, opinion: Opinion, seen: Seen, names: Naming
) -> Judged:
    """From tails to alarms, incidents and what may be learned; no key stands twice."""
    key, time = batch.key, batch.time
    alpha = chain.threshold.alpha(state.threshold, key, time, seen.interval)
    firing = state.episodes.phase[key, ANOMALY] != CALM
    alpha = np.where(firing, np.fmax(alpha, state.episodes.alpha[key]), alpha)
    alarm = opinion.tail < alpha
    incidents: list[tuple[int, Incident]] = []
    for row in np.flatnonzero(alarm | firing).tolist():
        at, when = (int(key[row]), ANOMALY), int(time[row])
        made: Iterable[Incident] = ()
        if alarm[row]:
            why = opinion.evidence(row, float(alpha[row]))
            made = chain.episodes.alarm(state.episodes, at, when, why, names)
        elif not np.isnan(opinion.tail[row]):
            made = chain.episodes.calm(state.episodes, at, when, names)
        for incident in made:
            incidents.append((row, incident))
            if incident.state == "open" and incident.revision == 1:
                chain.threshold.opened(state.threshold, int(key[row]), int(time[row]))
    firing = alarm | (state.episodes.phase[key, ANOMALY] != CALM)
    learnable, asks = chain.gate.admit(state.gate, key, time, firing)
    for row in np.flatnonzero(asks).tolist():
        incidents += [
            (row, each) for each in chain.episodes.ask(state.episodes, int(key[row]), names)
        ]
    verdicts = Verdicts(key, time, opinion.scores.value, opinion.tail, alpha, alarm)
    failed = opinion.failed | state.tripped[key]
    return Judged(verdicts, learnable & ~opinion.failed, failed, incidents)


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


def learn_tick(chain: Chain, state: ChainState, batch: Batch, score: FloatArray) -> None:
    """Learn rows of a tick that may be learned, in key order."""
    order = np.argsort(batch.key, kind="stable")
    learn_rows(chain, state, batch.take(order))
    chain.calibrator.learn(state.calibrator, batch.key[order], score[order])


def count_ticks(chain: Chain, state: ChainState, ticks: int) -> None:
    """So many ticks have closed; never more than remain until the pool is to be renewed."""
    state.ticks += ticks
    if state.ticks % POOL_TICKS == 0:
        chain.calibrator.renew(state.calibrator)


@dataclass(frozen=True, slots=True)
class Flags:
    """Which rows (N,) have a trouble, and in which channel if it is one channel's."""

    raised: BoolArray
    channel: IntArray | None = None

    def evidence(self, row: int) -> Evidence:
        """Why a row is flagged."""
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


def silences(
    chain: Chain, state: ChainState, key: int, since: int, until: int | None, names: Naming
) -> Iterator[Incident]:
    """A series was silent from `since`, and is heard again at `until` if that is known."""
    at = (key, STALE)
    if state.episodes.phase[at] == CALM:
        yield from chain.episodes.alarm(state.episodes, at, since, Evidence(), names)
    if until is not None:
        yield chain.episodes.resolve(state.episodes, at, max(until, since), names)
