"""The rounds of self-tests in a running pipeline: when they begin, and what comes of them.

Whoever judges rows calls two functions around each part of them, so that a round begins at the same
row however the rows are cut: `next_cut` says how many rows to judge before the next call of
`observe`, which takes in the rows just judged. The keys in `SelfTestState.blind` are then the ones
to raise an incident for.
"""

import logging
from collections.abc import Iterator

import numpy as np

from tocsin.pipeline.chain import Chain, ChainState
from tocsin.pipeline.events import ANOMALY, CALM
from tocsin.pipeline.groups import group
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.order import NEVER
from tocsin.pipeline.selftest.faults import plan, plant, shaken, stretch
from tocsin.pipeline.selftest.settings import SelfTest, SelfTestState
from tocsin.pipeline.selftest.shadow import replay, save
from tocsin.pipeline.selftest.verdict import Bar, Examination, examine, unknown
from tocsin.pipeline.types import FloatArray, IntArray

_PATIENCE = 8  # boundaries that a series under watch may take to bring its rows
_SHAKE = 0.01  # share of the spread that is shaken, to see whether ranks stay

_log = logging.getLogger("tocsin.pipeline")


def next_cut(test: SelfTest, tested: SelfTestState, time: IntArray) -> int:
    """How many of the rows to come (N,) to judge before `observe`: up to a boundary, or all.

    `time` are the rows' times in the order they are judged; changes nothing.
    """
    if not len(time):
        return 0
    clock = np.maximum.accumulate(np.maximum(time, tested.clock))
    due = clock[0] + test.every_ns if tested.due == NEVER else tested.due
    ready = (clock >= due) & (tested.since + np.arange(1, len(time) + 1) >= test.every_rows)
    return int(ready.argmax()) + 1 if ready.any() else len(time)


def observe(
    test: SelfTest,
    chain: Chain,
    state: ChainState,
    tested: SelfTestState,
    rows: tuple[IntArray, IntArray, FloatArray],
) -> list[Examination]:
    """Take in the rows that `state` has just judged; gives the examinations that ended with them.

    `rows` are key (N,), time (N,) and values (N, *item), as they went into windows, and end where
    `next_cut` said or before. Changes `tested` alone.
    """
    key, time, values = rows
    if not len(key):
        return []
    _widen(tested, len(state.keys), key, values)
    _keep(test, tested, key, time, values)
    if tested.due == NEVER:
        tested.due = max(int(time[0]), tested.clock) + test.every_ns
    tested.clock = max(tested.clock, int(time.max()))
    tested.since += len(key)
    if tested.clock < tested.due or tested.since < test.every_rows:
        return []
    tested.since, tested.due = 0, tested.clock + test.every_ns
    tested.waited += 1
    if len(tested.watch) and not _complete(test, tested) and tested.waited < _PATIENCE:
        return []
    found = finish(test, chain, state, tested)
    begin(chain, state, tested, choose(test, state, tested))
    return found


def begin(chain: Chain, state: ChainState, tested: SelfTestState, keys: IntArray) -> None:
    """Begin a round on the keys: copy what is known of them and wait for their rows."""
    tested.round += 1
    tested.waited = 0
    tested.watch = keys
    tested.saved = save(chain, state, keys) if len(keys) else np.empty(0, dtype=np.uint8)
    tested.row_key, tested.row_time = keys[:0], keys[:0]
    tested.row_values = tested.row_values[:0]


def finish(
    test: SelfTest, chain: Chain, state: ChainState, tested: SelfTestState
) -> list[Examination]:
    """Examine the series under watch that have brought enough rows, and count what was found."""
    found: list[Examination] = []
    for place, key in enumerate(tested.watch.tolist()):
        mine = tested.row_key == key
        if int(mine.sum()) < test.rows:
            continue
        try:
            one = _examined(test, chain, state, tested, place)
        except Exception:  # A supervised place: a test must not stop what it tests.
            _log.exception("%s raised while it was tested on a shadow copy", chain.scorer)
            one = unknown(key, "the detector raised an error on a shadow copy")
        _count(tested, one)
        found.append(one)
    tested.watch, tested.saved = tested.watch[:0], tested.saved[:0]
    return found


