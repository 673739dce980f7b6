"""Many closed ticks at once: the fast path, equal to `tocsin.pipeline.judge` to the bit.

The whole block is scored and learned as if none of it alarmed. Series that did alarm, that were
firing already, or that have rows which are not to be learned, are then put back to what they were
before the block and judged again tick by tick. Nearly all series keep the fast result.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tocsin.pipeline.chain import Chain, ChainState, Held, Verdicts
from tocsin.pipeline.events import ANOMALY, CALM, Naming
from tocsin.pipeline.health import Seen
from tocsin.pipeline.incidents import Incident
from tocsin.pipeline.judge import (
    POOL_TICKS,
    Judged,
    Opinion,
    close_tick,
    count_ticks,
    decide,
    judge_tick,
    learn_verdicts,
    sizes_of,
    verdicts_of,
)
from tocsin.pipeline.keyed import Rows, put, take
from tocsin.pipeline.order import NEVER
from tocsin.pipeline.types import Batch, BoolArray, ByteArray, FloatArray, IntArray, Scores

_FEW = 4  # series that alarm in a span; more are cheaper tick by tick, all together
_TURNS = 8  # of bulk and tick by tick for one series in a span

_log = logging.getLogger("tocsin.pipeline")


@dataclass(slots=True)
class Block:
    """Rows of closed ticks and, filled in as they are judged, their verdicts.

    `tick` (N,) numbers the ticks from 0; rows stand in tick order. `frozen` (N,) rows are not to be
    learned, whatever they show. `unknown` (N,) rows have a verdict that the fast path cannot tell.
    """

    batch: Batch
    tick: IntArray
    seen: Seen
    score: FloatArray
    tail: FloatArray
    alpha: FloatArray
    alarm: BoolArray
    verdict: ByteArray
    failed: BoolArray
    frozen: BoolArray
    unknown: BoolArray
    incidents: list[tuple[int, Incident]]
    blame: FloatArray | None = None

    def fill(self, rows: IntArray, judged: Judged) -> None:
        """Put the verdicts of some rows in their place."""
        verdicts = judged.verdicts
        self.score[rows], self.tail[rows] = verdicts.score, verdicts.tail
        self.alpha[rows], self.alarm[rows] = verdicts.alpha, verdicts.alarm
        self.verdict[rows] = verdicts.verdict
        self.failed[rows] = judged.failed
        self.incidents += [(int(rows[row]), incident) for row, incident in judged.incidents]

    @property
    def verdicts(self) -> Verdicts:
        """The columns people see."""
        key, time = self.batch.key, self.batch.time
        return Verdicts(key, time, self.score, self.tail, self.alpha, self.alarm, self.verdict)

    def stops(self, rows: IntArray) -> BoolArray:
        """Which of some rows the fast path must not pass: those it does not know the truth of."""
        return self.alarm[rows] | self.frozen[rows] | self.unknown[rows]


def open_block(batch: Batch, tick: IntArray, seen: Seen) -> Block:
    """A block with nothing judged yet."""
    rows = len(batch)
    nan, none = np.full(rows, np.nan), np.zeros(rows, dtype=bool)
    return Block(
        batch,
        tick,
        seen,
        score=nan,
        tail=nan.copy(),
        alpha=nan.copy(),
        alarm=none,
        verdict=np.zeros(rows, dtype=np.int8),
        failed=none.copy(),
        frozen=none.copy(),
        unknown=none.copy(),
        incidents=[],
    )


def judge_ticks(
    chain: Chain, state: ChainState, block: Block, names: Naming, *, fast: bool = True
) -> None:
    """Score, decide and learn every tick of the block, in spans between renewals of the pool."""
    first = 0
    ticks = int(block.tick[-1]) + 1 if len(block.tick) else 0
    fast = fast and chain.in_bulk
    if fast and chain.rules.on:
        frozen = chain.rules.frozen(names.series, block.batch.key, block.batch.time)
        block.frozen = block.frozen if frozen is None else frozen
    while first < ticks:
        last = min(ticks, first + POOL_TICKS - state.ticks % POOL_TICKS)
        rows = np.arange(*np.searchsorted(block.tick, [first, last]))
        if not (fast and last - first > 1 and _in_bulk(chain, state, block, rows, names)):
            _tick_by_tick(chain, state, block, rows, names)
        count_ticks(chain, state, last - first)
        first = last


def _in_bulk(chain: Chain, state: ChainState, block: Block, rows: IntArray, names: Naming) -> bool:
    """Judge rows by the fast path; False, with nothing changed, where there is none."""
    saved = _advance(chain, state, block, rows)
    if saved is None:
        return False
    key = block.batch.key[rows]
    restless = ~_settled(state, saved.keys)
    restless |= np.isin(saved.keys, key[block.stops(rows)])
    calm = saved.keys[~restless]
    chain.gate.admit(state.gate, calm, np.zeros_like(calm), np.zeros(len(calm), dtype=bool))
    again = rows[np.isin(key, saved.keys[restless])]
    if not len(again):
        return True
    all_learned = chain.gate.learn == "always" and not block.frozen[again].any()
    saved.put_back(state, np.flatnonzero(restless), scorer=not all_learned)
    if all_learned:
        _decide_again(chain, state, block, again, names)
    elif np.count_nonzero(restless) > _FEW:
        _tick_by_tick(chain, state, block, again, names)
    else:
        for which in saved.keys[restless]:
            _in_turns(chain, state, block, rows[key == which], names)
    return True


def _settled(state: ChainState, keys: IntArray) -> BoolArray:
    """Keys (N,) with no incident pending or open, and nothing to learn anew."""
    calm = state.episodes.phase[keys, ANOMALY] == CALM
    return np.asarray(calm & (state.gate.relearn[keys] == 0))


@dataclass(frozen=True, slots=True)
class _Saved:
    """The rows of some keys in scorer, calibrator and rules, from before they were advanced."""

    keys: IntArray
    scorer: Rows
    calibrator: Rows
    rules: Rows

    def put_back(self, state: ChainState, some: IntArray | slice, *, scorer: bool = True) -> None:
        """Undo the advance for some of the keys, of the scorer only if asked to."""
        stages = [(state.calibrator, self.calibrator), (state.rules, self.rules)]
        if scorer:
            stages.append((state.scorer, self.scorer))
        for whole, rows in stages:
            put(whole, self.keys[some], {path: part[some] for path, part in rows.items()})


def _advance(chain: Chain, state: ChainState, block: Block, rows: IntArray) -> _Saved | None:
    """Fill in the verdicts of rows as if all may be learned, and learn them; None if that fails."""
    advance = getattr(chain.scorer, "advance", None)
    if advance is None or chain.scorer.traits.shared or state.fragile:
        return None
    batch = block.batch.take(rows)
    keys = np.unique(batch.key)
    rules = take(state.rules, keys) if chain.rules.learns else {}
    saved = _Saved(keys, take(state.scorer, keys), take(state.calibrator, keys), rules)
    size = sizes_of(chain, state, keys)
    try:
        scores = advance(state.scorer, batch)
    except Exception:  # The supervised place: all of it is judged again, row by row.
        _log.exception("%s raised; its rows are judged one by one", chain.scorer)
        saved.put_back(state, slice(None))
        state.fragile = True
        return None
    tail = chain.calibrator.advance(state.calibrator, batch.key, batch.time, scores.value)
    alpha = chain.threshold.alpha(state.threshold, batch.key, batch.time, block.seen.interval[rows])
    block.score[rows], block.tail[rows] = scores.value, tail
    block.alpha[rows], block.alarm[rows] = alpha, tail < alpha
    own = None if size is None else size[np.searchsorted(keys, batch.key)]
    block.verdict[rows] = verdicts_of(chain, tail, alpha, own)
    block.unknown[rows] = False if own is None else own != sizes_of(chain, state, batch.key)
    chain.rules.advance(state.rules, batch.key, batch.values[:, -1])
    if scores.blame is not None and chain.gate.learn == "always":
        block.blame = np.zeros(block.batch.values.shape) if block.blame is None else block.blame
        block.blame[rows] = scores.blame
    return saved


def _in_turns(chain: Chain, state: ChainState, block: Block, rows: IntArray, names: Naming) -> None:
    """One series that alarms or is firing: its calm stretches in bulk, the rest tick by tick.

    `block.stops` of `rows` is what the fast path foresaw; it holds up to the first stop.
    """
    which = block.batch.key[rows[:1]]
    for _ in range(_TURNS):
        if _settled(state, which)[0]:
            stops = np.flatnonzero(block.stops(rows))
            foreseen = int(stops[0]) if len(stops) else len(rows)
            if foreseen and _advance(chain, state, block, rows[:foreseen]) is None:
                break
            rows = rows[foreseen:]
        rows = _until_calm(chain, state, block, rows, names)
        if not len(rows):
            return
        ahead = _advance(chain, state, block, rows)
        if ahead is None:
            break
        if not block.stops(rows).any():
            return
        ahead.put_back(state, slice(None))
    _tick_by_tick(chain, state, block, rows, names)


def _until_calm(
    chain: Chain, state: ChainState, block: Block, rows: IntArray, names: Naming
) -> IntArray:
    """Judge a series' rows by the definition until one leaves it calm; gives the rows after it."""
    for place, row in enumerate(rows):
        _tick_by_tick(chain, state, block, rows[place : place + 1], names)
        which = block.batch.key[row : row + 1]
        # A row that is "can't say" does not alarm, but the gate takes it for a beginning.
        if state.gate.since[which[0]] == NEVER and _settled(state, which)[0]:
            return rows[place + 1 :]
    return rows[:0]


