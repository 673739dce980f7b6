"""Scores of a whole series from both sides of each row, whatever form a scorer has."""

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tocsin.detectors.combined.members import advanced, blame_of, is_trainable, spec_for
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.types import Batch, FloatArray, Scorer, Scores, Spec

_CHUNK = 2_000_000  # numbers in windows that are laid out at a time


def both_sides(scorer: Scorer[Any], spec: Spec, history: FloatArray, series: FloatArray) -> Scores:
    """Scores (N,) and blame (N, C) of a series (N, C) after clean history (M, C), or none.

    By the scorer's own `offline`, or else the mean of its causal scores and of those of the series
    played backwards, or the one of the two that there is.
    """
    own = getattr(scorer, "offline", None)
    if own is not None:
        found: Scores = own(spec, history, series)
        blame = np.zeros(series.shape) if found.blame is None else found.blame
        return Scores(found.value, blame)
    forth = _played(scorer, spec, history, series)
    back = _played(scorer, spec, history[::-1], series[::-1])
    value = _mean(forth.value, back.value[::-1])
    parts = [np.zeros(series.shape) if p.blame is None else p.blame for p in (forth, back)]
    return Scores(value, (parts[0] + parts[1][::-1]) / 2)


def _played(scorer: Scorer[Any], spec: Spec, history: FloatArray, series: FloatArray) -> Scores:
    """Causal scores of the series and blame of the newest frames, after the history."""
    inner = spec_for(scorer, spec)
    if is_trainable(scorer) and len(history):
        state = scorer.fit(inner, _windows(history, inner.window))  # type: ignore[attr-defined]  # is_trainable saw it
        grow(state, 1)
    else:
        state = scorer.start(inner)
        grow(state, 1)
        for batch in _windows(history, inner.window):
            advanced(scorer, state, batch)
    value, blame = [np.empty(0)], [np.empty((0, series.shape[1]))]
    for batch in _windows(series, inner.window):
        scores = advanced(scorer, state, batch)
        value.append(scores.value)
        blame.append(blame_of(scores, batch)[:, -1])
    return Scores(np.concatenate(value), np.concatenate(blame))


def _windows(rows: FloatArray, frames: int) -> list[Batch]:
    """Windows that end at each row (N, C), those before the first row NaN."""
    padded = np.concatenate([np.full((frames - 1, rows.shape[1]), np.nan), rows])
    if not len(rows):
        return []
    views = np.moveaxis(sliding_window_view(padded, frames, axis=0), -1, 1)
    size = max(1, _CHUNK // (frames * rows.shape[1]))
    return [
        Batch(
            np.zeros(len(views[first : first + size]), dtype=np.int64),
            np.arange(first, min(first + size, len(rows)), dtype=np.int64),
            views[first : first + size],
        )
        for first in range(0, len(rows), size)
    ]


def _mean(one: FloatArray, other: FloatArray) -> FloatArray:
    both = one / 2 + other / 2
    return np.where(np.isnan(one), other, np.where(np.isnan(other), one, both))
