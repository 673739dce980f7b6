"""Logits of rows by windows of the encoder, live and with both sides, whatever its weights are."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tocsin.detectors.context import blocks
from tocsin.detectors.context.encoder import Encoder
from tocsin.detectors.context.shipped import answers
from tocsin.detectors.context.views import PATCH, scale_of, views_of
from tocsin.detectors.rows import need
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.types import FloatArray, Scores

# The logits (B, L) of windows (B, L), which are scaled by so many of their first points.
Logits = Callable[[FloatArray, int], FloatArray]

LARGEST_BLOCK = 64  # rows
_FEWEST = 64  # blocks of a series that make a scale worth reading
_RAMP = 64  # blocks at the ends of a window, where one side of the context is short
_NEAR = PATCH // 2  # blocks on either side that a block shares its logit with


class Read(Protocol):
    """The settings by which series are cut into the encoder's windows, live and offline."""

    @property
    def window(self) -> int: ...
    @property
    def scales(self) -> tuple[int, ...]: ...
    @property
    def wide(self) -> int: ...
    @property
    def wide_scales(self) -> tuple[int, ...]: ...


def check_reading(read: Read) -> None:
    """Refuse windows and scales that the encoder cannot read."""
    _check_length(read.window, "window")
    _check_length(read.wide, "wide")
    _check_scales(read.scales, "scales")
    _check_scales(read.wide_scales, "wide_scales")
    if min(read.scales) != 1:
        raise ConfigError(f"scales must have 1, the rows themselves; found {read.scales}")


def rows_read(read: Read) -> int:
    """How many rows a live score looks at.

    Twice the window at least, so that a row missing at its begin is no series that begins.
    """
    return read.window * max(2, *read.scales)


def _check_length(length: int, name: str) -> None:
    """Refuse windows that are not whole pairs of patches, or longer than the encoder knows."""
    fits = 2 * PATCH <= length <= 64 * PATCH and length % (2 * PATCH) == 0
    need(fits, name, f"a multiple of {2 * PATCH}, at most {64 * PATCH}", length)


def _check_scales(sizes: tuple[int, ...], name: str) -> None:
    """Refuse scales of which there are none, and blocks of too few or too many rows."""
    if not sizes or any(not 1 <= size <= LARGEST_BLOCK for size in sizes):
        raise ConfigError(f"{name} must be of 1 to {LARGEST_BLOCK} rows; found {sizes}")


def logits_by(encoder: Encoder) -> Logits:
    """What an encoder says of windows, each as if it were alone."""

    def logits(windows: FloatArray, context: int) -> FloatArray:
        scale = scale_of(windows, np.full(len(windows), context))
        return answers(encoder, views_of(windows, scale), lambda own, pack: own(pack).logit)

    return logits


