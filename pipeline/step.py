"""Rows in, verdicts and incidents out: the one step that live runs and replays share.

Pure but for changing the state in place: no clock, no files, no threads.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np

from tocsin.pipeline.bulk import Block, held_rows, judge_ticks, open_block
from tocsin.pipeline.calibration.drift import Tails, open_before
from tocsin.pipeline.chain import (
    Chain,
    ChainState,
    Held,
    NoState,
    Verdicts,
    join_verdicts,
    make_room,
    naming,
)
from tocsin.pipeline.events import (
    ANOMALY,
    BLIND,
    CALM,
    FAILED,
    NO_CHANNEL,
    OPEN,
    OUT_OF_RANGE,
    STALE,
    STUCK,
    UNCALIBRATED,
    UNSEEING,
    Naming,
)
from tocsin.pipeline.forgetting import Rows, forget_silent, nothing_forgotten
from tocsin.pipeline.health import Seen
from tocsin.pipeline.incidents import Incident
from tocsin.pipeline.judge import (
    Flags,
    Judged,
    Silence,
    close_tick,
    count_ticks,
    health_incidents,
    judge_tick,
    let_out,
    silences,
)
from tocsin.pipeline.membership import grouped, part_of, with_groups
from tocsin.pipeline.order import NEVER, Ordered, tick_starts
from tocsin.pipeline.selftest.rounds import next_cut, observe
from tocsin.pipeline.selftest.settings import SelfTestState
from tocsin.pipeline.selftest.verdict import Examination
from tocsin.pipeline.types import NO_KEYS, Batch, BoolArray, FloatArray, IntArray

Refused = Literal["late", "duplicate", "ahead", "too_many_series"]

_NUMBERS = 4_000_000  # in the windows that are judged together, so that they stay in memory
_FEWEST_ROWS = 16


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step made of its rows.

    `incidents` are the new revisions, in order, each with its group where incidents are grouped.
    `refused` are the rows, by their place in the input, that took no part, each with the reason.
    `touched` are the keys whose state changed. `examined` are the self-tests that ended.
    `forgotten` are the series, silent for too long, that were forgotten before the rows were taken.
    """

    verdicts: Verdicts
    incidents: list[Incident]
    refused: list[tuple[int, Refused]]
    touched: IntArray
    examined: Sequence[Examination] = ()
    forgotten: Sequence[str] = ()


def steps(
    chain: Chain,
    state: ChainState,
    series: Sequence[str],
    time: IntArray,
    values: FloatArray,
    *,
    fast: bool = True,
) -> Iterator[tuple[slice, Outcome]]:
    """Take rows in by as many steps as are needed; gives which rows each took, and its outcome.

    One step, unless silent series are to be forgotten between the rows. The keys of an outcome are
    those of `state.keys` until the next step is asked for, as a new series may take an old key.
    """
    first = 0
    while True:
        last = len(series)
        if chain.retention is not None:
            last = first + chain.retention.until_due(state.order.clock, time[first:])
        part = slice(first, last)
        yield part, step(chain, state, series[part], time[part], values[part], fast=fast)
        if last >= len(series):
            return
        first = last


def step(
    chain: Chain,
    state: ChainState,
    series: Sequence[str],
    time: IntArray,
    values: FloatArray,
    *,
    fast: bool = True,
) -> Outcome:
    """Take rows of one partition in, in the order they stood there.

    `series` (B names), `time` (B,), `values` (B, *item). However the rows are cut into calls, the
    verdicts, incidents and the state at the end are the same, and the same with `fast` off. Where
    series are forgotten, which is done before the rows are taken, that holds of `steps`.
    """
    gone = forget_silent(chain, state) if len(series) else nothing_forgotten(chain)
    key, new = state.keys.intern(series, chain.max_series)
    if len(new):
        make_room(chain, state, new)
    refused: list[tuple[int, Refused]] = []
    kept = np.arange(len(key))
    if (key < 0).any():
        refused.extend((int(row), "too_many_series") for row in np.flatnonzero(key < 0))
        kept = np.flatnonzero(key >= 0)
    ordered = chain.order.admit(state.order, key[kept], time[kept], values[kept])
    refused.extend((int(kept[row]), why) for row, why in ordered.refused)
    if chain.retention is not None and not isinstance(state.retention, NoState):
        chain.retention.hear(state.retention, key[key >= 0])
    rows = _joined(gone.rows, _on_grid(chain, state, ordered))
    held = _unlearned(chain, state)
    verdicts, incidents, examined = _judge(chain, state, rows, fast=fast)
    keys = gone.keys, held, key[kept], ordered.key, verdicts.key
    touched = _touched(state, keys, incidents)
    incidents = gone.incidents + incidents
    return Outcome(verdicts, incidents, sorted(refused), touched, examined, gone.series)


