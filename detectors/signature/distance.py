"""How far described windows lie from what was learned, row by row."""

from typing import NamedTuple

import numpy as np

from tocsin.detectors.compiled import compiled
from tocsin.pipeline.types import FloatArray, IntArray


class Learned(NamedTuple):
    """The models of M series as a kernel reads them; `held` is 0 where there is none yet."""

    mean: FloatArray  # (M, D)
    whiten: FloatArray  # (M, D, D)
    corpus: FloatArray  # (M, D, n), white, the coordinates first
    held: IntArray  # (M,), rows in the corpus, or 1 where the distance is from the mean
    usual: FloatArray  # (M,)


def distances(
    model: Learned, place: IntArray, found: FloatArray, neighbours: int
) -> tuple[FloatArray, FloatArray]:
    """The distance (B,) of coordinates (B, D) under the models at `place` (B,), and its parts.

    The parts (B, D) are not negative and their squares sum to that of the distance. With a corpus
    it is to the `neighbours`-th nearest row of it, else to the mean; either way in units of what is
    usual for the series. NaN where there is no model.
    """
    value, parts = np.full(len(found), np.nan), np.zeros(found.shape)
    _walk(model, place, found, neighbours, (value, parts))
    return value, parts


def blamed(parts: FloatArray, shares: FloatArray) -> FloatArray:
    """Each channel's part (B, C) of distances with parts (B, D), by its shares (D, C) of them.

    The squares sum to those of the distances, as before.
    """
    found = np.zeros((len(parts), shares.shape[1]))
    _blame(parts, shares, found)
    return found


@compiled
def _blame(parts: FloatArray, shares: FloatArray, found: FloatArray) -> None:
    for row in range(len(parts)):
        for place in range(len(shares)):
            square = parts[row, place] * parts[row, place]
            for c in range(shares.shape[1]):
                found[row, c] += square * shares[place, c]
        for c in range(shares.shape[1]):
            found[row, c] = np.sqrt(found[row, c])


@compiled
def _walk(
    model: Learned,
    place: IntArray,
    found: FloatArray,
    neighbours: int,
    answer: tuple[FloatArray, FloatArray],
) -> None:
    size, room = found.shape[1], model.corpus.shape[2]
    white, far = np.empty(size), np.empty(room)
    for row in range(len(found)):
        at = place[row]
        if model.held[at] == 0:
            continue
        _whiten(model, at, found[row], white)
        if room:
            best = _nearest(model, at, white, far, neighbours)
            for j in range(size):
                white[j] -= model.corpus[at, j, best]
        total = 0.0
        for j in range(size):
            answer[1][row, j] = abs(white[j]) / model.usual[at]
            total += answer[1][row, j] * answer[1][row, j]
        answer[0][row] = np.sqrt(total)


@compiled
def _whiten(model: Learned, at: int, found: FloatArray, white: FloatArray) -> None:
    white[:] = 0.0
    for i in range(len(found)):
        off = found[i] - model.mean[at, i]
        for j in range(len(white)):
            white[j] += off * model.whiten[at, i, j]


@compiled
def _nearest(model: Learned, at: int, white: FloatArray, far: FloatArray, neighbours: int) -> int:
    """The place of the `neighbours`-th nearest row of the corpus, the earliest of equals."""
    held = model.held[at]
    far[:held] = 0.0
    # The corpus's rows are the inner loop: each sum keeps its order, and many go side by side.
    for j in range(len(white)):
        for k in range(held):
            off = model.corpus[at, j, k] - white[j]
            far[k] += off * off
    best = 0
    for _ in range(min(neighbours, held)):
        best = 0
        for k in range(1, held):
            if far[k] < far[best] or np.isnan(far[best]):
                best = k
        far[best] = np.nan
    return best
