"""The state of the signature scorers, and how they learn and score; the two differ in settings."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tocsin.detectors.rows import channels, need
from tocsin.detectors.signature.augment import check_names
from tocsin.detectors.signature.distance import Learned, blamed, distances
from tocsin.detectors.signature.features import features
from tocsin.detectors.signature.model import Model, Recipe, learned
from tocsin.detectors.signature.windows import ready
from tocsin.pipeline.errors import ConfigError, TocsinError
from tocsin.pipeline.keyed import grow, per_key
from tocsin.pipeline.types import Batch, BoolArray, FloatArray, IntArray, Scores, Spec

_CHUNK = 512  # rows that are scored at a time
_MOST_WINDOWS = 8192  # of history that are learned from; longer history is thinned evenly


@dataclass(slots=True)
class SignatureState:
    """The rows each series has collected to learn from, and its model once it has.

    `held` is the number of rows in the corpus, 1 where none is kept, and 0 until there is a model.
    """

    rows: FloatArray = per_key(0.0)  # (K, train, C)
    follows: BoolArray = per_key(
        fill=False
    )  # (K, train), whether a row came right after the last one
    seen: IntArray = per_key(0)  # (K,)
    centre: FloatArray = per_key(0.0)  # (K, C)
    scale: FloatArray = per_key(0.0)  # (K, C)
    mean: FloatArray = per_key(0.0)  # (K, D)
    whiten: FloatArray = per_key(0.0)  # (K, D, D)
    corpus: FloatArray = per_key(0.0)  # (K, D, n)
    held: IntArray = per_key(0)  # (K,)
    usual: FloatArray = per_key(1.0)  # (K,)


def check(recipe: Recipe) -> None:
    """Raise a ConfigError for a setting out of range."""
    need(recipe.frames >= 2, "frames", "at least 2 rows", recipe.frames)
    enough = recipe.train >= 2 * recipe.frames
    need(enough, "train", f"at least two windows, {2 * recipe.frames} rows", recipe.train)
    need(0 <= recipe.depth <= 8, "depth", "0 for the richest that fits, or 1 to 8", recipe.depth)
    need(recipe.most >= 1, "coordinates", "1 or more", recipe.most)
    need(1e-9 <= recipe.shrinkage <= 1, "shrinkage", "in 1e-9 to 1", recipe.shrinkage)
    need(0 <= recipe.trim <= 0.5, "trim", "a share of 0 to 0.5", recipe.trim)
    check_names(recipe.augment)


def start(recipe: Recipe, spec: Spec) -> SignatureState:
    """The state before any data; a ConfigError where windows are shorter than `frames`."""
    width = channels(spec)
    if spec.window < recipe.frames:
        raise ConfigError(f"frames is {recipe.frames}, but windows have {spec.window} rows")
    size = recipe.plan(width).size()
    return SignatureState(
        rows=np.empty((0, recipe.train, width)),
        follows=np.empty((0, recipe.train), dtype=np.bool_),
        seen=np.empty(0, dtype=np.int64),
        centre=np.empty((0, width)),
        scale=np.empty((0, width)),
        mean=np.empty((0, size)),
        whiten=np.empty((0, size, size)),
        corpus=np.empty((0, size, recipe.corpus)),
        held=np.empty(0, dtype=np.int64),
        usual=np.empty(0),
    )


def score(recipe: Recipe, state: SignatureState, batch: Batch) -> Scores:
    """Score each row by its series' model; NaN where there is none yet."""
    key = _checked(recipe, state, batch)
    value, blame = np.full(len(key), np.nan), np.zeros(batch.values.shape)
    how = recipe.plan(batch.values.shape[2])
    model = Learned(state.mean, state.whiten, state.corpus, state.held, state.usual)
    able = np.flatnonzero(state.held[key])
    for first in range(0, len(able), _CHUNK):
        rows = able[first : first + _CHUNK]
        place = key[rows]
        units = state.centre[place], state.scale[place]
        paths, known = ready(batch.values[rows], recipe.frames, *units)
        far, parts = distances(model, place, features(how, paths), recipe.neighbours)
        value[rows] = np.where(known, far, np.nan)
        blame[rows, -1] = blamed(parts, how.shares())
    return Scores(value, blame)


def learn(recipe: Recipe, state: SignatureState, batch: Batch) -> None:
    """Collect a row of each series that has no model yet, and learn from `train` of them."""
    key = _checked(recipe, state, batch)
    for row in np.flatnonzero(state.seen[key] < recipe.train).tolist():
        _collect(recipe, state, int(key[row]), batch.values[row, -2:])


