"""The promises of a calibrator: honest tail probabilities that depend on nothing else.

Each check takes the calibrator and `history`, the scores after which a key is judged by its own
history alone; for one of bounded memory that is its full memory. What a calibrator claims beyond
`Calibrator` it says by an attribute, and checks hold it to that: `block`, the rows of the blocks
whose alarmed share it keeps; `recovery`, the scores after which its tails are right again when the
scores have shifted, at `level` if it has one; `size`, how many scores a tail rests on. One whose
tails are larger than they must be says `conservative`, one that steers them says `steered`.

>>> from tocsin.pipeline.calibrate import Conformal
>>> calibrator = Conformal(history=60, alone=40, least=10, extremes=False)
>>> for check in CALIBRATOR_CHECKS.values():
...     check(calibrator, 60)
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from tocsin.evaluation.checks.snapshots import size_of
from tocsin.evaluation.checks.verdict import expect, expect_equal, expect_same_state
from tocsin.pipeline.calibrate import Calibrator
from tocsin.pipeline.keyed import capacity, forget, grow
from tocsin.pipeline.state import Header, load, save, settings_of
from tocsin.pipeline.types import BoolArray, FloatArray, IntArray

CalibratorCheck = Callable[[Calibrator[Any], int], None]

_KEYS = 4
_RENEW_EVERY = 10  # ticks
_TICK = 60_000_000_000  # ns
_FIFTH = 0.2
_LOW = 0.5
_LOOSE = 1.95  # the Kolmogorov-Smirnov bound that uniform data pass in 999 of 1000 samples

_LADDER = np.concatenate([[-np.inf], np.linspace(-1.0, 60.0, 400), [1e6, 1e300, np.inf]])


class _Rows(NamedTuple):
    """A stream of scores, (N,) each."""

    key: IntArray
    time: IntArray
    value: FloatArray

    def of(self, some: slice | BoolArray) -> "_Rows":
        return _Rows(self.key[some], self.time[some], self.value[some])


def check_tail_is_a_probability(calibrator: Calibrator[Any], history: int) -> None:
    """Tails are float64 (B,) in (0, 1], NaN exactly where the score is, or too little is known."""
    state = _started(calibrator)
    probe = np.array([np.nan, -np.inf, -1e300, 0.0, 1.0, 1e300, np.inf])  # (B,)
    for ticks in (0, history // 2, history):
        _play(calibrator, state, _scores(ticks, seed=1))
        for rows in (0, 1, len(probe)):
            one_key = np.zeros(rows, dtype=np.int64)
            tail = calibrator.tail(state, one_key, one_key, probe[:rows])
            _expect_probabilities(tail, probe[:rows])
    zeros = np.zeros(6, dtype=np.int64)
    tail = calibrator.tail(state, zeros, zeros, probe[1:])
    expect(not np.isnan(tail).any(), "a known key's scores have tails", f"{tail} of {probe[1:]}")
    gappy = _with_gaps(20, seed=2)
    _expect_probabilities(calibrator.advance(state, *gappy), gappy.value)


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
        _play(calibrator, state, _scores(ticks, seed=3))
        for key in range(_KEYS):
            tail = _climb(calibrator, state, key)
            rise = np.diff(tail[~np.isnan(tail)]).max(initial=0.0)
            expect(rise <= 0, "the tail never rises with the score", f"it rises by {rise:.3g}")


def check_tail_is_uniform(calibrator: Calibrator[Any], history: int) -> None:
    """On exchangeable scores, tails are uniform once the key is known (Kolmogorov-Smirnov).

    Of a conservative calibrator, no more tails are small than if they were.
    """
    keys, more = 20, 150
    state = calibrator.start()
    grow(state, keys)
    tail = _play(calibrator, state, _scores(history + more, seed=5, keys=keys))[-more * keys :]
    expect(not np.isnan(tail).any(), "a known key's scores have tails", "NaN among them")
    count = len(tail)
    ordered = np.sort(tail)
    ranks = np.arange(count + 1) / count
    above = (ranks[1:] - ordered).max()  # more small tails than there may be
    below = 0.0 if _says(calibrator, "conservative") else (ordered - ranks[:-1]).max()
    distance = max(above, below)
    step = 1.0 / (_size(calibrator, state, history, keys).min() + 1)  # tails may be counts
    bound = _LOOSE / np.sqrt(count) + step
    expect(
        distance <= bound,
        "tails of exchangeable scores are uniform",
        f"a Kolmogorov-Smirnov distance of {distance:.3f} over {count} tails, bound {bound:.3f}",
    )


def check_outlier_has_a_small_tail(calibrator: Calibrator[Any], history: int) -> None:
    """A score far above a whole history of n has a tail of at most 1/(n+1).

    n is the `size` of the tail where the calibrator tells it. Where tails are conservative or
    steered, it is the smallest of all, and small.
    """
    state = _started(calibrator)
    _play(calibrator, state, _scores(history, seed=6))
    for far in (1e9, np.inf):
        tail = _tick(calibrator, state, far)
        most = 1.0 / (_size(calibrator, state, history) + 1)
        if _says(calibrator, "conservative") or _says(calibrator, "steered"):
            most = np.minimum(_tick(calibrator, state, 1.0), _LOW)
        promise = f"a score above {history} others has a tail of at most {np.max(most):.3g}"
        expect((tail <= most * (1 + 1e-9)).all(), promise, f"{tail} for {far}")


def check_tail_has_a_floor(calibrator: Calibrator[Any], history: int) -> None:
    """No tail is below 1/(n+1); for calibrators that do not extrapolate beyond their history."""
    state = _started(calibrator)
    for learned in range(1, history + 1):
        calibrator.learn(state, *_scores(1, seed=100 + learned))
        tail = _tick(calibrator, state, np.inf)
        least = 1.0 / (learned + 1)
        low = tail[tail < least * (1 - 1e-9)]
        promise = f"no tail is below 1/(n+1) = {least:.3g} after {learned} scores"
        expect(not low.size, promise, f"{low}")


def check_tail_changes_nothing(calibrator: Calibrator[Any], history: int) -> None:
    """`tail` changes neither state nor input, `learn` keeps no reference, NaN is not learned."""
    state = _started(calibrator)
    _play(calibrator, state, _scores(history, seed=7))
    before = deepcopy(state)
    key, time, value = _scores(1, seed=8)
    kept = value.copy()
    tail = calibrator.tail(state, key, time, value)
    expect_same_state(state, before, "tail changes nothing in the state")
    tail[...] = -1.0
    calibrator.learn(state, key, time, np.full(_KEYS, np.nan))
    expect_same_state(state, before, "a NaN score is not learned")
    calibrator.learn(state, key, time, value)
    expect_equal(value, kept, "learn does not write to its input")
    before = deepcopy(state)
    value[...] = -1.0
    key[...] = 0
    time[...] = 0
    expect_same_state(state, before, "learn keeps no reference to its input")


def check_advance_is_the_loop(calibrator: Calibrator[Any], history: int) -> None:
    """`advance` over any blocks of ticks is the tail/learn loop, to the bit."""
    ticks = 2 * history
    rows = _with_gaps(ticks, seed=9)
    looped = _started(calibrator)
    wanted = _loop(calibrator, looped, rows)
    rng = np.random.default_rng(9)
    for block in (1, 7, ticks):
        state, parts, first = _started(calibrator), [], 0
        while first < ticks:
            last = min(first + int(rng.integers(1, block + 1)), ticks)
            part = slice(first * _KEYS, last * _KEYS)
            parts.append(calibrator.advance(state, *rows.of(part)))
            first = last
        promise = f"advance in blocks of up to {block} ticks is the tail/learn loop"
        expect_equal(np.concatenate(parts), wanted, promise)
        expect_same_state(state, looped, promise)


def check_keys_have_their_own_history(calibrator: Calibrator[Any], history: int) -> None:
    """A known key is judged by itself, and a forgotten one is as new."""
    rows = _scores(2 * history, seed=10)
    rows.value[rows.key == 1] *= 1000.0
    state = _started(calibrator)
    tail = _play(calibrator, state, rows)
    for one in (0, 1):
        own = rows.key == one
        alone = _play(calibrator, _started(calibrator), rows.of(own), keys=1)
        promise = f"a known key's tails do not depend on other keys (key {one})"
        expect_equal(tail[own][history:], alone[history:], promise)
    forget(state, np.array([0]))
    grow(state, 2 * capacity(_KEYS))
    never_seen = _climb(calibrator, state, capacity(_KEYS))
    expect_equal(_climb(calibrator, state, 0), never_seen, "a forgotten key is as new")


def check_calibrator_memory(calibrator: Calibrator[Any], history: int) -> None:
    """State stops growing with scores, and grows no faster than the keys."""
    state = _started(calibrator)
    sizes = []
    for ticks in (history, history, 2 * history):
        _play(calibrator, state, _scores(ticks, seed=11))
        sizes.append(size_of(state))
    bounded = sizes[2] - sizes[1] <= max(sizes[1] - sizes[0], 0)
    expect(bounded, "memory is bounded in scores", f"{sizes} bytes")
    state, sizes = calibrator.start(), []
    for keys in (16, 32, 64):
        grow(state, keys)
        _play(calibrator, state, _scores(2, seed=12, keys=keys), keys=keys)
        sizes.append(size_of(state))
    linear = sizes[2] - sizes[1] <= 2 * (sizes[1] - sizes[0])
    expect(linear, "memory is linear in keys", f"{sizes} bytes for 16, 32 and 64 keys")


def check_calibrator_restored(calibrator: Calibrator[Any], history: int) -> None:
    """Saved and restored, a calibrator goes on as if never stopped."""
    state = _started(calibrator)
    _play(calibrator, state, _scores(history, seed=13))
    header = Header(type(calibrator).__name__, calibrator.version, settings_of(calibrator))
    with TemporaryDirectory() as folder:
        path = Path(folder, "state.zip")
        save(path, header, state)
        restored = load(path, header, calibrator.start())
    rows = _scores(20, seed=14)
    wanted = _play(calibrator, state, rows)
    promise = "restored, a calibrator goes on as if never stopped"
    expect_equal(_play(calibrator, restored, rows), wanted, promise)
    expect_same_state(restored, state, promise)


def check_level_of_blocks(calibrator: Calibrator[Any], history: int) -> None:
    """On AR(1) scores, the share of alarmed blocks is within a fifth of 1 - (1 - a)^block.

    For calibrators with a `block`. A block alarms at a level a if any of its tails is below a. The
    scores' correlation time is a fifth of a block, and a is such that a tenth of the blocks alarms.
    """
    block = getattr(calibrator, "block", 0)
    if not block:
        return
    keys, blocks = 40, 40
    learned = -(-history // block)
    state = calibrator.start()
    grow(state, keys)
    rows = _runs((learned + blocks) * block, np.exp(-5 / block), seed=15, keys=keys)
    tail = _play(calibrator, state, rows, keys=keys)[learned * block * keys :]
    wanted = 0.1
    level = -np.expm1(np.log1p(-wanted) / block)
    alarmed = (tail.reshape(blocks, block, keys) < level).any(axis=1).mean()
    expect(
        abs(alarmed / wanted - 1) <= _FIFTH,
        "the share of alarmed blocks of autocorrelated scores is as the level says",
        f"{alarmed:.3f} of blocks of {block}, where the level {level:.3g} says {wanted:.3f}",
    )


def check_back_after_a_shift(calibrator: Calibrator[Any], history: int) -> None:
    """`recovery` scores after a lasting shift, up or down, the level is kept within a fifth.

    For calibrators with a `recovery`. The level is the calibrator's `level`, or 5 %; the scores are
    normal and shift by three standard deviations.
    """
    recovery = getattr(calibrator, "recovery", 0)
    if not recovery:
        return
    keys, more = 40, 150
    level = getattr(calibrator, "level", 0.05)
    for shift in (3.0, -3.0):
        state = calibrator.start()
        grow(state, keys)
        rows = _runs(history + recovery + more, 0.0, seed=16, keys=keys)
        rows.value[history * keys :] += shift
        late = _play(calibrator, state, rows, keys=keys)[-more * keys :]
        noise = 3 * np.sqrt((1 - level) / (level * late.size))
        share = float((late <= level).mean())
        expect(
            abs(share / level - 1) <= _FIFTH + noise,
            f"{recovery} scores after a shift of {shift} the level is kept again",
            f"a share of {share:.4f} is at or below {level}",
        )


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
    "level_of_blocks": check_level_of_blocks,
    "back_after_a_shift": check_back_after_a_shift,
}


def _started(calibrator: Calibrator[Any]) -> Any:
    state = calibrator.start()
    grow(state, _KEYS)
    return state


def _scores(ticks: int, *, seed: int, keys: int = _KEYS) -> _Rows:
    """Exchangeable scores of a skewed law, every key at every tick, in (time, key) order."""
    rng = np.random.default_rng(seed)
    key = np.tile(np.arange(keys, dtype=np.int64), ticks)
    time = np.repeat(np.arange(ticks, dtype=np.int64), keys) * _TICK
    return _Rows(key, time, rng.lognormal(0.0, 1.0, len(key)))


def _runs(ticks: int, memory: float, *, seed: int, keys: int) -> _Rows:
    """Standard normal AR(1) scores with this autocorrelation from one tick to the next."""
    key, time, _ = _scores(ticks, seed=seed, keys=keys)
    value = np.random.default_rng(seed).normal(size=(ticks, keys))
    if memory:
        value[1:] *= np.sqrt(1 - memory**2)
        for tick in range(1, ticks):
            value[tick] += memory * value[tick - 1]
    return _Rows(key, time, value.ravel())


def _says(calibrator: Calibrator[Any], claim: str) -> bool:
    return bool(getattr(calibrator, claim, False))


def _size(calibrator: Calibrator[Any], state: Any, history: int, keys: int = _KEYS) -> IntArray:
    """How many scores each key's tails rest on."""
    size = getattr(calibrator, "size", None)
    if size is None:
        return np.full(keys, history)
    found: IntArray = size(state, np.arange(keys))
    expect((found > 0).all(), "a known key's tails rest on something", f"{found} scores")
    return found


