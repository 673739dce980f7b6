"""The two-sided form: every row is judged by all the windows that it stands in."""

import numpy as np

from tocsin.detectors.rows import channels
from tocsin.detectors.signature.corpus import leave_one_out
from tocsin.detectors.signature.distance import Learned, blamed, distances
from tocsin.detectors.signature.model import Model, Recipe, described, learned
from tocsin.pipeline.types import FloatArray, Scores, Spec

_MOST_WINDOWS = 8192  # that are learned from; more are thinned evenly


def offline(recipe: Recipe, spec: Spec, history: FloatArray, series: FloatArray) -> Scores:
    """The mean over the windows that a row of `series` (N, C) stands in, and its blame (N, C).

    Learned from `history` (M, C) where it has two windows' rows or more, else from the series
    itself: a window then is not measured against those that overlap it. NaN for a series shorter
    than a window.
    """
    width, frames = channels(spec), recipe.frames
    value, blame = np.full(len(series), np.nan), np.zeros((len(series), width))
    if len(series) < frames:
        return Scores(value, blame)
    by_itself = len(history) < 2 * frames
    past = _windows(series if by_itself else history, frames)
    every = max(1, -(-len(past) // _MOST_WINDOWS))
    model = learned(recipe, past[::every], np.arange(len(past))[::every])
    if model is None:
        return Scores(value, blame)
    windows = _windows(series, frames)
    found = described(recipe, windows, model.centre, model.scale)
    measure = _measured_apart if by_itself and recipe.corpus else _measured
    far, parts = measure(recipe, model, found)
    shares = recipe.plan(width).shares()
    both = np.column_stack([far, blamed(parts, shares)])  # (n, 1 + C)
    spread = _spread(both, len(series), frames)
    missing = ~np.isfinite(series).any(axis=1)
    return Scores(np.where(missing, np.nan, spread[:, 0]), spread[:, 1:])


def _windows(series: FloatArray, frames: int) -> FloatArray:
    """All windows (N - frames + 1, frames, C) of a series (N, C)."""
    rows = np.asarray(series, dtype=np.float64)
    return np.swapaxes(np.lib.stride_tricks.sliding_window_view(rows, frames, axis=0), 1, 2)


def _measured(recipe: Recipe, model: Model, found: FloatArray) -> tuple[FloatArray, FloatArray]:
    held = np.array([max(len(model.corpus), 1)])
    corpus = np.ascontiguousarray(model.corpus.T)[None]  # (1, D, n)
    kernel = Learned(model.mean[None], model.whiten[None], corpus, held, np.array([model.usual]))
    return distances(kernel, np.zeros(len(found), dtype=np.int64), found, recipe.neighbours)


def _measured_apart(
    recipe: Recipe, model: Model, found: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """As `_measured`, but each window is measured against those that do not overlap it."""
    white = (found - model.mean) @ model.whiten
    both = np.concatenate([white, model.corpus])
    when = np.concatenate([np.arange(len(white)), model.when])
    chosen = np.arange(len(white), len(both))
    far, which = leave_one_out(both, when, chosen, recipe.frames, recipe.neighbours)
    parts = np.abs(white - both[which[: len(white)]]) / model.usual
    return far[: len(white)] / model.usual, parts


def _spread(windows: FloatArray, rows: int, frames: int) -> FloatArray:
    """The mean (N, k) over the windows (n, k) that each row stands in; window i ends at i."""
    total, count = np.zeros((rows, windows.shape[1])), np.zeros((rows, 1))
    known = ~np.isnan(windows[:, :1])
    filled = np.where(known, windows, 0.0)
    for lag in range(frames):
        total[lag : lag + len(windows)] += filled
        count[lag : lag + len(windows)] += known
    mean = np.full(total.shape, np.nan)
    np.divide(total, count, out=mean, where=count > 0)
    return mean
