"""The shape of a scorer: its settings, its state, and what it gives for few and many rows."""

import ast
import dataclasses
from copy import deepcopy
from typing import Any

import numpy as np

from tocsin.evaluation.checks.play import (
    KEYS,
    begin,
    clean,
    long_enough,
    play,
    rebuilt,
    rough,
    step_through,
    warmed,
)
from tocsin.evaluation.checks.verdict import expect
from tocsin.pipeline.errors import StateError
from tocsin.pipeline.state import flatten
from tocsin.pipeline.types import Batch, Scorer, Scores, Spec, Traits

_PLAIN = (bool, int, float, str, bytes, type(None))


def check_settings(scorer: Scorer[Any], spec: Spec) -> None:  # noqa: ARG001 - checks are called alike
    """Settings are a frozen dataclass, all defaulted, equal and hashable, and readable as text."""
    name = type(scorer).__name__
    expect(_is_frozen(scorer), "settings are a frozen dataclass", f"{name} is not one")
    _expect_declared(scorer)
    needed = [f.name for f in _settings(scorer) if f.init and not _has_default(f)]
    expect(not needed, "every setting has a default", f"{name} needs {needed}")
    for setting in _settings(scorer):
        value = getattr(scorer, setting.name)
        where = f"{name}.{setting.name} is {value!r}"
        expect(_is_constant(value), "a setting cannot change: number, text, tuple, frozen", where)
        expect(_survives_text(value), "a setting's repr gives it back", where)
        expect(f"{setting.name}={value!r}" in repr(scorer), "repr names every setting", where)
    for other in (rebuilt(scorer), deepcopy(scorer)):
        expect(other == scorer, "equal settings are equal", f"{other!r} != {scorer!r}")
        expect(hash(other) == hash(scorer), "equal settings have one hash", f"{scorer!r} has two")


def _expect_declared(scorer: Any) -> None:
    """Traits, version and warm-up are there, whatever a type checker was told."""
    traits, version, warmup = scorer.traits, scorer.version, scorer.warmup
    expect(isinstance(traits, Traits), "traits are declared", f"{traits!r}")
    counts = isinstance(version, int) and version >= 1
    expect(counts, "version counts from 1", f"version {version!r}")
    is_count = isinstance(warmup, int) and warmup >= 0
    expect(is_count, "warmup is a number of rows", f"warmup {warmup!r}")


def check_state_is_plain(scorer: Scorer[Any], spec: Spec) -> None:
    """State is a dataclass of number arrays, numbers and strings, before and after data."""
    empty = scorer.start(spec)
    _expect_plain(empty, "before data")
    state = begin(scorer, spec)
    before = {name: _kind(value) for name, value in flatten(state).items()}
    step_through(scorer, state, rough(spec, long_enough(scorer), KEYS, seed=2))
    _expect_plain(state, "after data")
    after = {name: _kind(value) for name, value in flatten(state).items()}
    expect(before == after, "learning keeps the kinds of the fields", f"{before} became {after}")


def check_shapes(scorer: Scorer[Any], spec: Spec) -> None:
    """Scores are float64 (B,) and blame, if any, is (B, T, *item), for 0, 1 and many rows."""
    stream = clean(spec, 2, KEYS, seed=3)
    state = begin(scorer, spec)
    for rows in (0, 1, len(stream)):
        batch = stream.take(np.arange(rows))
        _expect_shapes(scorer.score(state, batch), batch, f"score of {rows} rows before data")
    state = warmed(scorer, spec)
    for rows in (0, 1, len(stream)):
        batch = stream.take(np.arange(rows))
        _expect_shapes(scorer.score(state, batch), batch, f"score of {rows} rows after data")
    for rows in (0, 1, KEYS):
        scorer.learn(state, stream.take(np.arange(rows)))
    for rows in (0, 1, len(stream)):
        batch = stream.take(np.arange(rows))
        _expect_shapes(play(scorer, state, batch), batch, f"advance over {rows} rows")
    hard = rough(spec, 40, KEYS, seed=3)
    _expect_shapes(play(scorer, state, hard), hard, "advance over a rough stream")


def _expect_shapes(scores: Scores, batch: Batch, where: str) -> None:
    value, blame = scores.value, scores.blame
    expect(
        value.shape == (len(batch),) and value.dtype == np.float64,
        "scores are float64 (B,)",
        f"{where} gave {value.dtype} {value.shape}",
    )
    if blame is None:
        return
    expect(
        blame.shape == batch.values.shape and blame.dtype.kind == "f",
        f"blame has the window's shape {batch.values.shape}",
        f"{where} gave {blame.dtype} {blame.shape}",
    )
    known = blame[np.isfinite(value)]
    expect(bool(np.isfinite(known).all()), "blame is finite where the score is", where)
    expect(bool((known >= 0).all()), "blame is not negative", where)


def _expect_plain(state: Any, when: str) -> None:
    promise = "state is a dataclass of arrays, numbers and strings"
    name = type(state).__name__
    expect(dataclasses.is_dataclass(state) and not isinstance(state, type), promise, name)
    try:
        flatten(state)
    except StateError as error:
        expect(holds=False, promise=promise, seen=f"{when}, {error}")


def _kind(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} of {value.ndim} axes"
    return type(value).__name__


def _settings(scorer: Any) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(scorer)


def _is_frozen(value: Any) -> bool:
    declared = getattr(type(value), "__dataclass_params__", None)
    return declared is not None and bool(declared.frozen)


def _has_default(setting: dataclasses.Field[Any]) -> bool:
    absent = dataclasses.MISSING
    return setting.default is not absent or setting.default_factory is not absent


def _is_constant(value: Any) -> bool:
    if isinstance(value, tuple | frozenset):
        return all(_is_constant(part) for part in value)
    if dataclasses.is_dataclass(value):
        parts = (getattr(value, setting.name) for setting in _settings(value))
        return _is_frozen(value) and all(_is_constant(part) for part in parts)
    return isinstance(value, _PLAIN)


def _survives_text(value: Any) -> bool:
    if dataclasses.is_dataclass(value):
        return all(_survives_text(getattr(value, f.name)) for f in _settings(value))
    if isinstance(value, frozenset):
        return all(_survives_text(part) for part in value)
    if isinstance(value, tuple):
        return all(_survives_text(part) for part in value)
    try:
        return bool(ast.literal_eval(repr(value)) == value)
    except (ValueError, SyntaxError):
        return False
