"""What lasts: state that is saved and restored, old files, and memory that does not grow."""

import dataclasses
import json
import tempfile
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tocsin.evaluation.checks.play import (
    KEYS,
    begin,
    beginnings,
    clean,
    cut_at,
    history,
    long_enough,
    play,
    rebuilt,
    rough,
    warmed,
)
from tocsin.evaluation.checks.verdict import (
    expect,
    expect_equal,
    expect_same_scores,
    expect_same_state,
)
from tocsin.pipeline.errors import StateError
from tocsin.pipeline.keyed import forget, grow
from tocsin.pipeline.state import Header, load, save, settings_of
from tocsin.pipeline.types import Batch, IntArray, Scorer, Spec

_GROW_FROM = 16  # keys; a power of two, as room for keys is made in powers of two


def header_of(scorer: Scorer[Any]) -> Header:
    """The header under which a scorer's own state is saved."""
    return Header(type(scorer).__name__, scorer.version, settings_of(scorer))


def check_saved_and_restored(scorer: Scorer[Any], spec: Spec) -> None:
    """A state saved and restored goes on as if never stopped; saving it twice is the same bytes."""
    stream = rough(spec, long_enough(scorer), KEYS, seed=20)
    edges = np.flatnonzero(np.diff(stream.time)) + 1
    before, after = cut_at(stream, [int(edges[len(edges) * 2 // 3])])
    for state in beginnings(scorer, spec):
        play(scorer, state, before)
        _expect_restored(scorer, spec, state, after)


def _expect_restored(scorer: Scorer[Any], spec: Spec, state: Any, after: Batch) -> None:
    with tempfile.TemporaryDirectory() as folder:
        one, two = Path(folder, "one.zip"), Path(folder, "two.zip")
        save(one, header_of(scorer), state)
        save(two, header_of(scorer), deepcopy(state))
        expect(one.read_bytes() == two.read_bytes(), "saving twice writes the same bytes", str(one))
        # A scorer built anew, as after a restart: what the old one remembered is gone.
        other = rebuilt(scorer)
        restored = load(one, header_of(other), other.start(spec))
    expect_same_state(restored, state, "a restored state is the saved one")
    wanted = play(scorer, state, after)
    promise = "restored, the stream goes on as if never stopped"
    expect_same_scores(play(other, restored, after), wanted, promise, after)
    expect_same_state(restored, state, promise)


def check_foreign_state_is_refused(scorer: Scorer[Any], spec: Spec) -> None:
    """State of another stage, version or settings is refused by a message that names it."""
    state, good = warmed(scorer, spec), header_of(scorer)
    wrong = {
        "another stage": dataclasses.replace(good, stage="another stage"),
        f"version {good.version + 1}": dataclasses.replace(good, version=good.version + 1),
    }
    settings = json.loads(good.settings)
    for name in sorted(settings.keys() - {"kind"})[:1]:
        changed = json.dumps(settings | {name: "another"}, sort_keys=True)
        wrong[name] = dataclasses.replace(good, settings=changed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "state.zip")
        for what, header in wrong.items():
            save(path, header, state)
            try:
                load(path, good, scorer.start(spec))
            except StateError as error:
                expect(what in str(error), f"the refusal names what is wrong: {what}", str(error))
            else:
                expect(holds=False, promise=f"foreign state is refused: {what}", seen="taken")


def check_memory_is_bounded(scorer: Scorer[Any], spec: Spec) -> None:
    """State stops growing with rows, and grows no faster than the keys."""
    rows = scorer.warmup + 50
    state = begin(scorer, spec)
    sizes = []
    for part, ticks in enumerate((rows, rows, 2 * rows)):
        play(scorer, state, clean(spec, ticks, KEYS, seed=21 + part))
        sizes.append(size_of(state))
    expect(
        sizes[2] - sizes[1] <= max(sizes[1] - sizes[0], 0),
        "memory is bounded in rows",
        f"{sizes} bytes after {rows}, {2 * rows} and {4 * rows} rows of {KEYS} keys",
    )
    sizes = []
    state = begin(scorer, spec)
    for keys in (_GROW_FROM, 2 * _GROW_FROM, 4 * _GROW_FROM):
        grow(state, keys)
        play(scorer, state, clean(spec, 3, keys, seed=24))
        sizes.append(size_of(state))
    expect(
        sizes[2] - sizes[1] <= 2 * (sizes[1] - sizes[0]),
        "memory is linear in keys",
        f"{sizes} bytes for {_GROW_FROM}, {2 * _GROW_FROM} and {4 * _GROW_FROM} keys",
    )


def size_of(state: Any) -> int:
    """Bytes held by arrays, and by what may grow beside them."""
    if dataclasses.is_dataclass(state):
        return sum(size_of(getattr(state, field.name)) for field in dataclasses.fields(state))
    if isinstance(state, np.ndarray):
        return int(state.nbytes)
    if isinstance(state, dict):
        return sum(size_of(part) for part in state.values()) + 8 * len(state)
    if isinstance(state, list | tuple):
        return sum(size_of(part) for part in state) + 8 * len(state)
    return len(state) if isinstance(state, str | bytes) else 8


def check_forgotten_keys_are_new(scorer: Scorer[Any], spec: Spec) -> None:
    """A forgotten key's row serves a new series as a fresh one would; other keys do not notice."""
    gone = np.array([1])
    state = warmed(scorer, spec)
    left_alone = deepcopy(state)
    forget(state, gone)
    stream = rough(spec, long_enough(scorer), KEYS, seed=25)
    score = play(scorer, state, stream).value
    if scorer.traits.shared:
        return
    alone = _of(stream, gone)
    never_seen = replace(alone, key=np.full(len(alone), KEYS))
    fresh = play(scorer, begin(scorer, spec, KEYS + 1), never_seen).value
    rows = stream.key == gone[0]
    expect_equal(score[rows], fresh, "a forgotten key is as new", alone)
    wanted = play(scorer, left_alone, stream).value
    expect_equal(score[~rows], wanted[~rows], "other keys do not notice", stream.take(~rows))


def check_fit_survives_saving(scorer: Scorer[Any], spec: Spec) -> None:
    """Fitted, saved and loaded scores as fitted; for scorers with `fit`."""
    fitted = scorer.fit(spec, iter([history(scorer, spec)]))  # type: ignore[attr-defined]  # only run where there is one
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "state.zip")
        save(path, header_of(scorer), fitted)
        other = rebuilt(scorer)
        loaded = load(path, header_of(other), other.start(spec))
    grow(fitted, KEYS)
    grow(loaded, KEYS)
    stream = clean(spec, scorer.warmup + 10, KEYS, seed=26)
    wanted = play(scorer, fitted, stream)
    expect(bool(np.isfinite(wanted.value).any()), "a fitted scorer has opinions", "only NaN")
    promise = "fitted, saved and loaded scores as fitted"
    expect_same_scores(play(other, loaded, stream), wanted, promise, stream)


def _of(stream: Batch, keys: IntArray) -> Batch:
    return stream.take(np.isin(stream.key, keys))
