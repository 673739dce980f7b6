"""What a scorer makes of hard input: missing, infinite, huge, tiny, late, and other layouts."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tocsin.evaluation.checks.play import (
    KEYS,
    begin,
    clean,
    play,
    step_through,
    warmed,
    with_values,
)
from tocsin.evaluation.checks.verdict import expect, expect_equal
from tocsin.pipeline.types import Batch, FloatArray, Scorer, Spec

_AFTER = 10  # clean rows that must be scored once the bad ones are past
_CLOSE = 1e-5  # relative; what single precision may cost


def check_missing_data(scorer: Scorer[Any], spec: Spec) -> None:
    """NaN is never an anomaly by itself, ±inf does no harm, and neither poisons the state."""
    _check_all_missing(scorer, spec)
    _check_partly_missing(scorer, spec)
    for name, bad in (("NaN", np.nan), ("inf", np.inf), ("-inf", -np.inf)):
        state = warmed(scorer, spec)
        for row in clean(spec, 3, KEYS, seed=30).ticks():
            step_through(scorer, state, with_values(row, np.full_like(row.values, bad)))
            some = row.values.copy()
            some[..., 0] = bad
            step_through(scorer, state, with_values(row, some))
        later = step_through(scorer, state, clean(spec, _AFTER, KEYS, seed=31)).value
        expect(
            np.isfinite(later).all(),
            f"{name} in the input does not poison the state",
            f"later scores {later[~np.isfinite(later)][:3]}",
        )


def _check_all_missing(scorer: Scorer[Any], spec: Spec) -> None:
    state = warmed(scorer, spec)
    nothing = clean(spec, 2, KEYS, seed=32)
    nothing.values[...] = np.nan
    score = step_through(scorer, state, nothing).value
    expect(np.isnan(score).all(), "a window of nothing but NaN scores NaN", f"{score}")
    state = begin(scorer, spec)
    mixed = clean(spec, 2 * scorer.warmup + _AFTER, KEYS, seed=33)
    mixed.values[: len(mixed) // 2 : 2] = np.nan
    score = step_through(scorer, state, mixed).value[-KEYS:]
    promise = "missing rows during warm-up do not poison the state"
    expect(np.isfinite(score).all(), promise, f"later scores {score}")


def _check_partly_missing(scorer: Scorer[Any], spec: Spec) -> None:
    state = warmed(scorer, spec)
    rng = np.random.default_rng(34)
    holes = clean(spec, 20, KEYS, seed=34)
    holes.values[rng.random(holes.values.shape) < 0.3] = np.nan
    score = step_through(scorer, state, holes).value
    promise = "partly missing rows score a finite number or NaN"
    expect(not np.isinf(score).any(), promise, f"{score[np.isinf(score)][:3]}")
    dead = clean(spec, scorer.warmup + _AFTER, KEYS, seed=35)
    dead.values[..., 0] = np.nan
    score = step_through(scorer, begin(scorer, spec), dead).value
    promise = "a channel that never has a value scores a finite number or NaN"
    expect(not np.isinf(score).any(), promise, f"{score[np.isinf(score)][:3]}")


def check_hard_input(scorer: Scorer[Any], spec: Spec) -> None:
    """Late, repeated, huge and denormal rows raise nothing and warn of nothing."""
    with _no_warnings():
        state = warmed(scorer, spec)
        rows = clean(spec, 4, KEYS, seed=36)
        ticks = list(rows.ticks())
        for tick in (ticks[3], ticks[0], ticks[2], ticks[2], ticks[1]):
            step_through(scorer, state, tick)
        scorer.score(state, rows.take(np.array([0, 0, KEYS, 0])))  # a key more than once
        for size in (1e300, -1e300, 5e-324, 1e-308, 1e154, 0.0):
            big = with_values(ticks[0], np.full_like(ticks[0].values, size))
            some = with_values(ticks[0], ticks[0].values.copy())
            some.values[..., 0] = size
            score = scorer.score(warmed(scorer, spec), big).value
            promise = f"values of {size} are scored, perhaps inf and never NaN"
            expect(not np.isnan(score).any(), promise, f"{score}")
            for batch in (some, big):
                step_through(scorer, state, batch)
                play(scorer, state, batch)
        hard = clean(spec, 20, KEYS, seed=37)
        hard.values[...] *= 10.0 ** np.random.default_rng(37).uniform(-300, 300, hard.values.shape)
        play(scorer, begin(scorer, spec), hard)


@contextmanager
def _no_warnings() -> Iterator[None]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    said = [str(warning.message) for warning in caught]
    expect(not said, "hard input gives no warnings", f"{len(said)} warnings, first {said[:1]}")


def check_input_layouts(scorer: Scorer[Any], spec: Spec) -> None:
    """float32 agrees with float64 to 1e-5; any byte order and memory layout is accepted."""
    stream = clean(spec, scorer.warmup + 30, KEYS, seed=38)
    exact = with_values(stream, stream.values.astype(np.float32).astype(np.float64))
    wanted = play(scorer, begin(scorer, spec), exact).value
    last = Batch(exact.key[-KEYS:], exact.time[-KEYS:], exact.values[-KEYS:])
    for name, values in _layouts(exact.values).items():
        promise = f"{name} input scores as float64 does, to {_CLOSE:g}"
        state = begin(scorer, spec)
        batch = Batch(exact.key, exact.time, values)
        _expect_close(play(scorer, state, batch).value, wanted, promise)
        step_through(scorer, state, Batch(last.key, last.time, values[-KEYS:]))
    spaced = Batch(np.repeat(exact.key, 2)[::2], np.repeat(exact.time, 2)[::2], exact.values)
    score = play(scorer, begin(scorer, spec), spaced).value
    expect_equal(score, wanted, "key and time may be views with gaps", exact)


def _layouts(values: FloatArray) -> dict[str, Any]:
    return {
        "float32": values.astype(np.float32),
        "big-endian": values.astype(">f8"),
        "strided": np.repeat(values, 2, axis=-1)[..., ::2],
        "column-major": np.asfortranarray(values),
    }


def _expect_close(seen: FloatArray, wanted: FloatArray, promise: str) -> None:
    far = ~np.isclose(seen, wanted, rtol=_CLOSE, atol=_CLOSE, equal_nan=True)
    first = int(far.argmax())
    expect(not far.any(), promise, f"{seen[first]} instead of {wanted[first]} in row {first}")