def _with_gaps(ticks: int, *, seed: int) -> _Rows:
    """Scores with ties, NaN and infinities among them."""
    key, time, value = _scores(ticks, seed=seed)
    rng = np.random.default_rng(seed)
    value = value.round(1)
    value[rng.random(len(value)) < 0.1] = np.nan
    value[rng.random(len(value)) < 0.02] = np.inf
    return _Rows(key, time, value)


def _climb(calibrator: Calibrator[Any], state: Any, key: int) -> FloatArray:
    """A key's tails of ever higher scores."""
    keys = np.full(len(_LADDER), key)
    return calibrator.tail(state, keys, np.zeros_like(keys), _LADDER)


def _tick(calibrator: Calibrator[Any], state: Any, value: float) -> FloatArray:
    """Every key's tail of one score."""
    keys = np.arange(_KEYS)
    return calibrator.tail(state, keys, np.zeros_like(keys), np.full(_KEYS, value))


def _play(calibrator: Calibrator[Any], state: Any, rows: _Rows, keys: int = _KEYS) -> FloatArray:
    """Tails of a stream by the fast path, with a renewal every few ticks."""
    step = _RENEW_EVERY * keys
    parts = [np.empty(0)]
    for first in range(0, len(rows.key), step):
        parts.append(calibrator.advance(state, *rows.of(slice(first, first + step))))
        calibrator.renew(state)
    return np.concatenate(parts)


def _loop(calibrator: Calibrator[Any], state: Any, rows: _Rows) -> FloatArray:
    parts = []
    for first in range(0, len(rows.key), _KEYS):
        tick = rows.of(slice(first, first + _KEYS))
        parts.append(calibrator.tail(state, *tick))
        calibrator.learn(state, *tick)
    return np.concatenate(parts)