def choose(test: SelfTest, state: ChainState, tested: SelfTestState) -> IntArray:
    """The keys to watch next: calm series in turn, and every other round the blind ones first."""
    if state.fragile:
        return tested.watch[:0]
    keys = np.arange(len(state.keys))
    calm = state.episodes.phase[keys, ANOMALY] == CALM
    ready = keys[calm & (state.health.scored[keys] > 0)]
    turn = np.concatenate([ready[ready >= tested.cursor], ready[ready < tested.cursor]])
    first = turn[np.isin(turn, tested.blind)] if tested.round % 2 else turn[:0]
    rest = turn[~np.isin(turn, first)]
    if not len(first) and len(rest):
        tested.cursor = int(rest[: test.series][-1]) + 1
    return np.concatenate([first, rest])[: test.series]


def _widen(tested: SelfTestState, keys: int, key: IntArray, values: FloatArray) -> None:
    """Take the rows into the range of their series."""
    grow(tested, keys)
    rows = group(key)
    finite = np.where(np.isfinite(values), values, np.nan)[rows.order]
    low = np.fmin.reduceat(finite, rows.start, axis=0)
    high = np.fmax.reduceat(finite, rows.start, axis=0)
    tested.low[rows.keys] = np.fmin(tested.low[rows.keys], low)
    tested.high[rows.keys] = np.fmax(tested.high[rows.keys], high)


def _keep(
    test: SelfTest, tested: SelfTestState, key: IntArray, time: IntArray, values: FloatArray
) -> None:
    """Keep the first `rows` rows of each series under watch."""
    for which in tested.watch.tolist():
        have = int(np.count_nonzero(tested.row_key == which))
        mine = np.flatnonzero(key == which)[: test.rows - have]
        if len(mine):
            tested.row_key = np.concatenate([tested.row_key, key[mine]])
            tested.row_time = np.concatenate([tested.row_time, time[mine]])
            tested.row_values = np.concatenate([tested.row_values, values[mine]])


def _complete(test: SelfTest, tested: SelfTestState) -> bool:
    return len(tested.row_key) >= test.rows * len(tested.watch)


def _examined(
    test: SelfTest, chain: Chain, state: ChainState, tested: SelfTestState, place: int
) -> Examination:
    key = int(tested.watch[place])
    mine = tested.row_key == key
    time = tested.row_time[mine]
    part = stretch(tested.row_values[mine], tested.high[key] - tested.low[key])
    rng = np.random.default_rng((test.seed, tested.round, key))
    faults = plan(part, test.dose(), chain.scorer.traits.detects, rng)
    if not faults:
        return unknown(key, "no channel of the series moves")
    versions = [part.values.reshape(tested.row_values[mine].shape), shaken(part, _SHAKE, rng)]
    versions += [plant(part, fault, rng) for fault in faults]
    replayed = replay(chain, tested.saved, place, time, np.stack(versions))
    keys = np.full(len(time), key)
    interval = chain.health.intervals(state.health, keys)
    alpha = chain.threshold.alpha(state.threshold, keys, time, interval)
    return examine(key, faults, replayed, alpha, Bar(test.healthy, test.rate))


def _count(tested: SelfTestState, one: Examination) -> None:
    tested.tested = tested.tested + one.tested
    tested.seen = tested.seen + one.seen
    tested.found = tested.found + one.found
    tested.expected += one.expected
    tested.alarms += one.alarms
    if one.state == "unknown":
        return
    tested.examined += 1
    others = tested.blind[tested.blind != one.key]
    tested.blind = np.append(others, one.key) if one.state == "blind" else others


def verdicts(found: list[Examination]) -> Iterator[tuple[int, bool]]:
    """Each examined key and whether the detector is blind to it; none of what is unknown."""
    for one in found:
        if one.state != "unknown":
            yield one.key, one.state == "blind"
