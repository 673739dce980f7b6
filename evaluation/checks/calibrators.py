"""The promises of a calibrator: honest tail probabilities that depend on nothing else.

Each check takes the calibrator and `history`, the scores after which a key is judged by its own
history alone; for one of bounded memory that is its full memory.

>>> from tocsin.pipeline.calibrate import Conformal
>>> calibrator = Conformal(history=60, alone=40, least=10, extremes=False)
>>> for check in CALIBRATOR_CHECKS.values():
...     check(calibrator, 60)
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from tocsin.evaluation.checks.snapshots import size_of
from tocsin.evaluation.checks.verdict import expect, expect_equal, expect_same_state
from tocsin.pipeline.calibrate import Calibrator
from tocsin.pipeline.keyed import capacity, forget, grow
from tocsin.pipeline.state import Header, load, save, settings_of
from tocsin.pipeline.types import FloatArray, IntArray

CalibratorCheck = Callable[[Calibrator[Any], int], None]

_KEYS = 4
_RENEW_EVERY = 10  # ticks
_LOOSE = 1.95  # the Kolmogorov-Smirnov bound that uniform data pass in 999 of 1000 samples

_LADDER = np.concatenate([[-np.inf], np.linspace(-1.0, 60.0, 400), [1e6, 1e300, np.inf]])


def check_tail_is_a_probability(calibrator: Calibrator[Any], history: int) -> None:
    """Tails are float64 (B,) in (0, 1], NaN exactly where the score is, or too little is known."""
    state = _started(calibrator)
    probe = np.array([np.nan, -np.inf, -1e300, 0.0, 1.0, 1e300, np.inf])  # (B,)
    for ticks in (0, history // 2, history):
        key, value = _scores(ticks, seed=1)
        _play(calibrator, state, key, value)
        for rows in (0, 1, len(probe)):
            one_key = np.zeros(rows, dtype=np.int64)
            tail = calibrator.tail(state, one_key, probe[:rows])
            _expect_probabilities(tail, probe[:rows])
    tail = calibrator.tail(state, np.zeros(6, dtype=np.int64), probe[1:])
    expect(not np.isnan(tail).any(), "a known key's scores have tails", f"{tail} of {probe[1:]}")
    key, value = _with_gaps(20, seed=2)
    _expect_probabilities(calibrator.advance(state, key, value), value)


def _expect_probabilities(tail: FloatArray, value: FloatArray) -> None:
    promise = "tails are float64 (B,)"
    expect(tail.shape == value.shape and tail.dtype == np.float64, promise, f"{tail.shape}")
    expect(np.isnan(tail[np.isnan(value)]).all(), "NaN in gives NaN out", f"{tail} of {value}")
    known = tail[~np.isnan(tail)]
    expect(((known > 0) & (known <= 1)).all(), "tails are in (0, 1]", f"{tail} of {value}")


def check_tail_falls_as_scores_rise(calibrator: Calibrator[Any], history: int) -> None:
    """A stranger row never has the larger tail."""
    state = _started(calibrator)
    for ticks in (history // 4, history // 4, history // 2, history):
        _play(calibrator, state, *_scores(ticks, seed=3))
        for key in range(_KEYS):
            tail = calibrator.tail(state, np.full(len(_LADDER), key), _LADDER)
            rise = np.diff(tail[~np.isnan(tail)]).max(initial=0.0)
            expect(rise <= 0, "the tail never rises with the score", f"it rises by {rise:.3g}")


def check_tail_is_uniform(calibrator: Calibrator[Any], history: int) -> None:
    """On exchangeable scores, tails are uniform once the key is known (Kolmogorov-Smirnov)."""
    keys, more = 20, 150
    state = calibrator.start()
    grow(state, keys)
    key, value = _scores(history + more, seed=5, keys=keys)
    tail = _play(calibrator, state, key, value)[-more * keys :]
    expect(not np.isnan(tail).any(), "a known key's scores have tails", "NaN among them")
    count = len(tail)
    ordered = np.sort(tail)
    ranks = np.arange(count + 1) / count
    distance = max(np.abs(ordered - ranks[1:]).max(), np.abs(ordered - ranks[:-1]).max())
    bound = _LOOSE / np.sqrt(count) + 1.0 / (history + 1)
    expect(
        distance <= bound,
        "tails of exchangeable scores are uniform",
        f"a Kolmogorov-Smirnov distance of {distance:.3f} over {count} tails, bound {bound:.3f}",
    )


def check_outlier_has_a_small_tail(calibrator: Calibrator[Any], history: int) -> None:
    """A score far above the whole history has a tail of at most 1/(n+1)."""
    state = _started(calibrator)
    _play(calibrator, state, *_scores(history, seed=6))
    for far in (1e9, np.inf):
        tail = calibrator.tail(state, np.arange(_KEYS), np.full(_KEYS, far))
        most = 1.0 / (history + 1)
        promise = f"a score above {history} others has a tail of at most {most:.3g}"
        expect((tail <= most * (1 + 1e-9)).all(), promise, f"{tail} for {far}")


def check_tail_has_a_floor(calibrator: Calibrator[Any], history: int) -> None:
    """No tail is below 1/(n+1); for calibrators that do not extrapolate beyond their history."""
    state = _started(calibrator)
    for learned in range(1, history + 1):
        key, value = _scores(1, seed=100 + learned)
        calibrator.learn(state, key, value)
        tail = calibrator.tail(state, np.arange(_KEYS), np.full(_KEYS, np.inf))
        least = 1.0 / (learned + 1)
        low = tail[tail < least * (1 - 1e-9)]
        promise = f"no tail is below 1/(n+1) = {least:.3g} after {learned} scores"
        expect(not low.size, promise, f"{low}")


def check_tail_changes_nothing(calibrator: Calibrator[Any], history: int) -> None:
    """`tail` changes neither state nor input, `learn` keeps no reference, NaN is not learned."""
    state = _started(calibrator)
    _play(calibrator, state, *_scores(history, seed=7))
    before = deepcopy(state)
    key, value = _scores(1, seed=8)
    kept = value.copy()
    tail = calibrator.tail(state, key, value)
    expect_same_state(state, before, "tail changes nothing in the state")
    tail[...] = -1.0
    calibrator.learn(state, key, np.full(_KEYS, np.nan))
    expect_same_state(state, before, "a NaN score is not learned")
    calibrator.learn(state, key, value)
    expect_equal(value, kept, "learn does not write to its input")
    before = deepcopy(state)
    value[...] = -1.0
    key[...] = 0
    expect_same_state(state, before, "learn keeps no reference to its input")


def check_advance_is_the_loop(calibrator: Calibrator[Any], history: int) -> None:
    """`advance` over any blocks of ticks is the tail/learn loop, to the bit."""
    ticks = 2 * history
    key, value = _with_gaps(ticks, seed=9)
    looped = _started(calibrator)
    wanted = _loop(calibrator, looped, key, value)
    rng = np.random.default_rng(9)
    for block in (1, 7, ticks):
        state, parts, first = _started(calibrator), [], 0
        while first < ticks:
            last = min(first + int(rng.integers(1, block + 1)), ticks)
            rows = slice(first * _KEYS, last * _KEYS)
            parts.append(calibrator.advance(state, key[rows], value[rows]))
            first = last
        promise = f"advance in blocks of up to {block} ticks is the tail/learn loop"
        expect_equal(np.concatenate(parts), wanted, promise)
        expect_same_state(state, looped, promise)


def check_keys_have_their_own_history(calibrator: Calibrator[Any], history: int) -> None:
    """A known key is judged by itself, and a forgotten one is as new."""
    key, value = _scores(2 * history, seed=10)
    value[key == 1] *= 1000.0
    state = _started(calibrator)
    tail = _play(calibrator, state, key, value)
    for one in (0, 1):
        rows = key == one
        alone = _play(calibrator, _started(calibrator), key[rows], value[rows], keys=1)
        promise = f"a known key's tails do not depend on other keys (key {one})"
        expect_equal(tail[rows][history:], alone[history:], promise)
    forget(state, np.array([0]))
    grow(state, 2 * capacity(_KEYS))
    never_seen = np.full(len(_LADDER), capacity(_KEYS))
    expect_equal(
        calibrator.tail(state, np.zeros(len(_LADDER), dtype=np.int64), _LADDER),
        calibrator.tail(state, never_seen, _LADDER),
        "a forgotten key is as new",
    )


def check_calibrator_memory(calibrator: Calibrator[Any], history: int) -> None:
    """State stops growing with scores, and grows no faster than the keys."""
    state = _started(calibrator)
    sizes = []
    for ticks in (history, history, 2 * history):
        _play(calibrator, state, *_scores(ticks, seed=11))
        sizes.append(size_of(state))
    bounded = sizes[2] - sizes[1] <= max(sizes[1] - sizes[0], 0)
    expect(bounded, "memory is bounded in scores", f"{sizes} bytes")
    state, sizes = calibrator.start(), []
    for keys in (16, 32, 64):
        grow(state, keys)
        _play(calibrator, state, *_scores(2, seed=12, keys=keys), keys=keys)
        sizes.append(size_of(state))
    linear = sizes[2] - sizes[1] <= 2 * (sizes[1] - sizes[0])
    expect(linear, "memory is linear in keys", f"{sizes} bytes for 16, 32 and 64 keys")


def check_calibrator_restored(calibrator: Calibrator[Any], history: int) -> None:
    """Saved and restored, a calibrator goes on as if never stopped."""
    state = _started(calibrator)
    _play(calibrator, state, *_scores(history, seed=13))
    header = Header(type(calibrator).__name__, calibrator.version, settings_of(calibrator))
    with TemporaryDirectory() as folder:
        path = Path(folder, "state.zip")
        save(path, header, state)
        restored = load(path, header, calibrator.start())
    key, value = _scores(20, seed=14)
    wanted = _play(calibrator, state, key, value)
    promise = "restored, a calibrator goes on as if never stopped"
    expect_equal(_play(calibrator, restored, key, value), wanted, promise)
    expect_same_state(restored, state, promise)


CALIBRATOR_CHECKS: Mapping[str, CalibratorCheck] = {
    "tail_is_a_probability": check_tail_is_a_probability,
    "tail_falls_as_scores_rise": check_tail_falls_as_scores_rise,
    "tail_is_uniform": check_tail_is_uniform,
    "outlier_has_a_small_tail": check_outlier_has_a_small_tail,
    "tail_has_a_floor": check_tail_has_a_floor,
    "tail_changes_nothing": check_tail_changes_nothing,
    "advance_is_the_loop": check_advance_is_the_loop,
    "keys_have_their_own_history": check_keys_have_their_own_history,
    "memory": check_calibrator_memory,
    "restored": check_calibrator_restored,
}


def _started(calibrator: Calibrator[Any]) -> Any:
    state = calibrator.start()
    grow(state, _KEYS)
    return state


def _scores(ticks: int, *, seed: int, keys: int = _KEYS) -> tuple[IntArray, FloatArray]:
    """Exchangeable scores of a skewed law, every key at every tick, in (time, key) order."""
    rng = np.random.default_rng(seed)
    key = np.tile(np.arange(keys, dtype=np.int64), ticks)
    return key, rng.lognormal(0.0, 1.0, len(key))


def _with_gaps(ticks: int, *, seed: int) -> tuple[IntArray, FloatArray]:
    """Scores with ties, NaN and infinities among them."""
    key, value = _scores(ticks, seed=seed)
    rng = np.random.default_rng(seed)
    value = value.round(1)
    value[rng.random(len(value)) < 0.1] = np.nan
    value[rng.random(len(value)) < 0.02] = np.inf
    return key, value


def _play(
    calibrator: Calibrator[Any], state: Any, key: IntArray, value: FloatArray, keys: int = _KEYS
) -> FloatArray:
    """Tails of a stream by the fast path, with a renewal every few ticks."""
    step = _RENEW_EVERY * keys
    parts = [np.empty(0)]
    for first in range(0, len(key), step):
        rows = slice(first, first + step)
        parts.append(calibrator.advance(state, key[rows], value[rows]))
        calibrator.renew(state)
    return np.concatenate(parts)


def _loop(calibrator: Calibrator[Any], state: Any, key: IntArray, value: FloatArray) -> FloatArray:
    parts = []
    for first in range(0, len(key), _KEYS):
        rows = slice(first, first + _KEYS)
        parts.append(calibrator.tail(state, key[rows], value[rows]))
        calibrator.learn(state, key[rows], value[rows])
    return np.concatenate(parts)