def close(chain: Chain, state: ChainState, *, fast: bool = True) -> Outcome:
    """The input has ended: judge what waits, close the open tick. Incidents stay as they are."""
    ordered = chain.order.drain(state.order)
    rows = _on_grid(chain, state, ordered)
    if chain.grid is not None and not isinstance(state.grid, NoState):
        rows = _joined(rows, chain.grid.drain(state.grid, state.keys.ids()))
    held = _unlearned(chain, state)
    verdicts, incidents, examined = _judge(chain, state, rows, fast=fast)
    _close_open_tick(chain, state)
    touched = _touched(state, (held, ordered.key, verdicts.key), incidents)
    return Outcome(verdicts, incidents, [], touched, examined)


def idle(chain: Chain, state: ChainState, now: int, *, fast: bool = True) -> Outcome:
    """Nothing has come, and the clock that `state.order.clock` tells would by now read `now`.

    Rows that have waited for the allowed lateness are judged, since none may come before them any
    more. Series that are silent for too long are told; the incident is the one that the next row
    would have shown, under the same id.
    """
    waiting = len(state.order.wait_key) > 0
    if waiting and now - state.order.clock < chain.order.lateness_ns:
        return Outcome(join_verdicts([]), [], [], NO_KEYS)
    held = _unlearned(chain, state)
    ordered = chain.order.drain(state.order)
    rows = _on_grid(chain, state, ordered)
    verdicts, incidents, examined = _judge(chain, state, rows, fast=fast)
    silent = _sweep(chain, state, now, naming(chain, state), idle=True)
    incidents += with_groups(chain, state, silent)
    touched = _touched(state, (held, ordered.key, verdicts.key), incidents)
    return Outcome(verdicts, incidents, [], touched, examined)


def _on_grid(chain: Chain, state: ChainState, ordered: Ordered) -> Rows:
    """The rows as they are, or the steps of the grid that they finish."""
    rows = ordered.key, ordered.time, ordered.values
    if chain.grid is None or isinstance(state.grid, NoState):
        return rows
    return chain.grid.advance(state.grid, *rows)


def _joined(one: Rows, other: Rows) -> Rows:
    if not len(one[0]) or not len(other[0]):
        return one if len(one[0]) else other
    key, time, values = (np.concatenate(pair) for pair in zip(one, other, strict=True))
    return key, time, values


