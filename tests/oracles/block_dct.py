"""Block-DCT distances, slowly: scipy's transform, all past features and a matrix inverse."""

import numpy as np
from scipy.fft import dctn

from tocsin.pipeline.types import FloatArray

_ORDER = ((0, 0), (0, 1), (1, 0), (1, 1), (0, 2), (2, 0))


def features(frame: FloatArray, block: int) -> FloatArray:
    """The six lowest coefficients (P, 6) of each block of a frame (H, W), padded by its edge."""
    rest = [(0, -side % block) for side in frame.shape]
    padded = np.pad(np.where(np.isfinite(frame), frame, np.nan), rest, mode="edge")
    found = []
    for top in range(0, padded.shape[0], block):
        for left in range(0, padded.shape[1], block):
            part = padded[top : top + block, left : left + block]
            if np.isnan(part).any():
                found.append(np.full(len(_ORDER), np.nan))
                continue
            wave = np.asarray(dctn(part, norm="ortho"))
            found.append(np.array([wave[uv] for uv in _ORDER]))
    return np.array(found)


def distances(frames: FloatArray, block: int, half_life: float, warmup: int) -> FloatArray:
    """Distance (N, P) of each block of frames (N, H, W) from those before it, else NaN.

    Shrinkage is 0.1 and eps 0.01.
    """
    every = np.array([features(frame, block) for frame in frames])  # (N, P, F)
    found = np.full(every.shape[:2], np.nan)
    for n in range(len(frames)):
        gaussians = [_gaussian(every[:n, p], half_life) for p in range(every.shape[1])]
        common = np.mean([np.diag(covariance) for _, covariance, _ in gaussians], axis=0)
        for p, (mean, covariance, seen) in enumerate(gaussians):
            off = every[n, p] - mean
            if seen >= warmup and not np.isnan(off).any():
                own = np.diag(np.diag(covariance))
                used = 0.9 * covariance + 0.1 * own + 0.01 * np.diag(common)
                found[n, p] = np.sqrt(off @ np.linalg.inv(used) @ off / len(off))
    return found


def _gaussian(rows: FloatArray, half_life: float) -> tuple[FloatArray, FloatArray, int]:
    whole = rows[~np.isnan(rows).any(axis=1)]
    size = rows.shape[1]
    if not len(whole):
        return np.zeros(size), np.zeros((size, size)), 0
    weight = 0.5 ** (np.arange(len(whole))[::-1] / half_life)
    mean = np.average(whole, axis=0, weights=weight)
    off = whole - mean
    return mean, (weight[:, None] * off).T @ off / weight.sum(), len(whole)