def newest(series: FloatArray, window: int, scales: tuple[int, ...], logits: Logits) -> FloatArray:
    """The logit (B,) of the last point of each series (B, frames), averaged over the scales."""
    age = blocks.ages(series)
    speaks = np.isfinite(series[:, -1]) & (age >= window)
    fitting = np.stack([blocks.fitting(age, size, window) for size in scales])
    fitting[:, ~speaks] = 0
    fitting[fitting < window // 2] = 0
    found = np.full(fitting.shape, np.nan)  # (scales, B)
    for length in np.unique(fitting[fitting > 0]).tolist():
        # Windows of one length go together, whatever their scale, so that packs are full.
        scale, row = np.nonzero(fitting == length)
        windows = [
            blocks.ending(series[row[scale == i]], length, size) for i, size in enumerate(scales)
        ]
        found[scale, row] = logits(np.concatenate(windows), length - 1)[:, -1]
    return _mean(found)


def both_sides(
    series: FloatArray, wide: int, scales: tuple[int, ...], logits: Logits
) -> FloatArray:
    """The logit of every point of one series (N,), averaged over windows and scales.

    Where an event begins and ends is never known to the row, so at each scale a block's logit is
    half its own and half the largest of the 8 blocks on either side.
    """
    total, found = np.zeros(len(series)), by_scale(series, wide, scales, logits)
    for size, logit in found.items():
        total += np.repeat(shared(logit), size)[: len(series)]
    return total / len(found)


def by_scale(
    series: FloatArray, wide: int, scales: tuple[int, ...], logits: Logits
) -> dict[int, FloatArray]:
    """The logit of every block of one series (N,), for each scale that it is long enough for."""
    found: dict[int, FloatArray] = {}
    for size in sorted(scales):
        coarse = blocks.from_the_start(series, size)
        if len(coarse) < _FEWEST and found:
            break  # there is no context at this scale
        found[size] = _covered(coarse, wide, logits)
    return found


def offline_scores(read: Read, encoder: Encoder, history: FloatArray, series: FloatArray) -> Scores:
    """The scores of a series (N, C) from both sides, with history (M, C) before it as context."""
    whole = np.concatenate([history, series]).astype(np.float64)
    logits = logits_by(encoder)
    found = [both_sides(each, read.wide, read.wide_scales, logits) for each in whole.T]
    logit = usual_taken_off(np.stack(found, axis=1), whole)[len(history) :]
    return Scores(together(logit), softened(logit))


def usual_taken_off(found: FloatArray, whole: FloatArray) -> FloatArray:
    """The logits (N, C) of whole series (N, C), less each channel's median.

    NaN where a value is missing. A channel that is restless throughout then does not drown the
    others.
    """
    known = np.isfinite(whole)
    logit = np.where(known, found, np.nan)
    spoken = known.any(axis=0)
    logit[:, spoken] -= np.nanmedian(logit[:, spoken], axis=0)
    return logit


def shared(logit: FloatArray) -> FloatArray:
    """Half of each logit (N,) and half of the largest within 8 blocks on either side.

    >>> shared(np.array([0.0, 4.0] + [0.0] * 10)).tolist()
    [2.0, 4.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 0.0, 0.0]
    """
    padded = np.pad(logit, _NEAR, constant_values=-np.inf)
    largest: FloatArray = sliding_window_view(padded, 2 * _NEAR + 1).max(axis=1)
    return 0.5 * logit + 0.5 * largest


def softened(logit: FloatArray) -> FloatArray:
    """log(1 + exp(logit)), which is positive; 0 without an opinion.

    >>> softened(np.array([0.0, np.nan])).round(3).tolist()
    [0.693, 0.0]
    """
    silent = np.isnan(logit)
    return np.where(silent, 0.0, np.logaddexp(0.0, np.where(silent, 0.0, logit)))


def together(logit: FloatArray) -> FloatArray:
    """One score (B,) of the channels' logits (B, C): half the largest, half the mean.

    >>> together(np.array([[1.0, 3.0], [1.0, np.nan]])).tolist()
    [2.5, 1.0]
    """
    mean = _mean(logit.T)
    most = np.where(np.isnan(logit), -np.inf, logit).max(axis=1, initial=-np.inf)
    return np.where(np.isnan(mean), np.nan, 0.5 * np.where(np.isnan(mean), 0.0, most) + 0.5 * mean)


def _covered(coarse: FloatArray, wide: int, logits: Logits) -> FloatArray:
    """The logit of every block (N,), averaged over the windows, whose ends count less."""
    total, weight = np.zeros(len(coarse)), np.zeros(len(coarse))
    places = list(blocks.spans(len(coarse), wide, wide // 2))
    windows = np.stack([blocks.in_patches(coarse[first:end]) for first, end in places])
    found = _four_ways(windows, logits)
    for (first, end), logit in zip(places, found, strict=True):
        inside = np.arange(1.0, end - first + 1)
        share = np.minimum(np.minimum(inside, inside[::-1]) / _RAMP, 1.0)
        total[first:end] += share * logit[len(logit) - (end - first) :]
        weight[first:end] += share
    return total / weight


def _four_ways(windows: FloatArray, logits: Logits) -> FloatArray:
    """The logits (B, L) of whole windows, averaged over four ways to read them.

    As they are, upside down, backwards, and both: what is out of place is so in each, and what the
    encoder takes for it by mistake seldom is.
    """
    back = windows[:, ::-1]
    four = logits(np.concatenate([windows, -windows, back, -back]), windows.shape[1])
    plain, down, backwards, both = np.split(four, 4)
    return ((plain + down) + (backwards + both)[:, ::-1]) / 4.0


def _mean(parts: FloatArray) -> FloatArray:
    """The mean (B,) of parts (S, B), without those that are NaN; added in order, for the bits."""
    total, count = np.zeros(parts.shape[1]), np.zeros(parts.shape[1])
    for part in parts:
        known = ~np.isnan(part)
        total += np.where(known, part, 0.0)
        count += known
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
