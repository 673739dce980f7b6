"""Category codes as row numbers: each channel's codes in training, one more for any other code."""

from typing import NamedTuple

import numpy as np

from tocsin.pipeline.types import FloatArray, IntArray

MISSING = -1


class Codebook(NamedTuple):
    """The codes that each channel had in training, in order.

    Codes are compared for equality and nothing else. The channels' codes are numbered one channel
    after the other; the last number of a channel stands for any code it did not have.
    """

    codes: tuple[FloatArray, ...]  # C of (V,)
    first: IntArray  # (C + 1,) number of each channel's first code, and of all codes

    def numbered(self, values: FloatArray) -> IntArray:
        """The numbers of codes (..., C), -1 where a code is missing."""
        found = np.full(values.shape, MISSING, dtype=np.int64)
        for c, codes in enumerate(self.codes):
            mine = values[..., c]
            place = np.searchsorted(codes, mine)
            known = np.append(codes, np.nan)[np.minimum(place, len(codes))] == mine
            number = self.first[c] + np.where(known, place, len(codes))
            found[..., c] = np.where(np.isnan(mine), MISSING, number)
        return found


def codebook(rows: FloatArray) -> Codebook:
    """The codes of training rows (N, C); NaN is missing.

    >>> book = codebook(np.array([[7.0, 1.0], [3.0, np.nan]]))
    >>> book.numbered(np.array([[3.0, 1.0], [7.0, 2.0], [5.0, np.nan]])).tolist()
    [[0, 3], [1, 4], [2, -1]]
    """
    codes = tuple(np.unique(column[~np.isnan(column)]) for column in rows.T)
    first = np.cumsum([0, *(len(each) + 1 for each in codes)])
    return Codebook(codes, first.astype(np.int64))


def shares(numbers: IntArray, book: Codebook) -> FloatArray:
    """How often each numbered code stands in its channel, of numbers (..., C), all codes at once.

    Half a count is added to each code and to the unseen, so that none is impossible.
    """
    total = int(book.first[-1])
    count = np.bincount(numbers[numbers != MISSING].ravel(), minlength=total) + 0.5
    for first, stop in zip(book.first[:-1].tolist(), book.first[1:].tolist(), strict=True):
        count[first:stop] /= count[first:stop].sum()
    return np.asarray(count, dtype=np.float64)