def advance(recipe: Recipe, state: SignatureState, batch: Batch) -> Scores:
    """What `score` and `learn` give tick by tick: a model never changes once it is there."""
    key = _checked(recipe, state, batch)
    done = state.seen[key] >= recipe.train
    for row in np.flatnonzero(~done).tolist():
        if state.seen[key[row]] >= recipe.train:  # since an earlier row of this batch
            done[row] = True
        else:
            _collect(recipe, state, int(key[row]), batch.values[row, -2:])
    value, blame = np.full(len(key), np.nan), np.zeros(batch.values.shape)
    found = score(recipe, state, batch.take(done))
    value[done] = found.value
    if found.blame is not None:
        blame[done] = found.blame
    return Scores(value, blame)


def fit(recipe: Recipe, spec: Spec, batches: Iterable[Batch]) -> SignatureState:
    """A model of each series in the history; one of under `_LEAST` windows learns as it goes."""
    state = start(recipe, spec)
    found: dict[int, _History] = {}
    for batch in batches:
        if batch.values.ndim != 3 or batch.values.shape[1] < recipe.frames:
            raise TocsinError(f"values must be (B, {recipe.frames}, C); found {batch.values.shape}")
        for key in np.unique(batch.key).tolist():
            windows = batch.values[batch.key == key, -recipe.frames :]
            found[key] = _more(found.get(key), windows)
    grow(state, max(found, default=-1) + 1)
    for key, history in found.items():
        windows = np.concatenate(history.windows)
        model = learned(recipe, windows, np.concatenate(history.when))
        if model is not None:
            _write(state, key, model)
            state.seen[key] = recipe.train
    return state


class _History(NamedTuple):
    windows: list[FloatArray]  # (n, frames, C) each
    when: list[IntArray]  # (n,) each, the number of each window's newest row
    every: int  # rows to one that is kept
    total: int  # rows so far


def _more(history: _History | None, windows: FloatArray) -> _History:
    """The history of one series with more windows, thinned evenly when they are many."""
    old = history or _History([], [], 1, 0)
    number = np.arange(old.total, old.total + len(windows))
    chosen = number % old.every == 0
    parts = [*old.windows, windows[chosen].astype(np.float64)]
    when, every = [*old.when, number[chosen]], old.every
    while sum(map(len, parts)) > _MOST_WINDOWS:
        every *= 2
        keep = [part % every == 0 for part in when]
        parts = [part[rows] for part, rows in zip(parts, keep, strict=True)]
        when = [part[rows] for part, rows in zip(when, keep, strict=True)]
    return _History(parts, when, every, old.total + len(windows))


def _collect(recipe: Recipe, state: SignatureState, key: int, newest: FloatArray) -> None:
    """Keep the last of a series' two newest frames (2, C), unless it holds nothing."""
    if not np.isfinite(newest[-1]).any():
        return
    seen = int(state.seen[key])
    if seen:
        before = np.asarray(newest[0], dtype=np.float64)
        state.follows[key, seen] = np.array_equal(before, state.rows[key, seen - 1], equal_nan=True)
    state.rows[key, seen] = newest[-1]
    state.seen[key] += 1
    if seen + 1 == recipe.train:
        windows, when = _collected(recipe, state, key)
        model = learned(recipe, windows, when)
        if model is not None:
            _write(state, key, model)


def _collected(recipe: Recipe, state: SignatureState, key: int) -> tuple[FloatArray, IntArray]:
    """Windows (n, frames, C) of a series' collected rows: unbroken ones, unless those are few."""
    frames, rows = recipe.frames, state.rows[key]
    windows = np.swapaxes(np.lib.stride_tricks.sliding_window_view(rows, frames, axis=0), 1, 2)
    broken = np.concatenate([[0], np.cumsum(~state.follows[key, 1:])])  # (train,), breaks so far
    whole = broken[frames - 1 :] == broken[: len(rows) - frames + 1]
    when = np.arange(frames - 1, len(rows))
    if whole.sum() < len(whole) // 4:
        return windows, when
    return windows[whole], when[whole]


def _write(state: SignatureState, key: int, model: Model) -> None:
    state.centre[key], state.scale[key] = model.centre, model.scale
    state.mean[key], state.whiten[key] = model.mean, model.whiten
    held = len(model.corpus)
    state.corpus[key, :, :held] = model.corpus.T
    state.held[key], state.usual[key] = max(held, 1), model.usual


def _checked(recipe: Recipe, state: SignatureState, batch: Batch) -> IntArray:
    """The keys (B,) of a batch, once it is known that it can be read."""
    width = state.rows.shape[2]
    values = batch.values
    if values.ndim != 3 or values.shape[1] < recipe.frames or values.shape[2] != width:
        raise TocsinError(f"values must be (B, {recipe.frames}, {width}); found {values.shape}")
    key = np.array(batch.key, dtype=np.int64)
    if len(key) and not 0 <= key.min() <= key.max() < len(state.seen):
        raise TocsinError(
            f"keys {key.min()} to {key.max()} in a state with room for {len(state.seen)}"
        )
    return key
