"""The matrix profile of a whole series, long ones by stumpy."""

from importlib import import_module

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tocsin.detectors.gaps import filled
from tocsin.detectors.scaling import plain_scale, scaled
from tocsin.detectors.trained import covering_mean
from tocsin.detectors.windows.profile_kernel import (
    Past,
    lengths,
    nearest,
    nearest_other,
)
from tocsin.detectors.windows.profile_score import Manner, beyond, nothing_found, put_together
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.types import FloatArray, Scores

_DIRECT = 5e10  # multiplications, some ten seconds; more is left to stumpy, which compiles for long


def join(history: FloatArray, series: FloatArray, frames: int, manner: Manner) -> Scores:
    """Scores (N,) and blame (N, C) of a series (N, C): the mean over the windows on each row.

    Each window is compared with those of `history` (M, C), or, if that has no full window, with the
    others of the series. NaN where the series is too short.
    """
    against = history if len(history) >= 2 * frames else None
    known = series if against is None else against
    blame = np.zeros(series.shape)
    if len(known) < 2 * frames or len(series) < frames:
        return Scores(np.full(len(series), np.nan), blame)
    scale = plain_scale(known)
    shapes = _whole(scaled(series, scale))
    models = None if against is None else _whole(scaled(against, scale))
    windows = len(series) + 1 - frames
    distances = np.full((windows, series.shape[1]), np.nan)
    for c in range(series.shape[1]):
        if not np.isnan(known[:, c]).all():
            model = None if models is None else models[:, c]
            distances[:, c] = _profile(shapes[:, c], model, frames)
    if manner.levels and against is not None:
        distances += np.sqrt(frames) * _over(series, against, frames)
    there = ~np.isnan(series).all(axis=1)
    judged = 2 * sliding_window_view(there, frames).sum(axis=1) >= frames
    distances[~judged] = np.nan
    value = covering_mean(put_together(distances, manner.largest), frames)
    for c in range(series.shape[1]):
        blame[:, c] = np.nan_to_num(covering_mean(distances[:, c], frames))
    value[~there] = np.nan
    return Scores(value, np.where(np.isnan(value)[:, None], 0.0, blame))


def _whole(rows: FloatArray) -> FloatArray:
    """Rows (N, C) without gaps, a column after the other in memory."""
    return np.asfortranarray(filled(rows[None], np.zeros(rows.shape[1]))[0])


def _profile(series: FloatArray, model: FloatArray | None, frames: int) -> FloatArray:
    """Distances (N - frames + 1,) to the nearest windows of the model, or of the series itself."""
    pairs = len(series) * len(series if model is None else model)
    if pairs * frames > _DIRECT:
        return _by_stumpy(series, model, frames)
    return _direct(series, model, frames)


def _direct(series: FloatArray, model: FloatArray | None, frames: int) -> FloatArray:
    """Every window against every other, by our own kernel."""
    rows = np.ascontiguousarray((series if model is None else model)[None])  # (1, M)
    past = Past(rows, lengths(rows, np.arange(1, rows.shape[1] + 1), frames))
    if model is None:
        return nearest_other(past, frames, -(-frames // 4))[0, frames - 1 :]
    windows = np.ascontiguousarray(sliding_window_view(series, frames))[:, :, None]
    found = nothing_found(windows.shape)
    nearest(windows, past, found)
    return found.distance[:, 0]


def _by_stumpy(series: FloatArray, model: FloatArray | None, frames: int) -> FloatArray:
    """As `_direct`, by stumpy."""
    try:
        profile = import_module("tocsin.detectors.windows.profile_stumpy").profile
    except ModuleNotFoundError as error:
        if error.name != "stumpy":
            raise
        raise ConfigError(
            f"the offline matrix profile of {len(series)} rows needs stumpy: "
            "pip install 'tocsin[profile]'"
        ) from error
    found: FloatArray = profile(series, model, frames)
    return found


def _over(series: FloatArray, history: FloatArray, frames: int) -> FloatArray:
    """By how many ranges of the history each window (N - frames + 1, C) reaches outside of it."""
    there = ~np.isnan(history).all(axis=0)
    low, high = np.full(series.shape[1], np.nan), np.full(series.shape[1], np.nan)
    low[there] = np.nanmin(history[:, there], axis=0)
    high[there] = np.nanmax(history[:, there], axis=0)
    over = beyond(series, low, high)
    return np.asarray(sliding_window_view(over, frames, axis=0).max(axis=-1), dtype=np.float64)
