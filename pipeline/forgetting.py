"""Series that have gone silent for good are forgotten, once what still waits of them is judged.

`tocsin.pipeline.retention` says when, and who.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from tocsin.pipeline.chain import Chain, ChainState, NoState, naming
from tocsin.pipeline.durations import describe_duration
from tocsin.pipeline.events import OPEN, STALE
from tocsin.pipeline.incidents import Incident
from tocsin.pipeline.keyed import forget
from tocsin.pipeline.membership import with_groups
from tocsin.pipeline.retention import Retention
from tocsin.pipeline.selftest.settings import SelfTestState
from tocsin.pipeline.types import NO_KEYS, FloatArray, IntArray

Rows = tuple[IntArray, IntArray, FloatArray]  # key (N,), time (N,) and values (N, *item)


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What forgetting left behind.

    `keys` are free now, `series` are the names they had, `incidents` the ends of what was open.
    `rows` are key, time and values of steps of the grid that nobody would have finished; their
    series are forgotten once these are judged.
    """

    keys: IntArray
    series: tuple[str, ...]
    incidents: list[Incident]
    rows: Rows


def forget_silent(chain: Chain, state: ChainState) -> Forgotten:
    """Forget the series that have been silent for too long, if it is time to look for them.

    Called before rows are taken. A series that has rows waiting somewhere, or that a self-test
    watches, is left to the next look.
    """
    retention, known, rows = chain.retention, state.retention, _no_rows(chain)
    if retention is None or isinstance(known, NoState):
        return nothing_forgotten(chain)
    if not retention.is_due(known, state.order.clock):
        return nothing_forgotten(chain)
    silent = retention.look(known, state.order.clock, state.keys.ids())
    silent = np.setdiff1d(silent, _busy(state))
    if chain.grid is not None and not isinstance(state.grid, NoState):
        rows = chain.grid.drain(state.grid, silent)
        silent = np.setdiff1d(silent, rows[0])
    series = tuple(state.keys.names[key] for key in silent.tolist())
    incidents = with_groups(chain, state, list(_ends(chain, state, retention, silent)))
    _forget(state, silent)
    return Forgotten(silent, series, incidents, rows)


def nothing_forgotten(chain: Chain) -> Forgotten:
    """Nobody has been silent for too long."""
    return Forgotten(NO_KEYS, (), [], _no_rows(chain))


def _no_rows(chain: Chain) -> Rows:
    return NO_KEYS, NO_KEYS, np.empty((0, *chain.spec.item))


def _busy(state: ChainState) -> IntArray:
    """Keys that something still waits for; not the quarantine, where only more rows free a row."""
    busy = [state.order.wait_key, state.held.key]
    if isinstance(state.selftest, SelfTestState):
        busy.append(state.selftest.watch)
    return np.concatenate(busy)


def _ends(
    chain: Chain, state: ChainState, retention: Retention, keys: IntArray
) -> Iterator[Incident]:
    """What is open of these series is over, and says why."""
    names = naming(chain, state)
    why = f"forgotten after {describe_duration(retention.after_ns)} without a row"
    for key in keys.tolist():
        for lane in np.flatnonzero(state.episodes.phase[key] == OPEN).tolist():
            at = key, lane
            ended = state.order.clock if lane == STALE else int(state.episodes.last[at])
            incident = chain.episodes.resolve(state.episodes, at, ended, names)
            yield replace(incident, reason=f"{incident.reason}; {why}")


def _forget(state: ChainState, keys: IntArray) -> None:
    forget(state, keys)
    state.keys.release(keys)
    if len(state.waiting):
        state.waiting = state.waiting.take(~np.isin(state.waiting.key, keys))
    if isinstance(state.selftest, SelfTestState):
        blind = state.selftest.blind
        state.selftest.blind = blind[~np.isin(blind, keys)]