def _ticks_of(block: Block, rows: IntArray) -> Iterator[IntArray]:
    """The rows of each tick in turn."""
    edges = np.flatnonzero(np.diff(block.tick[rows])) + 1
    return (part for part in np.split(rows, edges) if len(part))


def _tick_by_tick(
    chain: Chain, state: ChainState, block: Block, rows: IntArray, names: Naming
) -> None:
    """Judge and learn rows by the definition."""
    for part in _ticks_of(block, rows):
        batch = block.batch.take(part)
        judged = judge_tick(chain, state, batch, block.seen.take(part), names)
        block.fill(part, judged)
        close_tick(chain, state, held_rows(batch, judged))


def held_rows(batch: Batch, judged: Judged) -> Held:
    """Judged rows of a tick, as they are learned when it closes."""
    found = judged.verdicts
    return Held(
        batch.key,
        batch.time,
        batch.values,
        found.score,
        found.tail,
        judged.learnable,
        judged.lesson,
    )


def _decide_again(
    chain: Chain, state: ChainState, block: Block, rows: IntArray, names: Naming
) -> None:
    """Everything is learned whatever alarms, so scores and tails stand; only decide, in turn."""
    for part in _ticks_of(block, rows):
        blame = None if block.blame is None else block.blame[part]
        opinion = Opinion(Scores(block.score[part], blame), block.tail[part], block.failed[part])
        batch, seen = block.batch.take(part), block.seen.take(part)
        block.fill(part, decide(chain, state, batch, opinion, seen, names))
        learn_verdicts(chain, state, batch, opinion.scores.value)