def _judge(
    chain: Chain, state: ChainState, rows: Rows, *, fast: bool
) -> tuple[Verdicts, list[Incident], list[Examination]]:
    key, time, values = rows
    size = max(_FEWEST_ROWS, _NUMBERS // (chain.window.length * math.prod(chain.spec.item)))
    verdicts: list[Verdicts] = []
    incidents: list[Incident] = []
    examined: list[Examination] = []
    first = 0
    while first < len(key):
        last = min(first + size, first + _until_test(chain, state, time[first:]))
        part = key[first:last], time[first:last], values[first:last]
        found = _judge_part(chain, state, part, fast=fast)
        verdicts.append(found[0])
        incidents += found[1]
        if chain.selftest is not None and isinstance(state.selftest, SelfTestState):
            examined += observe(chain.selftest, chain, state, state.selftest, part)
        first = last
    return join_verdicts(verdicts), incidents, examined


def _until_test(chain: Chain, state: ChainState, time: IntArray) -> int:
    """How many of the rows may be judged before the self-test has to look at them."""
    if chain.selftest is None or not isinstance(state.selftest, SelfTestState):
        return len(time)
    return next_cut(chain.selftest, state.selftest, time)


def _judge_part(
    chain: Chain, state: ChainState, rows: Rows, *, fast: bool
) -> tuple[Verdicts, list[Incident]]:
    key, time, values = rows
    names, looked = naming(chain, state), part_of(chain, state, key, time)
    firing = state.episodes.phase[key, ANOMALY] == OPEN
    seen = chain.health.observe(state.health, state.clock, key, time, values)
    batch = chain.window.advance(state.window, key, time, values)
    starts = tick_starts(state.clock, set(state.held.key.tolist()), key, time)
    first = int(starts[0]) if len(starts) else len(key)
    last = int(starts[-1]) if len(starts) else len(key)
    parts: list[Verdicts] = []
    failed = np.zeros(len(key), dtype=bool)
    happened: list[tuple[int, Incident]] = []

    def note(at: int, judged: Judged | Block) -> None:
        parts.append(judged.verdicts)
        failed[at : at + len(judged.failed)] = judged.failed
        happened.extend((at + row, incident) for row, incident in judged.incidents)

    if first:
        note(
            0,
            _join_open_tick(
                chain, state, _slice(batch, 0, first), seen.take(slice(0, first)), names
            ),
        )
    if len(starts):
        _close_open_tick(chain, state)
        if last > first:
            tick = np.searchsorted(starts, np.arange(first, last), side="right") - 1
            block = open_block(_slice(batch, first, last), tick, seen.take(slice(first, last)))
            judge_ticks(chain, state, block, names, fast=fast)
            note(first, block)
        end = len(key)
        note(
            last,
            _join_open_tick(
                chain, state, _slice(batch, last, end), seen.take(slice(last, end)), names
            ),
        )
    verdicts = join_verdicts(parts)
    blind = chain.health.judge(state.health, key, values, verdicts.score)
    flags = {
        STUCK: Flags(seen.stuck, why=seen.stuck_why),
        OUT_OF_RANGE: Flags(seen.out_of_range, why=seen.outside_why),
        BLIND: _blind(state, key, blind),
        FAILED: Flags(failed),
        UNCALIBRATED: _uncalibrated(chain, state, verdicts, firing, happened),
    }
    happened += health_incidents(chain, state, key, time, flags, names)
    happened += _heard_again(chain, state, key, time, seen, names)
    happened.sort(key=lambda found: found[0])
    state.clock = max(state.clock, int(time.max()))
    swept = _sweep(chain, state, state.clock, names)
    return verdicts, grouped(chain, state, looked, happened, swept)


def _blind(state: ChainState, key: IntArray, silent: BoolArray) -> Flags:
    """Rows of series that the detector gives no score, or whose planted faults it does not see."""
    if not isinstance(state.selftest, SelfTestState) or not len(state.selftest.blind):
        return Flags(silent)
    unseeing = np.isin(key, state.selftest.blind)
    return Flags(silent | unseeing, np.where(unseeing & ~silent, UNSEEING, NO_CHANNEL))


def _uncalibrated(
    chain: Chain,
    state: ChainState,
    rows: Verdicts,
    firing: BoolArray,
    anomalies: Sequence[tuple[int, Incident]],
) -> Flags:
    """Rows of series whose tails are no longer even; none where nobody looks.

    `firing` is where an anomaly of the series was open before all of the rows.
    """
    if chain.drift is None or isinstance(state.drift, NoState):
        return Flags(np.zeros(len(rows), dtype=bool))  # an incident from when one did ends by it
    aside = open_before(rows.key, firing, anomalies)
    frozen = chain.rules.frozen(state.keys.names, rows.key, rows.time) if chain.rules.on else None
    if frozen is not None:
        aside = aside | frozen
    return Flags(chain.drift.advance(state.drift, Tails(rows.key, rows.tail, rows.alpha, aside)))


def _join_open_tick(
    chain: Chain, state: ChainState, batch: Batch, seen: Seen, names: Naming
) -> Judged:
    """Judge rows of the open tick and hold them until it closes."""
    judged = judge_tick(chain, state, batch, seen, names)
    held, fresh = state.held, held_rows(batch, judged)
    state.held = Held(
        *(
            np.concatenate((getattr(held, column.name), getattr(fresh, column.name)))
            for column in fields(Held)
        )
    )
    return judged


def _close_open_tick(chain: Chain, state: ChainState) -> None:
    if len(state.waiting) and chain.gate.learn != "quarantine":
        let_out(chain, state, state.waiting)  # that the gate was set to another rule is no fault
        state.waiting = state.waiting.take(NO_KEYS)
    held = state.held
    if not len(held.key):
        return
    close_tick(chain, state, held)
    state.held = Held(*(getattr(held, column.name)[:0] for column in fields(Held)))
    count_ticks(chain, state, 1)


def _unlearned(chain: Chain, state: ChainState) -> IntArray:
    """Keys of rows that are judged already, and learned where a step closes a tick."""
    if chain.gate.learn == "quarantine":
        return state.held.key
    return np.concatenate((state.held.key, state.waiting.key))


def _heard_again(
    chain: Chain, state: ChainState, key: IntArray, time: IntArray, seen: Seen, names: Naming
) -> list[tuple[int, Incident]]:
    """Silences that rows end, told at the row that ends them."""
    silent = state.episodes.phase[key, STALE] != CALM
    found: list[tuple[int, Incident]] = []
    for row in np.flatnonzero(silent | (seen.silent_from != NEVER)).tolist():
        which, since = int(key[row]), int(seen.silent_from[row])
        if state.episodes.phase[which, STALE] != CALM:
            silence = Silence(which, int(state.episodes.last[which, STALE]))
        elif since == NEVER:
            continue
        else:
            silence = Silence(which, since, seen.silence(row))
        made = silences(chain, state, silence, int(time[row]), names)
        found += [(row, incident) for incident in made]
    return found


def _sweep(
    chain: Chain, state: ChainState, clock: int, names: Naming, *, idle: bool = False
) -> list[Incident]:
    """Series that have gone silent by `clock`."""
    keys, since = chain.health.silent(state.health, clock, len(state.keys), idle=idle)
    found: list[Incident] = []
    for which, when in zip(keys.tolist(), since.tolist(), strict=True):
        if state.episodes.phase[which, STALE] == CALM:
            silence = Silence(which, when, chain.health.silence(state.health, which, when))
            found += silences(chain, state, silence, None, names)
    return found


def _touched(state: ChainState, keys: tuple[IntArray, ...], incidents: list[Incident]) -> IntArray:
    told = [state.keys.find(incident.series) for incident in incidents]
    return np.unique(np.concatenate((*keys, np.array(told, dtype=np.int64))))


def _slice(batch: Batch, first: int, last: int) -> Batch:
    part = slice(first, last)
    return Batch(batch.key[part], batch.time[part], batch.values[part])
