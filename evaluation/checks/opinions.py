"""When a scorer has an opinion, and that forming one leaves everything else as it was."""

import dataclasses
from copy import deepcopy
from typing import Any

import numpy as np

from tocsin.evaluation.checks.play import (
    KEYS,
    begin,
    clean,
    copy_of,
    history,
    is_streaming,
    is_trainable,
    play,
    rough,
    step_through,
    warmed,
    windows_without,
)
from tocsin.evaluation.checks.verdict import expect, expect_equal, expect_same_state
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.types import Batch, FloatArray, Scorer, Scores, Spec

_BEYOND = 20  # rows after the warm-up that must all be scored
_LATE_BY = 7  # ticks that the last key begins after the others
_RUBBISH = -12345


def check_warm_up(scorer: Scorer[Any], spec: Spec) -> None:
    """No opinion is NaN: before data and through a key's warm-up, and not after it."""
    empty = scorer.start(spec)
    grow(empty, KEYS)
    first = clean(spec, 1, KEYS, seed=4)
    if scorer.warmup or is_trainable(scorer):
        blank = scorer.score(empty, first).value
        expect(np.isnan(blank).all(), "scores are NaN before any data", f"{blank}")
    stream = windows_without(
        clean(spec, scorer.warmup + _BEYOND + _LATE_BY, KEYS, seed=4), KEYS - 1, _LATE_BY
    )
    score = step_through(scorer, begin(scorer, spec), stream).value
    for key in range(KEYS):
        _expect_warm_up(scorer, key, score[stream.key == key])


def _expect_warm_up(scorer: Scorer[Any], key: int, score: FloatArray) -> None:
    warmup = scorer.warmup
    late = np.flatnonzero(np.isnan(score[warmup:]))
    expect(
        not late.size,
        f"after {warmup} rows a key's scores are not NaN",
        f"key {key} has NaN at its row {warmup + late[0] if late.size else None}",
    )
    if scorer.traits.shared or is_trainable(scorer):
        return
    early = np.flatnonzero(~np.isnan(score[:warmup]))
    expect(
        not early.size,
        f"a key's first {warmup} rows score NaN, never 0",
        f"key {key} has {score[early[0]] if early.size else None} at its row "
        f"{early[0] if early.size else None}",
    )


def check_score_changes_nothing(scorer: Scorer[Any], spec: Spec) -> None:
    """`score` leaves state, settings and input as they were; `learn` leaves settings and input."""
    state = warmed(scorer, spec)
    batch = clean(spec, 1, KEYS, seed=5)
    kept, state_before, settings_before = copy_of(batch), deepcopy(state), _remembered(scorer)
    first = scorer.score(state, batch)
    expect_same_state(state, state_before, "score changes nothing in the state")
    _expect_input_kept(batch, kept, "score")
    again = scorer.score(state, batch)
    expect_equal(again.value, first.value, "a row scored twice scores the same", batch)
    scorer.learn(state, batch)
    _expect_input_kept(batch, kept, "learn")
    rows = rough(spec, 20, KEYS, seed=5)
    kept = copy_of(rows)
    play(scorer, state, rows)
    _expect_input_kept(rows, kept, "advance")
    expect(
        _remembered(scorer) == settings_before,
        "a scorer remembers nothing itself; what is learned is in the state",
        f"{settings_before} became {_remembered(scorer)}",
    )


def check_no_aliasing(scorer: Scorer[Any], spec: Spec) -> None:
    """Nothing is kept or given away: the state shares no memory with inputs, scores or its like."""
    state, other = scorer.start(spec), scorer.start(spec)
    for one in (state, other):
        grow(one, KEYS)
    untouched = deepcopy(other)
    step_through(scorer, state, clean(spec, 5, KEYS, seed=6))
    expect_same_state(other, untouched, "two started states share nothing")
    state = warmed(scorer, spec)
    for tick in clean(spec, 3, KEYS, seed=7).ticks():
        _overwrite_after(scorer, state, copy_of(tick), by_advance=False)
    if is_streaming(scorer):
        _overwrite_after(scorer, state, clean(spec, 3, KEYS, seed=8), by_advance=True)
    if is_trainable(scorer):
        given = history(scorer, spec)
        fitted = scorer.fit(spec, [given])  # type: ignore[attr-defined]  # is_trainable saw it
        _expect_kept_when_overwritten(fitted, given, None, "fit")


def _overwrite_after(scorer: Any, state: Any, batch: Batch, *, by_advance: bool) -> None:
    # The very arrays given to the scorer are overwritten: a copy would hide what is kept.
    if by_advance:
        scores = scorer.advance(state, batch)
    else:
        scores = scorer.score(state, batch)
        scorer.learn(state, batch)
    _expect_kept_when_overwritten(state, batch, scores, "advance" if by_advance else "learn")


def _expect_kept_when_overwritten(
    state: Any, batch: Batch, scores: Scores | None, what: str
) -> None:
    before = deepcopy(state)
    batch.values[...] = _RUBBISH
    batch.key[...] = 0
    batch.time[...] = _RUBBISH
    expect_same_state(state, before, f"{what} keeps no reference to its input")
    if scores is None:
        return
    scores.value[...] = _RUBBISH
    if scores.blame is not None and scores.blame.flags.writeable:
        scores.blame[...] = _RUBBISH
    expect_same_state(state, before, "scores are not views of the state")


def _expect_input_kept(batch: Batch, kept: Batch, what: str) -> None:
    promise = f"{what} does not write to its input"
    expect_equal(batch.values, kept.values, f"{promise} (values)")
    expect_equal(batch.key, kept.key, f"{promise} (key)")
    expect_equal(batch.time, kept.time, f"{promise} (time)")


def _remembered(scorer: Any) -> str:
    """Everything the scorer object holds, as text: its settings and what was hung on it."""
    settings = {f.name: getattr(scorer, f.name) for f in dataclasses.fields(scorer)}
    return repr(settings | getattr(scorer, "__dict__", {}))
