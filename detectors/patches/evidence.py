"""How strange patches are by their distances: one number of all widths and channels."""

import numpy as np

from tocsin.detectors.compiled import compiled
from tocsin.pipeline.types import FloatArray


def distances(best: FloatArray) -> FloatArray:
    """Mean distances (B, C + 1) of squared ones (B, C + 1, 3); inf is none, NaN where all are."""
    result = np.empty(best.shape[:2])
    _mean_roots(best, result)
    return result


def evidence(ratio: FloatArray, *, apart: bool, joint: bool) -> FloatArray:
    """One score (B,) of distances in usual ones (B, S, C + 1); NaN is no opinion.

    The logarithm of 1 + the ratio, which is the negative log of a Lomax tail up to a factor, and
    so adds up. Averaged over the channels apart, and with their joint distance, then over widths.
    """
    result = np.empty(len(ratio))
    _combine(np.ascontiguousarray(ratio), apart, joint, result)
    return result


def shares(ratio: FloatArray, widths: tuple[int, ...], frames: int) -> FloatArray:
    """Blame (B, frames, C): each width's ratio a channel, spread over the patch's rows."""
    result = np.zeros((len(ratio), frames, ratio.shape[2] - 1))
    _spread(np.ascontiguousarray(ratio), np.array(widths), result)
    return result


@compiled
def _mean_roots(best: FloatArray, result: FloatArray) -> None:
    for b in range(best.shape[0]):
        for c in range(best.shape[1]):
            total, count = 0.0, 0
            for k in range(best.shape[2]):
                if best[b, c, k] < np.inf:
                    total += np.sqrt(best[b, c, k])
                    count += 1
            result[b, c] = total / count if count else np.nan


@compiled
def _combine(ratio: FloatArray, apart: bool, joint: bool, result: FloatArray) -> None:  # noqa: FBT001 - a kernel
    channels = ratio.shape[2] - 1
    for b in range(ratio.shape[0]):
        total, widths = 0.0, 0
        for s in range(ratio.shape[1]):
            part, known = 0.0, 0
            for c in range(channels):
                if not np.isnan(ratio[b, s, c]):
                    part += np.log1p(ratio[b, s, c])
                    known += 1
            if not known:
                continue
            together = np.log1p(ratio[b, s, channels])
            if apart and joint:
                total += 0.5 * (part / known + together)
            else:
                total += together if joint else part / known
            widths += 1
        result[b] = total / widths if widths else np.nan


@compiled
def _spread(ratio: FloatArray, widths: FloatArray, result: FloatArray) -> None:
    frames = result.shape[1]
    for b in range(len(ratio)):
        for s in range(len(widths)):
            for c in range(result.shape[2]):
                if not np.isnan(ratio[b, s, c]):
                    share = ratio[b, s, c] / widths[s]
                    for t in range(frames - widths[s], frames):
                        result[b, t, c] += share
